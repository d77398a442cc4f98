"""What the units of a term are multiplied by, place by place: numbers, from the canonical energy and parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import ModelError, NotApplicable
from energydsl.energy.canonical import multiplied_out
from energydsl.energy.terms import At, Monomial, Term, layers_in
from energydsl.graph.places import Places, places
from energydsl.graph.scopes import Scope
from energydsl.program.engine import CoreEngine
from energydsl.program.factors import Inner, Units, Walk


def polynomial(engine: CoreEngine) -> tuple[Term, ...]:
    """The terms of the energy with powers of sums over units multiplied out, where these have not too many terms."""
    found = engine.derived.energy
    if not any(term.monomial.joint_layers() for term in found.terms):
        return found.terms
    try:
        return multiplied_out(engine.model).terms
    except ModelError:
        return found.terms


def coefficients(engine: CoreEngine, params: Arrays, monomial: Monomial) -> Iterator[tuple[Places, Array]]:
    """The places of a term, no more at once than are listed, and its coefficient at each, (places,).

    Raises `NotApplicable` where it holds a function of several units, or an input.
    """
    if joint := monomial.joint_layers():
        raise NotApplicable(f"`{min(joint)}` stands in a function of several units, which is no sum over pairs")
    if inputs := layers_in([monomial]) & set(engine.model.by_role("input")):
        raise NotApplicable(f"a term depends on the input `{min(inputs)}`")
    units, settings = Units(engine.derived, ()), engine.settings()
    for part in _parts(monomial):
        found = places(engine.model, part)
        if found is None:
            raise NotApplicable("a term has too many places to list")
        scope = Scope(found, {}, np.zeros((found.count, 0), np.int64))
        value = _Coefficients(units, engine, params, {}, settings, scope).monomial(part, ())
        yield found, np.broadcast_to(engine.host(value)[0], (found.count,))


def _parts(monomial: Monomial) -> Iterator[Monomial]:
    """A term as a sum of terms with few places each: its longest loop in pieces."""
    longest = max(monomial.loops, key=lambda loop: loop.high - loop.low, default=None)
    if longest is None:
        yield monomial
        return
    rest = math.prod(loop.high - loop.low for loop in monomial.loops if loop is not longest)
    step = max(1, limits.LISTED_PLACES // rest)
    for low in range(longest.low, longest.high, step):
        part = replace(longest, low=low, high=min(low + step, longest.high))
        yield replace(monomial, loops=tuple(part if loop is longest else loop for loop in monomial.loops))


class _Coefficients(Walk):
    """What a term is times its units, at every place."""

    def entry(self, at: At, inner: Inner) -> Any:
        """As of any walk, but for units, which are left out."""
        return 1.0 if at.kind == "layer" else super().entry(at, inner)
