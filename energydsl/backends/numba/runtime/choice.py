"""One unit of several states, one-hot or with a value a state: weights, moments and draws.

eta: natural parameters of all states of all units of a chain, flat; `at`: where those of the unit begin.
"""

from __future__ import annotations

from energydsl.backends.numba.runtime.compiling import Number, fast
from energydsl.backends.numba.runtime.functions import unit_exp, unit_log
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numpy.runtime.arrays import Array


@fast
def unit_softmax(eta: Array, at: int, states: int, out: Array) -> None:
    """unit_exp(eta_k) / sum_k unit_exp(eta_k) of the states at `at`."""
    top = eta[at]
    for k in range(1, states):
        top = max(top, eta[at + k])
    total = FLOAT(0.0)
    for k in range(states):
        out[at + k] = unit_exp(eta[at + k] - top)
        total += out[at + k]
    for k in range(states):
        out[at + k] /= total


@fast
def unit_weight(eta: Array, at: int, states: int) -> tuple[Number, Number]:
    """The largest eta of the states at `at`, and the sum of exp(eta_k - largest)."""
    top = eta[at]
    for k in range(1, states):
        top = max(top, eta[at + k])
    total = FLOAT(0.0)
    for k in range(states):
        total += unit_exp(eta[at + k] - top)
    return top, total


@fast
def unit_logsumexp(eta: Array, at: int, states: int) -> Number:
    """log sum_k exp(eta_k) of the states at `at`."""
    top, total = unit_weight(eta, at, states)
    return top + unit_log(total)


@fast
def unit_choose(eta: Array, at: int, states: int, u: Number, out: Array) -> None:
    """One-hot draw of the states at `at`: the first whose cumulated weight exceeds u times the whole."""
    unit_softmax(eta, at, states, out)
    total, chosen = FLOAT(0.0), states - 1
    for k in range(states - 1):
        total += out[at + k]
        if total > u:
            chosen = k
            break
    for k in range(states):
        out[at + k] = FLOAT(0.0)
    out[at + chosen] = FLOAT(1.0)


@fast
def unit_pick(eta: Array, at: int, states: int, u: Number) -> int:
    """The number of the first state whose cumulated weight exceeds u times the whole."""
    top, whole = unit_weight(eta, at, states)
    total = FLOAT(0.0)
    for k in range(states - 1):
        total += unit_exp(eta[at + k] - top)
        if total > u * whole:
            return k
    return states - 1


@fast
def unit_mean(eta: Array, at: int, states: int, low: float) -> Number:
    """Mean of the value low + k of the state k."""
    top, whole = unit_weight(eta, at, states)
    total = FLOAT(0.0)
    for k in range(states):
        total += FLOAT(k) * unit_exp(eta[at + k] - top)
    return FLOAT(low) + total / whole
