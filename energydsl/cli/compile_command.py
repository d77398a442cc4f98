"""`energydsl compile FILE`: a standalone module of kernels."""

from __future__ import annotations

import re
from pathlib import Path

import click

from energydsl import defaults
from energydsl.cli.common import json_option, overrides_options, print_json, read_model
from energydsl.cli.completing import model_files
from energydsl.derive.directed.network import derivations
from energydsl.diagnostics import EnergyError
from energydsl.options import BACKENDS, DTYPES, Backend, DType


@click.command("compile", short_help="Write the kernels of a model as a standalone Python module.")
@click.argument("file", shell_complete=model_files)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS[1:]),
    default=defaults.PRINTED_BACKEND,
    show_default=True,
    help="What the module runs on.",
)
@click.option(
    "--dtype", type=click.Choice(DTYPES), default=defaults.DTYPE, show_default=True, help="Precision of its arrays."
)
@click.option(
    "-o",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the module into this file.  [default: standard output]",
)
@overrides_options
@json_option
def command(
    file: str,
    backend: Backend,
    dtype: DType,
    out: Path | None,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
) -> None:
    """Write the kernels of FILE as a readable Python module that needs only NumPy (or Numba, or CuPy).

    A model with directed parts gives one module for each of them: kernels.py for the core, kernels_p_v_h1.py for
    p(v | h1), and so on.
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
