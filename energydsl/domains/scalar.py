"""Scalar expressions: the formulas of a domain, written once and printed by every backend.

A formula is built from `Var`s with ordinary operators and the functions below; nothing is evaluated here. The functions
that end in `_last` work along the last axis (the states of a categorical unit).
"""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.functions import FUNCTIONS

UNARY = {"negative", *FUNCTIONS} - {""}
BINARY = {"add", "subtract", "multiply", "divide", "less", "power"}
AXIS = {"softmax_last", "logsumexp_last", "choose_last", "entropy_last", "pick_last", "largest_last"}
AXIS |= {"mean_last", "variance_last"}
# Functions of natural parameters and bounds that have no short formula.
SPECIAL = {f"truncated_{f}_{w}" for f in ("normal", "exponential") for w in ("log", "mean", "variance", "draw")}
SPECIAL |= {"truncated_normal_entropy", "truncated_exponential_entropy", "poisson_rate", "poisson_draw", "clip"}
SPECIAL |= {f"density_{what}" for what in ("log", "mean", "variance", "entropy", "mode", "draw")}


class Scalar:
    """Base of formula nodes; the operators build `Op`s."""

    def __add__(self, other: Scalar | float) -> Op:
        return Op("add", (self, wrap(other)))

    def __radd__(self, other: float) -> Op:
        return Op("add", (wrap(other), self))

    def __sub__(self, other: Scalar | float) -> Op:
        return Op("subtract", (self, wrap(other)))

    def __rsub__(self, other: float) -> Op:
        return Op("subtract", (wrap(other), self))

    def __mul__(self, other: Scalar | float) -> Op:
        return Op("multiply", (self, wrap(other)))

    def __rmul__(self, other: float) -> Op:
        return Op("multiply", (wrap(other), self))

    def __truediv__(self, other: Scalar | float) -> Op:
        return Op("divide", (self, wrap(other)))

    def __rtruediv__(self, other: float) -> Op:
        return Op("divide", (wrap(other), self))

    def __neg__(self) -> Op:
        return Op("negative", (self,))

    def __pow__(self, exponent: float) -> Op:
        return Op("power", (self, wrap(exponent)))


@dataclass(frozen=True)
class Var(Scalar):
    """A variable: eta1, eta2, the uniform number u, a bound."""

    name: str


@dataclass(frozen=True)
class Num(Scalar):
    """A number."""

    value: float


@dataclass(frozen=True)
class Op(Scalar):
    """A function of formulas."""

    name: str
    arguments: tuple[Scalar, ...]


def wrap(value: Scalar | float) -> Scalar:
    """A number as a formula, and a formula as it is."""
    return value if isinstance(value, Scalar) else Num(float(value))


def apply(name: str, *arguments: Scalar | float) -> Op:
    """`name(arguments)`, for a name of the tables above."""
    assert name in UNARY | BINARY | AXIS | SPECIAL, name
    return Op(name, tuple(wrap(a) for a in arguments))


def substitute(node: Scalar, mapping: dict[str, Scalar]) -> Scalar:
    """The formula with variables replaced."""
    match node:
        case Var(name=name):
            return mapping.get(name, node)
        case Op(name=name, arguments=arguments):
            return Op(name, tuple(substitute(a, mapping) for a in arguments))
    return node


def variables(node: Scalar) -> set[str]:
    """The names of the variables of a formula."""
    if isinstance(node, Op):
        return {name for a in node.arguments for name in variables(a)}
    return {node.name} if isinstance(node, Var) else set()
