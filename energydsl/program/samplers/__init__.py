"""How chains are moved: one file a sampler, a table of them, and which one a model gets.

A sampler says whether it fits what was derived, and makes a `Transition`, which leaves exp(-beta E + external fields) as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from energydsl.backends.interface import Arrays, Random
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive import Derived
from energydsl.derive.records import BlockPart, Verdict
from energydsl.diagnostics import NotApplicable, one_of
from energydsl.options import SAMPLERS, SamplerName
from energydsl.program.elimination import Elimination, planned
from energydsl.program.engine import Engine
from energydsl.program.samplers.clusters import SwendsenWang as SwendsenWang
from energydsl.program.samplers.clusters import Wolff as Wolff
from energydsl.program.samplers.gibbs import Blocks as Blocks
from energydsl.program.samplers.gibbs import Gibbs as Gibbs
from energydsl.program.samplers.gibbs import lined
from energydsl.program.samplers.gradients import GibbsWithGradients as GibbsWithGradients
from energydsl.program.samplers.hamiltonian import Hamiltonian as Hamiltonian
from energydsl.program.samplers.hamiltonian import Langevin as Langevin
from energydsl.program.samplers.record import Clamped, Fit
from energydsl.program.samplers.record import Sampler as Sampler
from energydsl.program.samplers.record import Transition as Transition
from energydsl.program.samplers.tempering import Tempering as Tempering
from energydsl.program.samplers.tree import Tree as Tree

# In the order in which `auto` takes the first that fits.
TABLE: Mapping[str, Sampler] = MappingProxyType(
    {
        sampler.name: sampler
        for sampler in (
            Gibbs(),
            Tree(),
            SwendsenWang(),
            Wolff(),
            GibbsWithGradients(),
            Hamiltonian(),
            Langevin(),
            Tempering(),
        )
    }
)

# What a user names, or makes.
Choice = SamplerName | Sampler


def chosen(choice: Choice, derived: Derived, clamped: Clamped = frozenset()) -> Sampler:
    """The sampler of a choice for a model without directed parts: of "auto", the first of the table that fits.

    Raises `ArgumentError` for another word, `NotApplicable` with the reason where it does not fit.
    """
    if not isinstance(choice, Sampler):
        one_of("sampler", choice, SAMPLERS)
    if choice == "auto":
        found = default(derived, clamped)
        if found is None:
            raise NotApplicable(f"no sampler fits this model: {TABLE['gibbs'].fits(derived, clamped).why}")
        return found
    sampler = choice if isinstance(choice, Sampler) else TABLE[choice]
    fit = sampler.fits(derived, clamped)
    if not fit.ok:
        raise NotApplicable(f"the sampler {sampler.name} does not fit this model: {fit.why}")
    return sampler


def default(derived: Derived, clamped: Clamped = frozenset()) -> Sampler | None:
    """The first of the table that fits, of those that are no last resort if there is one; None where none fits."""
    resort = None
    for sampler in TABLE.values():
        fit = sampler.fits(derived, clamped)
        if fit.ok and not fit.last:
            return sampler
        resort = resort or (sampler if fit.ok else None)
    return resort


def transition(engine: Engine, choice: Choice = "auto", clamp: Iterable[str] = ()) -> Transition:
    """What moves the chains of an engine with layers clamped; below a core, directed layers are drawn from their parents.

    Raises `ArgumentError`, `NotApplicable`.
    """
    clamped = engine.check_clamped(clamp)
    inner = frozenset(n for n in clamped if n in engine.core.model.layers)
    sampler = chosen(choice, engine.core.derived, inner)
    if isinstance(sampler, Gibbs) and not lined(engine.core.derived, inner):
        return sampler.transition(engine, clamped)
    core = sampler.transition(engine.core, inner)
    return core if engine is engine.core else _Downwards(engine, core, clamped)


class _Downwards(Transition):
    """A sampler of the core, then what is drawn from its parents."""

    def __init__(self, engine: Engine, core: Transition, clamped: Clamped):
        self.engine, self.core = engine, core
        inside = engine.core.model.layers
        self.below: tuple[BlockPart, ...] = tuple(part for part in engine.parts(clamped) if part.layer not in inside)
        self.adaptive, self.carries, self.begin = core.adaptive, core.carries, core.begin  # type: ignore[method-assign]
        self.settle, self.follow, self.figures = core.settle, core.follow, core.figures  # type: ignore[method-assign]

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
        """Sweeps of the core, then the directed layers."""
        engine = self.engine
        inside = {n: x[n] for n in engine.core.model.layers}
        self.core.sweep(engine.core_params(p), inside, s.core, random, steps, None, keep)
        engine.sweep(p, x, s, random, self.below, 1, None, keep)


def core_of(derived: Derived) -> Derived:
    """What is derived from the undirected part: what samplers move."""
    return getattr(derived, "core", derived)


def what_fits(derived: Derived) -> tuple[Verdict, ...]:
    """The table of applicability with the samplers; where too many states would be listed, an exact sum by elimination."""
    core, rows = core_of(derived), []
    for verdict in derived.verdicts:
        if verdict.name == "exact" and not verdict.ok and core is derived:
            plan = planned(core, tuple(core.model.random_layers()))
            if isinstance(plan, Elimination):
                why = f"{len(plan.units.states)} units eliminated one by one, 2^{plan.order.log2_states:.3g} joint states at most"
                verdict = replace(verdict, ok=True, why=why)
        rows.append(verdict)
    if core is not derived and not core.model.random_layers():
        why = "one pass: every layer is drawn from its parents (by default)"
        return (*rows, *(replace(v, why=why) if v.ok else v for v in verdicts(core)))
    return (*rows, *verdicts(core))


def fitting(engine: Engine, choice: Choice, clamp: Iterable[str]) -> Transition:
    """As `transition`; where what is chosen fits the model but not with these layers clamped, as "auto" has it."""
    clamped = engine.check_clamped(clamp)
    sampler = chosen(choice, engine.core.derived)
    inner = frozenset(n for n in clamped if n in engine.core.model.layers)
    return transition(engine, sampler if sampler.fits(engine.core.derived, inner).ok else "auto", clamped)


def verdicts(derived: Derived, clamped: Clamped = frozenset()) -> tuple[Verdict, ...]:
    """Which samplers fit a model without directed parts, and why (not); that of `default` says so."""
    taken, found = default(derived, clamped), []
    for sampler in TABLE.values():
        fit: Fit = sampler.fits(derived, clamped)
        why = f"{fit.why} (by default)" if sampler is taken else fit.why
        found.append(Verdict(sampler.name, "sampler", fit.ok, why))
    return tuple(found)
