"""`energydsl sample RUN`: draws; of a model file too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from numpy.typing import NDArray

from energydsl import defaults
from energydsl.cli.common import compiled, json_option, overrides_options, print_json, progress, read_model
from energydsl.data import readers, writers
from energydsl.diagnostics import EnergyError
from energydsl.options import BACKENDS, SAMPLERS, Backend, SamplerName

if TYPE_CHECKING:
    from energydsl.learning.run import Run
    from energydsl.program import Program


@click.command("sample", short_help="Draw samples from a run or a model file.")
@click.argument("run", metavar="RUN|FILE")
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    help=f"Number of samples.  [default: one for each row of a clamped file, else {defaults.SAMPLES}]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    default=defaults.SAMPLE_SWEEPS,
    show_default=True,
    help="Number of sweeps.",
)
@click.option(
    "--sampler",
    type=click.Choice(SAMPLERS),
    default=defaults.SAMPLER,
    show_default=True,
    help="How chains are moved; explain says which fit.",
)
@click.option(
    "--clamp",
    multiple=True,
    metavar="LAYER=VALUE",
    help="Hold a layer at a value, y=3, or at the rows of a file, v=file.npy.",
)
@click.option(
    "-o",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the samples of all layers into an .npz file.",
)
@click.option(
    "--image",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the samples of the visible layer into a .png file.",
)
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True, help="Random seed.")
@click.option(
    "--params",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parameters for a model FILE: an .npz file of arrays by name.  [default: as they are initialised]",
)
@click.option(
    "--backend", type=click.Choice(BACKENDS), help=f"Backend for a model FILE.  [default: {defaults.BACKEND}]"
)
@overrides_options
@json_option
def command(
    run: str,
    count: int | None,
    steps: int,
    sampler: SamplerName,
    clamp: tuple[str, ...],
    out: Path | None,
    image: Path | None,
    seed: int,
    params: Path | None,
    backend: Backend | None,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
) -> None:
    """Run chains and keep their last states as samples.

    With the folder of a RUN the chains start from its persistent chains. With a model FILE they start from random states,
    and the parameters are as they are initialised, or those of --params.
    """
    from energydsl.learning.sampling import chains, codes, rows_of

    for_file = {"--params": params, "--backend": backend, "-D": dims, "-c": consts}
    if run == "-" or Path(run).is_file():
        opened = _begun(
            compiled(read_model(run, dims, consts, as_json), as_json, backend or defaults.BACKEND), params, seed
        )
    else:
        opened = _run(run, [name for name, value in for_file.items() if value])
    held = dict(_held(c) for c in clamp)
    _writable(out, image, as_json)
    if image is not None:
        from energydsl.report.sheets import pictured

        if pictured(opened.program.model) is None:
            raise EnergyError("no visible layer has the shape of an image")
    count = count or rows_of(opened, held) or defaults.SAMPLES
    with progress("sampling", as_json) as bar:
        state = chains(opened, count, steps, held, seed, bar, sampler)
    arrays = codes(opened, state)
    written = []
    if out is not None:
        try:
            with open(out, "wb") as file:
                writers.npz(file, arrays)
        except OSError as error:
            raise EnergyError(f"cannot write {out}: {error.strerror}") from None
        written.append(str(out))
    if image is not None:
        from energydsl.learning.pictures import sheet_of
        from energydsl.report.sheets import write

        sheet = sheet_of(opened, state, held)
        assert sheet is not None
        write(image, sheet)
        written.append(str(image))
    if as_json:
        facts = {n: {"shape": list(a.shape), "mean": float(a.mean())} for n, a in arrays.items()}
        print_json(
            {
                "ok": True,
                "n": count,
                "steps": steps,
                "layers": facts,
                "written": written,
                "warnings": list(opened.warnings),
            }
        )
        return
    for name, array in arrays.items():
        click.echo(f"{name}: {array.shape}, mean {array.mean():.4f}")
    for path in written:
        click.echo(f"written: {path}")


def _run(folder: str, given: list[str]) -> Run:
    """The run in a folder, with which nothing may be given that is for a model file."""
    from energydsl.learning.run_folder import open_run

    if given:
        raise click.UsageError(f"{' and '.join(given)} can be given for a model file only, and {folder} is not one")
    return open_run(folder)


def _begun(program: Program, params: Path | None, seed: int) -> Run:
    """A run of a model file that has not begun, with the parameters of a file or as they are initialised."""
    from energydsl.learning.sampling import as_run

    return as_run(program, None if params is None else readers.arrays(params), seed)


def _writable(out: Path | None, image: Path | None, as_json: bool) -> None:
    """Said before chains run: that nothing will be kept, or that it cannot be."""
    for path in (out, image):
        if path is not None and not path.parent.is_dir():
            raise EnergyError(f"cannot write {path}: there is no folder {path.parent}")
    if out is None and image is None and not as_json:
        click.echo("nothing will be written: -o s.npz keeps the samples, --image s.png draws them", err=True)


def _held(text: str) -> tuple[str, float | NDArray[Any]]:
    """What `--clamp` says: a layer, and its value or rows of values."""
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"expected LAYER=VALUE, e.g. y=3, not `{text}`")
    try:
        return name, float(value)
    except ValueError:
        if not Path(value).is_file():
            raise EnergyError(f"`{value}` is neither a number nor a file") from None
        return name, readers.npy(Path(value))
