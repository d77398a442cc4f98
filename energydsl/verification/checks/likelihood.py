"""The gradient of the likelihood is the mean of dE/dparam over the data minus that over the model.

d(-log p)/dparam = beta (<dE/dparam>_data - <dE/dparam>_model)

(Ackley, Hinton & Sejnowski 1985); over the data the latents follow p(latents | v).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from energydsl.backends.interface import Array
from energydsl.verification.case import Listed
from energydsl.verification.gradients import gradient_check
from energydsl.verification.records import Check

NAME = "likelihood gradient = data minus model"


def likelihood(case: Listed) -> Iterator[Check]:
    """Of three data points, with both means over all listed states, against differences of the log likelihood."""
    if not any(min(p.shape, default=1) > 0 for p in case.model.params.values()):
        return
    data = _data_distribution(case)
    row = case.beta * (case.p - data)
    yield gradient_check(case, NAME, case.x, row, lambda energies: _mean_log_likelihood(case, energies, data))


def _data_distribution(case: Listed) -> Array:
    """p(latents | v) times three data points, over the listed states; even without visible layers."""
    if not case.model.by_role("visible"):
        return np.full(case.rows, 1.0 / case.rows)
    groups = _visible_groups(case)
    total = np.zeros(case.rows)
    for group in case.generator(f"data of {NAME}").choice(np.unique(groups), size=3):
        inside = groups == group
        logits = -case.exponents[inside]
        total[inside] += np.exp(logits - np.logaddexp.reduce(logits)) / 3
    return total


def _visible_groups(case: Listed) -> Array:
    """For each listed state, the number of its visible part."""
    codes = np.concatenate([case.codes[n] for n in case.model.by_role("visible")], axis=1)
    return np.unique(codes, axis=0, return_inverse=True)[1].ravel()


def _mean_log_likelihood(case: Listed, energies: Array, data: Array) -> float:
    """sum_x data(x) log p(v(x)) where all listed states have these energies."""
    logits = -case.beta * (energies - case.base) - case.base
    log_z = np.logaddexp.reduce(logits)
    if not case.model.by_role("visible"):
        return float(data @ logits - log_z)
    groups = _visible_groups(case)
    weights = np.bincount(groups, data)
    return float(sum(weights[g] * (np.logaddexp.reduce(logits[groups == g]) - log_z) for g in np.flatnonzero(weights)))
