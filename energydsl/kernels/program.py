"""The array program: straight-line kernels over named axes.

What it can say, and all it can say:

    Access    read an array: a layer x, a parameter p, a const c, the values of a unit, row weights, a mask, an earlier
              value; whole, or gathered at index expressions; raised to a power
    Define    a new value: a function of a sum of products (coefficients such as 1 / sqrt(1 + a))
    Contract  the product of two values, summed over the axes nothing later needs
    Section   a chain of contractions whose result, times a number and a term weight, is added to an output,
              aligned by axes or scattered at computed places

An axis is a letter with a size; BATCH is the axis of chains. A kernel is a list of sections that add up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from energydsl.domains import Family
from energydsl.energy.terms import Predicate
from energydsl.model.indices import Index

BATCH = "B"


@dataclass(frozen=True)
class Access:
    """An array and the axes it has after indexing."""

    source: str
    name: str
    letters: tuple[str, ...]
    indices: tuple[Index, ...] | None = None
    flat: bool = False
    exponent: float = 1.0
    predicate: Predicate | None = None


@dataclass(frozen=True)
class Define:
    """`out = function(sum of sections)`, over `letters`; function "" is the identity."""

    out: str
    function: str
    sections: tuple[Section, ...]
    letters: tuple[str, ...]


@dataclass(frozen=True)
class Contract:
    """`out = left * right`, summed over every axis that is not in `letters`; right is None for a plain sum."""

    out: str
    left: Access
    right: Access | None
    letters: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """One monomial of an output: steps, result, factor, term weight, and where it goes.

    target: None where the axes of the result are those of the output; else the index expressions it is scattered at.
    """

    label: str
    coefficient: float
    steps: tuple[Define | Contract, ...]
    result: Access | None
    sizes: Mapping[str, tuple[int, int]]
    target: tuple[Index, ...] | None
    flat: bool
    layers: tuple[str, ...]
    origin: str

    @property
    def batched(self) -> bool:
        return self.result is not None and BATCH in self.result.letters


@dataclass(frozen=True)
class Kernel:
    """One output: its axes after BATCH (where it has that), shape, and the sections that add up to it."""

    name: str
    equation: str
    letters: tuple[str, ...]
    shape: tuple[int, ...]
    sections: tuple[Section, ...]

    @property
    def batched(self) -> bool:
        return any(s.batched for s in self.sections)


@dataclass(frozen=True)
class LayerKernels:
    """The fields of a layer, one kernel a statistic; `unit_fields` for one unit at a time where it is scanned.

    low, high: the bounds of its units.
    """

    layer: str
    family: Family
    low: float
    high: float
    shape: tuple[int, ...]
    energy_shape: tuple[int, ...]
    field_shape: tuple[int, ...]
    fields: tuple[Kernel, ...]
    unit_fields: tuple[Kernel, ...]
    equation: str
    origin: str

    @property
    def states(self) -> int:
        """How many natural parameters a unit has, one for each value; 0 where it has one a statistic."""
        return self.field_shape[-1] if self.field_shape != self.shape else 0

    @property
    def squared(self) -> bool:
        """Whether its second moments are statistics too."""
        return self.family.powers == (1, 2)

    @property
    def etas(self) -> tuple[str, ...]:
        """The names of its natural parameters."""
        return tuple(kernel.name for kernel in self.fields)


@dataclass(frozen=True)
class KernelProgram:
    """All kernels of a model."""

    name: str
    labels: tuple[str, ...]
    layers: Mapping[str, LayerKernels]
    energy: Kernel
    gradients: Mapping[str, Kernel]
