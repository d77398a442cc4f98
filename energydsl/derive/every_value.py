"""Whether the factor of a power is positive for every value of the bounded units that it hangs on: all of them are tried.

    factor = sum_g q_g f_g(v),   q_g a product of what is never negative, f_g a polynomial of bounded units v

It is positive at v where no f_g(v) is negative and one is positive whose q_g is. In a unit of an interval that has no power, f_g is
a line, so that its ends will do.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from energydsl import limits
from energydsl.derive.signs import sign_of_factors
from energydsl.domains import DOMAINS
from energydsl.energy.formula_text import as_text
from energydsl.energy.notation import Letters, term_formula
from energydsl.energy.rules import Rules
from energydsl.energy.targets import aim, others, output
from energydsl.energy.terms import At, Factor, Monomial
from energydsl.functions import NONNEGATIVE, POSITIVE, UNKNOWN
from energydsl.model.indices import Index
from energydsl.model.records import Layer, Resolved


@dataclass(frozen=True)
class Fails:
    """What is wrong with a factor: unknown signs (nothing is said of values), or `where` it is not positive, as text."""

    where: str = ""


@dataclass(frozen=True)
class _Product:
    """coefficient * units, each to its power, * rest; units are tried out, the rest is never negative.

    least: where a sum over loops is a number, the layers and the value of all their units at which it is that.
    """

    coefficient: float
    units: tuple[tuple[At, float], ...]
    rest: tuple[Factor, ...]
    least: tuple[tuple[str, float], ...] = ()


class _UnknownSign(Exception):
    """A part of the factor may be of either sign whatever the units are."""


def fails_for_some_value(
    model: Resolved, layer: Layer, holding: Sequence[tuple[Monomial, At]], beyond: float = 0.0
) -> Fails | None:
    """None where the terms of a statistic hold every unit of a layer for every value of all others.

    holding: the terms, with the unit that each holds. beyond: a number that is added to the factor.
    """
    try:
        products = [p for monomial, unit in holding for p in _products(model, layer, monomial, unit)]
    except _UnknownSign:
        return Fails()
    products += [_Product(beyond, (), ())] if beyond else []
    sites = list(dict.fromkeys(_site(atom, model) for p in products for atom, _ in p.units))
    values = {site: _values(site, model) for site in sites}
    if math.prod(len(v) for v in values.values()) > limits.TRIED_VALUES:
        return Fails()
    grids = np.meshgrid(*(np.arange(len(v)) for v in values.values()), indexing="ij")
    tried = {site: grid.ravel() for site, grid in zip(sites, grids, strict=True)}
    count = grids[0].size if grids else 1
    sums: dict[tuple[Factor, ...], NDArray[np.float64]] = {}
    for product in products:
        value = np.full(count, product.coefficient)
        for atom, exponent in product.units:
            site = _site(atom, model)
            value *= _value(atom, values[site], tried[site], model) ** exponent
        sums[product.rest] = sums.get(product.rest, np.zeros(count)) + value
    never, firm = np.ones(count, bool), np.zeros(count, bool)
    for rest, total in sums.items():
        size = 1e-12 * sum(abs(p.coefficient) for p in products if p.rest == rest)
        never &= total >= -size
        if sign_of_factors(Monomial(1.0, factors=rest), model) == POSITIVE:
            firm |= total > size
    bad = np.flatnonzero(~(never & firm))
    if not bad.size:
        return None
    shown = [_shown(model, layer, s, values[s][tried[s][bad[0]]]) for s in sites]
    return Fails(", ".join([*shown, *_shown_throughout(products, {s.name for s in sites})]))


def vanishes(model: Resolved, layer: Layer, holding: Sequence[tuple[Monomial, At]], beyond: float) -> bool:
    """Whether the terms of a statistic, and a number, are 0 together whatever parameters and units are."""
    totals: dict[Monomial, float] = {Monomial(1.0): beyond}
    for monomial, unit in holding:
        part = aim("", others(monomial, unit), unit.indices, unit.flat, layer.energy_shape, 0, Rules(model))
        rest = replace(part.monomial, coefficient=1.0)
        if not part.solved:
            return False
        totals[rest] = totals.get(rest, 0.0) + part.monomial.coefficient
    return not any(totals.values())


def _products(model: Resolved, layer: Layer, monomial: Monomial, unit: At) -> Iterator[_Product]:
    """dE/dT of one term as products of units and of what is never negative; what cannot be negative anyhow may be left out."""
    rest = others(monomial, unit)
    part = aim("", rest, unit.indices, unit.flat, layer.energy_shape, 0, Rules(model))
    never = rest.coefficient > 0.0 and sign_of_factors(rest, model) >= NONNEGATIVE
    if not part.solved:
        if not never:
            raise _UnknownSign
        return
    for one in _by_state(part.monomial, model):
        units = tuple((a, e) for a, e in one.factors if isinstance(a, At) and _tried(a, e, model))
        always = tuple(f for f in one.factors if f not in units)
        if one.loops or one.predicates:
            if not never and always:
                raise _UnknownSign
            yield from _least(one, units, model, never)
        elif sign_of_factors(Monomial(1.0, factors=always), model) == UNKNOWN:
            raise _UnknownSign
        else:
            yield _Product(one.coefficient, units, always)


def _least(one: Monomial, units: Iterable[tuple[At, float]], model: Resolved, never: bool) -> Iterator[_Product]:
    """The least value of a sum over loops of units and numbers, as a number; 0 at most. never: whether it is never negative."""
    places = math.prod(loop.high - loop.low for loop in one.loops)
    ends: list[list[tuple[float, float]]] = []
    for atom, exponent in units:
        values = (0.0, 1.0) if _one_hot(atom, model) else _values(atom, model)
        powers = sorted((float(v) ** exponent, float(v)) for v in values)
        ends.append([powers[0], powers[-1]])
    corners = [(one.coefficient * places * math.prod(p for p, _ in c), c) for c in itertools.product(*ends)]
    low, corner = min(corners, key=lambda c: c[0])
    at = tuple((atom.name, value) for (atom, _), (_, value) in zip(units, corner, strict=True))
    reached = not one.predicates and (low < 0.0 or never) and not any(_one_hot(a, model) for a, _ in units)
    yield _Product(0.0 if never else min(low, 0.0), (), (), at if reached and low <= 0.0 else ())


def _by_state(monomial: Monomial, model: Resolved) -> Iterator[Monomial]:
    """A monomial with every loop over the states of a one-hot unit written out."""
    states = {a.indices[-1].plain for a, _ in monomial.factors if isinstance(a, At) and _one_hot(a, model)}
    loop = next((x for x in monomial.loops if x.name in states), None)
    if loop is None or loop.graph or loop.high - loop.low > limits.TRIED_VALUES:
        yield monomial
        return
    fewer = replace(monomial, loops=tuple(x for x in monomial.loops if x != loop))
    for k in range(loop.low, loop.high):
        chosen = fewer.replace_binders({loop.name: Index(constant=k)})
        settled = [p.settled() for p in chosen.predicates]
        if False not in settled:
            left = tuple(p for p, s in zip(chosen.predicates, settled, strict=True) if s is None)
            yield from _by_state(replace(chosen, predicates=left), model)


def _one_hot(atom: At, model: Resolved) -> bool:
    return atom.kind in ("layer", "input") and DOMAINS[model.layers[atom.name].domain.name].one_hot


def _tried(atom: At, exponent: float, model: Resolved) -> bool:
    """Whether a factor is a unit all of whose values that matter can be listed."""
    if atom.kind not in ("layer", "input"):
        return False
    domain = DOMAINS[model.layers[atom.name].domain.name]
    if domain.one_hot:
        return not atom.indices[-1].terms
    return domain.values is not None or (domain.bounded and exponent == 1.0)


def _site(atom: At, model: Resolved) -> At:
    """The unit that an entry belongs to: that of a one-hot layer without its state."""
    return replace(atom, indices=atom.indices[:-1]) if _one_hot(atom, model) else atom


def _values(site: At, model: Resolved) -> Sequence[float]:
    """The values of a unit to be tried; of a one-hot one the numbers of its states."""
    spec = model.layers[site.name].domain
    domain = DOMAINS[spec.name]
    if domain.one_hot and domain.states is not None:
        return range(domain.states(spec.arguments))
    return domain.values(spec.arguments) if domain.values else domain.bounds(spec.arguments)


def _value(atom: At, values: Sequence[float], number: NDArray[np.int64], model: Resolved) -> NDArray[np.float64]:
    """An entry at the values of its unit, by their numbers."""
    if _one_hot(atom, model):
        return np.asarray(number == atom.indices[-1].constant, float)
    return np.asarray(values, float)[number]


def _shown_throughout(products: Iterable[_Product], tried: set[str]) -> Iterator[str]:
    """Values of whole layers as text, where sums over loops are least for the same values, and no unit of them has another."""
    found = list(dict.fromkeys(pair for p in products for pair in p.least))
    if len({name for name, _ in found} - tried) == len(found):
        yield from (f"every unit of `{name}` is {value:g}" for name, value in found)


def _shown(model: Resolved, layer: Layer, site: At, value: float) -> str:
    """A value of a unit as text, in the letters of the layer that it holds."""
    letters = Letters(model)
    names = {output(k): n for k, n in enumerate(letters.target(layer.name))}
    unit = as_text(term_formula(Monomial(1.0, factors=((site, 1.0),)), names, letters, layer.name)[1])
    return f"`{unit}` is {'in state ' if _one_hot(site, model) else ''}{value:g}"
