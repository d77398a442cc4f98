"""The table of domains and the record every entry fills in.

A layer of domain D whose energy is -sum_k eta_k T_k(x), given all other layers, has the density
h(x) exp(sum_k eta_k T_k(x) - A(eta)) (exponential family; Wainwright & Jordan 2008, eq. 3.5). A domain supplies the
statistics T, the log-partition A with its derivatives, and one draw from one uniform number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from energydsl.domains.scalar import Scalar, Var

ETA1, ETA2, UNIFORM = Var("eta1"), Var("eta2"), Var("u")


@dataclass(frozen=True)
class Domain:
    """Where the units of a layer live, and what follows from it.

    powers: the statistics x^p that have natural parameters, in the order of eta1, eta2.
    points: for a unit of two values, those; every function of it is then linear in it.
    functions: which functions of one unit the energy may hold: none, "lgamma" (the base measure), or "any".
    log_partition, mean, second_moment, sample, entropy, mode: formulas in eta1, eta2 and u; None where not yet derived.
    """

    name: str
    family: str
    powers: tuple[int, ...]
    support: str
    points: tuple[float, float] | None = None
    one_hot: bool = False
    finite: bool = True
    bounded: bool = False
    nonnegative: bool = False
    functions: str = ""
    log_partition: Scalar | None = None
    mean: Scalar | None = None
    variance: Scalar | None = None
    sample: Scalar | None = None
    entropy: Scalar | None = None
    mode: Scalar | None = None
    base_rate: Callable[[float], float] | None = None
    formula: str = ""

    @property
    def derived(self) -> bool:
        """Whether the compiler can sample this domain yet."""
        return self.sample is not None
