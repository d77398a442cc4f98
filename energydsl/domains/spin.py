"""Units in {-1, +1}: x^2 = 1, mean tanh(eta), p(+1) = sigmoid(2 eta)."""

import numpy as np

from energydsl.domains.own_terms import bias_alone
from energydsl.domains.scalar import apply
from energydsl.domains.table import ETA1, UNIFORM, Domain, Family, Written

_double = 2.0 * ETA1
_log_partition = apply("softplus", _double) - ETA1
_mean = apply("tanh", ETA1)

SPINS = Family(
    name="spin",
    powers=(1,),
    log_partition=_log_partition,
    mean=_mean,
    variance=4.0 * (apply("sigmoid", _double) * apply("sigmoid", -_double)),
    sample=2.0 * apply("less", UNIFORM, apply("sigmoid", _double)) - 1.0,
    entropy=_log_partition - ETA1 * _mean,
    mode=2.0 * apply("step", ETA1) - 1.0,
    formula=Written("sigmoid", (_double,)),
    log_partition_formula=Written("log 2cosh"),
    mean_formula=Written("tanh"),
    mean_to_natural=lambda mean, _: np.arctanh(mean),
)
SPIN = Domain(
    name="spin",
    support="{-1, +1}",
    families=(SPINS,),
    own_terms=bias_alone,
    points=(-1.0, 1.0),
    values=lambda _: (-1.0, 1.0),
)
