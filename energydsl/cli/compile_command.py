"""`energydsl compile FILE`: a standalone module of kernels."""

from __future__ import annotations

from pathlib import Path

import click

from energydsl.cli.common import json_option, overrides_options, print_json, read_model
from energydsl.compiler import BACKENDS, DTYPES
from energydsl.diagnostics import EnergyError


@click.command("compile")
@click.argument("file")
@click.option("--backend", type=click.Choice(BACKENDS[1:]), default="numpy", show_default=True)
@click.option("--dtype", type=click.Choice(DTYPES), default="float32", show_default=True)
@click.option("-o", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write the module here.")
@overrides_options
@json_option
def command(
    file: str,
    backend: str,
    dtype: str,
    out: Path | None,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
) -> None:
    """Emit readable kernels that need only NumPy (or Numba, or CuPy); to standard output unless -o is given."""
    from energydsl.program import emit

    source = emit(read_model(file, dims, consts, as_json).derived, dtype, backend).text
    if out is not None:
        try:
            out.write_text(source, encoding="utf-8")
        except OSError as error:
            raise EnergyError(f"cannot write {out}: {error.strerror}") from None
    if as_json:
        facts = {"ok": True, "backend": backend, "dtype": dtype, "out": str(out) if out else None}
        print_json(facts if out is not None else {**facts, "source": source})
    elif out is None:
        click.echo(source)
    else:
        click.echo(f"{out}: {len(source.splitlines())} lines for {backend}")
