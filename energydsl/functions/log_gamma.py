"""lgamma(y) = log |Gamma(y)|, log y! at y + 1: the derivative is digamma(y)."""

import math

from energydsl.functions.table import ElementaryFunction, Far


def _far(c: float, a: float) -> tuple[Far, ...]:
    """Stirling's formula, z = c + a n > 0: log Gamma(z) = (z - 1/2) log z - z + log(2 pi) / 2 + r, 0 < r < 1 / (12 z).

    log z = log n + log a + log(1 + c / (a n)), and a n log(1 + c / (a n)) lies between 0 and c (Abramowitz & Stegun 1964, 6.1.40).
    """
    if not (c > 0.0 and a > 0.0):
        raise ValueError("lgamma takes a positive number times a count plus a positive number")
    beside = abs(c - 0.5) * (abs(math.log(a)) + math.log1p(c / a))
    rest = beside + 2.0 * c + 0.5 * math.log(2.0 * math.pi) + 1.0 / (12.0 * (c + a))
    return (
        (1.0, 1.0, a, True),
        (1.0, 0.0, a * math.log(a) - a, True),
        (0.0, 1.0, c - 0.5, True),
        (0.0, 0.0, rest, False),
    )


LGAMMA = ElementaryFunction(
    name="lgamma",
    value=math.lgamma,
    derivative=((1.0, (("digamma", 1.0),)),),
    array="lgamma",
    unit="unit_lgamma",
    written=10,
    far=_far,
    # The same for a = 1, where n log(1 + c / n) - c lies between -c and 0.
    moved=((1.0, 1.0, 1.0, True), (1.0, 0.0, -1.0, True), (0.0, 1.0, 1.0, False), (0.0, 0.0, 1.3, False)),
)
