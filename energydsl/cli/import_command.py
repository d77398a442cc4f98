"""`energydsl import FILE -o model.energy`: a quadratic model of another program as a model file, with its parameters beside it."""

from __future__ import annotations

from pathlib import Path

import click

from energydsl.cli.common import json_option, print_json, writing
from energydsl.diagnostics import DataError, EnergyError
from energydsl.options import QUADRATIC, QuadraticFormat

_BY_SUFFIX: dict[str, QuadraticFormat] = {".bqm": "bqm", ".coo": "coo", ".json": "qubo"}


@click.command("import", short_help="Make a model file of a BQM, COO or QUBO file.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "kind",
    type=click.Choice(QUADRATIC),
    help="Format of the file.  [default: by its name: .bqm, .coo, .json for qubo]",
)
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The model file.")
@json_option
def command(file: Path, kind: QuadraticFormat | None, out: Path, as_json: bool) -> None:
    """Write a model of what FILE holds: its edges, parameters and labels go into files beside the model."""
    from energydsl.data import quadratic_formats

    chosen = kind or _BY_SUFFIX.get(file.suffix)
    if chosen is None:
        raise EnergyError(f"the name of {file} does not say its format: --from {', '.join(QUADRATIC)}")
    if out.suffix != ".energy":
        raise EnergyError(f"cannot write {out}: model files end in .energy")
    if '"' in out.name or not out.name.isprintable():
        raise EnergyError(f"cannot write {out}: the model could not name the files beside it")
    if out.exists():
        raise EnergyError(f"{out} already exists; choose another file with -o")
    try:
        found = quadratic_formats.TABLE[chosen].read(file)
    except OSError as error:
        raise DataError.of(f"cannot read {file}: {error.strerror or error}") from None
    with writing(out):
        written = found.write(out)
    if as_json:
        facts = {"ok": True, "variables": len(found.labels), "pairs": len(found.pairs), "vartype": found.vartype}
        print_json(facts | {"offset": found.offset, "written": [str(p) for p in written]})
        return
    click.echo(f"{len(found.labels)} variables ({found.vartype}), {len(found.pairs)} pairs, offset {found.offset:g}")
    for path in written:
        click.echo(f"written: {path}")
