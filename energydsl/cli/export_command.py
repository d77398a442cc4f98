"""`energydsl export RUN --as FORMAT -o FILE`: parameters, or the model itself, for other programs; of a model file too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from energydsl import defaults
from energydsl.cli.common import json_option, print_json, writing
from energydsl.cli.completing import runs_or_models
from energydsl.cli.targets import target_options
from energydsl.options import EXPORTS, QUADRATIC, DType, Export

if TYPE_CHECKING:
    from energydsl.learning.run import Run


@click.command("export", short_help="Write parameters, or the model, for other programs.")
@click.argument("run", metavar="RUN|FILE", shell_complete=runs_or_models)
@click.option(
    "--as",
    "kind",
    type=click.Choice(EXPORTS),
    required=True,
    help="npz, safetensors: the parameters by name. onnx: the conditional means of layers of bits or spins that meet in pairs. bqm, coo, qubo: the energy, where it is quadratic in spins or bits.",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Labels of the variables of bqm, coo or qubo: a .json file as `energydsl import` writes it.",
)
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file.")
@target_options
@json_option
def command(
    opened: Callable[[int, bool, DType], Run], kind: Export, labels: Path | None, out: Path, as_json: bool
) -> None:
    """Write what other programs read. With a model FILE, parameters are as they are initialised, or those of --params."""
    from energydsl.data import quadratic_formats, safe_tensors, writers
    from energydsl.data.quadratic import read_labels
    from energydsl.inference.binary_quadratic import as_quadratic
    from energydsl.inference.onnx_graph import write_onnx

    if labels is not None and kind not in QUADRATIC:
        raise click.UsageError(f"--labels are of {', '.join(QUADRATIC)}")
    run = opened(defaults.SEED, as_json, "float64")
    with writing(out):
        match kind:
            case "npz":
                writers.npz(str(out), run.params)
            case "safetensors":
                safe_tensors.write(out, run.params)
            case "onnx":
                write_onnx(out, run)
            case _:
                found = as_quadratic(run, labels=None if labels is None else read_labels(labels))
                quadratic_formats.TABLE[kind].write(out, found)
    if as_json:
        print_json({"ok": True, "format": kind, "written": [str(out)], "warnings": list(run.warnings)})
    else:
        click.echo(f"written: {out}")
