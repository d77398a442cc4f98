"""Units in [a, b]: Exponential (of either sign) or, with a quadratic term, Normal, both between the bounds."""

from energydsl.domains.table import SMOOTH, Domain
from energydsl.domains.truncated import TRUNCATED_EXPONENTIAL, TRUNCATED_NORMAL

INTERVAL = Domain(
    name="interval",
    support="[a, b]",
    families=(TRUNCATED_EXPONENTIAL, TRUNCATED_NORMAL),
    finite=False,
    bounded=True,
    integer_valued=False,
    functions=SMOOTH,
    integrated=True,
    bounds=lambda arguments: (arguments[0], arguments[1]),
)
