"""Units in {0, 1}: x^2 = x, Bernoulli with p = sigmoid(eta)."""

from energydsl.domains.scalar import apply
from energydsl.domains.table import ETA1, UNIFORM, Domain

_mean = apply("sigmoid", ETA1)

BINARY = Domain(
    name="binary",
    family="bernoulli",
    powers=(1,),
    support="{0, 1}",
    points=(0.0, 1.0),
    nonnegative=True,
    log_partition=apply("softplus", ETA1),
    mean=_mean,
    variance=_mean * apply("sigmoid", -ETA1),
    sample=apply("less", UNIFORM, _mean),
    entropy=apply("softplus", ETA1) - ETA1 * _mean,
    mode=apply("step", ETA1),
    formula="sigmoid({eta1})",
)
