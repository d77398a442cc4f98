"""Pictures of a layer side by side: samples, and filters of the units they are coupled to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.derive import Derived
from energydsl.domains import DOMAINS
from energydsl.energy.targets import output
from energydsl.energy.terms import At
from energydsl.markup import element, html, table
from energydsl.model.records import Layer, Resolved
from energydsl.report import figures
from energydsl.report.page import picture

Array = NDArray[Any]
# Pictures on a sheet, at most.
TILES = 100


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
    """A sheet as PNG. Raises `EnergyError`."""
    figures.save(sheet_figure(sheet), path, dpi=150)


def sheet_figure(sheet: Sheet) -> Any:
    """A sheet with its title and a colour bar: grey, or blue to red where it is signed. Raises `EnergyError`."""
    pixels = tiled(sheet.images)
    height, width = pixels.shape
    figure = figures.figure(7.0, max(1.6, 6.0 * height / width + 0.6))
    colours = figures.colours("RdBu_r" if sheet.signed else "gray")
    colours = colours.with_extremes(bad="black" if sheet.signed else "tab:blue")
    axes = figure.subplots()
    shown = axes.imshow(pixels, cmap=colours, vmin=sheet.low, vmax=sheet.high, interpolation="nearest")
    axes.set_title(sheet.title, fontsize=10)
    axes.set_axis_off()
    figure.colorbar(shown, ax=axes, shrink=0.6, aspect=30)
    return figure


def pictured(model: Resolved) -> str | None:
    """The first visible layer with an image shape."""
    return next((n for n in model.by_role("visible") if image_shape(model.layers[n]) is not None), None)


def sample_sheet(
    model: Resolved, state: Mapping[str, Array], means: Mapping[str, Array], held: Mapping[str, Any] | None = None
) -> Sheet | None:
    """Means of the first visible layer with an image shape, given the rest of a state; what is held (not NaN) as it is.

    state: by layer, (rows, *layer). means: conditional means of the visible layers, as many. Without latents, draws.
    """
    name = pictured(model)
    if name is None:
        return None
    values, latents = state[name], model.by_role("hidden")
    title = f"draws of {name}"
    if latents:
        known = ~np.isnan(np.asarray((held or {}).get(name, np.nan), float))
        known = known.reshape(-1, *values.shape[1:]) if known.ndim else known
        values = np.where(known, values, means[name])
        title = f"means of {name} given draws of {', '.join(latents)}" + (
            ", what is held as it is" if known.any() else ""
        )
    return draws_sheet(model.layers[name], values, title)


def draws_sheet(layer: Layer, values: Array, title: str = "") -> Sheet:
    """Values of a layer with an image shape, (count, *layer), as pictures between the least and the largest that it takes."""
    images = values.reshape(len(values), *(image_shape(layer) or ()))[:TILES]
    shown = _of(len(images), len(values), "chains")
    return Sheet(images, f"{title or f'draws of {layer.name}'}: {shown}", *scale(layer, images))


def scale(layer: Layer, values: Array) -> tuple[float, float]:
    """The least and the largest value that the units of a layer take; where there is none, those of some values."""
    domain = layer.domain
    low, high = DOMAINS[domain.name].points or DOMAINS[domain.name].bounds(domain.arguments)
    return float(low if math.isfinite(low) else values.min()), float(high if math.isfinite(high) else values.max())


def short(layers: Mapping[str, Array], sheet: Sheet | None) -> str:
    """What a notebook shows of samples: shapes and means, and pictures."""
    rows = [(n, " × ".join(map(str, a.shape)), f"{a.mean():.4g}") for n, a in layers.items()]
    shown = [table(("layer", "shape", "mean"), rows)]
    if sheet is not None and figures.available():
        shown.append(picture(sheet_figure(sheet).encoded("png"), "png", sheet.title))
    return html(element("div", *shown))


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
    strongest = np.sort(np.argsort(-np.square(weights).sum(axis=(1, 2)))[:TILES])
    images = weights[strongest]
    most = float(np.abs(images).max()) or 1.0
    which = _of(len(images), len(weights), "filters") + (", the strongest" if len(images) < len(weights) else "")
    return Sheet(images, f"weights {name}: {which}", -most, most, signed=True)
