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
    if domain.one_hot and array.shape[1:] == layer.energy_shape:
        return np.asarray(~domain.admits_indicators(array, grey))
    return np.asarray(~domain.admits(array, layer.domain.arguments, grey) & ~np.isnan(array))
