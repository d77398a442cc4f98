"""What samplers are held against: states drawn from the distribution itself, by listing it, or a grid of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import energydsl as ed
from energydsl.program.exact import joint_states
from energydsl.program.samplers import Transition
from energydsl.random import Rng

Arrays = dict[str, Any]
# Standard errors that a mean may be off by: of a thousand normal numbers one exceeds 3.3, of a million 4.9.
SIGMAS = 4.9


def listed(program: ed.Program, params: Mapping[str, Any], **scalars: Any) -> tuple[Arrays, Any]:
    """All states of a model of finite layers, and their probabilities by its energy."""
    names = tuple(program.model.random_layers())
    chunks = list(joint_states(program.engine, names))
    states = {n: np.concatenate([c[n] for c in chunks]) for n in names}
    beta = scalars.get("beta", 1.0)
    log_p = -beta * np.asarray(program.energy(params, states, **scalars), np.float64)
    p = np.exp(log_p - log_p.max())
    return states, p / p.sum()


def numbers(states: Arrays, all_states: Arrays) -> Any:
    """Which of all states each row is."""
    rows = [np.concatenate([a[n].reshape(len(a[n]), -1) for n in all_states], axis=1) for a in (states, all_states)]
    _, inverse = np.unique(np.concatenate(rows[::-1]), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.empty(inverse.max() + 1, int)
    order[inverse[: len(rows[1])]] = np.arange(len(rows[1]))
    return order[inverse[len(rows[1]) :]]


def deviation(
    program: ed.Program, params: Mapping[str, Any], move: Transition, count: int, steps: int = 1, **scalars: Any
) -> float:
    """How far frequencies of states are from their probabilities after moves from exact samples, in standard errors.

    The mean of chi^2 over the states that are expected ten times or more, less one, over its standard error.
    """
    states, p = listed(program, params, **scalars)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(p), count, p=p)
    x = {n: np.ascontiguousarray(a[chosen]) for n, a in states.items()}
    engine = program.engine
    move.sweep(params, x, engine.settings(**scalars), Rng(1), steps)
    found = np.bincount(numbers(x, states), minlength=len(p))
    often = p * count >= 10
    chi = (found[often] - count * p[often]) ** 2 / (count * p[often] * (1 - p[often]))
    return float((chi.mean() - 1.0) / np.sqrt(2.0 / len(chi)))


def moved_means(
    engine: Any,
    params: Mapping[str, Any],
    move: Transition,
    x: Arrays,
    functions: Mapping[str, Callable[[Arrays], Any]],
    steps: int = 1,
) -> dict[str, tuple[float, float]]:
    """Means of functions of states after moves, with their standard errors."""
    move.sweep(dict(params), x, engine.settings(), Rng(2), steps)
    values = {n: np.asarray(f(x), np.float64) for n, f in functions.items()}
    return {n: (float(v.mean()), float(v.std() / np.sqrt(len(v)))) for n, v in values.items()}
