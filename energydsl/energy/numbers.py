"""Factors made of indices alone, as numbers: (n + 0.5), 1 / (k - i)^2, exp(-n)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from energydsl.energy.terms import At, Atom, Monomial
from energydsl.functions import FUNCTIONS
from energydsl.model.indices import Index

Value = Callable[[Index], Any]


def number_of(atom: Atom, exponent: float, value: Value) -> Any:
    """A factor made of indices, without loops of its own, for the value of each index (integer arrays); NaN where it is no number."""
    base = (
        np.asarray(value(atom.indices[0]), float)
        if isinstance(atom, At)
        else _applied(atom.function, atom.argument, value)
    )
    with np.errstate(all="ignore"):
        powers = base**exponent
    return np.where(np.isfinite(powers), powers, np.nan)


def _applied(function: str, argument: tuple[Monomial, ...], value: Value) -> Any:
    total = np.asarray(sum(_product(m, value) for m in argument), float)
    different, at = np.unique(total, return_inverse=True)
    return np.array([_at(function, float(y)) for y in different])[at].reshape(total.shape)


def _product(monomial: Monomial, value: Value) -> Any:
    total: Any = monomial.coefficient
    for atom, exponent in monomial.factors:
        total = total * number_of(atom, exponent, value)
    return total


def _at(function: str, y: float) -> float:
    try:
        return FUNCTIONS[function].value(y)
    except (ValueError, OverflowError, ZeroDivisionError):
        return float("nan")
