"""What a module gives its runtime: the precision at its head, and the kernels of all families at its end.

This room is not copied. It stands for what is printed into each module, so that the other rooms can be checked and
imported like any code; its precision is float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array

# The precision of the module, a scalar type of NumPy.
FLOAT: Any = np.float32
# Families with one field a value, whose values are no indicators.
TABLES: Sequence[str] = ()
# The task of each family that draws a layer, and the one that adds up differences of log partitions.
DRAWS: Mapping[str, Any] = {}
GAINS: Mapping[str, Any] = {}


def lane_draw(
    kind: int,
    e: Array,
    second: Array,
    g: Array,
    slot: int,
    u: Array,
    units: int,
    states: int,
    lanes: int,
    o: Array,
) -> None:
    """Draw units of the family number `kind` from their fields e: (units, states, lanes), into o."""
    raise NotImplementedError
