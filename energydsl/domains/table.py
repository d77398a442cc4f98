"""The table of domains: where units live, and the families their conditionals may belong to.

A unit whose energy is -sum_k eta_k T_k(x), given all other units, has the density h(x) exp(sum_k eta_k T_k(x) - A(eta))
(exponential family; Wainwright & Jordan 2008, eq. 3.5). A family supplies the statistics T, the log-partition A with its
derivatives, and one draw from one uniform number. Which family of its domain a layer has is derived from its energy.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import Span
from energydsl.domains.density import SHAPES, Density
from energydsl.domains.own_terms import Terms
from energydsl.domains.scalar import AXIS, Op, Scalar, Var, variables
from energydsl.functions import FUNCTIONS, WRITTEN
from energydsl.syntax import tree

ETA1, ETA2, UNIFORM, LOW, HIGH = Var("eta1"), Var("eta2"), Var("u"), Var("low"), Var("high")

# Functions of one unit: all, the smooth ones that can be integrated on R, and "" for a power that is not natural; those that are
# functions of log x, and log itself.
ANY = frozenset({"", *WRITTEN})
SMOOTH = frozenset(SHAPES) & frozenset(WRITTEN)
OF_LOG = frozenset(f.name for f in FUNCTIONS.values() if f.of_log)
LOGS = frozenset(f.name for f in FUNCTIONS.values() if f.of_log and not f.of_log[0])

Arguments = tuple[float, ...]
Array = NDArray[Any]
# No bound on that side.
UNBOUNDED = float("inf")


@dataclass(frozen=True)
class Written:
    """A function of the natural parameters as it is shown: name(arguments), some with names; by_state: for one of its states."""

    function: str
    arguments: tuple[Scalar, ...] = (ETA1,)
    names: tuple[str, ...] = ()
    by_state: bool = False


@dataclass(frozen=True)
class Family:
    """A family of conditionals: formulas in eta1, eta2, the uniform number u, and the bounds low and high of the domain.

    powers: the statistics x^p that have natural parameters, in the order of eta1, eta2.
    confining_power: the power whose natural parameter must be negative for the density to exist, or 0.
    factorial_base: h(x) = 1 / x!, the base measure `lgamma(x + 1)`; else h = 1.
    entropy: -<log(p / h)>, so that -<beta E without base measure> + entropy bounds log Z.
    mean_to_natural: eta1 of a mean (and eta2) in closed form; None where it is searched for.
    formula: how the density, or the probability of the upper value, is shown; None where its mean and variance are, or its statistics.
    log_partition_formula, mean_formula: how these are shown; None where they have no short name.
    density: its statistics where there is no closed form; powers is then empty.
    """

    name: str
    powers: tuple[int, ...]
    log_partition: Scalar
    mean: Scalar
    variance: Scalar
    sample: Scalar
    entropy: Scalar
    mode: Scalar
    confining_power: int = 0
    factorial_base: bool = False
    mean_to_natural: Callable[[Any, Any], Any] | None = None
    formula: Written | None = None
    log_partition_formula: Written | None = None
    mean_formula: Written | None = None
    density: Density | None = None

    @property
    def parameter_per_state(self) -> bool:
        """Whether there is one natural parameter for each value of a unit."""
        return isinstance(self.sample, Op) and self.sample.name in AXIS

    @property
    def one_hot(self) -> bool:
        """Whether a unit's value is an indicator of its state."""
        return isinstance(self.sample, Op) and self.sample.name == "choose_last"

    @property
    def truncated(self) -> bool:
        """Whether its formulas ask for the bounds of the domain."""
        return not self.parameter_per_state and bool({"low", "high"} & variables(self.sample))

    @property
    def local(self) -> bool:
        """Whether formulas ask for nothing but natural parameters, all of one unit or state."""
        return self.one_hot or not (self.parameter_per_state or {"low", "high", "density"} & variables(self.sample))


def no_problem(arguments: Arguments) -> str:
    """For domains whose arguments are all fit."""
    return ""


def ordered(name: str) -> Callable[[Arguments], str]:
    """The bounds of a domain must be in order, and leave more than one value."""

    def problem(arguments: Arguments) -> str:
        low, high = arguments
        if low < high:
            return ""
        return f"the bounds of `{name}` {'leave one value' if low == high else 'are not in order'}"

    return problem


@dataclass(frozen=True)
class Domain:
    """Where the units of a layer live.

    support: its values, for people. families: in the order in which they are tried.
    arguments: what stands in its brackets, one word each: "size", "whole" (a number) or "number".
    problem: what is wrong with arguments, or nothing.
    own_terms: what a layer of it adds of its own in a graph of layers.
    points: for a unit of two values, those; every function of it is then linear in it.
    functions: which functions of one unit the energy may hold; "" is a power that is not natural.
    integrated: whether conditionals without a closed form are integrated numerically, so that any natural power will do.
    values: all values of a unit, of the domain's arguments; None where they are infinitely many, or no numbers.
    states: how many states a unit has, of the domain's arguments, where each has a natural parameter of its own.
    bounds: the least and the greatest value.
    integer_valued: whether values are whole numbers.
    grey: whether a datum between two values is the probability of the upper one.
    """

    name: str
    support: str
    families: tuple[Family, ...]
    own_terms: Callable[[Span, tree.Name, tree.Name], Terms]
    arguments: tuple[str, ...] = ()
    problem: Callable[[Arguments], str] = no_problem
    points: tuple[float, float] | None = None
    one_hot: bool = False
    finite: bool = True
    bounded: bool = False
    nonnegative: bool = False
    integer_valued: bool = True
    grey: bool = False
    functions: frozenset[str] = frozenset()
    integrated: bool = False
    values: Callable[[Arguments], tuple[float, ...]] | None = None
    states: Callable[[Arguments], int] | None = None
    bounds: Callable[[Arguments], tuple[float, float]] = lambda _: (-UNBOUNDED, UNBOUNDED)

    @property
    def powers(self) -> tuple[int, ...]:
        """All powers of a unit that some family takes."""
        return max((f.powers for f in self.families), key=len)

    @property
    def two_valued(self) -> bool:
        """Whether a unit is a number with two values."""
        return self.points is not None and not self.one_hot

    @property
    def any_power(self) -> bool:
        """Whether powers of a unit that are not natural are integrated like others."""
        return self.integrated and self.nonnegative and "" in self.functions

    @property
    def whole_line(self) -> bool:
        """Whether a unit may be any real number."""
        return not (self.finite or self.bounded or self.nonnegative or self.integer_valued)

    @property
    def continuous(self) -> bool:
        """Whether a unit may be any real number between its bounds."""
        return not (self.finite or self.integer_valued)

    def family(self, powers: Set[float | None], factorial_base: bool) -> Family | None:
        """The first family that takes these powers and this base measure."""
        fitting = (f for f in self.families if f.parameter_per_state or powers <= set(f.powers))
        return next((f for f in fitting if f.factorial_base == factorial_base), None)

    # --- admissible values: nothing else in the package says what a unit may be

    def interval(self, arguments: Arguments) -> tuple[float, float]:
        """The least and the greatest number that a unit, or its indicator, is in the energy; its mean lies between them."""
        return self.points or self.bounds(arguments)

    def admits(self, values: Array, arguments: Arguments, grey: bool = False) -> Array:
        """Which numbers are values of a unit; of a one-hot one, numbers of its states. NaN is none.

        grey: probabilities are admitted too, where the domain takes them.
        """
        low, high = self.interval(arguments)
        if self.two_valued and not (grey and self.grey):
            return np.asarray((values == low) | (values == high))
        if self.one_hot and self.states is not None:
            low, high = 0.0, self.states(arguments) - 1.0
        with np.errstate(invalid="ignore"):
            fits = (values >= low) & (values <= high) & np.isfinite(values)
            if self.integer_valued and not (grey and self.grey):
                fits &= values == np.floor(values)
        return np.asarray(fits)

    def admits_means(self, values: Array, arguments: Arguments) -> Array:
        """Which numbers are means of a unit, or of its indicator. NaN is none."""
        low, high = self.interval(arguments)
        return np.asarray((values >= low) & (values <= high))

    def admits_indicators(self, values: Array, grey: bool = False) -> Array:
        """Which entries of one-hot units, states on the last axis, are in order; all of a unit where its sum is not 1.

        grey: they may be probabilities, which sum to 1 to rounding, and are missing where they are NaN.
        """
        total = values.sum(axis=-1, keepdims=True)
        if grey:
            return np.asarray(~((values < 0) | (abs(total - 1.0) > 1e-6)))
        return np.asarray(((values == 0) | (values == 1)) & (total == 1))

    def from_bits(self, bits: Array) -> Array:
        """0 and 1 as the lower and the upper of two values."""
        assert self.points is not None
        low, high = self.points
        return bits if (low, high) == (0.0, 1.0) else np.asarray(bits * (high - low) + low)
