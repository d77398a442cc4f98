"""lgamma(y) = log |Gamma(y)|, log y! at y + 1: the derivative is digamma(y)."""

import math

from energydsl.functions.table import ElementaryFunction

LGAMMA = ElementaryFunction(
    name="lgamma",
    value=math.lgamma,
    derivative=((1.0, (("digamma", 1.0),)),),
    array="lgamma",
    unit="unit_lgamma",
    written=10,
)
