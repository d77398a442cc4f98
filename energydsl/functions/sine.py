"""sin(y)."""

import math

from energydsl.functions.table import Bounds, ElementaryFunction, bounded_far

SIN = ElementaryFunction(
    name="sin",
    value=math.sin,
    derivative=((1.0, (("cos", 1.0),)),),
    array="np.sin",
    unit="unit_sin",
    written=8,
    bounds=Bounds(size=1.0, slope=1.0, bend=1.0),
    integrated=5,
    far=bounded_far(1.0),
    latex=r"\sin",
)
