"""log(y), y > 0: the derivative is 1 / y."""

import math

from energydsl.functions.table import ElementaryFunction

LOG = ElementaryFunction(
    name="log",
    value=math.log,
    derivative=((1.0, (("", -1.0),)),),
    array="np.log",
    unit="unit_log",
    written=2,
    positive_only=True,
    of_log=("", 1.0),
    latex=r"\log",
)
