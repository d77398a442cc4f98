"""Units in {0, 1}: x^2 = x, Bernoulli with p = sigmoid(eta)."""

import numpy as np

from energydsl.domains.own_terms import bias_alone
from energydsl.domains.scalar import apply
from energydsl.domains.table import ETA1, UNIFORM, Domain, Family, Written

_mean = apply("sigmoid", ETA1)

BERNOULLI = Family(
    name="bernoulli",
    powers=(1,),
    log_partition=apply("softplus", ETA1),
    mean=_mean,
    variance=_mean * apply("sigmoid", -ETA1),
    sample=apply("less", UNIFORM, _mean),
    entropy=apply("softplus", ETA1) - ETA1 * _mean,
    mode=apply("step", ETA1),
    formula=Written("sigmoid"),
    log_partition_formula=Written("softplus"),
    mean_formula=Written("sigmoid"),
    mean_to_natural=lambda mean, _: np.log(mean / (1.0 - mean)),
)
BINARY = Domain(
    name="binary",
    support="{0, 1}",
    families=(BERNOULLI,),
    own_terms=bias_alone,
    points=(0.0, 1.0),
    nonnegative=True,
    grey=True,
    values=lambda _: (0.0, 1.0),
)
