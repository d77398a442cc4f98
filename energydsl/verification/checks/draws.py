"""Draws follow the conditionals: their mean and variance over the uniform number are those of the conditional."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.derive.records import BlockPart
from energydsl.program.states import check_params, layer_arrays
from energydsl.random import Uniforms
from energydsl.verification.case import Listed
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

NAME = "draws follow the conditionals"
# Places of the rule for the integral over the uniform number.
_COUNT = 4000
# States from which units are drawn, chosen at random.
_STARTS = 2


def draws(case: Listed) -> Iterator[Check]:
    """Every part of a sweep, from some listed states; units that the part does not draw stay as they are."""
    parts = [part for block in case.derived.schedule(frozenset()) for part in block]
    if not parts:
        return
    worst = 0.0
    for row in case.generator(NAME).permutation(case.rows)[:_STARTS]:
        one = {n: v[row : row + 1].astype(float) for n, v in case.x.items()}
        worst = max(worst, *(_error(case, int(row), one, part) for part in parts))
    yield Check(NAME, worst, 2.5e-3)


def _rule() -> tuple[Array, Array]:
    """Uniform numbers and weights that integrate over (0, 1), by Takahasi and Mori (1974)."""
    time = np.linspace(-3.2, 3.2, _COUNT)
    uniform = np.minimum(0.5 + 0.5 * np.tanh(0.5 * np.pi * np.sinh(time)), 1 - 2.0**-53)
    weight = np.cosh(time) / np.cosh(0.5 * np.pi * np.sinh(time)) ** 2
    return uniform, weight / weight.sum()


def _error(case: Listed, row: int, one: Arrays, part: BlockPart) -> float:
    """The largest error of the moments of the units a part draws first, relative from 1 on, and any move of the others."""
    layer = case.model.layers[part.layer]
    uniform, weight = _rule()
    drawn = _drawn(case, one, part, uniform)
    family, units = case.derived.conditionals[part.layer].distribution, case.units_of(part)
    heavy = family.density is not None and family.density.heavy
    seen = np.arcsinh(drawn) if heavy else drawn
    mean = np.tensordot(weight, seen, 1)
    variance = np.tensordot(weight, (seen - mean) ** 2, 1)
    # The units of a scan are drawn in turn, so only the first is drawn given the others as they were.
    moved = units[:1] if part.kind == "scan" else units
    worst = 0.0
    for found, wanted in zip((mean, variance), _moments(case, row, one, part.layer, heavy), strict=True):
        gap = (found - wanted) / np.maximum(1.0, np.abs(wanted))
        worst = max(worst, largest(gap.reshape(layer.size, -1)[moved]))
    still = np.setdiff1d(np.arange(layer.size), units)
    change = (drawn - one[part.layer]).reshape(_COUNT, layer.size, -1)[:, still]
    return max(worst, largest(change))


def _moments(case: Listed, row: int, one: Arrays, name: str, heavy: bool) -> tuple[Array, Array]:
    """Mean and variance of every unit at a state, (units,); of its inverse hyperbolic sine by the oracle where it need not have any itself."""
    if not heavy:
        mean, variance = (
            case.host(moment(case.params, one, name, **case.scalars))[0]
            for moment in (case.program.mean, case.program.variance)
        )
        return mean, variance
    places, weights = case.rules[name]
    found = []
    for unit in range(case.model.layers[name].size):
        logits = weights - case.along(name, unit, row, places)
        p = np.exp(logits - np.logaddexp.reduce(logits))
        mean = p @ np.arcsinh(places)
        found.append((mean, p @ (np.arcsinh(places) - mean) ** 2))
    means, variances = np.array(found).T.reshape(2, *case.model.layers[name].shape)
    return means, variances


def _drawn(case: Listed, one: Arrays, part: BlockPart, uniform: Array) -> Array:
    """A layer after one part of a sweep from the same state in every row, with one uniform number a row; (rows, *layer)."""
    layer, engine = case.model.layers[part.layer], case.engine
    shape = (len(case.units_of(part)),) if part.kind == "colours" else layer.shape
    numbers = np.broadcast_to(uniform.reshape(-1, *(1,) * len(shape)), (_COUNT, *shape))
    x = {n: np.repeat(v, _COUNT, axis=0) for n, v in one.items()}
    p, state = check_params(engine, case.params), layer_arrays(engine, x)
    s, workspace = engine.settings(**case.scalars), engine.kernels.Workspace(np.float64)
    engine.kernels.update(part, p, state, s, Uniforms([numbers]), workspace)
    return case.host(state[part.layer])
