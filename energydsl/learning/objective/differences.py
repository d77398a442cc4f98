"""What objectives by single changes make of differences of energy: a value, and its slope in each difference.

D_k = F(x) - F(x with a block of units in its k-th other state), for every block: the log odds of that state given the rest of
x. Each is a proper scoring rule of these conditional probabilities, so its mean over data is least where the model is true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from energydsl.backends.interface import Array

# Differences (..., other states) -> the value of each block (...), and its slope in each difference (..., other states).
Score = Callable[[Any, Array], tuple[Array, Array]]


def probabilities(xp: Any, d: Array) -> tuple[Array, Array]:
    """log p(the state as it is | rest), and the probabilities of the others: exp(D_k) / (1 + sum exp(D))."""
    top = xp.maximum(d.max(axis=-1, keepdims=True), 0.0)
    weights = xp.exp(d - top)
    whole = xp.exp(-top) + weights.sum(axis=-1, keepdims=True)
    return -(top + xp.log(whole))[..., 0], weights / whole


def logarithmic(xp: Any, d: Array) -> tuple[Array, Array]:
    """-log p(the state as it is | rest): the pseudolikelihood (Besag 1975)."""
    log_p, others = probabilities(xp, d)
    return -log_p, others


def quadratic(xp: Any, d: Array) -> tuple[Array, Array]:
    """Half the squared distance of the conditional distribution from the state as it is.

    For units of two states (1 - p)^2: ratio matching (Hyvarinen 2007, eq. 16).
    """
    log_p, others = probabilities(xp, d)
    own = xp.exp(log_p)
    missed, squares = others.sum(axis=-1), xp.square(others).sum(axis=-1)
    slope = others * (others + (missed * own - squares)[..., None])
    return 0.5 * (missed * missed + squares), slope


def flow(xp: Any, d: Array) -> tuple[Array, Array]:
    """The sum over the other states of exp(D / 2): the flow out of the data (Sohl-Dickstein et al. 2011, eq. 12)."""
    out = xp.exp(0.5 * xp.minimum(d, _MOST))
    return out.sum(axis=-1), 0.5 * out


# From this difference on, value and slope stay as they are: the exponential would leave float32.
_MOST = 80.0

SCORES: Mapping[str, Score] = MappingProxyType({"logarithmic": logarithmic, "quadratic": quadratic, "flow": flow})
