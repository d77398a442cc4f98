"""What is derived from a canonical energy."""

from __future__ import annotations

from dataclasses import dataclass, field

from energydsl.domains import Family
from energydsl.energy.formula import Equation, Formula, Sum
from energydsl.energy.formula_mathml import Shown
from energydsl.energy.formula_text import as_text
from energydsl.energy.targets import Contribution


@dataclass(frozen=True, repr=False)
class Field(Shown):
    """The natural parameter of the statistic T of this number: eta = -dE/dT, a sum of parts; or -E at each value of a unit.

    plain: whether it is no natural parameter but the location or the scale of the units.
    """

    layer: str
    number: int
    parts: tuple[Contribution, ...]
    formula: Sum = field(compare=False)
    plain: bool = False

    @property
    def text(self) -> str:
        """The formula as text."""
        return as_text(self.formula)


@dataclass(frozen=True, repr=False)
class Conditional(Shown):
    """p(layer | all other layers): family, natural parameters, and whether it factorises over the units.

    distribution: the family and its formulas. fields: one natural parameter a statistic, or one for each value of a unit.
    linear: whether a unit enters the energy only in the statistics x and x^2 that have moments.
    terms: the energy terms it was derived from, by number.
    coupled_by: the first term that couples units of the layer with one another, or None.
    sampler: how its units are drawn and why, where that is not by the quantile function of a family.
    """

    layer: str
    distribution: Family
    fields: tuple[Field, ...]
    factorises: bool
    linear: bool
    coupled_by: int | None
    terms: tuple[int, ...]
    formula: Equation = field(compare=False)
    sampler: str = field(default="", compare=False)

    @property
    def text(self) -> str:
        """The formula as text."""
        return as_text(self.formula)

    @property
    def family(self) -> str:
        """The name of the family."""
        return self.distribution.name

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class BlockPart:
    """A layer, one colour of it, or (scan) the layer unit by unit."""

    layer: str
    kind: str = "whole"
    colour: int = 0

    def __str__(self) -> str:
        return {"whole": self.layer, "colours": f"{self.layer}:{self.colour}", "scan": f"{self.layer}*"}[self.kind]


Block = tuple[BlockPart, ...]
Schedule = tuple[Block, ...]


@dataclass(frozen=True, repr=False)
class Gradient(Shown):
    """dE/dparam as a sum of parts, each a sufficient statistic."""

    param: str
    parts: tuple[Contribution, ...]
    formula: Equation = field(compare=False)

    @property
    def text(self) -> str:
        """The formula as text."""
        return as_text(self.formula)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class Slope(Shown):
    """dE/dx of a layer as a sum of parts."""

    layer: str
    parts: tuple[Contribution, ...]
    formula: Equation = field(compare=False)

    @property
    def text(self) -> str:
        """The formula as text."""
        return as_text(self.formula)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, repr=False)
class FreeEnergy(Shown):
    """F = -log sum over `summed_out` of exp(-beta E), as a function of all other layers."""

    summed_out: tuple[str, ...]
    formula: Formula = field(compare=False)

    @property
    def text(self) -> str:
        """The formula as text."""
        return as_text(self.formula)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Verdict:
    """Whether a method fits the model, and why (not)."""

    name: str
    kind: str
    ok: bool
    why: str


@dataclass(frozen=True)
class Side:
    """closed: layers summed out unit by unit, given all others. joint: real layers that are integrated jointly. listed: the rest.

    log2_states: how many states are listed; infinite where a layer has infinitely many.
    """

    closed: tuple[str, ...]
    joint: tuple[str, ...]
    listed: tuple[str, ...]
    log2_states: float
