"""A scan of a layer along lines: each unit from its density given all others, by inversion on panels; on the host, in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.backends.numpy.layers import density_arguments
from energydsl.backends.numpy.runtime.arrays import silent
from energydsl.backends.numpy.runtime.functions import sigmoid
from energydsl.backends.numpy.runtime.panels import Crowded, Panels
from energydsl.backends.numpy.runtime.quadrature import HALF_LINE
from energydsl.backends.numpy.runtime.statistics import Density
from energydsl.domains import DOMAINS
from energydsl.energy.statistics import power_of
from energydsl.energy.targets import others, statistic
from energydsl.program.engine import CoreEngine
from energydsl.program.lines.bounds import product
from energydsl.program.lines.nodes import Interval, Line, Node
from energydsl.program.lines.surroundings import Surroundings, Unit

# How many chains are begun with together, and numbers that are worked on at once.
_CHUNK, _NUMBERS = 1000, 1 << 20


class Scan:
    """A layer at some states, unit by unit. x: states on the host, in float64, which `draw` overwrites."""

    def __init__(self, engine: CoreEngine, layer: str, p: Arrays, x: Arrays, s: Settings):
        derived = engine.derived
        self.line, self.record = derived.lines[layer], derived.model.layers[layer]
        family = self.line.distribution
        assert family is not None, self.line.refused
        assert family.density is not None
        domain = self.record.domain
        self.density = Density(*density_arguments(family.density, *DOMAINS[domain.name].bounds(domain.arguments)))
        held = {n: engine.host(a).astype(np.float64) for n, a in x.items() if n in derived.model.layers}
        params = {n: engine.host(a).astype(np.float64) for n, a in p.items() if n in derived.model.params}
        self.around, self.dtype = Surroundings(derived, params, held, s), engine.dtype
        self.external = [engine.host(f) for f in s.external.get(layer, ())]
        self.forms: dict[tuple[int, int], Array] = {}

    def unit(self, site: tuple[int, ...]) -> Along:
        """The density of one unit given all else as it is now."""
        line = Line(self.around, Unit(self.record.name, site), self.forms)
        nodes = [self._weighted(n, line) for n in self.line.joint]
        return Along(self.density, self._natural(line, site), line, nodes)

    def draw(self, uniform: Array, keep: Array | None = None) -> Array:
        """New values of all units in turn, (chains, *layer), from uniform numbers; but for entries that are held."""
        for site in np.ndindex(*self.record.shape):
            at = (slice(None), *site)
            along = self.unit(site)
            new = self.density.inside(along.values("draw", uniform[at].astype(np.float64)), self.dtype)
            new = new.astype(self.dtype).astype(np.float64)
            if keep is not None:
                new = np.where(keep[at], self.around.x[self.record.name][at], new)
            along.line.went(new, [node for _, node in along.nodes])
        return self.around.x[self.record.name]

    def _weighted(self, number: int, line: Line) -> tuple[float, Node]:
        label = self.around.derived.energy.terms[number].label
        return self.around.factor(label), line.term(number)

    def _natural(self, line: Line, site: tuple[int, ...]) -> Array:
        """eta_k of the unit, (statistics, chains)."""
        count = len(line.here)
        found = np.zeros((len(self.line.statistics), count))
        for number in self.line.plain:
            term = self.around.derived.energy.terms[number]
            for at in term.monomial.distinct_units():
                if at.name == self.record.name:
                    place = self.line.statistics.index(statistic(term.monomial, at))
                    slope = self.around.monomial(others(term.monomial, at), (), line.unit, at)
                    found[place] -= self.around.factor(term.label) * slope
        # Fields from outside belong to the family of independent units.
        powers = [power_of(s) for s in self.line.statistics]
        for power, outside in zip(self.around.derived.families[self.record.name].powers, self.external, strict=False):
            found[powers.index(power)] += np.broadcast_to(outside, self.record.shape)[site]
        return found


@dataclass(frozen=True)
class Along:
    """The density of one unit, of each chain. nodes: beta times the weight of a term, and the term along the line."""

    density: Density
    eta: Array
    line: Line
    nodes: list[tuple[float, Node]]

    def values(self, what: str, uniform: Array | None = None) -> Array:
        """log of the integral less the exponent where the unit is now, mean, variance, or a draw from uniform numbers, of each chain."""
        count = self.eta.shape[1]
        found, done, chunk = np.empty(count), 0, _CHUNK
        u = np.zeros(count) if uniform is None else uniform
        while done < count:
            chains = np.arange(done, min(done + chunk, count))
            try:
                with silent():
                    found[chains] = LinePanels(self, chains).asked(what, np.arange(len(chains)), u[chains])
            except Crowded:
                chunk = max(1, chunk // 8)
            else:
                done = chains[-1] + 1
        return found

    @cached_property
    def width(self) -> int:
        """How many numbers an interval takes, about."""
        forms = [f.size // max(1, len(f)) for f in self.line.forms.values()]
        return max([1, *forms])

    def joint(self, t: Array, chains: Array) -> Array:
        """beta times the terms of several units with the unit at t."""
        known = np.where(np.isnan(t), 0.0, t)
        found = self._in_pieces(lambda t, c: self._sum([f * n.value(t, c) for f, n in self.nodes], t), known, chains)
        return np.where(np.isnan(t), t, found)

    @staticmethod
    def _sum(parts: list[Any], like: Array) -> Array:
        return np.asarray(sum((np.broadcast_to(p.reshape(-1), like.shape) for p in parts), np.zeros(len(like))))

    def bound(self, low: Array, high: Array, chains: Array) -> Array:
        """Slope and bend of that on intervals, and the rate of arguments, (3, intervals)."""

        def each(ends: Array, chains: Array) -> Array:
            on = Interval(ends[0], ends[1], chains)
            found = [node.bound(on).scaled(np.asarray(factor)) for factor, node in self.nodes]
            slope, bend = (self._sum([b[k] for b in found], on.low) for k in (2, 3))
            return np.stack([slope, bend, on.rate])

        ends = np.stack([low, high])
        return self._in_pieces(each, np.where(np.isnan(ends), 0.0, ends), chains)

    def far(self, chains: Array) -> tuple[Array, Array]:
        """Bounds of -beta E over the whole domain beside where it is 0 or, in a variable of integration, that is: lift, lean."""
        on = Interval(np.full(len(chains), self.density.low), np.full(len(chains), self.density.high), chains)
        start = self.density.unit(np.zeros(len(chains)))
        lift, lean = np.zeros(len(chains)), np.zeros(len(chains))
        for factor, node in self.nodes:
            found = node.bound(on).scaled(np.asarray(factor))
            least, slope = (np.broadcast_to(np.reshape(b, -1), start.shape) for b in (found.low, found.slope))
            here = self._sum([factor * node.value(start, chains)], start)
            held = np.isfinite(least)
            lift = lift + np.where(held, here - least, 0.0)
            lean = lean + np.where(held, 0.0, slope)
        return lift, lean

    def _in_pieces(self, function: Callable[[Array, Array], Array], places: Array, chains: Array) -> Array:
        """A function of places in the last axis, and of their chains, so many at once as fit."""
        size = max(1, _NUMBERS // self.width)
        count = places.shape[-1]
        parts = [function(places[..., k : k + size], chains[k : k + size]) for k in range(0, max(count, 1), size)]
        return np.concatenate(parts, axis=-1)


class LinePanels(Panels):
    """Panels of a density along a line: what stands beside the statistics has bounds on each."""

    def __init__(self, along: Along, chains: Array) -> None:
        self.along, self.chains = along, chains
        self.now = along.joint(along.line.here[chains], chains)
        self.lift, self.lean = along.far(chains)
        super().__init__(along.density, along.eta[:, chains])

    def exponent(self, x: Array, owner: Array, sloped: bool = True) -> Array:
        """That of the statistics, and what the terms of several units change by."""
        unit = np.broadcast_to(self.density.unit(x), x.shape)
        every = np.repeat(owner, x.size // max(1, len(x)))
        change = self.along.joint(unit.reshape(-1), self.chains[every]) - self.now[every]
        return np.asarray(super().exponent(x, owner, sloped) - change.reshape(x.shape))

    def bound(self, left: Array, right: Array, owner: Array) -> tuple[Array, Array]:
        """With the bend, and the rate, of the terms of several units in the variable of integration."""
        bend, rate = super().bound(left, right, owner)
        ends = self.density.unit(left), self.density.unit(right)
        steep, curved, fast = self.along.bound(*ends, self.chains[owner])
        if not self.density.place:
            return bend + curved, np.maximum(rate, fast)
        speed = ends[1] if self.density.place == HALF_LINE else self._speed(left, right)
        return (
            bend + product(curved, speed * speed) + product(steep, speed),
            np.maximum(rate, product(fast, speed)),
        )

    def beside_now(self) -> Array:
        """log of the integral, less the exponent where the unit is now."""
        here = self.along.line.here[self.chains]
        statistics = self.density.each(here)
        now: Any = sum(e * t for e, t in zip(self.eta, statistics, strict=True))
        return np.asarray(self.log() - now)

    def _speed(self, left: Array, right: Array) -> Array:
        """A bound of |dx/dy| and of |d2x/dy2| between two bounds."""
        near = np.where(left * right > 0.0, np.minimum(np.abs(left), np.abs(right)), 0.0)
        return (self.density.high - self.density.low) * sigmoid(near) * sigmoid(-near)
