"""Canonical energy to everything that follows from it: `derive`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from energydsl.derive import applicability as _applicability
from energydsl.derive import conditionals as _conditionals
from energydsl.derive import free_energy as _free_energy
from energydsl.derive import gradients as _gradients
from energydsl.derive import lines as _lines
from energydsl.derive import numbers as _numbers
from energydsl.derive import schedule as _schedule
from energydsl.derive import slopes as _slopes
from energydsl.derive import starts as _starts
from energydsl.derive.directed import problems as _directed
from energydsl.derive.lines import Line
from energydsl.derive.records import Conditional, FreeEnergy, Gradient, Schedule, Side, Slope, Verdict
from energydsl.derive.several_units import reference, without_conditional
from energydsl.derive.sides import cheapest
from energydsl.diagnostics import Diagnostic
from energydsl.domains import Family
from energydsl.energy.terms import Energy
from energydsl.graph.colouring import UnitColouring, unit_colouring
from energydsl.graph.terms import interactions
from energydsl.model.records import Resolved


@dataclass(frozen=True)
class Derived:
    """All that is derived from one energy, each result with the terms that made it.

    conditionals: of all layers but those of infinitely many values that functions of several units hold, which have `lines`. families: of every
    layer, that of its conditional, or of independent units where it has none. log2_states: of the fewest that are left where layers are
    summed out in closed form; side: how an exact sum goes about it, linear algebra among its ways. slopes: dE/dx by random layer, of a model with directed parts those of the core.
    """

    model: Resolved
    energy: Energy
    conditionals: Mapping[str, Conditional]
    lines: Mapping[str, Line]
    families: Mapping[str, Family]
    parts: Mapping[str, UnitColouring]
    gradients: Mapping[str, Gradient]
    slopes: Mapping[str, Slope]
    free_energy: FreeEnergy
    log2_states: float
    side: Side
    verdicts: tuple[Verdict, ...]
    couplings: frozenset[str]
    _schedules: dict[frozenset[str], Schedule] = field(default_factory=dict, compare=False, repr=False)

    def schedule(self, clamped: frozenset[str]) -> Schedule:
        """Gibbs blocks for a clamping pattern; computed once for each."""
        if clamped not in self._schedules:
            self._schedules[clamped] = _schedule.schedule(self.model, self.energy, self.parts, clamped)
        return self._schedules[clamped]


def check(model: Resolved, energy: Energy) -> list[Diagnostic]:
    """What the energy as a whole is refused or warned for: E0301, E0310, E0311, W0404, W0405, W0407."""
    found = [*_numbers.check_numbers(model, energy), *_conditionals.check_conditionals(model, energy)]
    found += _starts.check_starts(model, energy)
    if model.schedule and not any(d.severity == "error" for d in found):
        parts = {n: unit_colouring(model, energy, n) for n in model.random_layers()}
        found += _schedule.check_schedule(model, energy, parts)
    return found


def check_directed(model: Resolved, undirected: Energy) -> list[Diagnostic]:
    """What the arrows of a model are refused for, before it is taken apart: E0303."""
    return _directed.directed_problems(model, undirected)


def derive(model: Resolved, energy: Energy) -> Derived:
    """Conditionals, blocks, gradients, free energy and applicability of a model without directed parts."""
    pairs = interactions(energy)
    layers = model.random_layers()
    moved = {n for n, layer in layers.items() if without_conditional(layer, energy.terms)}
    conditionals = {
        n: _conditionals.conditional(model, energy, layer, pairs.get(frozenset((n,))))
        for n, layer in layers.items()
        if n not in moved
    }
    families = {n: reference(x) if n in moved else conditionals[n].distribution for n, x in layers.items()}
    free = _free_energy.free_energy(model, energy, conditionals)
    cost = _free_energy.cheapest_side(model, energy)
    side = cheapest(model, energy, tuple(layers))
    return Derived(
        model=model,
        energy=energy,
        conditionals=MappingProxyType(conditionals),
        lines=MappingProxyType(_lines.lines(model, energy, {n: layers[n] for n in layers if n in moved})),
        families=MappingProxyType(families),
        parts=MappingProxyType({n: unit_colouring(model, energy, n) for n in conditionals}),
        gradients=MappingProxyType({n: _gradients.gradient(model, energy, p) for n, p in model.params.items()}),
        slopes=MappingProxyType({n: _slopes.slope(model, energy, x) for n, x in model.random_layers().items()}),
        free_energy=free,
        log2_states=cost,
        side=side,
        verdicts=_applicability.applicability(model, conditionals, free.summed_out, cost, side),
        couplings=_gradients.couplings(energy),
    )
