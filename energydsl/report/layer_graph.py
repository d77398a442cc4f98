"""The graph of the layers of a model, coloured by Gibbs block."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from energydsl.compiler import Compiled
from energydsl.graph.drawing import layer_layout
from energydsl.model.records import Resolved
from energydsl.report import figures

Place = tuple[float, float]
# From a parent to what is drawn from it.
_ARROW = {"arrowstyle": "-|>", "color": "grey", "linewidth": 2, "mutation_scale": 20}
# Colours shown of a layer; more are only counted.
_MARKS = 8


def draw_graph(path: Path, model: Compiled) -> None:
    """The layer graph in a file. Raises `EnergyError`."""
    figures.save(graph_figure(model), path)


def graph_figure(model: Compiled) -> Any:
    """The layer graph, layers coloured by their Gibbs blocks: as many marks as colours visit one. Raises `EnergyError`."""
    figure = figures.figure(7, 5)
    axes = figure.subplots()
    place, links = layer_layout(model.graph)
    boxes = {name: _draw_layer(axes, at, model, name) for name, at in place.items()}
    arrows = _arrows(model.resolved)
    for link in links:
        _draw_link(axes, link, arrows, place, boxes)
    beside = "inputs" + (" and what is drawn from parents" if arrows else "")
    axes.set_title(f"{model.resolved.name}: one colour a Gibbs block, {beside} grey", fontsize=10)
    axes.update_datalim(list(place.values()))
    axes.autoscale_view()
    axes.margins(0.35)
    axes.set_axis_off()
    return figure


def _arrows(model: Resolved) -> set[tuple[str, str]]:
    """(target, parent) for what is drawn from parents."""
    return {(t, g) for d in model.directed if d.keyword == "energy" for t in d.targets for g in d.given}


def _draw_layer(axes: Any, at: Place, model: Compiled, name: str) -> Any:
    """A layer as a box, in the colour of its block, or with a mark for each of several; the box."""
    schedule = model.derived.schedule(frozenset())
    blocks = [number for number, block in enumerate(schedule) for part in block if part.layer == name]
    style: dict[str, Any] = {"boxstyle": "round,pad=0.5", "facecolor": "lightgrey", "edgecolor": "black"}
    if blocks:
        style["facecolor"] = _colour(blocks[0]) if len(blocks) == 1 else "white"
    label = _label(model, name, len(blocks))
    text = axes.text(*at, label, ha="center", va="center", fontsize=8, bbox=style, zorder=3)
    for number, block in enumerate(blocks[:_MARKS] if len(blocks) > 1 else ()):
        shift = 11 * (number - (min(len(blocks), _MARKS) - 1) / 2)
        where = {"xytext": (shift, -36), "textcoords": "offset points", "ha": "center"}
        axes.annotate("\u25a0", at, color=_colour(block), zorder=4, **where)
    return text.get_bbox_patch()


def _draw_link(
    axes: Any,
    link: tuple[str, str],
    arrows: Set[tuple[str, str]],
    place: Mapping[str, Place],
    boxes: Mapping[str, Any],
) -> None:
    """A line between two layers that share a term, or an arrow to what is drawn from its parent."""
    a, b = link
    if (a, b) not in arrows and (b, a) not in arrows:
        axes.plot(*zip(place[a], place[b], strict=True), color="grey", linewidth=2, zorder=1)
        return
    target, parent = (a, b) if (a, b) in arrows else (b, a)
    ends = {"patchA": boxes[parent], "patchB": boxes[target]}
    axes.annotate("", place[target], place[parent], arrowprops=_ARROW | ends, zorder=1)


def _colour(block: int) -> Any:
    """Of a block: light enough for black letters."""
    return figures.colours("tab20")(2 * (block % 10) + 1)


def _label(model: Compiled, name: str, blocks: int) -> str:
    layer = model.resolved.layers[name]
    lines = [name, str(layer.domain), " x ".join(map(str, layer.shape)) or "1 unit"]
    parts = model.derived.parts.get(name)  # an input has none
    if parts is not None and parts.kind == "scan":
        lines.append("unit by unit")
    if blocks > 1:
        lines.append(f"in {blocks} colours")
    return "\n".join(lines)
