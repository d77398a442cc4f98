"""Tree blocks: units of finite layers whose couplings form a tree, a chain or a narrow strip, drawn jointly and exactly."""

from __future__ import annotations

from energydsl.backends.interface import Arrays, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.domains import DOMAINS
from energydsl.program.elimination import Elimination, draw, planned
from energydsl.program.engine import CoreEngine
from energydsl.program.samplers.record import Clamped, Fit, Others, Sampler, Transition, free_layers, named


class Tree(Sampler):
    """All finite layers jointly; where they meet too densely, the largest that is coupled in itself, and the rest by Gibbs."""

    name = "tree"

    def fits(self, derived: Derived, clamped: Clamped = frozenset()) -> Fit:
        """Where elimination meets few joint states at once."""
        own, plan = block(derived, clamped)
        if not own:
            return Fit(False, "no free layer is of a finite domain")
        if isinstance(plan, str):
            return Fit(False, plan)
        rest = [n for n in free_layers(derived, clamped) if n not in own]
        missing = [n for n in rest if n not in derived.conditionals]
        if missing:
            return Fit(False, f"{named(missing)} has no conditional that can be drawn from")
        count, between = len(plan.units.states), f", {named(rest)} by Gibbs in between" if rest else ""
        exact = "" if rest else ", with exact log Z"
        return Fit(True, f"{count} units of {named(own)} drawn jointly, exactly{exact}{between}")

    def transition(self, engine: CoreEngine, clamped: Clamped = frozenset()) -> JointDraws:
        """Draws of the block of an engine."""
        return JointDraws(engine, clamped)


def block(derived: Derived, clamped: Clamped) -> tuple[list[str], Elimination | str]:
    """The layers that are drawn jointly, and how; or why no set of them can be."""
    layers = derived.model.layers
    finite = [n for n in free_layers(derived, clamped) if DOMAINS[layers[n].domain.name].finite]
    if not finite:
        return [], ""
    whole = planned(derived, finite)
    if isinstance(whole, Elimination):
        return finite, whole
    coupled = [n for n in finite if n in derived.parts and derived.parts[n].kind != "whole"]
    for name in sorted(coupled, key=lambda n: -layers[n].size):
        plan = planned(derived, [name])
        if isinstance(plan, Elimination):
            return [name], plan
    return finite, whole


class JointDraws(Transition):
    """A joint draw of a block, after the Gibbs blocks of all else."""

    def __init__(self, engine: CoreEngine, clamped: Clamped = frozenset()):
        own, plan = block(engine.derived, clamped)
        assert isinstance(plan, Elimination), "it does not fit"
        self.engine, self.plan = engine, plan
        self.others = Others(engine, own, clamped)
        self.exact = not self.others.parts

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
        """One draw, or, where it is not all there is to draw, so many."""
        with self.engine.single_threaded_blas():
            for _ in range(min(1, steps) if self.exact else steps):
                self.others.draw(p, x, s, random, keep)
                draw(self.engine, self.plan, p, x, s, random, keep)
