"""Means over rows that count differently: a row of weight 2 counts as two rows.

Weights are (rows,), not negative, their sum above zero and finite; None stands for rows that all count once, and takes the
same steps as NumPy's own functions.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def relative(weights: Array) -> Array:
    """The weights over their mean, (rows,)."""
    largest = weights / weights.max()
    return np.asarray(largest / largest.mean())


def mean(values: Array, weights: Array | None = None) -> Array:
    """The mean over the rows of (rows, ...) values, (...)."""
    if weights is None:
        return np.asarray(values.mean(axis=0, dtype=np.float64))
    return np.asarray(np.einsum("i,i...->...", relative(weights), values) / len(values))


def variance(values: Array, weights: Array | None = None) -> Array:
    """The mean square of the distance from the mean, (...)."""
    if weights is None:
        return np.asarray(values.var(axis=0, dtype=np.float64))
    return mean(np.square(values - mean(values, weights)), weights)


def effective(weights: Array) -> float:
    """How many rows of equal weight have a mean that is as sure, (sum w)^2 / sum w^2 (Kish 1965)."""
    shares = relative(weights)
    return float(len(shares) ** 2 / np.square(shares).sum())


def count(values: Array, weights: Array | None = None) -> float:
    """How many rows the values stand for: what the weights add up to, or where these are frequencies the effective number."""
    return len(values) if weights is None else max(float(weights.sum()), effective(weights))


def total(values: Array, weights: Array | None = None) -> Array:
    """The sum over as many rows as they stand for, (...)."""
    return np.asarray(values.sum(axis=0) if weights is None else mean(values, weights) * count(values, weights))


def standard_error(values: Array, weights: Array | None = None) -> float | None:
    """Of the mean of (rows,) values, as draws from a larger population, by the effective number of rows; None for one row."""
    rows = len(values) if weights is None else effective(weights)
    if rows <= 1.0:
        return None
    if weights is None:
        return float(values.std(ddof=1) / np.sqrt(rows))
    return math.sqrt(float(variance(values, weights)) / (rows - 1.0))
