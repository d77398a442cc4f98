"""Units in a..b: any function of one unit, by a table of its values; softmax over them."""

from energydsl import limits
from energydsl.domains.own_terms import bias_alone
from energydsl.domains.scalar import apply
from energydsl.domains.table import ANY, ETA1, LOW, UNIFORM, Arguments, Domain, Family, Written, ordered


def _values(arguments: Arguments) -> tuple[float, ...]:
    return tuple(float(v) for v in range(int(arguments[0]), int(arguments[1]) + 1))


def _states(arguments: Arguments) -> int:
    return int(arguments[1] - arguments[0]) + 1


def _problem(arguments: Arguments) -> str:
    if found := ordered("integer")(arguments):
        return found
    if arguments[1] - arguments[0] > limits.VALUES_OF_A_UNIT:
        return f"an integer unit has at most {limits.VALUES_OF_A_UNIT} values; a table holds them all"
    return ""


TABLE = Family(
    name="table",
    powers=(1,),
    log_partition=apply("logsumexp_last", ETA1),
    mean=apply("mean_last", ETA1, LOW),
    variance=apply("variance_last", ETA1, LOW),
    sample=apply("pick_last", ETA1, UNIFORM, LOW),
    entropy=apply("entropy_last", ETA1),
    mode=apply("largest_last", ETA1, LOW),
    formula=Written("softmax", by_state=True),
    log_partition_formula=Written("logsumexp"),
)

INTEGER = Domain(
    name="integer",
    support="a..b",
    families=(TABLE,),
    own_terms=bias_alone,
    arguments=("whole", "whole"),
    problem=_problem,
    functions=ANY,
    bounded=True,
    values=_values,
    states=_states,
    bounds=lambda arguments: (arguments[0], arguments[1]),
)
