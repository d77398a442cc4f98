"""What every sampler is: whether it fits a model, and a transition that leaves the distribution as it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from energydsl.backends.interface import Array, Arrays, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.derive.records import BlockPart
from energydsl.program.engine import CoreEngine, Engine

Clamped = frozenset[str]


class Fit(NamedTuple):
    """Whether a sampler fits, and why, or why not. last: whether it is taken only where no other fits."""

    ok: bool
    why: str
    last: bool = False


class Transition(ABC):
    """What is run again and again on chains of one engine: it leaves exp(-beta E + external fields) as it is.

    exact: whether one sweep draws from the distribution itself, whatever the state before. adaptive: whether it has a length or
    the like to be found in burn-in. carries: whether it has states of its own from call to call, so that chains are right in the long
    run only, not from the first sweep on. first: the layers that are drawn first, whole: what they are before does not matter. averaged: those whose conditional
    moments the last sweep can leave. repeatable: whether a sweep is the same work on the same arrays every time. straight: whether a
    sweep may wait for the end of a `region` of the kernels.
    """

    first: frozenset[str] = frozenset()
    averaged: frozenset[str] = frozenset()
    repeatable = False
    straight = False
    exact = False
    adaptive = False
    carries = False

    @abstractmethod
    def sweep(
        self,
        p: Arrays,
        x: Arrays,
        s: Any,
        random: Random,
        steps: int = 1,
        means: Moments | None = None,
        keep: Arrays | None = None,
    ) -> None:
        """Run sweeps in place, as `Engine.sweep`.

        keep: entries of layers that are held at their values, marked with True, row by row as it may be.
        """

    def run(self, p: Arrays, x: Arrays, s: Any, random: Random, steps: int) -> None:
        """Run sweeps in place; what adapts does so in the first half, which is burn-in."""
        burn_in = steps // 2 if self.adaptive else 0
        if burn_in:
            self.sweep(p, x, s, random, burn_in)
            self.settle()
        self.sweep(p, x, s, random, steps - burn_in)

    def begin(self, x: Arrays) -> None:
        """Where chains begin: what has states of its own makes them."""
        return

    def settle(self) -> None:
        """The end of burn-in: from here on nothing adapts."""
        return

    def follow(self) -> None:
        """The distribution will move from call to call, as in training: what adapts goes on doing so, and soon forgets."""
        return

    def arrays(self) -> Mapping[str, Array]:
        """What has adapted, for a checkpoint."""
        return {}

    def restore(self, saved: Mapping[str, Array]) -> None:
        """Go on from what `arrays` gave."""
        return

    def figures(self) -> Mapping[str, float]:
        """What is worth knowing of the last sweep, by name: how many proposals were accepted, how long a step is."""
        return {}


@dataclass(frozen=True)
class Sampler(ABC):
    """One way to move chains. name: the word of the option."""

    name = ""

    @abstractmethod
    def fits(self, derived: Derived, clamped: Clamped = frozenset()) -> Fit:
        """Whether it fits a model without directed parts with some layers clamped, and why (not)."""

    @abstractmethod
    def transition(self, engine: CoreEngine, clamped: Clamped = frozenset()) -> Transition:
        """What moves the chains of an engine that it fits."""


# --- what several samplers ask for


def free_layers(derived: Derived, clamped: Clamped) -> list[str]:
    """The layers that are drawn."""
    return [n for n in derived.model.random_layers() if n not in clamped]


def named(layers: Iterable[str]) -> str:
    """Layers in a sentence."""
    return ", ".join(f"`{n}`" for n in layers)


def log_weight(engine: Engine, p: Arrays, x: Arrays, s: Settings) -> Array:
    """-beta E + external fields of each chain, (chains,), float64: differences of large energies lose digits in float32."""
    return engine.log_weights(p, x, s, ()).astype(np.float64)


def uniforms(engine: Engine, random: Random, shape: tuple[int, ...]) -> Array:
    """Uniform numbers in [0, 1), chains first."""
    return engine.kernels.fill(random, engine.xp.empty(shape, engine.dtype))


def normals(engine: Engine, random: Random, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers, chains first (Box & Muller 1958)."""
    xp = engine.xp
    radius = xp.sqrt(-2.0 * xp.log1p(-uniforms(engine, random, shape)))
    return radius * xp.cos(2.0 * np.pi * uniforms(engine, random, shape))  # type: ignore[no-any-return]


def by_chain(values: Array, like: Array) -> Array:
    """One number a chain, (chains,), to be multiplied with the units of a layer, (chains, *layer)."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))


class Others:
    """Gibbs blocks of the layers that a sampler does not move itself, drawn between its moves."""

    def __init__(self, engine: CoreEngine, own: Iterable[str], clamped: Clamped):
        self.engine = engine
        held = clamped | frozenset(own)
        self.parts: tuple[BlockPart, ...] = engine.parts(held) if free_layers(engine.derived, held) else ()

    def draw(self, p: Arrays, x: Arrays, s: Settings, random: Random, keep: Arrays | None) -> None:
        """One draw of each of their blocks, which begins a sweep of the stream."""
        if self.parts:
            self.engine.sweep(p, x, s, random, self.parts, 1, None, keep)
        else:
            random.next()
