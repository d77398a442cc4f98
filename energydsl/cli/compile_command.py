"""`energydsl compile FILE`: a standalone module of kernels."""

from __future__ import annotations

import re
from pathlib import Path

import click

from energydsl.backends.choice import BACKENDS, DTYPES
from energydsl.cli.common import json_option, overrides_options, print_json, read_model
from energydsl.derive.directed.network import derivations
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
    """Emit readable kernels that need only NumPy (or Numba, or CuPy); to standard output unless -o is given.

    A model with directed parts makes a module for each: kernels.py for the core, kernels_p_v_h1.py, ...
    """
    from energydsl.backends.registry import printed

    parts = derivations(read_model(file, dims, consts, as_json).derived)
    sources = {name: printed(derived, dtype, backend).text for name, derived in parts}
    written = {}
    for name, source in sources.items() if out is not None else ():
        assert out is not None
        path = out.with_stem(out.stem + _suffix(name))
        try:
            path.write_text(source, encoding="utf-8")
        except OSError as error:
            raise EnergyError(f"cannot write {path}: {error.strerror}") from None
        written[str(path)] = f"{len(source.splitlines())} lines for {backend}" + (f", {name}" if name else "")
    whole = "\n\n".join(f"# ===== {name}\n{source}" if name else source for name, source in sources.items())
    if as_json:
        facts = {"ok": True, "backend": backend, "dtype": dtype, "out": str(out) if out else None}
        print_json({**facts, "written": list(written)} if out is not None else {**facts, "source": whole})
    elif out is None:
        click.echo(whole)
    else:
        click.echo("\n".join(f"{path}: {what}" for path, what in written.items()))


def _suffix(name: str) -> str:
    """What the file of a directed part is called: `p(v | h1)` -> `_p_v_h1`; the core keeps the name that was given."""
    return "" if name in ("", "core") else "_" + "_".join(re.findall(r"\w+", name))
