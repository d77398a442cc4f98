"""Gibbs with gradients (Grathwohl, Swersky, Hashemi, Duvenaud & Maddison 2021): which unit to change is read off the slopes.

Of all changes of one unit to another value, change m is proposed with probability q(m | x) in proportion to exp(d_m / 2), d_m the
slope of log p times the step: what log p would gain were it a line. Accepted with probability
min(1, p(x') q(back | x') / (p(x) q(m | x))), so that it is right however crooked log p is. Units of two values, and of states.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer
from energydsl.program.engine import CoreEngine
from energydsl.program.gradients import score
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
    uniforms,
)


class GibbsWithGradients(Sampler):
    """Changes of single units, the promising ones first."""

    name = "gibbs-gradient"

    def fits(self, derived: Derived, clamped: Clamped = frozenset()) -> Fit:
        """Where a layer of two values, or of states, is free."""
        own = _discrete(derived, clamped)
        if not own:
            return Fit(False, "no free layer is of units of two values or of states")
        rest = [n for n in free_layers(derived, clamped) if n not in own]
        missing = [n for n in rest if n not in derived.conditionals]
        if missing:
            return Fit(False, f"{named(missing)} has no conditional that can be drawn from")
        count = sum(derived.model.layers[n].size for n in own)
        between = f", {named(rest)} by Gibbs in between" if rest else ""
        return Fit(True, f"{count} changes of single units of {named(own)} a sweep{between}")

    def transition(self, engine: CoreEngine, clamped: Clamped = frozenset()) -> Changes:
        """The changes of an engine."""
        return Changes(engine, clamped)


def _discrete(derived: Derived, clamped: Clamped) -> list[str]:
    layers = derived.model.layers
    domains = {n: DOMAINS[layers[n].domain.name] for n in free_layers(derived, clamped)}
    return [n for n, domain in domains.items() if domain.two_valued or domain.one_hot]


@dataclass(frozen=True)
class Here:
    """What is known of states: log q of each change, (chains, changes), and log p, (chains,)."""

    log_q: Any
    log_p: Any


class Changes(Transition):
    """As many proposals a sweep as there are units, after the Gibbs blocks of all other layers."""

    def __init__(self, engine: CoreEngine, clamped: Clamped = frozenset()):
        self.engine = engine
        self.own: list[Layer] = [engine.model.layers[n] for n in _discrete(engine.derived, clamped)]
        self.others = Others(engine, [layer.name for layer in self.own], clamped)
        self.proposals = sum(layer.size for layer in self.own)
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
        """The Gibbs blocks of the other layers, then as many changes as there are units; each so often."""
        with self.engine.single_threaded_blas(), np.errstate(all="ignore"):
            for _ in range(steps):
                self.others.draw(p, x, s, random, keep)
                here, rates = self.look(p, x, s, keep), []
                for _ in range(self.proposals):
                    here, probability = self.change(p, x, s, random, here, keep)
                    rates.append(float(self.engine.host(probability).mean()))
                self.rate = float(np.mean(rates))

    def figures(self) -> Mapping[str, float]:
        """The mean probability of acceptance in the last sweep."""
        return {"accepted": self.rate}

    def look(self, p: Arrays, x: Arrays, s: Settings, keep: Arrays | None = None) -> Here:
        """log p and log q at states; a change of an entry that is held has log q = -inf."""
        xp = self.engine.xp
        slopes = score(self.engine, p, x, s, [layer.name for layer in self.own])
        parts = []
        for layer in self.own:
            gain = _gains(layer, x[layer.name], slopes[layer.name].astype(np.float64), xp)
            if keep and layer.name in keep:
                gain = xp.where(keep[layer.name], -np.inf, gain)
            parts.append(gain.reshape(len(gain), -1))
        half = 0.5 * xp.concatenate(parts, axis=1)
        top = half.max(axis=1, keepdims=True)
        top = xp.where(xp.isfinite(top), top, 0.0)
        return Here(
            half - top - xp.log(xp.exp(half - top).sum(axis=1, keepdims=True)), log_weight(self.engine, p, x, s)
        )

    def change(
        self, p: Arrays, x: Arrays, s: Settings, random: Random, here: Here, keep: Arrays | None = None
    ) -> tuple[Here, Array]:
        """Propose a change in each chain, and accept it or not, in place; what is known then, and the probability."""
        engine, xp = self.engine, self.engine.xp
        uniform = uniforms(engine, random, (len(here.log_p), 2)).astype(np.float64)
        upto = xp.exp(here.log_q).cumsum(axis=1)
        chosen = xp.minimum((upto <= uniform[:, :1] * upto[:, -1:]).sum(axis=1), upto.shape[1] - 1)
        new = dict(x)
        back = self._changed(x, new, chosen)
        there, rows = self.look(p, new, s, keep), xp.arange(len(chosen))
        gain = there.log_p - here.log_p + there.log_q[rows, back] - here.log_q[rows, chosen]
        probability = xp.exp(xp.minimum(xp.where(xp.isnan(gain), -np.inf, gain), 0.0))
        accept = uniform[:, 1] < probability
        for layer in self.own:
            x[layer.name][...] = xp.where(by_chain(accept, x[layer.name]), new[layer.name], x[layer.name])
        log_q = xp.where(accept[:, None], there.log_q, here.log_q)
        return Here(log_q, xp.where(accept, there.log_p, here.log_p)), probability

    def _changed(self, x: Arrays, new: Arrays, chosen: Array) -> Array:
        """States with the chosen changes made into `new`; the number of the change that undoes each."""
        xp, start, back = self.engine.xp, 0, chosen.copy()
        for layer in self.own:
            entries = math.prod(layer.energy_shape)
            rows = xp.flatnonzero((chosen >= start) & (chosen < start + entries))
            at = chosen[rows] - start
            flat = xp.array(x[layer.name]).reshape(len(chosen), entries)
            domain = DOMAINS[layer.domain.name]
            if domain.points is not None and not domain.one_hot:
                flat[rows, at] = sum(domain.points) - flat[rows, at]
            else:
                states = layer.energy_shape[-1]
                unit = at // states
                old = flat.reshape(len(chosen), -1, states)[rows, unit].argmax(axis=1)
                flat[rows, unit * states + old] = 0.0
                flat[rows, at] = 1.0
                back[rows] = start + unit * states + old
            new[layer.name] = flat.reshape(x[layer.name].shape)
            start += entries
        return back


def _gains(layer: Layer, x: Array, slopes: Array, xp: Any) -> Any:
    """The slope times the step of each change: to the other value, or to each other state; -inf for the state it is in."""
    domain = DOMAINS[layer.domain.name]
    if domain.points is not None and not domain.one_hot:
        return slopes * (sum(domain.points) - 2.0 * x)
    now = (slopes * x).sum(axis=-1, keepdims=True)
    return xp.where(x > 0.5, -np.inf, slopes - now)
