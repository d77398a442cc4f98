"""logcosh(y) = log cosh(y): the derivative is tanh(y)."""

import math

from energydsl.functions.table import NONNEGATIVE, Bounds, ElementaryFunction

LOGCOSH = ElementaryFunction(
    name="logcosh",
    value=lambda y: max(abs(y) + math.log1p(math.exp(-2.0 * abs(y))) - math.log(2.0), 0.0),
    derivative=((1.0, (("tanh", 1.0),)),),
    array="log_cosh",
    unit="unit_log_cosh",
    written=11,
    sign=NONNEGATIVE,
    bounds=Bounds(size=0.0, slope=1.0, bend=1.0, grows=True),
    latex=r"\log\cosh",
)
