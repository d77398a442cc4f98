"""Units in [0, inf): Exponential with rate -eta1 > 0, or with a quadratic term Normal truncated at 0."""

from energydsl.domains.own_terms import held_by_a_square
from energydsl.domains.scalar import apply
from energydsl.domains.table import ETA1, OF_LOG, SMOOTH, UNBOUNDED, UNIFORM, Domain, Family, Written
from energydsl.domains.truncated import TRUNCATED_NORMAL

_mean = -1.0 / ETA1

EXPONENTIAL = Family(
    name="exponential",
    powers=(1,),
    confining_power=1,
    log_partition=-apply("log", -ETA1),
    mean=_mean,
    variance=_mean * _mean,
    sample=apply("log1p", -UNIFORM) / ETA1,
    entropy=1.0 - apply("log", -ETA1),
    mode=0.0 * ETA1,
    formula=Written("Exponential", (-ETA1,), ("rate",)),
    mean_to_natural=lambda mean, _: -1.0 / mean,
)
POSITIVE = Domain(
    name="positive",
    support="[0, inf)",
    families=(EXPONENTIAL, TRUNCATED_NORMAL),
    own_terms=held_by_a_square,
    finite=False,
    nonnegative=True,
    integer_valued=False,
    functions=SMOOTH | OF_LOG,
    integrated=True,
    bounds=lambda _: (0.0, UNBOUNDED),
)
