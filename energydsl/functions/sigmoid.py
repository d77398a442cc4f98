"""sigmoid(y) = 1 / (1 + exp(-y)): the derivative is s - s^2."""

import math

from energydsl.functions.table import POSITIVE, Bounds, ElementaryFunction, bounded_far

SIGMOID = ElementaryFunction(
    name="sigmoid",
    value=lambda y: 0.5 * (1.0 + math.tanh(0.5 * y)),
    derivative=((1.0, (("sigmoid", 1.0),)), (-1.0, (("sigmoid", 2.0),))),
    array="sigmoid",
    unit="unit_sigmoid",
    written=6,
    sign=POSITIVE,
    bounds=Bounds(size=1.0, slope=0.25, bend=0.0963),
    integrated=3,
    far=bounded_far(1.0),
    latex=r"\operatorname{sigmoid}",
)
