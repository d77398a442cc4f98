"""The largest whole number that is not above y: what counts are rounded to."""

import math

from energydsl.functions.table import ElementaryFunction

FLOOR = ElementaryFunction(
    name="floor", value=lambda y: float(math.floor(y)), derivative=(), array="np.floor", unit="unit_floor"
)
