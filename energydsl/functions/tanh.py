"""tanh(y): the derivative is 1 - tanh(y)^2."""

import math

from energydsl.functions.table import Bounds, ElementaryFunction, bounded_far

TANH = ElementaryFunction(
    name="tanh",
    value=math.tanh,
    derivative=((1.0, ()), (-1.0, (("tanh", 2.0),))),
    array="np.tanh",
    unit="unit_tanh",
    written=5,
    bounds=Bounds(size=1.0, slope=1.0, bend=0.77),
    integrated=2,
    far=bounded_far(1.0),
    latex=r"\tanh",
)
