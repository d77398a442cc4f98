"""log(y), y > 0: the derivative is 1 / y."""

import math

from energydsl.functions.table import ElementaryFunction, Far


def _far(c: float, a: float) -> tuple[Far, ...]:
    """log(a n) + log(1 + c / (a n)), the last between 0 and log(1 + c / a)."""
    if not (c > 0.0 and a > 0.0):
        raise ValueError("log takes a positive number times a count plus a positive number")
    return (0.0, 1.0, 1.0, True), (0.0, 0.0, abs(math.log(a)) + math.log1p(c / a), False)


LOG = ElementaryFunction(
    name="log",
    value=math.log,
    derivative=((1.0, (("", -1.0),)),),
    array="np.log",
    unit="unit_log",
    written=2,
    positive_only=True,
    of_log=("", 1.0),
    far=_far,
    moved=((0.0, 1.0, 1.0, True), (0.0, 0.0, 1.0, False)),
    latex=r"\log",
)
