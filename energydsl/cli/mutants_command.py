"""`energydsl mutants RUN --data D`: scores of all single mutants of a sequence; of a model file too."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from energydsl import defaults
from energydsl.cli.common import json_option, print_json, unknown_option, writing
from energydsl.cli.completing import data_sources, runs_or_models
from energydsl.cli.targets import target_options
from energydsl.diagnostics import EnergyError
from energydsl.options import Unknown

if TYPE_CHECKING:
    from energydsl.inference.mutants import Mutants
    from energydsl.learning.run import Run


@click.command("mutants", short_help="Score all single mutants of a sequence.")
@click.argument("run", metavar="RUN|FILE", shell_complete=runs_or_models)
@click.option(
    "--data",
    "sources",
    multiple=True,
    required=True,
    metavar="D",
    shell_complete=data_sources,
    help="The sequence, as for `energydsl train`.",
)
@click.option("--row", type=click.IntRange(min=1), default=1, show_default=True, help="Which row of the data.")
@unknown_option
@click.option("--layer", metavar="LAYER", help="Whose units.  [default: the only one whose units have states]")
@click.option(
    "-o",
    "--out",
    "outs",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the scores into a .csv file; the mutants as sequences into a .fasta file.",
)
@target_options
@json_option
def command(
    opened: Callable[[int, bool], Run],
    sources: tuple[str, ...],
    row: int,
    unknown: Unknown,
    layer: str | None,
    outs: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Score all single mutants: log p of the mutant less log p of the sequence, by the model's energy.

    Units are numbered from 1.
    """
    from energydsl.data import load_data
    from energydsl.inference.mutants import mutants

    for out in outs:
        if out.suffix not in _WRITERS:
            raise EnergyError(f"cannot write {out}: only {' and '.join(_WRITERS)} files are written")
    run = opened(defaults.SEED, as_json)
    data = load_data(run.program.model, sources, unknown=unknown)
    if row > len(data):
        raise EnergyError(f"there is no row {row}: the data have {len(data)}")
    found = mutants(run, data.rows(slice(row - 1, row)).arrays, layer=layer)
    if any(out.suffix == ".fasta" for out in outs) and not found.layer.letters:
        raise EnergyError(f"cannot write sequences: the states of `{found.layer.name}` have no letters")
    for out in outs:
        with writing(out):
            _WRITERS[out.suffix](out, found)
    listed = sorted(found.listed(), key=lambda m: -m[3])
    best = [{"mutant": _name(found, *mutant[:3]), "score": mutant[3]} for mutant in listed[:5]]
    raising = sum(mutant[3] > 0 for mutant in listed)
    if as_json:
        facts = {"ok": True, "layer": found.layer.name, "mutants": len(listed), "raising": raising, "highest": best}
        print_json(facts | {"written": [str(o) for o in outs], "warnings": list(run.warnings)})
        return
    click.echo(f"{len(listed)} mutants, {raising} more probable than the sequence")
    for one in best:
        click.echo(f"{one['mutant']:>8}   {one['score']:+.4f}")
    for out in outs:
        click.echo(f"written: {out}")


def _name(found: Mutants, unit: int, own: int, state: int) -> str:
    """A mutant by its letters, as in A12C; numbers of states stand apart from that of the unit."""
    between = "" if found.layer.letters else ":"
    return f"{found.shown(own)}{between}{unit + 1}{between}{found.shown(state)}"


def _csv(path: Path, found: Mutants) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("mutant", "position", "from", "to", "score"))
        for unit, own, state, score in found.listed():
            rows.writerow((_name(found, unit, own, state), unit + 1, found.shown(own), found.shown(state), score))


def _fasta(path: Path, found: Mutants) -> None:
    from energydsl.data import alignments

    names, texts = [], []
    for unit, own, state, score in found.listed():
        names.append(f"{_name(found, unit, own, state)} score={score:.6g}")
        texts += alignments.as_texts(found.layer, found.mutated(unit, state)[None])
    alignments.write_fasta(path, names, texts)


_WRITERS = {".csv": _csv, ".fasta": _fasta}
