"""Gibbs sampling: every block from its conditional, layers and units by colour, or unit by unit (Geman & Geman 1984)."""

from __future__ import annotations

from energydsl.backends.interface import Arrays, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.derive.records import Schedule
from energydsl.program.engine import CoreEngine, Engine
from energydsl.program.lines import Scan
from energydsl.program.samplers.record import Clamped, Fit, Others, Sampler, Transition, free_layers, named, uniforms


class Gibbs(Sampler):
    """Blocks that are conditionally independent, as they are derived."""

    name = "gibbs"

    def fits(self, derived: Derived, clamped: Clamped = frozenset()) -> Fit:
        """Wherever every layer has a conditional that can be drawn from."""
        along = lined(derived, clamped)
        for name in along:
            if why := derived.lines[name].refused:
                return Fit(False, f"`{name}` has no conditional that can be drawn from: {why}")
        words = _in_words(derived.schedule(clamped)) if len(along) < len(free_layers(derived, clamped)) else ""
        lines = f"{named(along)} unit by unit, integrated along a line: hundreds of energies a draw" if along else ""
        return Fit(True, ", then ".join(filter(None, (words, lines))), last=bool(along))

    def transition(self, engine: Engine, clamped: Clamped = frozenset()) -> Transition:
        """The blocks of an engine; one of a model with directed parts has them too, one with lines is without."""
        if lined(engine.core.derived, clamped):
            return AlongLines(engine.core, clamped)
        return Blocks(engine, clamped)


class Blocks(Transition):
    """The sweeps of an engine."""

    repeatable = True

    def __init__(self, engine: Engine, clamped: Clamped = frozenset()):
        self.engine, self.parts = engine, engine.parts(clamped)
        self.straight = engine.straight(self.parts)
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


def lined(derived: Derived, clamped: Clamped) -> list[str]:
    """The free layers whose units are drawn along lines."""
    return [n for n in free_layers(derived, clamped) if n in derived.lines]


class AlongLines(Transition):
    """The blocks of all layers that have conditionals of a family, then the others unit by unit along lines."""

    def __init__(self, engine: CoreEngine, clamped: Clamped = frozenset()):
        self.engine, self.own = engine, lined(engine.derived, clamped)
        self.others = Others(engine, self.own, clamped)

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
        """Every block in turn, then every unit of the other layers."""
        engine = self.engine
        with engine.single_threaded_blas():
            for _ in range(steps):
                self.others.draw(p, x, s, random, keep)
                for name in self.own:
                    uniform = engine.host(uniforms(engine, random, x[name].shape))
                    held = engine.host(keep[name]) if keep and name in keep else None
                    engine.kernels.load(x[name], Scan(engine, name, p, x, s).draw(uniform, held).astype(engine.dtype))


def _in_words(schedule: Schedule) -> str:
    parts = [part for block in schedule for part in block]
    scanned = [part.layer for part in parts if part.kind == "scan"]
    if not parts:
        return "nothing is free"
    blocks = f"{len(schedule)} block{'s' if len(schedule) != 1 else ''} a sweep"
    return blocks + (f", {named(scanned)} unit by unit" if scanned else "")
