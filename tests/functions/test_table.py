"""The table of elementary functions against SciPy and finite differences; and what each mistake in it breaks."""

from __future__ import annotations

import math
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from scipy import special

import energydsl as ed
import energydsl.functions as package
from energydsl.functions import (
    FUNCTIONS,
    NONNEGATIVE,
    POSITIVE,
    WRITTEN,
    Bounds,
    ElementaryFunction,
    second_derivative,
    table,
)
from energydsl.functions.table import derivative_of

GRID = np.concatenate([np.linspace(-6.0, 6.0, 241) + 0.0125, [-30.0125, 30.0125]])
# Where a function is defined, if not everywhere.
PLACES = {
    "log": GRID[GRID > 0],
    "sqrt": GRID[GRID > 0],
    "log1p": GRID[GRID > -1],
    "log1mexp": GRID[GRID < 0],
    "ndtri": np.linspace(0.001, 0.999, 99),
}
EXPECTED: dict[str, Callable[[Any], Any]] = {
    "": lambda y: y, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "abs": np.abs, "tanh": np.tanh, "sigmoid": special.expit,
    "softplus": lambda y: np.logaddexp(0.0, y), "sin": np.sin, "cos": np.cos, "lgamma": special.loggamma, "digamma": special.digamma, "trigamma": lambda y: special.polygamma(1, y),
    "sign": np.sign, "step": lambda y: np.heaviside(y, 0.0), "floor": np.floor, "expm1": np.expm1, "log1p": np.log1p,
    "log1mexp": lambda y: np.log(-np.expm1(y)), "ndtri": special.ndtri, "logcosh": lambda y: np.logaddexp(y, -y) - np.log(2.0),
    "logsumexp": lambda y: y,
}  # fmt: skip
NAMES = pytest.mark.parametrize("name", [n for n in FUNCTIONS if n])


def places(function: ElementaryFunction) -> np.ndarray:
    return PLACES.get(function.name, GRID)


def values(function: ElementaryFunction) -> np.ndarray:
    return np.array([function.value(float(y)) for y in places(function)])


def check_value(function: ElementaryFunction) -> None:
    assert function.name in EXPECTED, f"give `{function.name}` an expected value in tests/functions/test_table.py"
    y = places(function)
    expected = special.gammaln(y) if function.name == "lgamma" else EXPECTED[function.name](y)
    np.testing.assert_allclose(values(function), expected, rtol=1e-13, atol=1e-13)
    assert function.value(y[0]) == function.value(float(y[0]))


def check_derivative(function: ElementaryFunction) -> None:
    if function.derivative is None:
        assert not function.written, f"`{function.name}` may be written, so dE/dparam needs its derivative"
        return
    y, step = places(function), 1e-5
    if function.name in ("floor", "step", "sign", "abs", "lgamma", "digamma"):
        y = y[np.abs(y - np.round(y)) > 0.01]
    difference = [(function.value(float(x + step)) - function.value(float(x - step))) / (2 * step) for x in y]
    slope = np.array([sum_of(function.derivative, float(x), function.name) for x in y])
    np.testing.assert_allclose(slope, difference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.moved])
def test_what_a_function_of_a_count_and_a_parameter_is_like(name: str) -> None:
    function, n = FUNCTIONS[name], np.geomspace(1.0, 1e6, 60).round()
    for c in np.concatenate([[0.0] * (not function.needs_positive), [1e-9], np.geomspace(1e-3, 1e4, 60)]):
        rest, room = np.array([function.value(float(x + c)) for x in n]), np.full(len(n), 1e-9 * (1 + n))
        for power, logs, factor, exact in function.moved or ():
            part = factor * n**power * np.log(n) ** logs
            rest, room = (
                (rest - part, room)
                if exact
                else (rest, room + part * (1 + c) * (1 if power or logs else np.log(np.e + c)))
            )
        assert (np.abs(rest) <= room).all()


def sum_of(terms: Any, y: float, name: str) -> float:
    """A sum of products of functions of y."""
    total = 0.0
    for coefficient, product in terms:
        for inner, exponent in product:
            assert inner in FUNCTIONS, f"a derivative of `{name}` is made of `{inner}`, which is not in the table"
            coefficient *= FUNCTIONS[inner].value(y) ** exponent
        total += coefficient
    return total


def check_second_derivative(function: ElementaryFunction) -> None:
    """f'' against differences of f', which is checked itself."""
    second = None if function.derivative is None else derivative_of(function.derivative, FUNCTIONS)
    if second is None or function.derivative is None:
        assert not function.written, f"`{function.name}` may be written, so its second derivative must be known"
        return
    y, step = places(function), 1e-5
    if function.name in ("floor", "step", "sign", "abs", "lgamma"):
        y = y[(np.abs(y - np.round(y)) > 0.01) & ((np.abs(y) < 7) | (y > 0))]
    ends = [[sum_of(function.derivative, float(x + d), function.name) for d in (-step, step)] for x in y]
    found = [sum_of(second, float(x), function.name) for x in y]
    np.testing.assert_allclose(found, [(high - low) / (2 * step) for low, high in ends], rtol=1e-4, atol=1e-5)


def check_sign(function: ElementaryFunction) -> None:
    found, y = values(function), places(function)
    if function.sign >= NONNEGATIVE:
        assert (found >= 0).all(), f"`{function.name}` is negative somewhere"
    if function.sign == POSITIVE:
        assert (found > 0).all(), f"`{function.name}` is not positive everywhere"
    if function.keeps_sign:
        assert (found[y > 0] > 0).all(), f"`{function.name}` does not keep the sign of its argument"
    if function.positive_only:
        with pytest.raises(ValueError):
            function.value(0.0)


def check_bounds(function: ElementaryFunction) -> None:
    assert function.bounds is None or function.written, f"`{function.name}` has bounds that nothing reads"
    known = function.bounds or function.outgrows or not function.name
    assert known or function.integrated is None, f"panels need bounds of `{function.name}`"
    if function.bounds is None:
        return
    bounds, y, step = function.bounds, GRID[:-2], 1e-3
    low, here, high = (np.array([function.value(float(x + d)) for x in y]) for d in (-step, 0.0, step))
    size = bounds.size + (np.abs(y) if bounds.grows else 0.0)
    assert (np.abs(here) <= size + 1e-12).all(), f"`{function.name}` leaves its bound"
    assert (np.abs(high - low) / (2 * step) <= bounds.slope + 1e-9).all(), (
        f"`{function.name}` is steeper than its bound"
    )
    bent = np.abs(high - 2 * here + low) / step**2
    smooth = np.abs(y) > 2 * step if function.absolute else np.full(len(y), True)
    assert (bent[smooth] <= bounds.bend + 1e-6).all(), f"`{function.name}` is bent more than its bound"
    if function.absolute:
        np.testing.assert_allclose(here, np.abs(y))


CHECKS = (check_value, check_derivative, check_second_derivative, check_sign, check_bounds)


@NAMES
@pytest.mark.parametrize("check", CHECKS)
def test_table(name: str, check: Callable[[ElementaryFunction], None]) -> None:
    check(FUNCTIONS[name])


def test_second_derivatives_are_those_of_the_textbook() -> None:
    assert second_derivative("exp") == ((1.0, (("exp", 1.0),)),)
    assert second_derivative("sin") == ((-1.0, (("sin", 1.0),)),)
    assert second_derivative("log") == ((-1.0, (("", -2.0),)),)
    assert second_derivative("lgamma") == ((1.0, (("trigamma", 1.0),)),)
    assert second_derivative("log1mexp") is None


@pytest.mark.parametrize("wrong", ["power", "product"])
def test_a_mistake_in_second_derivatives_is_caught(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exponent lost, or the square left as it was."""

    def mutant(terms: Any, known: Any) -> Any:
        found = table.derivative_of(terms, known)
        scaled = [(c / 2 if wrong == "power" else c, p) for c, p in found or ()]
        return tuple(scaled if wrong == "power" else scaled[:1])

    monkeypatch.setitem(globals(), "derivative_of", mutant)
    with pytest.raises(AssertionError):
        check_second_derivative(FUNCTIONS["tanh" if wrong == "power" else "sigmoid"])


def test_every_file_is_in_the_table() -> None:
    for module in pkgutil.iter_modules(package.__path__):
        if module.name == "table":
            continue
        own = vars(import_module(f"energydsl.functions.{module.name}")).values()
        found = [f for f in own if isinstance(f, ElementaryFunction)]
        assert len(found) == 1, f"energydsl/functions/{module.name}.py has one ElementaryFunction"
        known = FUNCTIONS.get(found[0].name)
        assert known is found[0], (
            f"energydsl/functions/{module.name}.py needs a line in energydsl/functions/__init__.py"
        )


def test_places_are_numbered() -> None:
    written = [FUNCTIONS[n].written for n in WRITTEN]
    integrated = sorted(f.integrated for f in FUNCTIONS.values() if f.integrated is not None)
    assert written == list(range(1, len(WRITTEN) + 1))
    assert integrated == list(range(len(integrated)))


MISTAKES: dict[str, tuple[Callable[[ElementaryFunction], None], ElementaryFunction]] = {
    "logarithm to base ten": (check_value, replace(FUNCTIONS["log"], value=math.log10)),
    "derivative of tanh without the square": (check_derivative, replace(FUNCTIONS["tanh"], derivative=((1.0, ()),))),
    "derivative of cos with the wrong sign": (check_derivative, replace(FUNCTIONS["cos"], derivative=((1.0, (("sin", 1.0),)),))),
    "no derivative of a function that is written": (check_derivative, replace(FUNCTIONS["sin"], derivative=None)),
    "derivative of log cosh as that of softplus": (check_derivative, replace(FUNCTIONS["logcosh"], derivative=((1.0, (("sigmoid", 1.0),)),))),
    "derivative of a derivative unknown": (check_second_derivative, replace(FUNCTIONS["lgamma"], derivative=((1.0, (("trigamma", 1.0),)),))),
    "tanh taken as positive": (check_sign, replace(FUNCTIONS["tanh"], sign=POSITIVE)),
    "cosine taken to keep the sign": (check_sign, replace(FUNCTIONS["cos"], keeps_sign=True)),
    "exp refused where its argument is not positive": (check_sign, replace(FUNCTIONS["exp"], positive_only=True)),
    "sigmoid flatter than it is": (check_bounds, replace(FUNCTIONS["sigmoid"], bounds=Bounds(1.0, 0.2, 0.0963))),
    "tanh straighter than it is": (check_bounds, replace(FUNCTIONS["tanh"], bounds=Bounds(1.0, 1.0, 0.7))),
    "softplus below its size": (check_bounds, replace(FUNCTIONS["softplus"], bounds=Bounds(0.0, 1.0, 0.25, grows=True))),
    "no bounds on panels": (check_bounds, replace(FUNCTIONS["cos"], bounds=None)),
    "softplus taken for an absolute value": (check_bounds, replace(FUNCTIONS["softplus"], absolute=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_the_table_is_caught(name: str) -> None:
    check, function = MISTAKES[name]
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(function)


@pytest.mark.parametrize("name", WRITTEN)
def test_what_may_be_written_is_derived_right(name: str) -> None:
    """Of a parameter, of a number and of a unit in a table of values: value, gradient and kernels, by the oracle's own table."""
    text = f"visible x[2] : integer[1, 3]\nparam a[2] : positive = 0.7\nenergy = sum({name}(a) * x) + {name}(0.3) * sum(x) + sum(a * {name}(x))"
    certificate = ed.loads(text).verify()
    assert certificate.ok, f"`{name}`: {certificate}"


@pytest.mark.parametrize("name", [n for n, f in FUNCTIONS.items() if f.integrated])
def test_what_is_integrated_is_drawn_right(name: str) -> None:
    certificate = ed.loads(
        f"visible x[2] : interval[-1, 1]\nparam a[2]\nenergy = sum(a * {name}(x)) + sum(x^4)"
    ).verify()
    assert certificate.ok, f"`{name}`: {certificate}"
