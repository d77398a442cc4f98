"""Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011), and with one step the Metropolis-adjusted Langevin algorithm (MALA).

All layers whose units are real numbers move jointly along
    dy/dt = m,   dm/dt = d log p/dy,   m drawn from Normal(0, 1),
in leapfrog steps; the end is accepted with probability min(1, exp(H_before - H_after)), H = -log p + m'm / 2. y is the unit itself, or
where that has bounds a function of it that has none (`coordinates`), p then its density. Nothing is asked of the model but its energy and
slopes. All other layers are drawn by Gibbs blocks in between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.diagnostics import ArgumentError
from energydsl.domains import DOMAINS
from energydsl.program.engine import CoreEngine
from energydsl.program.gradients import score
from energydsl.program.samplers.coordinates import Coordinate
from energydsl.program.samplers.record import (
    Clamped,
    Fit,
    Others,
    Sampler,
    Transition,
    by_chain,
    free_layers,
    log_weight,
    named,
    normals,
    uniforms,
)

# The longest first step, and how often it is doubled or halved until about half of its proposals are accepted.
_FIRST_STEP, _TRIES = 1.0, 40
# By how much the length of a step varies from sweep to sweep, so that no orbit closes (Neal 2011, section 3.2).
_JITTER = 0.2


@dataclass(frozen=True)
class Hamiltonian(Sampler):
    """leapfrog: steps of a trajectory. accepted: the share of proposals that adaptation aims at.

    step_size: the length of a step; None: found by dual averaging in burn-in.
    """

    leapfrog: int = defaults.LEAPFROG_STEPS
    accepted: float = 0.8
    step_size: float | None = None
    name = "hmc"

    def __post_init__(self) -> None:
        if self.leapfrog < 1 or not 0 < self.accepted < 1 or not (self.step_size is None or self.step_size > 0):
            raise ArgumentError("leapfrog is at least 1, accepted a fraction, and step_size positive")

    def fits(self, derived: Derived, clamped: Clamped = frozenset()) -> Fit:
        """Where a layer of real numbers, with bounds or without, is free."""
        own = continuous(derived, clamped)
        if not own:
            return Fit(False, "no free layer is of real numbers")
        count = sum(derived.model.layers[n].size for n in own)
        rest = [n for n in free_layers(derived, clamped) if n not in own]
        missing = [n for n in rest if n not in derived.conditionals]
        if missing:
            return Fit(False, f"{named(missing)} has neither a slope to follow nor a conditional to be drawn from")
        between = f", {named(rest)} by Gibbs in between" if rest else ""
        return Fit(True, f"{count} unit{'s' if count != 1 else ''} of {named(own)} jointly{between}")

    def transition(self, engine: CoreEngine, clamped: Clamped = frozenset()) -> Trajectories:
        """Trajectories of the layers of real numbers."""
        return Trajectories(self, engine, clamped)


@dataclass(frozen=True)
class Langevin(Hamiltonian):
    """MALA: proposals x + h^2 / 2 d log p/dx + h Normal(0, 1), accepted by Metropolis & Hastings (Roberts & Tweedie 1996)."""

    leapfrog: int = 1
    accepted: float = 0.574
    name = "mala"


def continuous(derived: Derived, clamped: Clamped) -> list[str]:
    """The free layers whose units may be any real number, or any between their bounds."""
    layers = derived.model.layers
    return [n for n in free_layers(derived, clamped) if DOMAINS[layers[n].domain.name].continuous]


class Trajectories(Transition):
    """Chains along trajectories. step: the adaptation of the length of a step, of all chains alike."""

    adaptive = True

    def __init__(self, sampler: Hamiltonian, engine: CoreEngine, clamped: Clamped = frozenset()):
        self.sampler, self.engine = sampler, engine
        self.own = continuous(engine.derived, clamped)
        self.coordinates = {n: Coordinate.of(engine, n) for n in self.own}
        self.others = Others(engine, self.own, clamped)
        self.step = DualAveraging(sampler.accepted)
        if sampler.step_size is not None:
            self.step.start(sampler.step_size)
            self.step.settle()
        self.rate = math.nan

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
        """The Gibbs blocks of the other layers, then one trajectory; each so often."""
        with self.engine.single_threaded_blas(), np.errstate(all="ignore"):
            for _ in range(steps):
                self.others.draw(p, x, s, random, keep)
                moving = self._moving(keep)
                if not self.step.started:
                    self.step.start(self._first_step(p, x, s, random, moving))
                length = self.step.length * (1.0 - _JITTER / 2 + _JITTER * self._one_uniform(random))
                self.rate = self._trajectory(p, x, s, random, length, moving)
                self.step.learn(self.rate)

    def settle(self) -> None:
        """The length of a step stays."""
        self.step.settle()

    def follow(self) -> None:
        """The length of a step follows the parameters."""
        self.step.follow()

    def arrays(self) -> Mapping[str, Array]:
        """The state of the adaptation."""
        return {"step": self.step.numbers()}

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Go on from there."""
        self.step.take(saved["step"])

    def figures(self) -> Mapping[str, float]:
        """The length of a step, and the mean probability of acceptance of the last sweep."""
        return {"step": self.step.length, "accepted": self.rate}

    # --- one trajectory

    def _trajectory(
        self, p: Arrays, x: Arrays, s: Settings, random: Random, length: float, moving: Arrays | None
    ) -> float:
        """Propose the end of a trajectory, and accept it or not; the mean probability of acceptance."""
        engine, xp = self.engine, self.engine.xp
        momentum = {n: _held(xp, normals(engine, random, x[n].shape), n, moving) for n in self.own}
        start = {**x, **{n: _held(xp, c.inside(x[n]), n, moving, x[n]) for n, c in self.coordinates.items()}}
        places = {n: c.free(c.inside(start[n])) for n, c in self.coordinates.items()}
        before = self._log_weight(p, start, places, s, moving) - _kinetic(momentum)
        end = {**start, **{n: xp.array(start[n]) for n in self.own}}
        self._leapfrog(p, end, places, momentum, s, length, moving)
        gain = self._log_weight(p, end, places, s, moving) - _kinetic(momentum) - before
        for name, coordinate in self.coordinates.items():  # nothing lies on a bound, or is lost to rounding there
            still = _held(xp, coordinate.inside(end[name]) - end[name], name, moving)
            gain = xp.where((still == 0.0).reshape(len(gain), -1).all(axis=1), gain, -np.inf)
        probability = xp.exp(xp.minimum(xp.where(xp.isnan(gain), -np.inf, gain), 0.0))
        accept = uniforms(engine, random, (len(gain), 1))[:, 0] < probability
        for name in self.own:
            x[name][...] = xp.where(by_chain(accept, x[name]), end[name], start[name])
        return float(engine.host(probability).mean())

    def _log_weight(self, p: Arrays, x: Arrays, places: Arrays, s: Settings, moving: Arrays | None) -> Array:
        """The log density of the variables that move, (chains,)."""
        total = log_weight(self.engine, p, x, s)
        for name, coordinate in self.coordinates.items():
            slope = _held(self.engine.xp, coordinate.log_slope(places[name]), name, moving)
            total = total + slope.astype(np.float64).reshape(len(total), -1).sum(axis=1)
        return total

    def _leapfrog(
        self,
        p: Arrays,
        x: Arrays,
        places: Arrays,
        momentum: Arrays,
        s: Settings,
        length: float,
        moving: Arrays | None,
    ) -> None:
        """Follow the slopes in place: half a step of the momenta, whole steps of both, half a step of the momenta."""
        slopes = self._slopes(p, x, places, s, moving)
        for _ in range(self.sampler.leapfrog):
            for name, coordinate in self.coordinates.items():
                momentum[name] = momentum[name] + 0.5 * length * slopes[name]
                places[name] = places[name] + length * momentum[name]
                x[name][...] = _held(self.engine.xp, coordinate.unit(places[name]), name, moving, x[name])
            slopes = self._slopes(p, x, places, s, moving)
            for name in self.own:
                momentum[name] = momentum[name] + 0.5 * length * slopes[name]

    def _slopes(self, p: Arrays, x: Arrays, places: Arrays, s: Settings, moving: Arrays | None) -> Arrays:
        """d log p by the variables that move; 0 where an entry is held."""
        slopes = score(self.engine, p, x, s, self.own)
        along = {n: c.along(places[n], slopes[n]) for n, c in self.coordinates.items()}
        return {n: _held(self.engine.xp, a, n, moving) for n, a in along.items()}

    def _first_step(self, p: Arrays, x: Arrays, s: Settings, random: Random, moving: Arrays | None) -> float:
        """A length of which about half of the proposals are accepted (Hoffman & Gelman 2014, algorithm 4)."""
        length, direction = _FIRST_STEP, 0.0
        for _ in range(_TRIES):
            trial = {n: self.engine.xp.array(a) for n, a in x.items()}
            wanted = 1.0 if self._trajectory(p, trial, s, random, length, moving) > 0.5 else -1.0
            if direction and wanted != direction:
                break
            direction = wanted
            length *= 2.0**direction
        return length

    def _one_uniform(self, random: Random) -> float:
        return float(self.engine.host(uniforms(self.engine, random, (1, 1)))[0, 0])

    def _moving(self, keep: Arrays | None) -> Arrays | None:
        """Which entries may move, of layers of which some are held."""
        return {n: ~keep[n] for n in self.own if keep and n in keep}


def _held(xp: Any, values: Array, name: str, moving: Arrays | None, instead: Array | float = 0.0) -> Array:
    """Values of the entries that move, and others, or 0, for those that are held."""
    return xp.where(moving[name], values, instead) if moving and name in moving else values


def _kinetic(momentum: Arrays) -> Array:
    """m'm / 2 of each chain."""
    total: Any = 0.0
    for m in momentum.values():
        total = total + 0.5 * (m.astype(np.float64) ** 2).reshape(len(m), -1).sum(axis=1)
    return total  # type: ignore[no-any-return]


class DualAveraging:
    """The length of a step such that a share of proposals is accepted (Hoffman & Gelman 2014, eq. 6, and their constants)."""

    shrinkage, delay, decay = 0.05, 10.0, 0.75
    # How many sweeps are remembered where the distribution moves.
    recent = 100.0

    def __init__(self, accepted: float):
        self.accepted = accepted
        self.middle, self.error, self.count, self.now, self.mean = 0.0, 0.0, 0.0, math.nan, math.nan
        self.settled, self.memory = False, math.inf

    @property
    def started(self) -> bool:
        """Whether there is a length."""
        return not math.isnan(self.now)

    @property
    def length(self) -> float:
        """Of the next step."""
        return math.exp(self.now)

    def start(self, length: float) -> None:
        """The first length."""
        self.middle, self.now = _single(math.log(10.0 * length)), _single(math.log(length))
        self.mean = self.now

    def learn(self, probability: float) -> None:
        """What share of the proposals of the last sweep was accepted."""
        if self.settled:
            return
        self.count = min(self.count + 1.0, self.memory)
        share = 1.0 / (self.count + self.delay)
        self.error = _single((1.0 - share) * self.error + share * (self.accepted - probability))
        self.now = _single(self.middle - math.sqrt(self.count) / self.shrinkage * self.error)
        weight = self.count**-self.decay
        self.mean = _single(weight * self.now + (1.0 - weight) * self.mean)

    def settle(self) -> None:
        """Keep the mean of the lengths there were."""
        if not self.settled and self.started:
            self.now = self.mean
        self.settled = self.started

    def follow(self) -> None:
        """Never settle, and forget."""
        self.memory = self.recent

    def numbers(self) -> Array:
        """All of it; NaN is written as 0 where there is no length yet."""
        return np.array([self.started, self.middle, self.error, self.count, *np.nan_to_num([self.now, self.mean])])

    def take(self, numbers: Array) -> None:
        """Go on from `numbers`."""
        started, self.middle, self.error, self.count, self.now, self.mean = map(float, numbers)
        if not started:
            self.now = self.mean = math.nan


def _single(value: float) -> float:
    """A number as a checkpoint of any precision has it."""
    return float(np.float32(value))
