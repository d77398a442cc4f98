"""Units in {-1, +1}: x^2 = 1, mean tanh(eta), p(+1) = sigmoid(2 eta)."""

from energydsl.domains.scalar import apply
from energydsl.domains.table import ETA1, UNIFORM, Domain

_double = 2.0 * ETA1
_log_partition = apply("softplus", _double) - ETA1
_mean = apply("tanh", ETA1)

SPIN = Domain(
    name="spin",
    family="spin",
    powers=(1,),
    support="{-1, +1}",
    points=(-1.0, 1.0),
    log_partition=_log_partition,
    mean=_mean,
    variance=4.0 * (apply("sigmoid", _double) * apply("sigmoid", -_double)),
    sample=2.0 * apply("less", UNIFORM, apply("sigmoid", _double)) - 1.0,
    entropy=_log_partition - ETA1 * _mean,
    mode=2.0 * apply("step", ETA1) - 1.0,
    formula="sigmoid(2 ({eta1}))",
)
