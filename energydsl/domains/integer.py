"""Units in a..b: any function of one unit, by a table of its values; softmax over them."""

from energydsl.domains.scalar import apply
from energydsl.domains.table import ANY, ETA1, LOW, UNIFORM, Arguments, Domain, Family


def _values(arguments: Arguments) -> tuple[float, ...]:
    return tuple(float(v) for v in range(int(arguments[0]), int(arguments[1]) + 1))


TABLE = Family(
    name="table",
    powers=(1,),
    log_partition=apply("logsumexp_last", ETA1),
    mean=apply("mean_last", ETA1, LOW),
    variance=apply("variance_last", ETA1, LOW),
    sample=apply("pick_last", ETA1, UNIFORM, LOW),
    entropy=apply("entropy_last", ETA1),
    mode=apply("largest_last", ETA1, LOW),
    formula="softmax_{state}({eta1})",
)

INTEGER = Domain(
    name="integer",
    support="a..b",
    families=(TABLE,),
    functions=ANY,
    bounded=True,
    values=_values,
    bounds=lambda arguments: (arguments[0], arguments[1]),
)
