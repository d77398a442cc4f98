"""`energydsl contacts RUN`: scores of contacts between the units of a layer; of a model file too."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from energydsl import defaults
from energydsl.cli.common import json_option, print_json, writing
from energydsl.cli.completing import runs_or_models
from energydsl.cli.targets import target_options
from energydsl.diagnostics import EnergyError

if TYPE_CHECKING:
    from energydsl.inference.contacts import Contacts
    from energydsl.learning.run import Run

_SHOWN = 10


@click.command("contacts", short_help="Score contacts between units by their couplings.")
@click.argument("run", metavar="RUN|FILE", shell_complete=runs_or_models)
@click.option("--layer", metavar="LAYER", help="Whose units.  [default: the only one whose units have states]")
@click.option(
    "-o",
    "--out",
    "outs",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all pairs, the highest score first, into a .csv file; the matrix of scores into an .npy file.",
)
@target_options
@json_option
def command(opened: Callable[[int, bool], Run], layer: str | None, outs: tuple[Path, ...], as_json: bool) -> None:
    """Score contacts: Frobenius norms of couplings in the zero-sum gauge, without the gap, with the average-product correction.

    Units are numbered from 1.
    """
    from energydsl.inference.contacts import contacts

    for out in outs:
        if out.suffix not in _WRITERS:
            raise EnergyError(f"cannot write {out}: only {' and '.join(_WRITERS)} files are written")
    run = opened(defaults.SEED, as_json)
    found = contacts(run, layer=layer)
    for out in outs:
        with writing(out):
            _WRITERS[out.suffix](out, found)
    ranked = found.ranked()[:_SHOWN]
    if as_json:
        pairs = [{"i": n + 1, "j": m + 1, "score": score, "norm": norm} for n, m, score, norm in ranked]
        facts = {"ok": True, "layer": found.layer, "units": len(found.scores), "highest": pairs}
        print_json(facts | {"written": [str(o) for o in outs], "warnings": list(run.warnings)})
        return
    for n, m, score, norm in ranked:
        click.echo(f"{n + 1:>5} {m + 1:>5}   score {score:.4f}   norm {norm:.4f}")
    for out in outs:
        click.echo(f"written: {out}")


def _csv(path: Path, found: Contacts) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("i", "j", "score", "norm"))
        rows.writerows((n + 1, m + 1, score, norm) for n, m, score, norm in found.ranked())


def _npy(path: Path, found: Contacts) -> None:
    np.save(path, found.scores, allow_pickle=False)


_WRITERS = {".csv": _csv, ".npy": _npy}
