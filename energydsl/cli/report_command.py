"""`energydsl report TARGET -o report.html`: one page that can be sent, of a run, a comparison or a model."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click

from energydsl import defaults
from energydsl.cli.common import json_option, overrides_options, print_json, read_model
from energydsl.diagnostics import EnergyError

COMPARISON, CURVES = "comparison.csv", "curves.png"


@click.command("report", short_help="Write a page that one can send: of a run, a comparison or a model.")
@click.argument("target")
@click.option(
    "-o",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="Where it is written: one file, which loads nothing.",
)
@click.option("--samples/--no-samples", default=True, show_default=True, help="Draw new samples of a run.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True, help="Seed of samples and proof."
)
@overrides_options
@json_option
def command(
    target: str, out: Path, samples: bool, seed: int, dims: dict[str, int], consts: dict[str, float], as_json: bool
) -> None:
    """Write a report on TARGET, the folder of a run, the folder of `energydsl compare`, or the file of a model.

    It is one HTML file with formulas, pictures and style inside: what was derived and its certificate; of a run also its
    likelihoods, curves, samples, how its chains mix, its settings, and how to make it again.
    """
    from energydsl.learning import files

    path = Path(target)
    if (dims or consts) and path.is_dir():
        raise click.UsageError(
            "-D and -c can be given for a model file only; the sizes and constants of a run are fixed"
        )
    if not out.parent.is_dir():
        raise EnergyError(f"cannot write {out}: there is no folder {out.parent}")
    if not path.is_dir():
        text = _of_model(target, dims, consts, seed, as_json)
    elif (path / COMPARISON).exists():
        text = _of_comparison(path)
    else:
        text = _of_run(path, samples, seed)
    files.write_bytes(out, text.encode(), durable=False)
    if as_json:
        print_json({"ok": True, "written": str(out)})
    else:
        click.echo(f"written: {out}")


def _of_model(file: str, dims: dict[str, int], consts: dict[str, float], seed: int, as_json: bool) -> str:
    from energydsl.report.model_page import model_page

    model = read_model(file, dims, consts, as_json)
    return model_page(model.compiled, model.verify(seed))


def _of_run(folder: Path, samples: bool, seed: int) -> str:
    from energydsl import compiler
    from energydsl.cli.again import again
    from energydsl.learning.facts import judged, new_chains
    from energydsl.learning.run_folder import open_run
    from energydsl.report.run_page import Sampled, run_page

    run = open_run(folder)
    certificate = compiler.verify(run.facts.model, seed, defaults.PRINTED_BACKEND)
    drawn = new_chains(run, seed) if samples else Sampled("None were drawn for this report.", {})
    text = run.facts.model.source.text
    return run_page(run.facts, judged(run), drawn, certificate, again(run.config, run.program.model, text))


def _of_comparison(folder: Path) -> str:
    from energydsl.learning import files
    from energydsl.learning.run_folder import MODEL
    from energydsl.report.comparison_page import comparison_page

    table, curves = folder / COMPARISON, folder / CURVES
    try:
        found = list(csv.DictReader(io.StringIO(files.read_text(table), newline="")))
    except csv.Error as error:
        raise files.invalid(f"{table} is damaged: {error}") from None
    rows = [{n: cell for n, cell in row.items() if isinstance(n, str) and isinstance(cell, str)} for row in found]
    if not rows or not all(row.get("name") for row in rows):
        raise files.invalid(f"{table} is damaged: it is not a table with a name a row")
    models = {path.parent.parent.name: path for path in sorted(folder.glob(f"*/*/{MODEL}"))}
    texts = {name: files.read_text(path) for name, path in models.items()}
    return comparison_page(str(folder), rows, files.read(curves) if curves.exists() else None, texts)
