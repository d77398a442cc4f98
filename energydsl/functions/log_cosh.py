"""logcosh(y) = log cosh(y): the derivative is tanh(y)."""

import math

from energydsl.functions.table import NONNEGATIVE, Bounds, ElementaryFunction

# It is |y| - log 2, but for at most log 2.
LOGCOSH = ElementaryFunction(
    name="logcosh",
    value=lambda y: max(abs(y) + math.log1p(math.exp(-2.0 * abs(y))) - math.log(2.0), 0.0),
    derivative=((1.0, (("tanh", 1.0),)),),
    array="log_cosh",
    unit="unit_log_cosh",
    written=11,
    sign=NONNEGATIVE,
    bounds=Bounds(size=0.0, slope=1.0, bend=1.0, grows=True),
    far=lambda c, a: ((1.0, 0.0, abs(a), True), (0.0, 0.0, abs(c) + math.log(2.0), False)),
    moved=((1.0, 0.0, 1.0, True), (0.0, 0.0, 1.0, False)),
    latex=r"\log\cosh",
)
