"""Units in R with a linear and a quadratic term: Normal, mean -eta1 / (2 eta2), variance -1 / (2 eta2), eta2 < 0."""

import math

from energydsl.domains.own_terms import around_the_bias
from energydsl.domains.scalar import apply
from energydsl.domains.table import ETA1, ETA2, LOGS, SMOOTH, UNIFORM, Domain, Family

_variance = -0.5 / ETA2
_mean = ETA1 * _variance

NORMAL = Family(
    name="normal",
    powers=(1, 2),
    confining_power=2,
    log_partition=0.5 * (ETA1 * _mean + apply("log", 2.0 * math.pi * _variance)),
    mean=_mean,
    variance=_variance,
    sample=_mean + apply("sqrt", _variance) * apply("ndtri", UNIFORM),
    entropy=0.5 * apply("log", 2.0 * math.pi * math.e * _variance),
    mode=_mean,
    mean_to_natural=lambda mean, eta2: -2.0 * mean * eta2,
)
REAL = Domain(
    name="real",
    support="R",
    families=(NORMAL,),
    own_terms=around_the_bias,
    finite=False,
    integer_valued=False,
    functions=SMOOTH | LOGS,
    integrated=True,
)
