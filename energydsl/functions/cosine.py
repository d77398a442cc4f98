"""cos(y)."""

import math

from energydsl.functions.table import Bounds, ElementaryFunction, bounded_far

COS = ElementaryFunction(
    name="cos",
    value=math.cos,
    derivative=((-1.0, (("sin", 1.0),)),),
    array="np.cos",
    unit="unit_cos",
    written=9,
    bounds=Bounds(size=1.0, slope=1.0, bend=1.0),
    integrated=6,
    far=bounded_far(1.0),
    latex=r"\cos",
)
