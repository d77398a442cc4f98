"""The table of domains: where units live, and the families their conditionals may belong to.

A unit whose energy is -sum_k eta_k T_k(x), given all other units, has the density h(x) exp(sum_k eta_k T_k(x) - A(eta))
(exponential family; Wainwright & Jordan 2008, eq. 3.5). A family supplies the statistics T, the log-partition A with its
derivatives, and one draw from one uniform number. Which family of its domain a layer has is derived from its energy.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from energydsl.domains.density import BUMP, SHAPES, WALL, Density
from energydsl.domains.scalar import AXIS, Op, Scalar, Var, variables
from energydsl.functions import WRITTEN

ETA1, ETA2, UNIFORM, LOW, HIGH = Var("eta1"), Var("eta2"), Var("u"), Var("low"), Var("high")

# Functions of one unit: all, the smooth ones that can be integrated on R, and "" for a power that is not natural.
ANY = frozenset({"", *WRITTEN})
SMOOTH = frozenset(SHAPES) - {"", BUMP, WALL}

Arguments = tuple[float, ...]
# No bound on that side.
UNBOUNDED = float("inf")


@dataclass(frozen=True)
class Family:
    """A family of conditionals: formulas in eta1, eta2, the uniform number u, and the bounds low and high of the domain.

    powers: the statistics x^p that have natural parameters, in the order of eta1, eta2.
    confining_power: the power whose natural parameter must be negative for the density to exist, or 0.
    factorial_base: h(x) = 1 / x!, the base measure `lgamma(x + 1)`; else h = 1.
    entropy: -<log(p / h)>, so that -<beta E without base measure> + entropy bounds log Z.
    mean_to_natural: eta1 of a mean (and eta2) in closed form; None where it is searched for.
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
    formula: str
    confining_power: int = 0
    factorial_base: bool = False
    mean_to_natural: Callable[[Any, Any], Any] | None = None
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
    def local(self) -> bool:
        """Whether formulas ask for nothing but natural parameters, all of one unit or state."""
        return self.one_hot or not (self.parameter_per_state or {"low", "high", "density"} & variables(self.sample))


@dataclass(frozen=True)
class Domain:
    """Where the units of a layer live.

    families: in the order in which they are tried.
    points: for a unit of two values, those; every function of it is then linear in it.
    functions: which functions of one unit the energy may hold; "" is a power that is not natural.
    integrated: whether conditionals without a closed form are integrated numerically, so that any natural power will do.
    values: all values of a unit, of the domain's arguments; None where they are infinitely many.
    bounds: the least and the greatest value.
    integer_valued: whether values are whole numbers.
    """

    name: str
    support: str
    families: tuple[Family, ...]
    points: tuple[float, float] | None = None
    one_hot: bool = False
    finite: bool = True
    bounded: bool = False
    nonnegative: bool = False
    integer_valued: bool = True
    functions: frozenset[str] = frozenset()
    integrated: bool = False
    values: Callable[[Arguments], tuple[float, ...]] | None = None
    bounds: Callable[[Arguments], tuple[float, float]] = lambda _: (-UNBOUNDED, UNBOUNDED)

    @property
    def powers(self) -> tuple[int, ...]:
        """All powers of a unit that some family takes."""
        return max((f.powers for f in self.families), key=len)

    def family(self, powers: Set[float | None], factorial_base: bool) -> Family | None:
        """The first family that takes these powers and this base measure."""
        fitting = (f for f in self.families if f.parameter_per_state or powers <= set(f.powers))
        return next((f for f in fitting if f.factorial_base == factorial_base), None)
