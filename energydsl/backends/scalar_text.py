"""A domain's formulas as expressions of one unit, for kernels that treat units one by one (Numba and CUDA)."""

from __future__ import annotations

from collections.abc import Mapping

from energydsl.domains.scalar import Num, Op, Scalar, Var

# Operations that every language writes between their arguments.
INFIX = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "less": "<", "power": "**"}


def scalar(node: Scalar, variables: Mapping[str, str], choice: str) -> str:
    """A formula over `variables`, numbers as FLOAT(...), functions as unit_...(...).

    choice: how the language writes 1 where a test holds and 0 where not, with {test} in it.
    """
    match node:
        case Var(name=name):
            return variables[name]
        case Num(value=value):
            return f"FLOAT({value!r})"
        case Op(name="negative", arguments=(inner,)):
            return f"(-{scalar(inner, variables, choice)})"
        case Op(name="less", arguments=(left, Op(name="sigmoid", arguments=(right,)))):
            # u < 1 / (1 + exp(-x)) without the division
            below, x = scalar(left, variables, choice), scalar(right, variables, choice)
            return choice.format(test=f"{below} * (FLOAT(1.0) + unit_exp(-{x})) < FLOAT(1.0)")
        case Op(name="less", arguments=(left, right)):
            test = f"{scalar(left, variables, choice)} < {scalar(right, variables, choice)}"
            return choice.format(test=test)
        case Op(name=name, arguments=(left, right)) if name in INFIX:
            return f"({scalar(left, variables, choice)} {INFIX[name]} {scalar(right, variables, choice)})"
        case Op(name=name, arguments=arguments):
            return f"unit_{name}({', '.join(scalar(a, variables, choice) for a in arguments)})"
    raise AssertionError(node)
