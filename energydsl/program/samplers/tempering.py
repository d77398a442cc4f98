"""Parallel tempering: replicas of every chain at lower inverse temperatures, which swap their states (Geyer 1991; Hukushima & Nemoto 1996).

Replica k runs another sampler at beta b_k, 1 = b_0 > b_1 > ... Neighbours swap with probability
min(1, p_k(x_k+1) p_k+1(x_k) / (p_k(x_k) p_k+1(x_k+1))), which leaves the product of all p_k as it is; the chain itself is replica 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.diagnostics import ArgumentError
from energydsl.program.engine import CoreEngine
from energydsl.program.samplers.gibbs import Gibbs
from energydsl.program.samplers.hamiltonian import Hamiltonian
from energydsl.program.samplers.record import (
    Clamped,
    Fit,
    Sampler,
    Transition,
    by_chain,
    free_layers,
    log_weight,
    uniforms,
)


@dataclass(frozen=True)
class Tempering(Sampler):
    """inner: what runs at each temperature; None: Gibbs blocks, or where these do not fit, Hamiltonian Monte Carlo.

    replicas: how many of each chain, itself included. hottest: the lowest b; those between are as far apart in their logarithms.
    """

    inner: Sampler | None = None
    replicas: int = defaults.REPLICAS
    hottest: float = defaults.HOTTEST
    name = "tempering"

    def __post_init__(self) -> None:
        if self.replicas < 2 or not 0 < self.hottest < 1:
            raise ArgumentError("tempering takes at least 2 replicas, and hottest between 0 and 1")

    def fits(self, derived: Derived, clamped: Clamped = frozenset()) -> Fit:
        """Where what runs at each temperature fits."""
        if not free_layers(derived, clamped):
            return Fit(False, "nothing is free")
        inner = self.inside(derived, clamped)
        fit = inner.fits(derived, clamped)
        return Fit(fit.ok, f"{self.replicas} temperatures of {inner.name}, which swap states" if fit.ok else fit.why)

    def inside(self, derived: Derived, clamped: Clamped) -> Sampler:
        """What runs at each temperature."""
        if self.inner is not None:
            return self.inner
        gibbs = Gibbs().fits(derived, clamped)
        return Gibbs() if gibbs.ok and not gibbs.last else Hamiltonian()

    def transition(self, engine: CoreEngine, clamped: Clamped = frozenset()) -> Replicas:
        """The replicas of chains of an engine."""
        return Replicas(self, engine, clamped)


class Replicas(Transition):
    """Replicas are there from the first sweep on, or from `begin`: then each is where its chain is."""

    carries = True

    def __init__(self, sampler: Tempering, engine: CoreEngine, clamped: Clamped = frozenset()):
        self.engine, self.free = engine, free_layers(engine.derived, clamped)
        inner = sampler.inside(engine.derived, clamped)
        self.scales = np.geomspace(1.0, sampler.hottest, sampler.replicas).tolist()
        self.moves = [inner.transition(engine, clamped) for _ in self.scales]
        self.adaptive = self.moves[0].adaptive
        self.states: list[Arrays] = []
        self.turn, self.rate = 0, math.nan

    def begin(self, x: Arrays) -> None:
        """Every replica where its chain is."""
        self.states = [{n: self.engine.xp.array(x[n]) for n in self.free} for _ in self.scales[1:]]

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
        """A sweep at each temperature, then swaps of neighbours, of even pairs and of odd ones in turn."""
        if not self.states or len(self.states[0][self.free[0]]) != len(x[self.free[0]]):
            self.begin(x)
        settings = [
            self.engine.kernels.settings(s.beta * b, dict(s.weights), dict(s.consts), dict(s.external))
            for b in self.scales
        ]
        for _ in range(steps):
            states = [x, *({**x, **self._held(own, x, keep)} for own in self.states)]
            for move, state, scalars in zip(self.moves, states, settings, strict=True):
                move.sweep(p, state, scalars, random, 1, None, keep)
            rates = [self._swap(p, states, settings, k, random) for k in range(self.turn, len(states) - 1, 2)]
            self.rate = float(np.mean(rates)) if rates else self.rate
            self.turn = 1 - self.turn

    def settle(self) -> None:
        """What adapts at each temperature stays."""
        for move in self.moves:
            move.settle()

    def follow(self) -> None:
        """What adapts at each temperature goes on."""
        for move in self.moves:
            move.follow()

    def arrays(self) -> Mapping[str, Array]:
        """The replicas, whose turn it is, and what has adapted."""
        found: dict[str, Array] = {"turn": np.array([float(self.turn)])}
        for number, move in enumerate(self.moves):
            found |= {f"move.{number}.{n}": a for n, a in move.arrays().items()}
        for number, own in enumerate(self.states):
            found |= {f"replica.{number}.{n}": self.engine.host(a) for n, a in own.items()}
        return found

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Go on from there."""
        for key, array in saved.items():
            kind, _, rest = key.partition(".")
            number, _, name = rest.partition(".")
            if kind == "turn":
                self.turn = int(array[0])
            elif kind == "move":
                self.moves[int(number)].restore({name: array})
            else:
                self.engine.kernels.load(self.states[int(number)][name], array)

    def figures(self) -> Mapping[str, float]:
        """The mean probability of a swap in the last sweep."""
        return {"swapped": self.rate}

    def _held(self, own: Arrays, x: Arrays, keep: Arrays | None) -> Arrays:
        """A replica whose entries that are held have the values of its chain, in place."""
        for name in own:
            if keep and name in keep:
                own[name][...] = self.engine.xp.where(keep[name], x[name], own[name])
        return own

    def _swap(self, p: Arrays, states: list[Arrays], settings: list[Settings], k: int, random: Random) -> float:
        """Swap replicas k and k + 1 of each chain, or not, in place; the mean probability."""
        engine, xp = self.engine, self.engine.xp
        cold, hot = states[k], states[k + 1]
        weights = [log_weight(engine, p, x, s) for s in settings[k : k + 2] for x in (cold, hot)]
        gain = weights[1] - weights[0] + weights[2] - weights[3]
        probability = xp.exp(xp.minimum(xp.where(xp.isnan(gain), -np.inf, gain), 0.0))
        accept = uniforms(engine, random, (len(gain), 1))[:, 0] < probability
        for name in self.free:
            swapped = by_chain(accept, cold[name])
            one, other = xp.where(swapped, hot[name], cold[name]), xp.where(swapped, cold[name], hot[name])
            cold[name][...], hot[name][...] = one, other
        return float(engine.host(probability).mean())
