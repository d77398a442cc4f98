"""Weighted sums over chains of dE/dparam, and d log p/dx, for checked arguments of one undirected model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from energydsl.backends.interface import Array, Arrays, Fields, Settings
from energydsl.diagnostics import NotApplicable
from energydsl.domains.density import Factor
from energydsl.functions import FUNCTIONS
from energydsl.model.records import Param
from energydsl.program.engine import Engine


def weighted_gradient(
    engine: Engine, p: Arrays, x: Arrays, s: Settings, row: Array, names: Iterable[str] | None = None
) -> Arrays:
    """Sum over chains of row * dE/dparam, projected on what the constraints admit; overwritten by the next call."""
    params, kernels = engine.model.params, engine.kernels
    wanted = list(params if names is None else names)
    with engine.single_threaded_blas():
        with kernels.region():
            found = {n: kernels.gradients[n](p, x, s, row, engine.workspace) for n in wanted if n in kernels.direct}
        found |= {n: kernels.gradients[n](p, x, s, row, engine.workspace) for n in wanted if n not in found}
        return {n: projected(engine.xp, params[n], found[n]) for n in wanted}


def add_gradient(engine: Engine, p: Arrays, name: str, x: Arrays, s: Settings, row: Array) -> None:
    """Add the sum over chains of row * dE/dparam onto a parameter; it is one of the kernels' `direct`."""
    with engine.single_threaded_blas():
        engine.kernels.gradients[name](p, x, s, row, engine.workspace, p[name])


def projected(xp: Any, param: Param, gradient: Array) -> Array:
    """The gradient among admissible changes: symmetric, zero on the diagonal. xp: the library of the arrays."""
    if "symmetric" in param.constraints:
        gradient = (gradient + gradient.T) / 2
    if "zero_diagonal" in param.constraints:
        xp.fill_diagonal(gradient, 0.0)
    return gradient


def score(engine: Engine, p: Arrays, x: Arrays, s: Settings, layers: Iterable[str]) -> Arrays:
    """d(-beta E + external fields)/dx by the entries of some layers, (chains, *layer), as if these were real numbers."""
    found = {}
    for name in layers:
        found[name] = -engine.kernels.slopes[name](p, x, s, engine.workspace)
        if name in s.external:
            found[name] = found[name] + _external_slope(engine, name, x[name], s.external[name])
    return found


def _external_slope(engine: Engine, layer: str, x: Array, fields: Fields) -> Array:
    """d/dx of sum_k fields_k . T_k(x). Raises `NotApplicable` for statistics that are no polynomial and no absolute value."""
    record, family = engine.model.layers[layer], engine.derived.families[layer]
    if record.field_shape != record.energy_shape:
        raise NotApplicable(f"a field on each value of `{layer}` has no slope")
    if family.density is None:
        slopes = [1.0 if power == 1 else power * x ** (power - 1) for power in family.powers]
    else:
        held = [bool(engine.xp.any(engine.device(f))) for f in fields]
        statistics = zip(family.density.statistics, held, strict=True)
        slopes = [_statistic_slope(engine, layer, t, x) if used else 0.0 for t, used in statistics]
    total: Array = sum((engine.device(f) * d for f, d in zip(fields, slopes, strict=True)), engine.xp.zeros_like(x))
    return total


def _statistic_slope(engine: Engine, layer: str, statistic: Sequence[Factor], x: Array) -> Any:
    """dT/dx of a product of powers of polynomials, or of absolute values of them."""
    parts = []
    for factor in statistic:
        line = sum((c * x**k for k, c in enumerate(factor.polynomial)), engine.xp.zeros_like(x))
        bend = sum((k * c * x ** (k - 1) for k, c in enumerate(factor.polynomial) if k), engine.xp.zeros_like(x))
        known = FUNCTIONS.get(factor.function)
        if factor.inner or (factor.function and not (known and known.absolute)):
            raise NotApplicable(f"a field on `{layer}` that is no polynomial of it has no slope here")
        value, slope = (line, bend) if not factor.function else (abs(line), engine.xp.sign(line) * bend)
        parts.append((value**factor.power, factor.power * value ** (factor.power - 1) * slope))
    total: Any = 0.0
    for k, (_, slope) in enumerate(parts):
        for n, (value, _) in enumerate(parts):
            slope = slope if n == k else slope * value
        total = total + slope
    return total
