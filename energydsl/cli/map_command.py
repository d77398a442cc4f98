"""`energydsl map RUN`: the state of least energy; of a model file too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from numpy.typing import NDArray

from energydsl import defaults, progress
from energydsl.cli.common import json_option, print_json
from energydsl.cli.completing import runs_or_models
from energydsl.cli.targets import held_layers, target_options
from energydsl.data import writers
from energydsl.diagnostics import EnergyError
from energydsl.options import LEAST_METHODS, LeastMethod

if TYPE_CHECKING:
    from energydsl.inference.map_state import MapState
    from energydsl.learning.run import Run

_SHOWN = 20


@click.command("map", short_help="Find the state of least energy.")
@click.argument("run", metavar="RUN|FILE", shell_complete=runs_or_models)
@click.option(
    "--given",
    multiple=True,
    metavar="LAYER=VALUE",
    help="Hold a layer at a value, y=3, or at the rows of a file, v=file.npy; the others are found for each row.",
)
@click.option(
    "--method",
    type=click.Choice(LEAST_METHODS),
    default="auto",
    show_default=True,
    help="auto: the first that fits. All but search are exact.",
)
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=defaults.STARTS,
    show_default=True,
    help="Number of chains of a search.",
)
@click.option(
    "--sweeps",
    type=click.IntRange(min=1),
    default=defaults.COOLING_SWEEPS,
    show_default=True,
    help="Number of sweeps over which chains of a search are cooled.",
)
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True, help="Random seed.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the state of all layers into an .npz file.",
)
@target_options
@json_option
def command(
    opened: Callable[[int, bool], Run],
    given: tuple[str, ...],
    method: LeastMethod,
    starts: int,
    sweeps: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Find the most probable state of all layers together, which is the state of least energy.

    The figure says whether it is exact or the best found, and then no state has an energy below the bound.
    """
    from energydsl.inference.map_state import map_state

    if out is not None and not out.parent.is_dir():
        raise EnergyError(f"cannot write {out}: there is no folder {out.parent}")
    run = opened(seed, as_json)
    with progress.fractions("searching", not as_json) as bar:
        found = map_state(run, held_layers(given), method=method, starts=starts, sweeps=sweeps, seed=seed, progress=bar)
    if out is not None:
        try:
            with open(out, "wb") as file:
                writers.npz(file, found.state)
        except OSError as error:
            raise EnergyError(f"cannot write {out}: {error.strerror}") from None
    if as_json:
        print_json({"ok": True, **_facts(found), "written": [str(out)] if out else [], "warnings": list(run.warnings)})
        return
    for row in range(min(len(found.energy), _SHOWN)):
        click.echo(_line(found, row))
    if len(found.energy) > _SHOWN:
        click.echo(f"and {len(found.energy) - _SHOWN} rows more, which --json shows")
    if out is not None:
        click.echo(f"written: {out}")


def _facts(found: MapState) -> dict[str, Any]:
    """Numbers where there is one row, else lists of them."""

    def shown(values: NDArray[Any] | None) -> Any:
        return None if values is None else values[0].item() if len(values) == 1 else values.tolist()

    return {
        "energy": shown(found.energy),
        "label": found.label,
        "exactness": found.exactness,
        "labels": {
            "energy": found.exactness,
            "bound": "exact" if found.label == "exact" else "bound from below",
            "gap": "exact" if found.label == "exact" else "bound from above",
        },
        "exact": shown(found.exact),
        "bound": shown(found.bound),
        "gap": shown(found.gap),
        "method": found.method,
        "rows": len(found.energy),
        "layers": {n: {"shape": list(a.shape), "mean": float(a.mean())} for n, a in found.state.items()},
    }


def _line(found: MapState, row: int) -> str:
    """One row in words: what is known of its energy."""
    where = f"row {row + 1}: " if len(found.energy) > 1 else ""
    if found.exact[row]:
        return f"{where}least energy {found.energy[row]:.6g} (exact, by {found.method.replace('-', ' ')})"
    text = f"{where}energy {found.energy[row]:.6g} (best found by {found.method}; "
    if found.bound is None or found.gap is None:
        return text + "how far the least one is below is not known)"
    return text + f"no state is below {found.bound[row]:.6g}, gap {found.gap[row]:.3g})"
