"""States with one unit moved."""

from __future__ import annotations

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.verification.case import Setting


def another_value(case: Setting, name: str) -> Array:
    """A value of a unit, the same for every row, fixed for each layer."""
    return np.asarray(case.values[name][len(case.values[name]) // 2])


def with_value(case: Setting, x: Arrays, name: str, unit: int, value: Array) -> Arrays:
    """States with one unit, by its flat number, at a value in every row."""
    moved = np.array(x[name], float)
    moved.reshape(len(moved), case.model.layers[name].size, -1)[:, unit] = value
    return {**x, name: moved}
