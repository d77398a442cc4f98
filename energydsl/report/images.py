"""Pictures of layers: samples, filters, curves. Needs matplotlib (the `plots` extra); without it nothing is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.derive import Derived
from energydsl.diagnostics import EnergyError
from energydsl.energy.targets import output
from energydsl.energy.terms import At
from energydsl.learning.loop import Run
from energydsl.learning.sampling import chains, visible_means
from energydsl.model.records import Layer, Resolved

Array = NDArray[Any]
_TILES = 100
# From a parent to the rim of what is drawn from it.
_ARROW = {"arrowstyle": "-|>", "color": "grey", "linewidth": 2, "mutation_scale": 20, "shrinkA": 33, "shrinkB": 33}


def available() -> bool:
    """Whether pictures can be drawn."""
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def image_shape(layer: Layer) -> tuple[int, int] | None:
    """Height and width where the units of a layer form a picture: two axes, or a square number of units from 16 on."""
    if layer.energy_shape != layer.shape:
        return None
    if len(layer.shape) == 2 and min(layer.shape) >= 4:
        return layer.shape[0], layer.shape[1]
    side = math.isqrt(layer.size)
    return (side, side) if len(layer.shape) == 1 and side >= 4 and side * side == layer.size else None


def tiled(images: Array, columns: int = 10, signed: bool = False) -> Array:
    """Images (count, height, width) in one picture with a margin of one pixel; signed ones are centred on zero each."""
    count, height, width = images.shape
    rows = math.ceil(count / columns)
    scale = np.abs(images).max(axis=(1, 2), keepdims=True) if signed else None
    if scale is not None:
        images = images / np.where(scale > 0, scale, 1)
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), 0.0 if signed else 0.5)
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + 1) + 1, (k % columns) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = image
    return sheet


def write(path: Path, sheet: Array, signed: bool = False) -> None:
    """A picture as PNG, grey, or blue to red where it is signed; small ones enlarged. Raises `EnergyError`."""
    if not available():
        raise EnergyError('pictures need matplotlib: pip install "energydsl[plots]"')
    from matplotlib import image

    zoom = max(1, round(600 / max(sheet.shape)))
    large = np.kron(sheet, np.ones((zoom, zoom)))
    low, high = (-1.0, 1.0) if signed else (float(min(0.0, sheet.min())), float(max(1.0, sheet.max())))
    try:
        image.imsave(path, large, cmap="RdBu_r" if signed else "gray", vmin=low, vmax=high, format="png")
    except OSError as error:
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None


def pictured(model: Resolved) -> str | None:
    """The first visible layer with an image shape."""
    return next((n for n in model.by_role("visible") if image_shape(model.layers[n]) is not None), None)


def sample_sheet(run: Run, state: dict[str, Array], held: Mapping[str, Any] | None = None) -> Array | None:
    """Means of the first visible layer with an image shape, given the rest of a state; what is held (not NaN) as it is."""
    model = run.program.model
    name = pictured(model)
    if name is None:
        return None
    values = state[name]
    if model.by_role("hidden"):
        known = ~np.isnan(np.asarray((held or {}).get(name, np.nan), float))
        known = known.reshape(-1, *values.shape[1:]) if known.ndim else known
        values = np.where(known, values, visible_means(run, state)[name])
    if model.layers[name].domain.name == "spin":
        values = (values + 1) / 2
    return tiled(values.reshape(len(values), *(image_shape(model.layers[name]) or ()))[:_TILES])


def filters(derived: Derived, params: dict[str, Array]) -> Array | None:
    """The weights of each latent unit on a visible layer with an image shape, (count, height, width)."""
    model = derived.model
    for name, gradient in derived.gradients.items():
        for part in gradient.parts:
            for atom, _ in part.monomial.factors:
                if not (isinstance(atom, At) and atom.kind == "layer" and part.solved):
                    continue
                layer = model.layers[atom.name]
                shape = image_shape(layer)
                lead = [i.plain for i in atom.indices]
                if layer.role != "visible" or shape is None or len(model.params[name].shape) <= len(lead):
                    continue
                if lead == [output(k) for k in range(len(lead))]:
                    return params[name].reshape(*shape, -1).transpose(2, 0, 1)
    return None


def draw_run(run: Run, seed: int = 0) -> list[Path]:
    """samples.png, filters.png and curves.png of a run folder, as far as the model has pictures; the paths written."""
    if run.path is None or not available():
        return []
    written = []
    if not run.program.model.by_role("input"):
        sheet = sample_sheet(run, chains(run, _TILES, 200, None, seed))
        if sheet is not None:
            write(run.path / "samples.png", sheet)
            written.append(run.path / "samples.png")
    weights = filters(run.program.derived, run.params)
    if weights is not None:
        strongest = np.argsort(-np.square(weights).sum(axis=(1, 2)))[:_TILES]
        write(run.path / "filters.png", tiled(weights[np.sort(strongest)], signed=True), signed=True)
        written.append(run.path / "filters.png")
    if len(run.history) > 1:
        written.append(curves(run.path / "curves.png", run.history))
    return written


def curves(path: Path, history: list[dict[str, Any]]) -> Path:
    """Reconstruction error, free energies, gradient norms and what was found of the log-likelihood, over updates."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    updates = [row["update"] for row in history]
    groups = {
        "reconstruction error": ["reconstruction_error"],
        "free energy": ["free_energy_train", "free_energy_validation"],
        "gradient norms": [k for k in history[-1] if k.startswith("gradient_")],
    }
    if any(row.get("log_likelihood") is not None for row in history):
        groups["log-likelihood"] = ["log_likelihood"]
    figure = Figure(figsize=(4 * len(groups), 3.5), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(groups)), groups.items(), strict=True):
        palette = colormaps["tab20" if len(names) > 10 else "tab10"]
        for number, name in enumerate(names):
            points = [(u, row.get(name)) for u, row in zip(updates, history, strict=True)]
            known = [(u, v) for u, v in points if v is not None]
            if known:
                short = name.removeprefix("free_energy_").removeprefix("gradient_")
                axes.plot(*zip(*known, strict=True), label=short, color=palette(number % 20))
        axes.set_title(title)
        axes.set_xlabel("update")
        if len(names) > 5:  # beside its panel
            axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        elif len(names) > 1:
            axes.legend()
        positive = any(row.get(n) for row in history for n in names)
        if title == "gradient norms" and positive:  # a logarithmic axis has no place for zeros alone
            axes.set_yscale("log")
    figure.savefig(path, dpi=100)
    return path


def overlaid(path: Path, histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]) -> Path:
    """Reconstruction error of every variant over updates and over seconds, a thin line a seed."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    palette = colormaps["tab10"]
    for number, (name, runs) in enumerate(histories.items()):
        for seed, history in enumerate(runs):
            label = name if seed == 0 else None
            values = [row["reconstruction_error"] for row in history]
            for axes, key in ((left, "update"), (right, "seconds")):
                axes.plot([row[key] for row in history], values, color=palette(number % 10), label=label, linewidth=1)
    for axes, what in ((left, "update"), (right, "seconds")):
        axes.set_xlabel(what)
    left.set_ylabel("reconstruction error, held-out rows")
    right.legend()
    figure.savefig(path, dpi=100)
    return path


def draw_graph(path: Path, model: Any) -> None:
    """The layer graph, layers coloured by their Gibbs block, terms as small squares. Raises `EnergyError`."""
    if not available():
        raise EnergyError('pictures need matplotlib: pip install "energydsl[plots]"')
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    from energydsl.graph import layer_layout

    block_of = {part.layer: k for k, block in enumerate(model.schedule()) for part in block}
    place, links = layer_layout(model.graph)
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    palette = colormaps["tab10"]
    drawn = {(t, g) for d in model.resolved.directed if d.keyword == "energy" for t in d.targets for g in d.given}
    for a, b in links:
        if (a, b) in drawn or (b, a) in drawn:
            target, parent = (a, b) if (a, b) in drawn else (b, a)
            axes.annotate("", place[target], place[parent], arrowprops=_ARROW, zorder=1)
        else:
            axes.plot(*zip(place[a], place[b], strict=True), color="grey", linewidth=2, zorder=1)
    for name, (x, y) in place.items():
        layer = model.layers[name]
        colour = palette(block_of[name] % 10) if name in block_of else "lightgrey"
        axes.scatter([x], [y], s=3400, color=[colour], edgecolors="black", zorder=2)
        label = f"{name}\n{layer.domain}\n{' x '.join(map(str, layer.shape)) or 1}"
        axes.text(x, y, label, ha="center", va="center", fontsize=7, zorder=3)
    beside = "inputs" + (" and what is drawn from parents" if drawn else "")
    axes.set_title(f"{model.name}: one colour a Gibbs block, {beside} grey")
    axes.margins(0.25)
    axes.set_axis_off()
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise EnergyError(f"cannot write {path}: {error}") from None
