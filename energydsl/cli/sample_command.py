"""`energydsl sample RUN`: draws; of a model file too."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from energydsl.backends.choice import BACKENDS
from energydsl.cli.common import compiled, json_option, overrides_options, print_json, progress, read_model
from energydsl.data import readers, writers
from energydsl.diagnostics import EnergyError
from energydsl.learning import defaults

if TYPE_CHECKING:
    from energydsl.learning.loop import Run


@click.command("sample")
@click.argument("run", metavar="RUN|FILE")
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    help=f"Samples.  [default: one a row of a clamped file, else {defaults.SAMPLES}]",
)
@click.option(
    "--steps", type=click.IntRange(min=0), default=defaults.SAMPLE_SWEEPS, show_default=True, help="Gibbs sweeps."
)
@click.option("--clamp", multiple=True, metavar="LAYER=VALUE", help="Hold a layer: y=3, or v=file.npy.")
@click.option("-o", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write an .npz of all layers.")
@click.option("--image", type=click.Path(dir_okay=False, path_type=Path), help="Draw the visible layer as .png.")
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True)
@click.option(
    "--params",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Parameters of FILE, an .npz of arrays by name.  [default: as they are initialised]",
)
@click.option("--backend", type=click.Choice(BACKENDS), help=f"For FILE.  [default: {defaults.BACKEND}]")
@overrides_options
@json_option
def command(
    run: str,
    count: int | None,
    steps: int,
    clamp: tuple[str, ...],
    out: Path | None,
    image: Path | None,
    seed: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Run Gibbs chains and keep their last states.

    Of a RUN from its persistent chains; of a model FILE from random states, with parameters as they are initialised, or
    those of --params.
    """
    from energydsl.learning.sampling import chains, codes, rows_of

    opened, held = _opened(run, seed, as_json, options), dict(_held(c) for c in clamp)
    _writable(out, image, as_json)
    if image is not None:
        from energydsl.report.sheets import pictured

        if pictured(opened.program.model) is None:
            raise EnergyError("no visible layer has the shape of an image")
    count = count or rows_of(opened, held) or defaults.SAMPLES
    with progress("sampling", as_json) as bar:
        state = chains(opened, count, steps, held, seed, bar)
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
    facts: dict[str, Any] = {n: {"shape": list(a.shape), "mean": float(a.mean())} for n, a in arrays.items()}
    if as_json:
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
    for name, fact in facts.items():
        click.echo(f"{name}: {tuple(fact['shape'])}, mean {fact['mean']:.4f}")
    for path in written:
        click.echo(f"written: {path}")


def _opened(target: str, seed: int, as_json: bool, options: dict[str, Any]) -> Run:
    """The run in a folder; or a model file with parameters, as a run that has not begun."""
    from energydsl.learning.run import open_run
    from energydsl.learning.sampling import as_run

    given = [name for name, value in options.items() if value]
    if target != "-" and not Path(target).is_file():
        if given:
            names = {"dims": "-D", "consts": "-c"}
            shown = ", ".join(names.get(n, f"--{n}") for n in given)
            raise click.UsageError(f"{shown}: for a model file only, and {target} is none")
        return open_run(target)
    model = read_model(target, options["dims"], options["consts"], as_json)
    params = readers.arrays(Path(options["params"])) if options["params"] else None
    return as_run(compiled(model, as_json, options["backend"] or defaults.BACKEND), params, seed)


def _writable(out: Path | None, image: Path | None, as_json: bool) -> None:
    """Said before chains run: that nothing will be kept, or that it cannot be."""
    for path in (out, image):
        if path is not None and not path.parent.is_dir():
            raise EnergyError(f"cannot write {path}: there is no folder {path.parent}")
    if out is None and image is None and not as_json:
        click.echo("nothing will be written: -o s.npz keeps the samples, --image s.png draws them", err=True)


def _held(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"`{text}` is not LAYER=VALUE")
    try:
        return name, float(value)
    except ValueError:
        if not Path(value).is_file():
            raise EnergyError(f"`{value}` is neither a number nor a file") from None
        return name, readers.npy(Path(value))
