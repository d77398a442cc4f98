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
    # u < sigmoid(eta)  <=>  2u - 1 < tanh(eta / 2), which cannot overflow
    sample=apply("less", 2.0 * UNIFORM - 1.0, apply("tanh", 0.5 * ETA1)),
    entropy=apply("softplus", ETA1) - ETA1 * _mean,
    mode=apply("step", ETA1),
    formula="sigmoid({eta1})",
)
