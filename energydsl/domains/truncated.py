"""Families on an interval: Normal between two bounds (one may be infinite), Exponential between two.

Both are written from the end nearer to the mode, so that nothing cancels however far in the tail the interval lies: with
z = (x - mean) / sd, a <= z <= b and a >= 0, the hazard of the Normal is 1 / r(a), r Mills' ratio (1 - Phi(a)) / phi(a),
and a draw solves log r(a) - log r(a + d) + d (d + 2 a) / 2 = -log(1 - u (1 - S(b))) for d (Robert 1995; here exactly).
"""

from energydsl.domains.scalar import apply
from energydsl.domains.table import ETA1, ETA2, HIGH, LOW, UNIFORM, Family, Written

_given = (ETA1, ETA2, LOW, HIGH)
_log = apply("truncated_normal_log", *_given)
_mean = apply("truncated_normal_mean", *_given)
_variance = apply("truncated_normal_variance", *_given)

TRUNCATED_NORMAL = Family(
    name="truncated_normal",
    powers=(1, 2),
    confining_power=2,
    log_partition=_log,
    mean=_mean,
    variance=_variance,
    sample=apply("truncated_normal_draw", *_given, UNIFORM),
    entropy=apply("truncated_normal_entropy", *_given),
    mode=apply("clip", -0.5 * ETA1 / ETA2, LOW, HIGH),
)

_short = (ETA1, LOW, HIGH)
_log_short = apply("truncated_exponential_log", *_short)
_mean_short = apply("truncated_exponential_mean", *_short)

TRUNCATED_EXPONENTIAL = Family(
    name="truncated_exponential",
    powers=(1,),
    log_partition=_log_short,
    mean=_mean_short,
    variance=apply("truncated_exponential_variance", *_short),
    sample=apply("truncated_exponential_draw", *_short, UNIFORM),
    entropy=apply("truncated_exponential_entropy", *_short),
    mode=LOW + (HIGH - LOW) * apply("step", ETA1),
    formula=Written("Exponential", (-ETA1,), ("rate",)),
)
