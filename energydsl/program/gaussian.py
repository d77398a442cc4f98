"""Real layers that are Gaussian jointly, all others held: integrated, and drawn, by the Cholesky factor of their precision matrix.

    integral over x in R^n of exp(-x' P x / 2 + eta' x) = (2 pi)^(n/2) det(P)^(-1/2) exp(eta' P^-1 eta / 2)
    x = P^-1 eta + L^-T z,   P = L L',   z standard normal                                (Rue & Held 2005, sec. 2.1 and 2.4)

P and eta come from the kernels: natural parameters are linear in other units, so that differences of fields are exact but for
rounding. All is done in float64, on the host.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.backends.numpy.runtime import ndtri
from energydsl.derive.quadratic import coupled_quadratic
from energydsl.diagnostics import NotNormalisable
from energydsl.program.engine import CoreEngine
from energydsl.program.states import random_state
from energydsl.random import Rng, stream

# Units whose fields are found at a time, to find one matrix.
_ROWS = 512


def log_integral(engine: CoreEngine, p: Arrays, x: Mapping[str, Array], s: Settings, layers: tuple[str, ...]) -> Array:
    """log of the integral over layers of exp of what holds them in -beta E, (rows of the other layers,), on the host.

    Raises `NotNormalisable` where a precision matrix is not positive definite.
    """
    parts = []
    for factor, eta in _factors(engine, p, x, s, layers):
        white = _solved(factor, eta)
        log_det = 2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
        parts.append(0.5 * (eta.shape[1] * math.log(2.0 * math.pi) - log_det + np.square(white).sum(axis=1)))
    return np.concatenate(parts)


def draw(engine: CoreEngine, p: Arrays, x: Arrays, s: Settings, layers: tuple[str, ...], random: Rng) -> None:
    """Draw layers jointly given all others, into x. Raises `NotNormalisable`."""
    others, found = {n: a for n, a in x.items() if n not in layers}, []
    others = others or {"": engine.xp.zeros((len(x[layers[0]]), 1))}
    for factor, eta in _factors(engine, p, others, s, layers):
        normal = np.asarray(ndtri(random(np.empty(eta.shape))))
        found.append(_solved(factor, _solved(factor, eta) + normal, transposed=True))
    for name, values in _split(engine, layers, np.concatenate(found)).items():
        engine.kernels.load(x[name], values.astype(engine.dtype))


def means(engine: CoreEngine, p: Arrays, x: Mapping[str, Array], s: Settings, layers: tuple[str, ...]) -> Arrays:
    """P^-1 eta, the mean and the likeliest state of layers given all others, by layer, (rows, *layer), float64. Raises `NotNormalisable`."""
    found = [
        _solved(factor, _solved(factor, eta), transposed=True) for factor, eta in _factors(engine, p, x, s, layers)
    ]
    return _split(engine, layers, np.concatenate(found))


def check_proper(engine: CoreEngine, p: Arrays, layers: tuple[str, ...], s: Settings) -> None:
    """Raises `NotNormalisable` where layers whose precision hangs on no other unit have no joint density."""
    given = {n: np.zeros((1, *engine.model.layers[n].energy_shape)) for n in engine.model.by_role("input")}
    start = random_state(engine, 1, Rng(stream(0, "initial state")), given)
    _cholesky(engine, _precisions(engine, p, {n: a for n, a in start.items() if n not in layers}, s, layers), layers)


def _factors(
    engine: CoreEngine, p: Arrays, x: Mapping[str, Array], s: Settings, layers: tuple[str, ...]
) -> Iterator[tuple[Array, Array]]:
    """Some rows at a time: the factors L of P, (rows or 1, n, n), and eta, (rows, n)."""
    exact = engine.in_float64
    if exact is not engine:
        p, x = ({n: exact.device(engine.host(a)) for n, a in arrays.items()} for arrays in (p, x))
        s = exact.settings(s.beta, s.weights, s.consts, external=s.external or None)
    count, size = (len(next(iter(x.values()))) if x else 1), sum(exact.model.layers[n].size for n in layers)
    fixed = coupled_quadratic(exact.model, exact.derived.energy, layers) == layers
    factor: Array = np.empty(0)
    step = limits.STATES_AT_ONCE if fixed else max(1, limits.STATES_AT_ONCE // size)
    for start in range(0, count, step):
        here = {n: a[start : start + step] for n, a in x.items()}
        if start == 0 or not fixed:
            held = {n: a[:1] for n, a in here.items()} if fixed else here
            factor = _cholesky(exact, _precisions(exact, p, held, s, layers), layers)
        yield factor, _fields(exact, p, here, s, layers, np.zeros((1, size)))[0][:, 0]


def _precisions(engine: CoreEngine, p: Arrays, x: Mapping[str, Array], s: Settings, layers: tuple[str, ...]) -> Array:
    """d^2 (beta E) / dx dx' over all units of layers, for each row of the others, (rows, n, n)."""
    size = sum(engine.model.layers[n].size for n in layers)
    at_zero, second = _fields(engine, p, x, s, layers, np.zeros((1, size)))
    found = np.empty((len(at_zero), size, size))
    for begin in range(0, size, _ROWS):
        some = slice(begin, min(begin + _ROWS, size))
        found[:, some] = at_zero - _fields(engine, p, x, s, layers, np.eye(some.stop - begin, size, begin))[0]
    diagonal = np.arange(size)
    found[:, diagonal, diagonal] = -2.0 * second[:, 0]
    return found


def _fields(
    engine: CoreEngine, p: Arrays, x: Mapping[str, Array], s: Settings, layers: tuple[str, ...], units: Array
) -> list[Array]:
    """eta1 and eta2 of all units of layers, (rows, places, n) each, where these units have the values `units`, (places, n)."""
    rows, places = (len(next(iter(x.values()))) if x else 1), len(units)
    state: Arrays = {n: engine.xp.repeat(a, places, axis=0) for n, a in x.items() if n}
    state |= {n: engine.device(a) for n, a in _split(engine, layers, np.tile(units, (rows, 1))).items()}
    etas = [engine.fields(p, state, n, s) for n in layers]
    flat = [[engine.host(e[k]).reshape(rows, places, -1) for e in etas] for k in (0, 1)]
    return [np.concatenate(each, axis=2) for each in flat]


def _split(engine: CoreEngine, layers: tuple[str, ...], units: Array) -> Arrays:
    """Values of all units, (rows, n), by layer."""
    shapes = [engine.model.layers[n].shape for n in layers]
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    pieces = np.split(units, ends[:-1], axis=1)
    return {n: a.reshape(-1, *shape) for n, a, shape in zip(layers, pieces, shapes, strict=True)}


def _solved(factor: Array, values: Array, transposed: bool = False) -> Array:
    """L^-1 of each row of values, (rows, n), or L^-T; L: one for all rows, or one each."""
    turned = factor.swapaxes(1, 2) if transposed else factor
    if len(turned) == 1:
        return np.asarray(np.linalg.solve(turned[0], values.T)).T
    return np.asarray(np.linalg.solve(turned, values[..., None]))[..., 0]


def _cholesky(engine: CoreEngine, precisions: Array, layers: tuple[str, ...]) -> Array:
    """The factors of precision matrices, (rows, n, n). Raises `NotNormalisable` where one has none, or only by rounding."""
    names = " and ".join(f"`{n}`" for n in layers)
    if not np.isfinite(precisions).all():
        raise NotNormalisable(f"the couplings of {names} are not finite numbers")
    diagonal = np.diagonal(precisions, axis1=1, axis2=2)
    factor: Any = None
    if (diagonal > 0).all():
        scale = np.sqrt(diagonal)
        with_unit_diagonal = precisions / scale[:, :, None] / scale[:, None, :]
        try:
            factor = np.linalg.cholesky(with_unit_diagonal)
        except np.linalg.LinAlgError:
            factor = None
    least = 10 * precisions.shape[1] * np.finfo(float).eps
    if factor is not None and (np.diagonal(factor, axis1=1, axis2=2) ** 2).min() > least:
        return np.asarray(factor * scale[:, :, None])
    smallest = float(np.linalg.eigvalsh(precisions)[:, 0].min())
    raise NotNormalisable(
        f"the joint density of {names} cannot be normalised: at these parameters their precision matrix is not "
        f"positive definite (its smallest eigenvalue is {smallest:.3g}), so Z is infinite and no likelihood exists. "
        "Weaker couplings, or larger precisions of the units, make it proper"
    )
