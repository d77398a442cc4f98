"""What the checks of a certificate are functions of: a model, one draw of everything its kernels take, and states."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypedDict

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.derive import Derived
from energydsl.derive.records import BlockPart, Schedule
from energydsl.domains import DOMAINS
from energydsl.graph.edges import edges_of
from energydsl.kernels import Choices
from energydsl.model.records import Layer, Param, Resolved
from energydsl.options import Backend
from energydsl.program import Program
from energydsl.program.initialise import constrained
from energydsl.program.undirected import Undirected
from energydsl.random import stream
from energydsl.verification.oracle import Oracle, enumerate_states, quadrature, unit_values
from energydsl.verification.rounding import largest

# A unit: its layer, and its number there in flat order.
Unit = tuple[str, int]
# Stand-ins for the values of a unit of infinitely many, in (0, 1) before they are moved into its domain.
_POINTS = np.array([0.175, 0.55, 0.725])
# States that are looked at where not all can be listed.
_ROWS = 8
_BETA = 0.7


class Scalars(TypedDict):
    """What multiplies energies: beta, the weights of energy terms, and the values of consts."""

    beta: float
    weights: dict[str, float]
    consts: dict[str, float]


@dataclass(frozen=True, eq=False)
class Setting:
    """One model with one draw of parameters, beta, weights and consts, and the oracle for them.

    inputs: one row of every input layer. values: of a unit of each random layer, those that are listed, one row each.
    """

    seed: int
    derived: Derived
    engine: Undirected
    oracle: Oracle
    params: Arrays
    scalars: Scalars
    inputs: Arrays
    values: Mapping[str, Array]

    @property
    def model(self) -> Resolved:
        """The model, with its sizes as they are here."""
        return self.derived.model

    @cached_property
    def program(self) -> Program:
        """The kernels as a user calls them."""
        return Program(self.engine)

    @property
    def units(self) -> Mapping[str, Layer]:
        """The random layers."""
        return self.model.random_layers()

    @cached_property
    def kinks(self) -> list[float]:
        """Where an absolute value of a unit may have its kink."""
        return self.oracle.kinks({**self.params, **self.inputs})

    @property
    def drawn(self) -> Mapping[str, Layer]:
        """The random layers that have a conditional."""
        return {n: layer for n, layer in self.units.items() if n in self.derived.conditionals}

    @property
    def beta(self) -> float:
        """The inverse temperature."""
        return self.scalars["beta"]

    def generator(self, use: str) -> np.random.Generator:
        """Random numbers for one check: no check moves those of another."""
        return generator(self.seed, use)

    def host(self, array: Any) -> Array:
        """Values as a NumPy array."""
        return self.engine.host(array)

    def with_inputs(self, states: Mapping[str, Array], rows: int) -> Arrays:
        """States with the inputs in every row."""
        return {**states, **{n: np.repeat(v, rows, axis=0) for n, v in self.inputs.items()}}

    def units_of(self, part: BlockPart) -> list[int]:
        """The units a part updates, in flat order."""
        if part.kind != "colours":
            return list(range(self.model.layers[part.layer].size))
        units = self.engine.kernels.layers[part.layer].units
        assert units is not None
        return [int(k) for k in self.host(units[part.colour])]

    def blocks_of(self, schedule: Schedule) -> Iterator[list[Unit]]:
        """Units that are updated together; a scanned layer gives one block a unit."""
        for block in schedule:
            together: list[Unit] = []
            for part in block:
                units = self.units_of(part)
                if part.kind == "scan":
                    yield from ([(part.layer, k)] for k in units)
                    continue
                together += [(part.layer, k) for k in units]
            if together:
                yield together

    def blocks(self) -> Iterator[list[Unit]]:
        """The blocks of every clamping pattern checked: nothing clamped, and data clamped."""
        for clamped in (frozenset[str](), frozenset(self.model.by_role("visible"))):
            yield from self.blocks_of(self.derived.schedule(clamped))

    def natural_parameters(self, x: Arrays, name: str) -> tuple[Array, ...]:
        """beta times the fields of a layer at some states, each of shape (rows, *layer)."""
        return tuple(self.host(e) for e in self.program.natural_parameters(self.params, x, name, **self.scalars))


@dataclass(frozen=True, eq=False)
class Case(Setting):
    """A setting and states, inputs among them, each of shape (rows, *layer)."""

    x: Arrays

    @property
    def rows(self) -> int:
        """The number of states."""
        return len(next(iter(self.x.values())))

    @cached_property
    def energies(self) -> Array:
        """E of each state by the oracle, (rows,)."""
        return self.oracle.energy(self.params, self.x)

    @cached_property
    def scale(self) -> float:
        """The largest energy met, or 1, to which rounding is relative."""
        return max(1.0, largest(self.energies))


@dataclass(frozen=True, eq=False)
class Listed(Case):
    """All states of a model, by the listed values of its units.

    codes: for each random layer the number of the value of each unit, (rows, units).
    """

    codes: Arrays

    @cached_property
    def base(self) -> Array:
        """The base measure in each energy, which beta does not multiply, (rows,)."""
        return self.oracle.base(self.params, self.x)

    @cached_property
    def exponents(self) -> Array:
        """-log of what each state weighs, by the oracle, (rows,)."""
        return self.oracle.exponent(self.params, self.x, self.beta)

    @cached_property
    def p(self) -> Array:
        """The probability of each state among those listed, by the oracle, (rows,)."""
        return np.asarray(np.exp(-self.exponents - np.logaddexp.reduce(-self.exponents)))

    @property
    def states(self) -> Arrays:
        """The random layers of every state."""
        return {n: self.x[n] for n in self.units}

    def unit_names(self) -> list[Unit]:
        """All units in the order of the axes of a table of the states."""
        return [(n, k) for n, layer in self.units.items() for k in range(layer.size)]

    def radices(self) -> list[int]:
        """The number of listed values of each unit: the shape of a table of the states."""
        return [len(self.values[n]) for n, _ in self.unit_names()]

    def along(self, name: str, unit: int, row: int, places: Array) -> Array:
        """-log of what a listed state weighs with one unit moved to some places, less that of the state, by the oracle, (places,)."""
        moved = {n: np.repeat(v[row : row + 1], len(places) + 1, axis=0).astype(float) for n, v in self.x.items()}
        moved[name].reshape(len(places) + 1, -1)[1:, unit] = places
        return self.oracle.changes(self.params, moved, self.beta)[1:]

    @cached_property
    def rules(self) -> Mapping[str, tuple[Array, Array]]:
        """Places and log weights for a unit of each layer: its values, or a rule found from the oracle around some states."""
        return {n: self._rule(n, layer) for n, layer in self.units.items()}

    def _rule(self, name: str, layer: Layer) -> tuple[Array, Array]:
        if DOMAINS[layer.domain.name].finite:
            values = unit_values(layer)
            return values, np.zeros(len(values))
        rows = self.generator(f"rule of {name}").integers(0, self.rows, 8)
        units = range(min(layer.size, 4))

        def exponent(places: Array) -> Array:
            return np.stack([self.along(name, unit, row, places) for row in rows for unit in units])

        return quadrature(layer, self.kinks, exponent)


def generator(seed: int, use: str) -> np.random.Generator:
    """Random numbers for one use in a certificate."""
    return np.random.default_rng(stream(seed, "certificate", zlib.crc32(use.encode())))


def random_param(param: Param, rng: np.random.Generator) -> Array:
    """A parameter of order one that keeps its constraints."""
    value = rng.normal(0.0, 0.6, param.shape)
    if "positive" in param.constraints:
        value = rng.uniform(0.6, 1.4, param.shape)
    return constrained(param, np.asarray(value))


def some_states(derived: Derived, seed: int, backend: Backend = "numpy", choices: Choices | None = None) -> Case:
    """A few random states of a model that has too many to list."""
    setting, rng = _setting(derived, seed, backend, choices), generator(seed, "states")
    states = {n: np.concatenate([_random_row(a, rng) for _ in range(_ROWS)]) for n, a in setting.units.items()}
    return Case(**_fields(setting), x=setting.with_inputs(states, _ROWS))


def all_states(derived: Derived, seed: int, backend: Backend = "numpy", choices: Choices | None = None) -> Listed:
    """All states of a small model."""
    setting = _setting(derived, seed, backend, choices)
    states, codes = enumerate_states(setting.units, setting.values)
    rows = len(next(iter(states.values())))
    return Listed(**_fields(setting), x=setting.with_inputs(states, rows), codes=codes)


def _fields(setting: Setting) -> dict[str, Any]:
    return {f.name: getattr(setting, f.name) for f in fields(Setting)}


def _setting(derived: Derived, seed: int, backend: Backend, choices: Choices | None) -> Setting:
    model, rng = derived.model, generator(seed, "setting")
    params = {n: random_param(p, rng) for n, p in model.params.items()}
    weights = {label: float(rng.uniform(0.8, 1.2)) for label in model.labels}
    consts = {n: c.value * float(rng.uniform(0.9, 1.1)) for n, c in model.consts.items()}
    return Setting(
        seed=seed,
        derived=derived,
        engine=Undirected(derived, backend, "float64", choices=choices),
        oracle=Oracle(model, {n: edges_of(g) for n, g in model.graphs.items()}, consts, weights),
        params=params,
        scalars={"beta": _BETA, "weights": weights, "consts": consts},
        inputs={n: input_row(model.layers[n], rng) for n in model.by_role("input")},
        values={n: unit_values(layer, _POINTS) for n, layer in model.random_layers().items()},
    )


def input_row(layer: Layer, rng: np.random.Generator) -> Array:
    """One row of an input layer in which all values of a unit occur in turn, the largest first: none is 0 throughout."""
    values = unit_values(layer, rng.random(5))
    order = np.argsort(-np.abs(values).reshape(len(values), -1).max(axis=1), kind="stable")
    return np.asarray(values[order[np.arange(layer.size) % len(values)]]).reshape(1, *layer.energy_shape)


def _random_row(layer: Layer, rng: np.random.Generator) -> Array:
    values = unit_values(layer, rng.random(5))
    return np.asarray(values[rng.integers(0, len(values), layer.shape)]).reshape(1, *layer.energy_shape)
