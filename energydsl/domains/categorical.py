"""One-hot units of K states: x_a x_b = 0 for a != b, softmax over the last axis."""

import numpy as np

from energydsl.domains.own_terms import bias_alone
from energydsl.domains.scalar import apply
from energydsl.domains.table import ETA1, UNIFORM, Domain, Family, Written

_mean = apply("softmax_last", ETA1)

STATES = Family(
    name="categorical",
    powers=(1,),
    log_partition=apply("logsumexp_last", ETA1),
    mean=_mean,
    variance=_mean * (1.0 - _mean),
    sample=apply("choose_last", ETA1, UNIFORM),
    entropy=apply("entropy_last", ETA1),
    mode=apply("choose_last", 1e4 * ETA1, 0.5),
    formula=Written("softmax", by_state=True),
    log_partition_formula=Written("logsumexp"),
    mean_formula=Written("softmax"),
    mean_to_natural=lambda mean, _: np.log(mean),
)
CATEGORICAL = Domain(
    name="categorical",
    support="one-hot",
    families=(STATES,),
    own_terms=bias_alone,
    arguments=("size",),
    points=(0.0, 1.0),
    one_hot=True,
    nonnegative=True,
    states=lambda arguments: int(arguments[0]),
)
