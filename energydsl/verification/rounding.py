"""How exact the figures of a certificate can be: rounding is relative to the energies met."""

from __future__ import annotations

from typing import Any

import numpy as np

# Of central differences of the energy. Their own error is of the order of its square.
STEP = 1e-5
_EPSILON = float(np.finfo(float).eps)


def largest(values: Any) -> float:
    """The largest absolute value of an array, 0 for an empty one, infinite where an entry is not finite."""
    array = np.abs(np.asarray(values, float))
    if array.size and not np.isfinite(array).all():
        return np.inf
    return float(array.max(initial=0.0))


def of_slopes(scale: float) -> float:
    """By how much more than usual a central difference of energies up to `scale` rounds: 1 up to about 4,500.

    A difference of two energies is no more exact than they are, so its rounding is the unit of the error.
    """
    return max(1.0, _EPSILON * scale / STEP / 1e-7)


def of_weights(scale: float) -> float:
    """By how much more than usual exp(-E) rounds, relatively: it has the absolute rounding of E, which is up to `scale`."""
    return max(1.0, _EPSILON * scale / 1e-12)


def of_exponents(largest_term: float) -> float:
    """By how much more than usual the exponent of a unit rounds, where its terms cancel: 1 up to terms of 1e6."""
    return max(1.0, 1e-6 * largest_term)
