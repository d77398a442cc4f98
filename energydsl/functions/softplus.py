"""softplus(y) = log(1 + exp(y)): the derivative is sigmoid(y)."""

import math

from energydsl.functions.table import POSITIVE, Bounds, ElementaryFunction

SOFTPLUS = ElementaryFunction(
    name="softplus",
    value=lambda y: max(y, 0.0) + math.log1p(math.exp(-abs(y))),
    derivative=((1.0, (("sigmoid", 1.0),)),),
    array="softplus",
    unit="unit_softplus",
    written=7,
    sign=POSITIVE,
    bounds=Bounds(size=math.log(2.0), slope=1.0, bend=0.25, grows=True),
    integrated=4,
    latex=r"\operatorname{softplus}",
)
