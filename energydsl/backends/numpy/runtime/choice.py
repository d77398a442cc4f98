"""Units of several states: natural parameters x of shape (..., states), the states along the last axis."""

from __future__ import annotations

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array, put, quiet


def softmax_last(x: Array, out: Array | None = None) -> Array:
    """exp(x_k) / sum_k exp(x_k) over the last axis."""
    out = np.subtract(x, x.max(axis=-1, keepdims=True), out=out)
    with quiet():
        np.exp(out, out=out)
    found: Array = np.divide(out, out.sum(axis=-1, keepdims=True), out=out)
    return found


def logsumexp_last(x: Array) -> Array:
    """log sum_k exp(x_k) over the last axis."""
    top = x.max(axis=-1)
    with quiet():
        found: Array = np.log(np.exp(x - top[..., None]).sum(axis=-1)) + top
        return found


def entropy_last(x: Array) -> Array:
    """Entropy of softmax(x) over the last axis, in nats: log sum_k exp(x_k) - sum_k p_k x_k."""
    found: Array = logsumexp_last(x) - (softmax_last(x) * x).sum(axis=-1)
    return found


def choose_last(x: Array, u: Array, out: Array | None = None) -> Array:
    """One-hot draw from softmax(x) over the last axis, by inverse CDF: the first state whose CDF exceeds u.

    x: (..., states); u: (...), uniform numbers.
    """
    weight = x - x.max(axis=-1, keepdims=True)
    with quiet():
        np.exp(weight, out=weight)
    total = np.cumsum(weight, axis=-1, out=weight)
    above = total > (np.asarray(u) * total[..., -1])[..., None]
    above[..., -1] = True
    out = np.empty_like(x) if out is None else out
    out[...] = above
    out[..., 1:] -= above[..., :-1]
    return out


def mean_last(x: Array, low: float) -> Array:
    """Mean of the value low + k under softmax(x) over the last axis, shape (...)."""
    found: Array = (softmax_last(x) * np.arange(low, low + x.shape[-1], dtype=x.dtype)).sum(axis=-1)
    return found


def variance_last(x: Array, low: float) -> Array:
    """Variance of the value low + k under softmax(x) over the last axis, shape (...)."""
    p, k = softmax_last(x), np.arange(x.shape[-1], dtype=x.dtype)
    found: Array = (p * (k - (p * k).sum(axis=-1, keepdims=True)) ** 2).sum(axis=-1)
    return found


def largest_last(x: Array, low: float) -> Array:
    """The value low + k with the largest x_k over the last axis, shape (...); of equals, the first."""
    found: Array = (low + x.argmax(axis=-1)).astype(x.dtype)
    return found


def pick_last(x: Array, u: Array, low: float, out: Array | None = None) -> Array:
    """A draw of the value low + k from softmax(x) over the last axis, by inverse CDF.

    x: (..., states); u: (...), uniform numbers.
    """
    weight = x - x.max(axis=-1, keepdims=True)
    with quiet():
        np.exp(weight, out=weight)
    total = np.cumsum(weight, axis=-1, out=weight)
    above = total[..., :-1] <= (np.asarray(u) * total[..., -1])[..., None]
    return put(low + above.sum(axis=-1), u, out)
