"""Natural parameters from 1e-30 to 1e30: what every family says of them, on every backend, in either precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.numpy.runtime import Moments

Arrays = dict[str, Any]
SIZES = [1e-30, 1e-3, 1.0, 1e3, 1e10, 1e30]
FIELDS = [-e for e in SIZES[::-1]] + [0.0, *SIZES]
U = np.array([0.0, 1e-7, 0.2, 0.5, 0.9, 1 - 6e-8])
WHAT = ("log_partition", "mean", "variance", "entropy")


def pairs(first: list[float], second: list[float]) -> Arrays:
    b, d = np.meshgrid(first, second)
    return {"b": b.ravel(), "d": d.ravel()}


BOTH = pairs(FIELDS, [1e-30, 1e-3, 1.0, 1e3, 1e30])
# name: domain, energy, parameters (d is positive, so is b where it is a rate)
CLOSED: dict[str, tuple[str, str, Arrays]] = {
    "bernoulli": ("binary", "- b @ x", {"b": np.array(FIELDS)}),
    "spin": ("spin", "- b @ x", {"b": np.array(FIELDS)}),
    "geometric": ("count", "d @ x", {"d": np.array(SIZES)}),
    "normal": ("real", "sum(d * x^2) - b @ x", BOTH),
    "exponential": ("positive", "d @ x", {"d": np.array(SIZES)}),
    "truncated normal": ("interval[-1, 2]", "sum(d * x^2) - b @ x", BOTH),
    "half a normal": ("positive", "sum(d * x^2) - b @ x", BOTH),
    "truncated exponential": ("interval[-1, 2]", "- b @ x", {"b": np.array(FIELDS)}),
    "table": ("integer[-1, 3]", "- b @ x", {"b": np.array(FIELDS)}),
    "weighted table": ("integer[0, 4]", "sum(lgamma(x + 1)) - b @ x", {"b": np.array(FIELDS)}),
}
FAR = pairs([-1e30, 1e30], [1e-10, 1.0, 1e10, 1e30])
# and where the mean is, for parameters of which nothing but the greatest exponent counts
DENSITIES: dict[str, tuple[str, str, Callable[[Any, Any], Any]]] = {
    "quartic": ("real", "sum(d * x^4) - b @ x", lambda b, d: np.cbrt(b / d / 4)),
    "cubic": ("positive", "sum(d * x^3) - b @ x", lambda b, d: np.sqrt(np.maximum(b, 0) / d / 3)),
    "kink": ("real", "sum(d * x^2) - sum(b * abs(2 * x - 1))", lambda b, d: np.where(b > 0, np.nan, 0.5)),
    "rotor": ("interval[-3, 3]", "- sum(d * cos(x)) - sum(b * sin(x))", lambda b, d: np.arctan2(b, d)),
    "bounded": ("interval[-1, 2]", "- b @ x - sum(d * x^3)", lambda b, d: np.where((b < 0) & (d < 1e30), -1.0, 2.0)),
    "wall": ("real", "sum(x^2) - b @ x + sum(d * exp(x))", lambda b, d: np.where(b > 0, np.log(1e30 / d), b / 2)),
    "bump": ("real", "sum(d * x^2) - sum(b * exp(-x^2))", lambda b, d: np.where(b > 0, 0.0, np.nan)),
}


def found(backend: str, dtype: str, domain: str, energy: str, given: Arrays) -> Arrays:
    """What the kernels of a model of independent units say of them, by name, a unit a column."""
    count = len(next(iter(given.values())))
    params = ", ".join(f"{n}[{count}]{' : positive = 1' if n == 'd' else ''}" for n in given)
    program = ed.loads(f"visible x[{count}] : {domain}\nparam {params}\nenergy = {energy}").compile(backend, dtype)
    kernels, shape = program.engine.kernels, (len(U), count)
    p = {n: program.engine.device(a) for n, a in given.items()}
    x = {"x": program.engine.xp.zeros(shape, program.dtype)}
    settings, workspace = program.engine.settings(), kernels.Workspace(program.dtype)
    first, second = ({"x": program.engine.xp.zeros(shape, program.dtype)} for _ in range(2))
    means = Moments(first, second)
    with np.errstate(all="ignore"):
        eta = [program.engine.xp.array(e) for e in kernels.layers["x"].fields(p, x, settings, workspace)]
        result = {what: getattr(kernels.layers["x"], what)(*eta) for what in WHAT}
        uniform = np.repeat(U[:, None], count, axis=1).astype(dtype)
        kernels.layers["x"].sample(p, x, settings, ed.Uniforms([uniform]), workspace, None, means)
    result = {n: np.broadcast_to(program.engine.host(a), shape)[0] for n, a in result.items()}
    return {
        **result,
        "draw": np.array(program.engine.host(x["x"])),
        "fused mean": np.array(program.engine.host(means["x"]))[0],
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CLOSED)
def test_families_at_extremes(name: str, dtype: str, backend: str) -> None:
    """Finite in double precision; and in single, where that can hold it."""
    right = found("numpy", "float64", *CLOSED[name])
    for what, array in right.items():
        assert np.isfinite(array).all(), what
    with np.errstate(over="ignore", under="ignore"):
        right = {n: a.astype(dtype) for n, a in right.items()}
        width = np.sqrt(right["variance"].astype(float))
    result = found(backend, dtype, *CLOSED[name])
    grows = -1 if name in ("bernoulli", "spin") else 1
    assert (result["draw"][::grows][1:] >= result["draw"][::grows][:-1]).all()
    for what, array in result.items():
        # a draw is as exact as its quantile, and a uniform number in single precision
        least = 1e-7 if CLOSED[name][0] in ("binary", "spin") or "integer" in CLOSED[name][0] else 1e-30
        close = 3e-5 * np.where(np.isfinite(width), width, 0.0) if what == "draw" else least
        inner = slice(2, 5) if what == "draw" else slice(None)
        assert not np.isnan(array).any(), what
        for one, other, near in zip(*np.broadcast_arrays(array[inner], right[what][inner], close), strict=True):
            np.testing.assert_allclose(one, other, rtol=2e-5, atol=np.max(near), err_msg=what)


RATES = np.array([-1e30, -1000.0, 0.0, 5.0, 50.0, 87.0, 200.0, 1000.0, 1e10, 1e30])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rate_beyond_all_numbers_is_drawn_from_the_largest(dtype: str, backend: str) -> None:
    case = ("count", "sum(lgamma(x + 1)) - b @ x", {"b": RATES})
    result, largest = found(backend, dtype, *case), 88.0 if dtype == "float32" else 700.0
    rate = np.exp(np.minimum(RATES, largest))
    for what in ("mean", "variance", "fused mean"):
        np.testing.assert_allclose(result[what], rate, rtol=1e-5, err_msg=what)
    for row in result["draw"][:, RATES > 40.0]:
        np.testing.assert_allclose(row, rate[RATES > 40.0], rtol=1e-5)
    assert np.isfinite(result["draw"]).all()
    assert (result["draw"] >= 0.0).all()
    np.testing.assert_array_equal(result["draw"][:, :4], found("numpy", dtype, *case)["draw"][:, :4])
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(result["log_partition"], np.exp(RATES.astype(dtype)), rtol=1e-5)


@pytest.mark.parametrize("name", DENSITIES)
def test_densities_at_extremes(name: str, backend: str) -> None:
    """At 1e30 an exponent is exact to 1e14: means are where it is greatest, to the square root of the precision."""
    domain, energy, mean = DENSITIES[name]
    with np.errstate(divide="ignore"):
        right = mean(FAR["b"], FAR["d"])
    result, plain = (found(b, "float64", domain, energy, FAR) for b in (backend, "numpy"))
    for what, array in result.items():
        assert np.isfinite(array).all(), what
    known = np.isfinite(right)
    near = 1e-6 + 1e-6 * np.abs(right[known])
    assert (np.abs(result["mean"] - right)[known] <= near).all(), (result["mean"], right)
    assert (np.abs(result["draw"] - right)[:, known] <= near).all()
    np.testing.assert_allclose(result["log_partition"], plain["log_partition"], rtol=1e-9)
    assert (result["variance"] >= 0.0).all()


@pytest.mark.parametrize("offset", [1e2, 1e3])
def test_a_quartic_far_from_zero_takes_few_panels(offset: float, backend: str) -> None:
    """Its terms cancel; bounds of them one by one would need a million panels."""
    program = ed.loads(f"visible x[3] : real\nparam b[3]\nenergy = sum((x - {offset})^4) - b @ x").compile(
        backend, "float64"
    )
    params = {"b": np.array([-3.0, 0.0, 3.0])}
    state = {"x": np.zeros((1, 3))}
    x, w = np.polynomial.legendre.leggauss(200)
    p = w * np.exp(np.outer(params["b"], 4 * x) - (4 * x) ** 4)
    p /= p.sum(axis=1, keepdims=True)
    wanted, spread = offset + p @ (4 * x), p @ (4 * x) ** 2 - (p @ (4 * x)) ** 2
    close = 1e-14 * offset**4
    np.testing.assert_allclose(program.engine.host(program.mean(params, state, "x"))[0], wanted, atol=1e-6 + close)
    np.testing.assert_allclose(program.engine.host(program.variance(params, state, "x"))[0], spread, atol=1e-6 + close)
