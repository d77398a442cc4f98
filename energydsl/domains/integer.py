"""Units in a..b: any function of one unit, by a table of its values; softmax over them."""

from energydsl.domains.scalar import Scalar, apply
from energydsl.domains.table import ANY, ETA1, LOW, UNIFORM, Arguments, Domain, Family


def _values(arguments: Arguments) -> tuple[float, ...]:
    return tuple(float(v) for v in range(int(arguments[0]), int(arguments[1]) + 1))


def _table(logits: Scalar, weighted: bool, key: str) -> Family:
    return Family(
        name="table",
        powers=(1,),
        weighted=weighted,
        log_partition=apply("logsumexp_last", logits),
        mean=apply("mean_last", logits, LOW),
        variance=apply("variance_last", logits, LOW),
        sample=apply("pick_last", logits, UNIFORM, LOW),
        entropy=apply("entropy_last", logits),
        mode=apply("largest_last", logits, LOW),
        formula="softmax_{state}({eta1})",
        key=key,
    )


TABLE = _table(ETA1, False, "")
WEIGHTED_TABLE = _table(apply("weighted_last", ETA1, LOW), True, "weighted_table")

INTEGER = Domain(
    name="integer",
    support="a..b",
    families=(TABLE, WEIGHTED_TABLE),
    functions=ANY,
    bounded=True,
    values=_values,
    bounds=lambda arguments: (arguments[0], arguments[1]),
)
