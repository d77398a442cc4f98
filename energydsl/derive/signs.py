"""Signs that are proved from constraints and domains, never from values."""

from __future__ import annotations

import math
from collections.abc import Mapping

from energydsl.domains import DOMAINS
from energydsl.energy.terms import At, Atom, Monomial
from energydsl.functions import FUNCTIONS, NONNEGATIVE, POSITIVE, UNKNOWN
from energydsl.model.records import Resolved

Ranges = Mapping[str, tuple[int, int]]


def sign_of_factors(monomial: Monomial, model: Resolved, outer: Ranges | None = None) -> int:
    """The proved sign of the product of factors: POSITIVE, NONNEGATIVE or UNKNOWN. outer: ranges of loops around it."""
    ranges = {**(outer or {}), **{loop.name: (loop.low, loop.high) for loop in monomial.loops}}
    return min((_power_sign(a, e, model, ranges) for a, e in monomial.factors), default=POSITIVE)


def _least(monomial: Monomial, sign: int, model: Resolved) -> float:
    """The least value of a monomial, where that follows from the bounds of its units."""
    if sign >= NONNEGATIVE:
        return monomial.coefficient if not (monomial.factors or monomial.predicates) else 0.0
    low = high = monomial.coefficient * math.prod(loop.high - loop.low for loop in monomial.loops)
    for atom, exponent in monomial.factors:
        if not isinstance(atom, At) or atom.kind not in ("layer", "input") or exponent != 1.0:
            return -math.inf
        spec = model.layers[atom.name].domain
        ends = [a * b for a in (low, high) for b in DOMAINS[spec.name].interval(spec.arguments)]
        if not all(map(math.isfinite, ends)):
            return -math.inf
        low, high = min(ends), max(ends)
    return min(low, 0.0) if monomial.predicates else low


def _power_sign(atom: Atom, exponent: float, model: Resolved, ranges: Ranges) -> int:
    base = _atom_sign(atom, model, ranges)
    if base == POSITIVE:
        return POSITIVE
    if exponent % 2 == 0:
        return NONNEGATIVE
    return base if exponent > 0 or base == UNKNOWN else NONNEGATIVE


def _atom_sign(atom: Atom, model: Resolved, ranges: Ranges) -> int:
    if not isinstance(atom, At):
        function = FUNCTIONS[atom.function]
        return max(function.sign, sign_of_sum(atom.argument, model, ranges) if function.keeps_sign else UNKNOWN)
    if atom.kind == "index":
        first, _ = atom.indices[0].bounds(ranges, lambda name: model.graphs[name].nodes)
        return POSITIVE if first > 0 else NONNEGATIVE if first == 0 else UNKNOWN
    if atom.kind in ("layer", "input"):
        spec = model.layers[atom.name].domain
        domain = DOMAINS[spec.name]
        low = 0.0 if domain.nonnegative else domain.bounds(spec.arguments)[0]
        return POSITIVE if low > 0.0 else NONNEGATIVE if low == 0.0 else UNKNOWN
    record = model.params[atom.name] if atom.kind == "param" else model.consts[atom.name]
    if "positive" in record.constraints:
        return POSITIVE
    return NONNEGATIVE if "nonnegative" in record.constraints else UNKNOWN


def sign_of_sum(monomials: tuple[Monomial, ...], model: Resolved, outer: Ranges | None = None) -> int:
    """The proved sign of a sum of monomials. outer: ranges of loops around it."""
    signs = [sign_of_factors(m, model, outer) if m.coefficient > 0 else UNKNOWN for m in monomials]
    if UNKNOWN in signs or not signs:
        least: float = sum(_least(m, sign, model) for m, sign in zip(monomials, signs, strict=True))
        return POSITIVE if least > 0.0 else NONNEGATIVE if least == 0.0 and signs else UNKNOWN
    whole = [s for s, m in zip(signs, monomials, strict=True) if not m.predicates]
    return POSITIVE if POSITIVE in whole else NONNEGATIVE
