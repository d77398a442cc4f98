"""Units in 0, 1, 2, ...: with the base measure lgamma(x + 1) Poisson of rate exp(eta), without it geometric, eta < 0; else by a table."""

import numpy as np

from energydsl.domains.own_terms import held_by_factorials
from energydsl.domains.scalar import apply
from energydsl.domains.table import ANY, ETA1, UNBOUNDED, UNIFORM, Domain, Family, Written

# exp(eta), but what a draw of any backend can hold.
_rate = apply("poisson_rate", ETA1)

POISSON = Family(
    name="poisson",
    powers=(1,),
    factorial_base=True,
    log_partition=apply("exp", ETA1),
    mean=_rate,
    variance=_rate,
    sample=apply("poisson_draw", ETA1, UNIFORM),
    entropy=_rate - ETA1 * _rate,
    mode=apply("floor", _rate),
    formula=Written("Poisson", (apply("exp", ETA1),), ("rate",)),
    log_partition_formula=Written("exp"),
    mean_to_natural=lambda mean, _: np.log(mean),
)

_mean = 1.0 / apply("expm1", -ETA1)

GEOMETRIC = Family(
    name="geometric",
    powers=(1,),
    confining_power=1,
    log_partition=-apply("log1mexp", ETA1),
    mean=_mean,
    variance=_mean * (1.0 + _mean),
    sample=apply("floor", apply("log1p", -UNIFORM) / ETA1),
    entropy=-apply("log1mexp", ETA1) - ETA1 * _mean,
    mode=0.0 * ETA1,
    formula=Written("Geometric", (apply("exp", ETA1),), ("ratio",)),
    mean_to_natural=lambda mean, _: -np.log1p(1.0 / mean),
)
COUNT = Domain(
    name="count",
    support="0, 1, 2, ...",
    families=(POISSON, GEOMETRIC),
    own_terms=held_by_factorials,
    finite=False,
    nonnegative=True,
    functions=ANY,
    integrated=True,
    bounds=lambda _: (0.0, UNBOUNDED),
)
