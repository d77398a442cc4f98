"""Which values a layer's units can have."""

from __future__ import annotations

import numpy as np

from energydsl.backends.interface import Array
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer


def outside(layer: Layer, array: Array, grey: bool = True) -> Array:
    """Which values a unit cannot have; with `grey`, values of binary units between 0 and 1 are probabilities.

    array: codes, or the shape the layer has in the energy, rows first. NaN stands for a missing entry.
    """
    domain = DOMAINS[layer.domain.name]
    low, high = domain.points or domain.bounds(layer.domain.arguments)
    indicators = domain.one_hot and array.shape[1:] == layer.energy_shape
    if indicators and grey:
        return np.asarray((array < 0) | (abs(array.sum(axis=-1, keepdims=True) - 1.0) > 1e-6))
    if indicators:
        return np.asarray(((array != 0) & (array != 1)) | (array.sum(axis=-1, keepdims=True) != 1))
    if domain.one_hot:
        low, high = 0.0, layer.energy_shape[-1] - 1.0
    with np.errstate(invalid="ignore"):
        found = (array < low) | (array > high) | np.isinf(array)
        if domain.name == "spin":
            found |= abs(array) != 1.0
        elif (domain.integer_valued and domain.name != "binary") or (domain.name == "binary" and not grey):
            found |= array != np.floor(array)
    return np.asarray(found & ~np.isnan(array))
