"""Gradients of the kernels against central differences of the oracle's energies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.model.records import Param
from energydsl.program.gradients import weighted_gradient
from energydsl.program.states import check_params, layer_arrays
from energydsl.verification.case import Case
from energydsl.verification.records import Check
from energydsl.verification.rounding import STEP, largest, of_slopes

_TOLERANCE = 1e-6
# Entries of a parameter that are differentiated, chosen at random where there are more.
_ENTRIES = 30
# How many numbers of an array are made at once for that.
_NUMBERS = 100_000
# A derivative below this is none.
_NOTHING = 1e-5


@dataclass(frozen=True)
class _Slope:
    """The derivative with respect to one entry of a parameter: by the kernels, by differences, and of the steepest state.

    steepest: the largest |dE/dparam| of any state, which says what a wrong derivation would be off by.
    """

    param: str
    found: float
    wanted: float
    steepest: float


def gradient_check(case: Case, name: str, x: Arrays, row: Array, value: Callable[[Array], float]) -> Check:
    """sum_rows row * dE/dparam of the kernels against differences of `value`, a function of the energies of states x.

    Errors are relative from 1 on, or from what the energies are exact to. Where that is more than any state's derivative, the
    check is not decisive.
    """
    rounding = of_slopes(case.scale)
    allowed = _TOLERANCE * rounding
    gradients = _gradients(case, x, row)
    slopes = list(_slopes(case, name, gradients, x, value))
    errors = [(s.found - s.wanted) / max(rounding, abs(s.wanted)) for s in slopes]
    depends = [s.steepest for s in slopes if case.derived.gradients[s.param].parts]
    return Check(
        name,
        largest([*errors, *_breaches(case, gradients)]),
        _TOLERANCE,
        decisive=rounding == 1.0 or not depends or allowed < max(depends),
        parameters=frozenset(s.param for s in slopes if abs(s.wanted) > max(_NOTHING, allowed)),
    )


def _gradients(case: Case, x: Arrays, row: Array) -> Arrays:
    """The kernels' gradient with one weight a state."""
    engine, s = case.engine, case.engine.settings(**case.scalars)
    p, state = check_params(engine, case.params), layer_arrays(engine, x)
    return {n: case.host(g) for n, g in weighted_gradient(engine, p, state, s, engine.device(row)).items()}


def _slopes(case: Case, name: str, gradients: Arrays, x: Arrays, value: Callable[[Array], float]) -> Iterator[_Slope]:
    """Both derivatives along every change that the constraints admit, of some entries of each parameter."""
    rng = case.generator(name)
    for param in case.model.params.values():
        entries = list(np.ndindex(*param.shape))
        changes = [_admissible(param, entries[k]) for k in rng.permutation(len(entries))[:_ENTRIES]]
        admitted = [change for change in changes if change is not None]
        for change, (up, down) in zip(admitted, _moved_energies(case, param, admitted, x), strict=True):
            yield _Slope(
                param.name,
                float((gradients[param.name] * change).sum()),
                (value(up) - value(down)) / (2 * STEP),
                largest(up - down) / (2 * STEP),
            )


def _moved_energies(case: Case, param: Param, changes: list[Array], x: Arrays) -> Iterator[Array]:
    """The oracle's energies of states x a step up and a step down each change of a parameter, (2, rows); several changes at once."""
    rows = len(next(iter(x.values())))
    count = max(1, _NUMBERS // (2 * rows * max(1, *(v[0].size for v in x.values()), *map(np.size, changes))))
    for k in range(0, len(changes), count):
        moved = [case.params[param.name] + h * change for change in changes[k : k + count] for h in (STEP, -STEP)]
        states = {n: np.concatenate([v] * len(moved)) for n, v in x.items()}
        energies = case.oracle.energy(case.params, states, own={param.name: np.repeat(moved, rows, axis=0)})
        yield from energies.reshape(-1, 2, rows)


def _admissible(param: Param, at: tuple[int, ...]) -> Array | None:
    """The change of one entry that the constraints admit (its mirror image with it); None where they forbid it."""
    change = np.zeros(param.shape)
    if "zero_diagonal" in param.constraints and at[0] == at[1]:
        return None
    change[at] = 1.0
    if "symmetric" in param.constraints:
        change[at[::-1]] = 1.0
    return change


def _breaches(case: Case, gradients: Arrays) -> Iterator[float]:
    """How far gradients are from what the constraints say of them: zero on a zero diagonal, symmetric."""
    for param in case.model.params.values():
        if "zero_diagonal" in param.constraints:
            yield largest(np.diagonal(gradients[param.name]))
        if "symmetric" in param.constraints:
            yield largest(gradients[param.name] - gradients[param.name].T)
