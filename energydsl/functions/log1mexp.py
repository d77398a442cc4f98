"""log(1 - exp(y)), y < 0 (Maechler 2012)."""

import math

from energydsl.functions.table import ElementaryFunction

LOG1MEXP = ElementaryFunction(
    name="log1mexp", value=lambda y: math.log(-math.expm1(y)), array="log1mexp", unit="unit_log1mexp"
)
