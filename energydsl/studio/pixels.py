"""The units of a layer in several chains as one picture of bytes."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.domains import DOMAINS
from energydsl.model.records import Layer
from energydsl.report.sheets import image_shape, scale, tiled

Array = NDArray[Any]
# Units of a layer without an image shape from which its units are laid out in lines, as a square that may not be full.
_SQUARE_FROM = 65
# Pixels of a picture, at most: beyond, fewer chains are shown.
_MOST_PIXELS = 1 << 20


def pixels(layer: Layer, values: Array) -> dict[str, Any]:
    """A picture of values (chains, *units): a byte a pixel, 1 to 255 from the least value to the largest, 0 between pictures.

    States of a categorical layer are shown by their numbers.
    """
    if DOMAINS[layer.domain.name].one_hot:
        values = values.argmax(axis=-1)
        low, high = 0.0, layer.energy_shape[-1] - 1.0
    else:
        low, high = scale(layer, values)
    images = _images(layer, values.astype(np.float64))
    images = images[: max(1, _MOST_PIXELS // images[0].size), :_MOST_PIXELS]
    sheet = tiled(images, math.isqrt(len(images) - 1) + 1)
    part = np.clip((sheet - low) / ((high - low) or 1.0), 0.0, 1.0)
    levels = np.where(np.isnan(part), 0.0, 1.0 + np.rint(254.0 * np.nan_to_num(part))).astype(np.uint8)
    return {
        "height": levels.shape[0],
        "width": levels.shape[1],
        "low": low,
        "high": high,
        "two": DOMAINS[layer.domain.name].two_valued,
        "levels": base64.b64encode(levels.tobytes()).decode("ascii"),
    }


def _images(layer: Layer, values: Array) -> Array:
    """(pictures, height, width): one a chain, a line a chain for small layers, one a plane of the first chain for three axes and more."""
    shape = image_shape(layer)
    if shape is not None:
        return values.reshape(-1, *shape)
    if values.ndim > 3:
        values = values[0].reshape(-1, *values.shape[-2:])
    if values.ndim == 3:
        return values
    flat = values.reshape(len(values), -1)
    if flat.shape[1] < _SQUARE_FROM:
        return flat[None]
    side = math.isqrt(flat.shape[1] - 1) + 1
    square: Array = np.pad(flat, ((0, 0), (0, side * side - flat.shape[1])), constant_values=np.nan)
    return square.reshape(-1, side, side)
