"""softplus(y) = log(1 + exp(y)): the derivative is sigmoid(y)."""

import math

from energydsl.functions.table import POSITIVE, Bounds, ElementaryFunction, Far


def _far(c: float, a: float) -> tuple[Far, ...]:
    """max(y, 0), but for at most log 2; max(-y, 0), or max(y, 0) where a < 0, is at most |c|."""
    rest = (0.0, 0.0, 2.0 * abs(c) + math.log(2.0), False)
    return ((1.0, 0.0, a, True), rest) if a > 0.0 else (rest,)


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
    far=_far,
    moved=((1.0, 0.0, 1.0, True), (0.0, 0.0, 2.0, False)),
    latex=r"\operatorname{softplus}",
)
