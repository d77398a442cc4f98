"""digamma(y), the derivative of lgamma (Abramowitz & Stegun 1964, 6.3.5 and 6.3.18)."""

import math

from energydsl.functions.table import ElementaryFunction

# B_2k / (2 k), the coefficients of y^-2k.
_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


def _value(y: float) -> float:
    below = 0.0
    while y < 10.0:
        if y <= 0.0 and y == math.floor(y):
            raise ValueError("digamma has poles at 0, -1, -2, ...")
        below += 1.0 / y
        y += 1.0
    series = sum(b / (y * y) ** k for k, b in enumerate(_SERIES, start=1))
    return math.log(y) - 0.5 / y - series - below


DIGAMMA = ElementaryFunction(name="digamma", value=_value, derivative=((1.0, (("trigamma", 1.0),)),), array="digamma")
