"""Cluster moves of ferromagnets of pairs: Swendsen & Wang (1987) on all clusters, Wolff (1989) on one.

Where log p = sum over pairs of J_ik [x_i = x_k] + fields, J >= 0 (Ising spins, Potts states), units that are alike are joined with
probability 1 - exp(-J_ik); given the bonds every cluster has one value, independent of the others, of weight exp of its fields summed
(Fortuin & Kasteleyn 1972; Edwards & Sokal 1988). So fields need no ghost spin: they weigh the values of a cluster.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from energydsl.backends.interface import Array, Arrays, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.diagnostics import NotApplicable
from energydsl.domains import DOMAINS
from energydsl.graph.edges import Integers
from energydsl.graph.scopes import TooDense
from energydsl.program.engine import CoreEngine
from energydsl.program.factors import Table, Units, kept, tables
from energydsl.program.samplers.record import (
    Clamped,
    Fit,
    Others,
    Sampler,
    Transition,
    free_layers,
    named,
    uniforms,
)

# By how much a coupling may be negative, or no multiple of [x_i = x_k], for rounding, relative to the largest entry of its table.
_ROUNDING = 1e-4


class Clusters(Sampler):
    """What both have in common: where they fit."""

    def fits(self, derived: Derived, clamped: Clamped = frozenset()) -> Fit:
        """Where all finite layers meet in pairs of units of two values, or of states of one number."""
        own = _finite(derived, clamped)
        units = Units(derived, tuple(own))
        try:
            problem = _problem(units) if own else "no free layer is of a finite domain"
        except TooDense:
            problem = "its units are coupled too densely to be listed"
        rest = [n for n in free_layers(derived, clamped) if n not in own]
        missing = [n for n in rest if n not in derived.conditionals]
        if problem or missing:
            return Fit(False, problem or f"{named(missing)} has no conditional that can be drawn from")
        between = f", {named(rest)} by Gibbs in between" if rest else ""
        what = "spins" if max(units.states) == 2 else "states"
        return Fit(True, f"pairs of {what} of {named(own)}, if none repels (checked when it runs){between}")

    @abstractmethod
    def transition(self, engine: CoreEngine, clamped: Clamped = frozenset()) -> Moves:
        """The moves of an engine."""


class SwendsenWang(Clusters):
    """A new value for every cluster."""

    name = "swendsen-wang"

    def transition(self, engine: CoreEngine, clamped: Clamped = frozenset()) -> Moves:
        """All clusters."""
        return Moves(engine, clamped)


class Wolff(Clusters):
    """Another value for the cluster of one unit drawn at random, accepted by its fields; without these always."""

    name = "wolff"

    def transition(self, engine: CoreEngine, clamped: Clamped = frozenset()) -> Moves:
        """One cluster a chain and sweep."""
        return OneCluster(engine, clamped)


def _finite(derived: Derived, clamped: Clamped) -> list[str]:
    layers = derived.model.layers
    return [n for n in free_layers(derived, clamped) if DOMAINS[layers[n].domain.name].finite]


def _problem(units: Units) -> str:
    """What of the structure is not that of a ferromagnet of pairs, or nothing. Raises `TooDense`."""
    pairs = 0
    for number, scope in units.scopes:
        count = scope.units.shape[1]
        term = units.derived.energy.terms[number]
        text = " ".join(term.spans[0].text.split()) if term.spans else "a term"
        if count > 2:
            return f"{text} couples {count} units at once, not a pair"
        if count < 2:
            continue
        pairs += len(scope.units)
        layers = [units.derived.model.layers[units.owners[u]] for u in scope.units[0]]
        kinds = {(DOMAINS[x.domain.name].one_hot, units.states[u]) for x, u in zip(layers, scope.units[0], strict=True)}
        one_hot, states = next(iter(kinds))
        if len(kinds) > 1 or (states > 2 and not one_hot):
            return f"{text} couples units that are no spins and no states of one number"
    return "" if pairs else "no two units are coupled"


@dataclass(frozen=True)
class Ferromagnet:
    """pairs: (pairs, 2); couplings J: (chains or 1, pairs); fields: (chains or 1, units, values), -inf where a unit has no such value."""

    pairs: Integers
    couplings: Array
    fields: Array

    @classmethod
    def of(cls, units: Units, found: list[Table], host: Any) -> Ferromagnet:
        """From log tables. Raises `NotApplicable` where a pair repels, or couples its values in another way."""
        most = max(units.states)
        count = max((len(t.log) for t in found), default=1)
        fields = np.zeros((count, len(units.states), most))
        for unit, states in enumerate(units.states):
            fields[:, unit, states:] = -np.inf
        for table in found:
            if table.units.shape[1] == 1:
                _add(fields, table.units[:, 0], host(table.log))
        pairs, couplings = [np.empty((0, 2), np.int64)], [np.empty((count, 0))]
        for ends, log in _merged([(t.units, host(t.log)) for t in found if t.units.shape[1] == 2]):
            coupling = _coupling(log)
            rest = log - coupling[..., None, None] * np.eye(log.shape[-1])
            own, other = rest[..., 0], rest[..., 0, :] - rest[..., 0, :1]
            _check(log, coupling, rest - own[..., None] - other[..., None, :])
            _add(fields, ends[:, 0], own)
            _add(fields, ends[:, 1], other)
            pairs.append(ends)
            couplings.append(np.broadcast_to(np.maximum(coupling, 0.0), (count, len(ends))))
        return cls(np.concatenate(pairs), np.concatenate(couplings, axis=1), fields)


def _add(fields: Array, units: Integers, log: Array) -> None:
    """Log tables of single units, (chains or 1, places, values), added to their fields, in place."""
    for place, unit in enumerate(units.tolist()):
        fields[:, unit, : log.shape[-1]] += log[:, place]


def _merged(found: list[tuple[Integers, Array]]) -> Iterator[tuple[Integers, Array]]:
    """The tables of every pair added up, the smaller number first; those of one number of values together."""
    for values in sorted({log.shape[-1] for _, log in found}):
        same = [(ends, log.astype(np.float64)) for ends, log in found if log.shape[-1] == values]
        chains = max(len(log) for _, log in same)
        turned = [np.where((e[:, 0] > e[:, 1])[:, None, None], log.swapaxes(-1, -2), log) for e, log in same]
        wide = [np.broadcast_to(log, (chains, *log.shape[1:])) for log in turned]
        ends, row = np.unique(np.sort(np.concatenate([e for e, _ in same]), axis=1), axis=0, return_inverse=True)
        order = np.argsort(row.reshape(-1), kind="stable")
        first = np.searchsorted(row.reshape(-1)[order], np.arange(len(ends)))
        yield ends, np.add.reduceat(np.concatenate(wide, axis=1)[:, order], first, axis=1)


def _coupling(log: Array) -> Array:
    """J of log tables J [a = b] + f_a + g_b, from what is left when the means of rows and columns are taken away."""
    left = (
        log
        - log.mean(axis=-1, keepdims=True)
        - log.mean(axis=-2, keepdims=True)
        + log.mean(axis=(-2, -1), keepdims=True)
    )
    found: Array = np.trace(left, axis1=-2, axis2=-1) / (log.shape[-1] - 1)
    return found


def _check(log: Array, coupling: Array, rest: Array) -> None:
    size = np.abs(log).max(initial=0.0)
    if np.abs(rest).max(initial=0.0) > _ROUNDING * size:
        raise NotApplicable(
            "clusters need pairs that are coupled by being alike: these tables are no multiple of [x_i = x_k]"
        )
    if coupling.min(initial=0.0) < -_ROUNDING * size:
        bad = int((coupling < -_ROUNDING * size).any(axis=0).sum())
        raise NotApplicable(
            f"clusters need couplings that attract: at these parameters {bad} of {coupling.shape[1]} pairs repel, the strongest "
            f"by {-coupling.min():.3g}; use gibbs"
        )


class Moves(Transition):
    """Bonds, clusters, and a new value for each, after the Gibbs blocks of all other layers; on the host."""

    def __init__(self, engine: CoreEngine, clamped: Clamped = frozenset()):
        own = _finite(engine.derived, clamped)
        self.engine, self.units = engine, Units(engine.derived, tuple(own))
        self.others = Others(engine, own, clamped)
        self.size = 0.0

    def sweep(
        self,
        p: Arrays,
        x: Arrays,
        s: Settings,
        random: Random,
        steps: int = 1,
        means: Moments | None = None,
        keep: Arrays | None = None,
    ) -> None:
        """So many moves; tables are found anew where other layers move too."""
        engine, units = self.engine, self.units
        codes, magnet = engine.host(units.codes(x, engine.xp)), None
        for _ in range(steps):
            self.others.draw(p, x, s, random, keep)
            if magnet is None or self.others.parts:
                magnet = self._ferromagnet(p, x, s, keep)
            codes = self.move(magnet, codes, random)
            if self.others.parts:
                units.put(engine.xp.asarray(codes), x, engine.xp)
        units.put(engine.xp.asarray(codes), x, engine.xp)

    def figures(self) -> Mapping[str, float]:
        """The mean size of a cluster in the last sweep, in units."""
        return {"cluster": self.size}

    def _ferromagnet(self, p: Arrays, x: Arrays, s: Settings, keep: Arrays | None) -> Ferromagnet:
        own = self.units.layers
        found, _ = tables(self.units, self.engine, p, {n: a for n, a in x.items() if n not in own}, s)
        if keep:
            found += list(kept(self.units, self.engine, x, {n: a for n, a in keep.items() if n in own}))
        return Ferromagnet.of(self.units, found, self.engine.host)

    def clusters(self, magnet: Ferromagnet, codes: Array, random: Random) -> tuple[Array, int]:
        """The number of the cluster of each unit, (chains, units), and how many there are in all chains."""
        chains, count = codes.shape
        i, k = magnet.pairs.T
        uniform = self._uniforms(random, (chains, max(1, len(magnet.pairs))))[:, : len(magnet.pairs)]
        joined = (codes[:, i] == codes[:, k]) & (uniform < -np.expm1(-magnet.couplings))
        chain, pair = np.nonzero(joined)
        ends = chain * count + i[pair], chain * count + k[pair]
        graph = coo_array((np.ones(len(chain), bool), ends), shape=(chains * count, chains * count))
        number, found = connected_components(graph, directed=False)
        self.size = chains * count / number
        return found.reshape(chains, count), number

    def weights(self, magnet: Ferromagnet, found: Array, number: int) -> Array:
        """The fields of each cluster summed, by value, (clusters, values)."""
        wide = np.broadcast_to(magnet.fields, (len(found), *magnet.fields.shape[1:]))
        each = [np.bincount(found.reshape(-1), wide[..., a].reshape(-1), number) for a in range(wide.shape[-1])]
        return np.stack(each, axis=1)

    def move(self, magnet: Ferromagnet, codes: Array, random: Random) -> Array:
        """A value for every cluster from its fields, by the uniform number of the first of its units."""
        found, number = self.clusters(magnet, codes, random)
        weight = self.weights(magnet, found, number)
        uniform = self._uniforms(random, codes.shape).reshape(-1)
        first = np.unique(found.reshape(-1), return_index=True)[1]
        upto = np.exp(weight - weight.max(axis=1, keepdims=True)).cumsum(axis=1)
        value = (upto[:, :-1] <= uniform[first, None] * upto[:, -1:]).sum(axis=1)
        return np.asarray(value[found])

    def _uniforms(self, random: Random, shape: tuple[int, ...]) -> Array:
        return self.engine.host(uniforms(self.engine, random, shape))


class OneCluster(Moves):
    """The cluster of one unit of each chain."""

    def move(self, magnet: Ferromagnet, codes: Array, random: Random) -> Array:
        """Another value, all others alike, accepted with probability min(1, exp(what its fields gain))."""
        found, number = self.clusters(magnet, codes, random)
        weight = self.weights(magnet, found, number)
        chains, count = codes.shape
        uniform = self._uniforms(random, (chains, 3))
        rows = np.arange(chains)
        seed = np.minimum((uniform[:, 0] * count).astype(int), count - 1)
        states = np.asarray(self.units.states)[seed]
        chosen, now = found[rows, seed], codes[rows, seed]
        step = 1 + np.minimum((uniform[:, 1] * (states - 1)).astype(int), states - 2)
        new = (now + step) % states
        accept = uniform[:, 2] < np.exp(np.minimum(weight[chosen, new] - weight[chosen, now], 0.0))
        moved = accept[:, None] & (found == chosen[:, None])
        self.size = float((found == chosen[:, None]).sum(axis=1).mean())
        return np.where(moved, new[:, None], codes)
