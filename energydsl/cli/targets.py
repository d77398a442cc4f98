"""What `sample` and `map` are of: the folder of a run, or a model file with parameters; and layers that are held at values."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from numpy.typing import NDArray

from energydsl import defaults
from energydsl.cli.common import compiled, overrides_options, read_model
from energydsl.data import alignments, readers, safe_tensors
from energydsl.diagnostics import EnergyError
from energydsl.options import BACKENDS, Backend, DType

if TYPE_CHECKING:
    from energydsl.learning.run import Run
    from energydsl.model.records import Layer

Function = TypeVar("Function", bound=Callable[..., None])


def target_options(function: Function) -> Function:
    """`--params`, `--backend`, `-D` and `-c`, which are for a model file; the command takes `opened`, a function of (seed, as_json) and perhaps dtype."""

    @click.option(
        "--params",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Parameters for a model FILE: an .npz or .safetensors file of arrays by name.  [default: as they are initialised]",
    )
    @click.option(
        "--backend", type=click.Choice(BACKENDS), help=f"Backend for a model FILE.  [default: {defaults.BACKEND}]"
    )
    @overrides_options
    @functools.wraps(function)
    def command(
        *args: Any,
        run: str,
        params: Path | None,
        backend: Backend | None,
        dims: dict[str, int],
        consts: dict[str, float],
        **kwargs: Any,
    ) -> None:
        def opened(seed: int, as_json: bool, dtype: DType = defaults.DTYPE) -> Run:
            from energydsl.learning.run_folder import open_run
            from energydsl.learning.sampling import as_run

            if run == "-" or Path(run).is_file():
                program = compiled(read_model(run, dims, consts, as_json), as_json, backend or defaults.BACKEND, dtype)
                return as_run(program, None if params is None else parameters(params), seed)
            given = {"--params": params, "--backend": backend, "-D": dims, "-c": consts}
            if names := [name for name, value in given.items() if value]:
                raise click.UsageError(
                    f"{' and '.join(names)} can be given for a model file only, and {run} is not one"
                )
            return open_run(run)

        function(*args, opened=opened, **kwargs)

    return command  # type: ignore[return-value]


def parameters(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file, or the parameters of the run in a folder, by name."""
    if path.is_dir():
        from energydsl.learning.run_folder import open_run

        run = open_run(path)
        return {name: run.program.engine.host(value) for name, value in run.params.items()}
    return safe_tensors.read(path) if path.suffix == ".safetensors" else readers.arrays(path)


def lettered(run: Run, out: Path | None) -> Layer | None:
    """The layer that goes into a file of sequences; None where the file is of another kind. Raises `EnergyError` where no layer can."""
    if out is None or out.suffix not in alignments.SUFFIXES:
        return None
    found = [a for a in run.program.model.layers.values() if a.letters]
    if out.suffix not in (".fasta", ".fa") or len(found) != 1:
        why = f"{len(found)} layers have letters" if len(found) != 1 else "sequences are written as .fasta"
        raise EnergyError(f"cannot write {out}: {why}")
    return found[0]


def held_layers(texts: tuple[str, ...]) -> dict[str, float | NDArray[Any]]:
    """What LAYER=VALUE says: a number, or the rows of an .npy file, by layer."""
    return dict(_held(text) for text in texts)


def _held(text: str) -> tuple[str, float | NDArray[Any]]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"expected LAYER=VALUE, e.g. y=3, not `{text}`")
    try:
        return name, float(value)
    except ValueError:
        if not Path(value).is_file():
            raise EnergyError(f"`{value}` is neither a number nor a file") from None
        return name, readers.npy(Path(value))
