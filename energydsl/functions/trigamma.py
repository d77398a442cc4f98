"""trigamma(y), the derivative of digamma (Abramowitz & Stegun 1964, 6.4.6 and 6.4.12)."""

import math

from energydsl.functions.table import ElementaryFunction

# B_2k, the coefficients of y^-(2k + 1).
_SERIES = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _value(y: float) -> float:
    below = 0.0
    while y < 10.0:
        if y <= 0.0 and y == math.floor(y):
            raise ValueError("trigamma has poles at 0, -1, -2, ...")
        below += 1.0 / (y * y)
        y += 1.0
    series = sum(b / y ** (2 * k + 1) for k, b in enumerate(_SERIES, start=1))
    return below + 1.0 / y + 0.5 / (y * y) + series


TRIGAMMA = ElementaryFunction(name="trigamma", value=_value)
