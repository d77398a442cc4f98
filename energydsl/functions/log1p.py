"""log(1 + y), without cancellation near 0."""

import math

from energydsl.functions.table import ElementaryFunction

LOG1P = ElementaryFunction(name="log1p", value=math.log1p, array="np.log1p", unit="unit_log1p", keeps_sign=True)
