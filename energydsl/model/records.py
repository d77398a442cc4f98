"""The resolved model: layers, parameters, constants, graphs, and typed energies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import Diagnostic, Span
from energydsl.domains import DOMAINS
from energydsl.model.expressions import Expression, Shape
from energydsl.syntax import tree

CONST_CONSTRAINTS = ("positive", "nonnegative")
CONSTRAINTS = (*CONST_CONSTRAINTS, "symmetric", "zero_diagonal", "frozen")


@dataclass(frozen=True)
class DomainSpec:
    """A domain by name with its bounds or its number of states."""

    name: str
    arguments: tuple[float, ...] = ()

    def __str__(self) -> str:
        if not self.arguments:
            return self.name
        return f"{self.name}[{', '.join(f'{a:g}' for a in self.arguments)}]"


@dataclass(frozen=True)
class Layer:
    """An array of units of one domain. letters: of the states of a unit, by which data files name them; "" where there are none."""

    name: str
    role: str
    domain: DomainSpec
    shape: Shape
    axes: tuple[str, ...]
    span: Span = field(compare=False, repr=False)
    letters: str = ""

    @property
    def energy_shape(self) -> Shape:
        """The shape the layer has in the energy: a categorical layer adds a last axis of its states."""
        return self.field_shape if DOMAINS[self.domain.name].one_hot else self.shape

    @property
    def field_shape(self) -> Shape:
        """The shape of its natural parameters: a categorical or integer layer has one for each value."""
        states = DOMAINS[self.domain.name].states
        return self.shape if states is None else (*self.shape, states(self.domain.arguments))

    @property
    def size(self) -> int:
        """The number of units."""
        return math.prod(self.shape)

    @property
    def declared(self) -> str:
        """Its domain as it is declared, with the letters of its states."""
        return f'{self.domain} = "{self.letters}"' if self.letters else str(self.domain)

    @property
    def is_label(self) -> bool:
        """Whether it is a class label: a single one-hot unit."""
        return DOMAINS[self.domain.name].one_hot and self.size == 1


@dataclass(frozen=True)
class Initialiser:
    """How a parameter begins: number, normal, uniform, rademacher, base_rate or file; `values` are those of a file."""

    kind: str
    arguments: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    layer: str = ""
    values: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Param:
    """A learned array; `graph` is set where it has one value an edge."""

    name: str
    shape: Shape
    axes: tuple[str, ...]
    constraints: tuple[str, ...]
    init: Initialiser
    graph: str | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Const:
    """A run-time scalar with its default."""

    name: str
    value: float
    constraints: tuple[str, ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Graph:
    """A graph over units 0..nodes-1. `kind` is a generator, `edges` (given ones), `hyperedges`, or `absent`.

    Hyperedges are sets of any number of units, each in order: small ones first.
    """

    name: str
    kind: str
    nodes: int
    edge_count: int
    sizes: tuple[int, ...] = ()
    periodic: bool = False
    degree: int = 0
    seed: int = 0
    edges: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def hyper(self) -> bool:
        """Whether its edges may join more than two units."""
        return self.kind == "hyperedges"

    @property
    def groups(self) -> tuple[tuple[int, int, int], ...]:
        """Runs low, high of hyperedges of one size, and that size."""
        sizes = [len(edge) for edge in self.edges]
        lows = [n for n, size in enumerate(sizes) if n == 0 or size != sizes[n - 1]]
        return tuple((a, b, sizes[a]) for a, b in zip(lows, [*lows[1:], len(sizes)], strict=True))


@dataclass(frozen=True)
class EnergyTerm:
    """One `energy` statement that is not conditional, by its name."""

    name: str
    expression: Expression
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Directed:
    """`energy targets | given = ...` or its `recognition` counterpart.

    value: the energy as a tree. copy: where the target is given itself, in order, the name under which `value` and `expression`
    read its units before each; it is not among `given`.
    """

    keyword: str
    targets: tuple[str, ...]
    given: tuple[str, ...]
    expression: Expression
    value: tree.Expr = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)
    copy: str = ""

    @property
    def label(self) -> str:
        """`v | v, h`, as it stands before the energy."""
        return f"{', '.join(self.targets)} | {', '.join((*self.targets * bool(self.copy), *self.given))}"


@dataclass(frozen=True)
class Auxiliary:
    """Auxiliary units: exp(-before) is the sum of exp(-after) over their layers, but for exp(constant) for each of their units.

    layers: (name, constant). before, after: an energy term without them, and with them.
    """

    layers: tuple[tuple[str, float], ...]
    before: Expression
    after: Expression


@dataclass(frozen=True)
class ScheduleBlock:
    """Layers updated together, each whole or (True) by its parts."""

    parts: tuple[tuple[str, bool], ...]
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Resolved:
    """Everything a file declares, with names bound and sizes known."""

    name: str
    dims: Mapping[str, int]
    layers: Mapping[str, Layer]
    params: Mapping[str, Param]
    consts: Mapping[str, Const]
    graphs: Mapping[str, Graph]
    energies: tuple[EnergyTerm, ...]
    directed: tuple[Directed, ...]
    schedule: tuple[ScheduleBlock, ...]
    expanded: tuple[tree.Statement, ...] = field(compare=False, repr=False)
    module: tree.Module = field(compare=False, repr=False)
    warnings: tuple[Diagnostic, ...] = field(compare=False, repr=False)
    schedule_span: Span | None = field(default=None, compare=False, repr=False)
    auxiliaries: tuple[Auxiliary, ...] = field(default=(), compare=False, repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the energy terms, each once, in order."""
        return tuple(dict.fromkeys(e.name for e in self.energies))

    @property
    def starts(self) -> dict[str, NDArray[np.float64]]:
        """The initial values that were read from files, by parameter."""
        return {n: p.init.values for n, p in self.params.items() if p.init.values is not None}

    def random_layers(self) -> dict[str, Layer]:
        """The layers that are random: visible and hidden."""
        return {n: layer for n, layer in self.layers.items() if layer.role != "input"}

    def by_role(self, role: str) -> tuple[str, ...]:
        """Names of the layers of a role, in order of declaration."""
        return tuple(n for n, layer in self.layers.items() if layer.role == role)
