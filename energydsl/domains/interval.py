"""Units in [a, b]: Exponential (of either sign) or, with a quadratic term, Normal, both between the bounds."""

from energydsl.domains.own_terms import bias_alone
from energydsl.domains.table import LOGS, SMOOTH, Domain, ordered
from energydsl.domains.truncated import TRUNCATED_EXPONENTIAL, TRUNCATED_NORMAL

INTERVAL = Domain(
    name="interval",
    support="[a, b]",
    families=(TRUNCATED_EXPONENTIAL, TRUNCATED_NORMAL),
    own_terms=bias_alone,
    arguments=("number", "number"),
    problem=ordered("interval"),
    finite=False,
    bounded=True,
    integer_valued=False,
    functions=SMOOTH | LOGS,
    integrated=True,
    bounds=lambda arguments: (arguments[0], arguments[1]),
)
