"""sqrt(y), y >= 0: the derivative is y^(-1/2) / 2."""

import math

from energydsl.functions.table import NONNEGATIVE, ElementaryFunction

SQRT = ElementaryFunction(
    name="sqrt",
    value=math.sqrt,
    derivative=((0.5, (("", -0.5),)),),
    array="np.sqrt",
    unit="unit_sqrt",
    written=3,
    sign=NONNEGATIVE,
    keeps_sign=True,
    of_log=("exp", 0.5),
)
