"""What can be checked at a model's own sizes, where nothing can be listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.derive import Derived
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer
from energydsl.program import Program
from energydsl.program.initialise import constrained
from energydsl.program.undirected import Undirected
from energydsl.verification.case import generator, input_row
from energydsl.verification.log_odds import log_odds
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

_USE = "own sizes"
# Entries and units from which nothing is checked; units of a scanned layer; units moved a layer.
_MOST_ENTRIES, _MOST_SCANNED, _UNITS = 4_000_000, 2000, 3


def own_sizes(derived: Derived, seed: int) -> Iterator[Check]:
    """Moving a unit changes the energy by its log odds, and no field of its own colour."""
    model = derived.model
    entries = sum(int(np.prod(p.shape)) for p in model.params.values())
    if not derived.conditionals or entries + sum(layer.size for layer in model.layers.values()) > _MOST_ENTRIES:
        return
    moves = list(_moves(derived, seed))
    yield Check("log odds at the model's own sizes", max((m.odds for m in moves), default=0.0), 1e-12)
    if any(parts.colours is not None for parts in derived.parts.values()):
        yield Check("no field moves inside a colour", max((m.colour for m in moves), default=0.0), 1e-12)


@dataclass(frozen=True)
class _Move:
    """One unit moved: the error of its log odds, relative to the energies, and the largest move of a field of its colour."""

    odds: float
    colour: float


def _moves(derived: Derived, seed: int) -> Iterator[_Move]:
    rng, model = generator(seed, _USE), derived.model
    engine = Undirected(derived, "numpy", "float64")
    params = {
        n: constrained(p, np.asarray(rng.normal(0, 0.1, p.shape) + ("positive" in p.constraints)))
        for n, p in model.params.items()
    }
    given = {n: input_row(model.layers[n], rng) for n in model.by_role("input")}
    state = Program(engine).init_state(params, 1, seed, given)
    for name, layer in model.random_layers().items():
        if name not in derived.conditionals:
            continue
        if derived.parts[name].kind == "scan" and layer.size > _MOST_SCANNED:
            continue
        etas = Program(engine).natural_parameters(params, state, name)
        for unit in rng.integers(0, layer.size, _UNITS):
            yield _move(engine, params, state, layer, int(unit), etas)


def _move(engine: Undirected, params: Arrays, state: Arrays, layer: Layer, unit: int, etas: tuple[Array, ...]) -> _Move:
    after = {**state, layer.name: _moved(layer, state[layer.name], unit)}
    program = Program(engine)
    before_energy, after_energy = (float(program.energy(params, x)[0]) for x in (state, after))
    gain = log_odds(engine, layer, unit, etas, state[layer.name], after[layer.name])
    scale = max(1.0, abs(before_energy), abs(after_energy))
    odds = largest((after_energy - before_energy + gain) / scale)
    colours = engine.derived.parts[layer.name].colours
    if colours is None:
        return _Move(odds, 0.0)
    new = program.natural_parameters(params, after, layer.name)[0]
    gap = (new - etas[0]).reshape(layer.size, -1)
    return _Move(odds, largest(gap[np.asarray(colours) == colours[unit]]))


def _moved(layer: Layer, values: Array, unit: int) -> Array:
    """One row of a layer with one unit at another value: the next state, mirrored in its bounds, or one up."""
    domain = DOMAINS[layer.domain.name]
    moved = values.copy()
    flat = moved.reshape(1, layer.size, -1)
    before = flat[0, unit].copy()
    if domain.one_hot:
        flat[0, unit] = np.roll(before, 1)
    else:
        low, high = domain.points or domain.bounds(layer.domain.arguments)
        flat[0, unit] = low + high - before if np.isfinite(high) else before + 1.0
    return moved
