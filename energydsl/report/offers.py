"""What auxiliary units would do for a model: fewer steps a sweep, where a rule fits."""

from __future__ import annotations

from collections import Counter

from energydsl import compiler
from energydsl.augment.expand import augment_terms, fitting_terms
from energydsl.compiler import Compiled
from energydsl.derive.records import Schedule
from energydsl.diagnostics import ModelError


def offers(model: Compiled) -> list[str]:
    """One sentence where the augmented model takes fewer steps a sweep; nothing where no rule fits, or none helps."""
    module = model.resolved.module
    if model.factorisation:
        return []
    try:
        if not any(fitting_terms(module)):
            return []
        found = compiler.derive(compiler.check_module(augment_terms(module), model.overrides))
    except ModelError:
        return []
    before, after = (m.derived.schedule(frozenset()) for m in (model, found))
    if _steps(found, after) >= _steps(model, before):
        return []
    made = {n: layer for n, layer in found.resolved.layers.items() if n not in model.resolved.layers}
    units: Counter[str] = Counter()
    for layer in made.values():
        units[str(layer.domain)] += layer.size
    more = " and ".join(f"{count} {domain} unit{'s' if count > 1 else ''}" for domain, count in units.items())
    names = ", ".join(f"`{n}`" for n in made)
    return [f"with {more} more ({names}): {_shown(found, after)} instead of {_shown(model, before)}"]


def _scanned(model: Compiled, schedule: Schedule) -> int:
    """The units that are visited one by one in a sweep."""
    return sum(model.resolved.layers[p.layer].size for block in schedule for p in block if p.kind == "scan")


def _blocks(schedule: Schedule) -> int:
    return sum(any(p.kind != "scan" for p in block) for block in schedule)


def _steps(model: Compiled, schedule: Schedule) -> int:
    return _scanned(model, schedule) + _blocks(schedule)


def _shown(model: Compiled, schedule: Schedule) -> str:
    """What a sweep is: so many blocks, a scan of so many units."""
    blocks, scanned = _blocks(schedule), _scanned(model, schedule)
    words = [f"{blocks} block{'s' if blocks > 1 else ''}"] if blocks else []
    words += [f"a scan of {scanned} units"] if scanned else []
    return " and ".join(words)
