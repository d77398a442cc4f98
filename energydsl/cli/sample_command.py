"""`energydsl sample RUN`: draws."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from energydsl.cli.common import json_option, print_json, progress
from energydsl.data import writers
from energydsl.diagnostics import EnergyError


@click.command("sample")
@click.argument("run")
@click.option(
    "-n", "count", type=click.IntRange(min=1), help="Samples.  [default: one a row of a clamped file, else 100]"
)
@click.option("--steps", type=click.IntRange(min=0), default=1000, show_default=True, help="Gibbs sweeps.")
@click.option("--clamp", multiple=True, metavar="LAYER=VALUE", help="Hold a layer: y=3, or v=file.npy.")
@click.option("-o", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write an .npz of all layers.")
@click.option("--image", type=click.Path(dir_okay=False, path_type=Path), help="Draw the visible layer as .png.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
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
) -> None:
    """Run Gibbs chains of a run, from its persistent chains, and keep their last states."""
    from energydsl.learning.run import open_run
    from energydsl.learning.sampling import chains, codes, rows_of

    opened, held = open_run(run), dict(_held(c) for c in clamp)
    if image is not None:
        from energydsl.report.images import pictured

        if pictured(opened.program.model) is None:
            raise EnergyError("no visible layer has the shape of an image")
    count = count or rows_of(opened, held) or 100
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
        from energydsl.report.images import sample_sheet, write

        sheet = sample_sheet(opened, state, held)
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
    click.echo("\n".join(f"written: {w}" for w in written) or "nothing written: give -o s.npz or --image s.png")


def _held(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"`{text}` is not LAYER=VALUE")
    try:
        return name, float(value)
    except ValueError:
        from energydsl.data.readers import npy

        if not Path(value).is_file():
            raise EnergyError(f"`{value}` is neither a number nor a file") from None
        return name, npy(Path(value))
