"""Signs that are proved from constraints and domains, never from values."""

from __future__ import annotations

import math
from collections.abc import Mapping

from energydsl.domains import DOMAINS
from energydsl.energy.terms import At, Atom, Monomial
from energydsl.functions import FUNCTIONS, NONNEGATIVE, POSITIVE, UNKNOWN
from energydsl.model.records import Resolved

Ranges = Mapping[str, tuple[int, int]]
Range = tuple[float, float]


def sign_of_factors(monomial: Monomial, model: Resolved, outer: Ranges | None = None) -> int:
    """The proved sign of the product of factors: POSITIVE, NONNEGATIVE or UNKNOWN. outer: ranges of loops around it."""
    ranges = {**(outer or {}), **{loop.name: (loop.low, loop.high) for loop in monomial.loops}}
    return min((_power_sign(a, e, model, ranges) for a, e in monomial.factors), default=POSITIVE)


def _range(monomial: Monomial, model: Resolved, outer: Ranges) -> Range:
    """Between which numbers a monomial is, summed over its loops, by the bounds of what stands in it."""
    ranges = {**outer, **{loop.name: (loop.low, loop.high) for loop in monomial.loops}}
    count = math.prod(loop.high - loop.low for loop in monomial.loops)
    found = (monomial.coefficient * count,) * 2
    for atom, exponent in monomial.factors:
        found = _product(found, _raised(_atom_range(atom, model, ranges), exponent))
    return (min(found[0], 0.0), max(found[1], 0.0)) if monomial.predicates else found


def _product(one: Range, other: Range) -> Range:
    ends = [a * b if a and b else 0.0 for a in one for b in other]
    return min(ends), max(ends)


def _raised(base: Range, exponent: float) -> Range:
    low, high = base
    if exponent < 0 and low <= 0.0:
        return (0.0 if exponent % 2 == 0 else -math.inf), math.inf
    if exponent % 2 == 0 and low < 0.0:
        low, high = 0.0, max(-low, high)
    if low < 0.0 and exponent % 1:
        return -math.inf, math.inf
    try:
        ends = [x**exponent for x in (low, high)]
    except OverflowError:
        return -math.inf, math.inf
    return min(ends), max(ends)


def _atom_range(atom: Atom, model: Resolved, ranges: Ranges) -> Range:
    if isinstance(atom, At) and atom.kind in ("layer", "input"):
        spec = model.layers[atom.name].domain
        return DOMAINS[spec.name].interval(spec.arguments)
    low = 0.0 if _atom_sign(atom, model, ranges) >= NONNEGATIVE else -math.inf
    if isinstance(atom, At):
        return low, math.inf
    function = FUNCTIONS[atom.function]
    if atom.function == "":
        parts = [_range(m, model, ranges) for m in atom.argument]
        return max(low, sum(a for a, _ in parts)), sum(b for _, b in parts)
    if function.bounds is not None and not function.grows:
        return max(low, -function.bounds.size), function.bounds.size
    return low, math.inf


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
        least = [_range(m, model, outer or {})[0] for m in monomials]
        rounding = 1e-12 * sum(map(abs, least))
        return POSITIVE if sum(least) > rounding else NONNEGATIVE if least and sum(least) >= 0.0 else UNKNOWN
    whole = [s for s, m in zip(signs, monomials, strict=True) if not m.predicates]
    return POSITIVE if POSITIVE in whole else NONNEGATIVE
