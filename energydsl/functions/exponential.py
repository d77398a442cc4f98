"""exp(y), its own derivative."""

import math

from energydsl.functions.table import POSITIVE, ElementaryFunction

EXP = ElementaryFunction(
    name="exp",
    value=math.exp,
    derivative=((1.0, (("exp", 1.0),)),),
    array="np.exp",
    unit="unit_exp",
    written=1,
    sign=POSITIVE,
    integrated=7,
    outgrows=True,
    latex=r"\exp",
)
