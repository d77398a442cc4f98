"""sqrt(y), y >= 0: the derivative is y^(-1/2) / 2."""

import math

from energydsl.functions.table import NONNEGATIVE, ElementaryFunction, Far


def _far(c: float, a: float) -> tuple[Far, ...]:
    """sqrt(a n), but for at most sqrt(c)."""
    if not (c >= 0.0 and a > 0.0):
        raise ValueError("sqrt takes a positive number times a count plus a number that is not negative")
    return (0.5, 0.0, math.sqrt(a), True), (0.0, 0.0, math.sqrt(c), False)


SQRT = ElementaryFunction(
    name="sqrt",
    value=math.sqrt,
    derivative=((0.5, (("", -0.5),)),),
    array="np.sqrt",
    unit="unit_sqrt",
    written=3,
    sign=NONNEGATIVE,
    keeps_sign=True,
    far=_far,
    moved=((0.5, 0.0, 1.0, True), (0.0, 0.0, 1.0, False)),
    of_log=("exp", 0.5),
)
