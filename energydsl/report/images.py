"""Pictures of layers: samples, filters, curves. Needs matplotlib (the `plots` extra); without it nothing is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.derive import Derived
from energydsl.diagnostics import EnergyError
from energydsl.domains import DOMAINS
from energydsl.energy.targets import output
from energydsl.energy.terms import At
from energydsl.learning.loop import Run
from energydsl.learning.sampling import chains, visible_means
from energydsl.model.records import Layer, Resolved
from energydsl.report.comparison import Outcome

Array = NDArray[Any]
_TILES = 100
# From a parent to what is drawn from it.
_ARROW = {"arrowstyle": "-|>", "color": "grey", "linewidth": 2, "mutation_scale": 20}
# Colours shown of a layer; more are only counted.
_MARKS = 8


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


@dataclass(frozen=True)
class Sheet:
    """Pictures of one layer side by side, (count, height, width), on one scale; what they are; filters have a sign."""

    images: Array
    title: str
    low: float
    high: float
    signed: bool = False


def tiled(images: Array, columns: int = 10) -> Array:
    """Images (count, height, width) in one picture with a margin of one pixel, which is NaN."""
    count, height, width = images.shape
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1), np.nan)
    for k, image in enumerate(images):
        top, left = (k // columns) * (height + 1) + 1, (k % columns) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = image
    return sheet


def write(path: Path, sheet: Sheet) -> None:
    """A sheet as PNG with its title and a colour bar: grey, or blue to red where it is signed. Raises `EnergyError`."""
    _need_matplotlib()
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    pixels = tiled(sheet.images)
    height, width = pixels.shape
    colours = colormaps["RdBu_r" if sheet.signed else "gray"].with_extremes(bad="black" if sheet.signed else "tab:blue")
    figure = Figure(figsize=(7.0, max(1.6, 6.0 * height / width + 0.6)), layout="constrained")
    axes = figure.subplots()
    shown = axes.imshow(pixels, cmap=colours, vmin=sheet.low, vmax=sheet.high, interpolation="nearest")
    axes.set_title(sheet.title, fontsize=10)
    axes.set_axis_off()
    figure.colorbar(shown, ax=axes, shrink=0.6, aspect=30)
    _save(figure, path, dpi=150)


def _need_matplotlib() -> None:
    if not available():
        raise EnergyError('pictures need matplotlib: pip install "energydsl[plots]"')


def _save(figure: Any, path: Path, **options: Any) -> None:
    try:
        figure.savefig(path, **options)
    except (OSError, ValueError) as error:
        raise EnergyError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def pictured(model: Resolved) -> str | None:
    """The first visible layer with an image shape."""
    return next((n for n in model.by_role("visible") if image_shape(model.layers[n]) is not None), None)


def sample_sheet(run: Run, state: dict[str, Array], held: Mapping[str, Any] | None = None) -> Sheet | None:
    """Means of the first visible layer with an image shape, given the rest of a state; what is held (not NaN) as it is.

    Without latents, its draws.
    """
    model = run.program.model
    name = pictured(model)
    if name is None:
        return None
    values, latents = state[name], model.by_role("hidden")
    title = f"draws of {name}"
    if latents:
        known = ~np.isnan(np.asarray((held or {}).get(name, np.nan), float))
        known = known.reshape(-1, *values.shape[1:]) if known.ndim else known
        values = np.where(known, values, visible_means(run, state)[name])
        title = f"means of {name} given draws of {', '.join(latents)}" + (
            ", what is held as it is" if known.any() else ""
        )
    images = values.reshape(len(values), *(image_shape(model.layers[name]) or ()))[:_TILES]
    domain = model.layers[name].domain
    low, high = DOMAINS[domain.name].points or DOMAINS[domain.name].bounds(domain.arguments)
    return Sheet(
        images,
        f"{title}: {_of(len(images), len(values), 'chains')}",
        float(low if math.isfinite(low) else images.min()),
        float(high if math.isfinite(high) else images.max()),
    )


def _of(shown: int, count: int, what: str) -> str:
    return f"all {count} {what}" if shown == count else f"{shown} of {count} {what}"


def filters(derived: Derived, params: dict[str, Array]) -> tuple[str, Array] | None:
    """A parameter that couples a visible layer with an image shape, as (count, height, width): one for each latent unit."""
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
                    return name, params[name].reshape(*shape, -1).transpose(2, 0, 1)
    return None


def filter_sheet(derived: Derived, params: dict[str, Array]) -> Sheet | None:
    """The strongest filters in the order of their units, all on one scale."""
    found = filters(derived, params)
    if found is None:
        return None
    name, weights = found
    strongest = np.sort(np.argsort(-np.square(weights).sum(axis=(1, 2)))[:_TILES])
    images = weights[strongest]
    most = float(np.abs(images).max()) or 1.0
    which = _of(len(images), len(weights), "filters") + (", the strongest" if len(images) < len(weights) else "")
    return Sheet(images, f"weights {name}: {which}", -most, most, signed=True)


def draw_run(run: Run, seed: int = 0) -> list[Path]:
    """samples.png, filters.png and curves.png of a run folder, as far as the model has pictures; the paths written."""
    if run.path is None or not available():
        return []
    drawn = not run.program.model.by_role("input") and pictured(run.program.model) is not None
    sheets = {
        "samples.png": sample_sheet(run, chains(run, _TILES, 200, None, seed)) if drawn else None,
        "filters.png": filter_sheet(run.program.derived, run.params),
    }
    written = []
    for name, sheet in sheets.items():
        if sheet is not None:
            write(run.path / name, sheet)
            written.append(run.path / name)
    if len(run.history) > 1:
        written.append(curves(run.path / "curves.png", run.history))
    return written


def curves(path: Path, history: list[dict[str, Any]]) -> Path:
    """The log-likelihood where it was judged, then reconstruction error, free energies and gradient norms, over updates."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    updates = [row["update"] for row in history]
    judged = any(row.get("log_likelihood") is not None for row in history)
    groups = ({"log-likelihood, nats a row": ["log_likelihood"]} if judged else {}) | {
        "reconstruction error": ["reconstruction_error"],
        "free energy": ["free_energy_train", "free_energy_validation"],
        "gradient norms": [k for k in history[-1] if k.startswith("gradient_")],
    }
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
        if not axes.lines:
            continue
        if len(names) > 5:  # beside its panel
            axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        elif len(names) > 1:
            axes.legend()
        positive = any(row.get(n) for row in history for n in names)
        if title == "gradient norms" and positive:  # a logarithmic axis has no place for zeros alone
            axes.set_yscale("log")
    _save(figure, path, dpi=100)
    return path


def overlaid(
    path: Path, outcomes: Sequence[Outcome], histories: Mapping[str, Sequence[Sequence[Mapping[str, Any]]]]
) -> Path:
    """What the table ranks by, the best on top; then every variant over updates and seconds, a thin line a seed.

    The curves are log-likelihoods where they were judged on the way, else reconstruction errors.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    key, title = "reconstruction_error", "reconstruction error, held-out rows"
    if all(sum(row.get("log_likelihood") is not None for row in h) > 1 for runs in histories.values() for h in runs):
        key, title = "log_likelihood", "log-likelihood, nats a row"
    figure = Figure(figsize=(14, 0.35 * len(outcomes) + 3.4), layout="constrained")
    ranked, left, right = figure.subplots(1, 3)
    palette = colormaps["tab10"]
    colour = {name: palette(number % 10) for number, name in enumerate(histories)}
    _ranking(ranked, outcomes, colour)
    for name, runs in histories.items():
        for seed, history in enumerate(runs):
            known = [row for row in history if row.get(key) is not None]
            for axes, over in ((left, "update"), (right, "seconds")):
                label = name if seed == 0 else None
                x, y = [row[over] for row in known], [row[key] for row in known]
                axes.plot(x, y, color=colour[name], label=label, linewidth=1)
    for axes, what in ((left, "update"), (right, "seconds")):
        axes.set_xlabel(what)
        axes.set_title(title, fontsize=10)
    right.legend(fontsize=8)
    _save(figure, path, dpi=100)
    return path


def _ranking(axes: Any, outcomes: Sequence[Outcome], colour: Mapping[str, Any]) -> None:
    """Held-out log-likelihoods with their errors, the best on top; thin and grey: the error over the rows, which all share."""
    known = sorted((o for o in outcomes if o.log_likelihood is not None), key=lambda o: o.log_likelihood or 0.0)
    for place, o in enumerate(known):
        axes.errorbar(o.log_likelihood, place, xerr=o.rows_std, fmt="none", capsize=2, color="lightgrey", linewidth=1)
        axes.errorbar(o.log_likelihood, place, xerr=o.std, fmt="o", capsize=4, color=colour[o.name])
    bounds = " (a lower bound where >=)" if any(o.bound for o in known) else ""
    axes.ticklabel_format(axis="x", useOffset=False)
    grey = "; grey: error over the rows" if any(o.rows_std for o in known) else ""
    axes.set_title(f"held-out nats a row{bounds}{grey}" if known else "no log-likelihood to be had", fontsize=10)
    axes.set_yticks(range(len(known)), [f"{'>= ' if o.bound else ''}{o.name}" for o in known])
    axes.set_ylim(-0.5, max(len(known), 1) - 0.5)
    axes.locator_params(axis="x", nbins=4)


def draw_graph(path: Path, model: Any) -> None:
    """The layer graph, layers coloured by their Gibbs blocks: as many marks as colours visit one. Raises `EnergyError`."""
    _need_matplotlib()
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    from energydsl.graph.drawing import layer_layout

    visits: dict[str, list[int]] = {}
    for k, block in enumerate(model.schedule()):
        for part in block:
            visits.setdefault(part.layer, []).append(k)
    place, links = layer_layout(model.graph)
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    colours = [colormaps["tab20"](2 * k + 1) for k in range(10)]  # light enough for black letters
    drawn = {(t, g) for d in model.resolved.directed if d.keyword == "energy" for t in d.targets for g in d.given}
    boxes = {}
    for name, (x, y) in place.items():
        blocks = visits.get(name, [])
        style: dict[str, Any] = {"boxstyle": "round,pad=0.5", "facecolor": "lightgrey", "edgecolor": "black"}
        if blocks:
            style["facecolor"] = colours[blocks[0] % 10] if len(blocks) == 1 else "white"
        text = axes.text(
            x, y, _label(model, name, len(blocks)), ha="center", va="center", fontsize=8, bbox=style, zorder=3
        )
        boxes[name] = text.get_bbox_patch()
        for number, block in enumerate(blocks[:_MARKS] if len(blocks) > 1 else ()):
            shift = 11 * (number - (min(len(blocks), _MARKS) - 1) / 2)
            axes.annotate(
                "\u25a0",
                (x, y),
                (shift, -36),
                textcoords="offset points",
                ha="center",
                color=colours[block % 10],
                zorder=4,
            )
    for a, b in links:
        if (a, b) in drawn or (b, a) in drawn:
            target, parent = (a, b) if (a, b) in drawn else (b, a)
            ends = {"patchA": boxes[parent], "patchB": boxes[target]}
            axes.annotate("", place[target], place[parent], arrowprops=_ARROW | ends, zorder=1)
        else:
            axes.plot(*zip(place[a], place[b], strict=True), color="grey", linewidth=2, zorder=1)
    beside = "inputs" + (" and what is drawn from parents" if drawn else "")
    axes.set_title(f"{model.name}: one colour a Gibbs block, {beside} grey", fontsize=10)
    axes.update_datalim(list(place.values()))
    axes.autoscale_view()
    axes.margins(0.35)
    axes.set_axis_off()
    _save(figure, path)


def _label(model: Any, name: str, blocks: int) -> str:
    layer = model.layers[name]
    lines = [name, str(layer.domain), " x ".join(map(str, layer.shape)) or "1 unit"]
    kinds = {part.kind for block in model.schedule() for part in block if part.layer == name}
    if "scan" in kinds:
        lines.append("unit by unit")
    if blocks > 1:
        lines.append(f"in {blocks} colours")
    return "\n".join(lines)
