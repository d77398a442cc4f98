"""exp(y) - 1, without cancellation near 0."""

import math

from energydsl.functions.table import ElementaryFunction

EXPM1 = ElementaryFunction(
    name="expm1",
    value=math.expm1,
    derivative=((1.0, (("exp", 1.0),)),),
    array="expm1",
    unit="unit_expm1",
    keeps_sign=True,
)
