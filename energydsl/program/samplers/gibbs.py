"""Gibbs sampling: every block from its conditional, layers and units by colour, or unit by unit (Geman & Geman 1984)."""

from __future__ import annotations

from energydsl.backends.interface import Arrays, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.derive.records import Schedule
from energydsl.program.engine import Engine
from energydsl.program.samplers.record import Clamped, Fit, Sampler, Transition, free_layers, named


class Gibbs(Sampler):
    """Blocks that are conditionally independent, as they are derived."""

    name = "gibbs"

    def fits(self, derived: Derived, clamped: Clamped = frozenset()) -> Fit:
        """Wherever every layer has a conditional that can be drawn from."""
        missing = [n for n in free_layers(derived, clamped) if n not in derived.conditionals]
        if missing:
            return Fit(False, f"{named(missing)} has no conditional that can be drawn from")
        return Fit(True, _in_words(derived.schedule(clamped)))

    def transition(self, engine: Engine, clamped: Clamped = frozenset()) -> Blocks:
        """The blocks of an engine; one of a model with directed parts has them too."""
        return Blocks(engine, clamped)


class Blocks(Transition):
    """The sweeps of an engine."""

    repeatable = True

    def __init__(self, engine: Engine, clamped: Clamped = frozenset()):
        self.engine, self.parts = engine, engine.parts(clamped)
        schedule = engine.derived.schedule(clamped)
        known = engine.derived.conditionals
        if schedule:
            self.first = frozenset(part.layer for part in schedule[0] if part.kind == "whole")
            last = (part.layer for part in schedule[-1] if part.kind == "whole")
            self.averaged = frozenset(n for n in last if known[n].linear)
        self.exact = len(schedule) == 1 and all(part.kind == "whole" for part in schedule[0])

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
        """Every block in turn."""
        self.engine.sweep(p, x, s, random, self.parts, steps, means, keep)


def _in_words(schedule: Schedule) -> str:
    parts = [part for block in schedule for part in block]
    scanned = [part.layer for part in parts if part.kind == "scan"]
    if not parts:
        return "nothing is free"
    blocks = f"{len(schedule)} block{'s' if len(schedule) != 1 else ''} a sweep"
    return blocks + (f", {named(scanned)} unit by unit" if scanned else "")
