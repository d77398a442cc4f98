"""log p~ of rows of data, all latents summed out: exactly, or as a lower bound, by mean field or by recognition.

Rows are arrays of the host; the programs copy what they need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl import weighted
from energydsl.annealing.path import Base, Progress, log_z_units
from energydsl.backends.interface import Arrays
from energydsl.data.sources import Rows
from energydsl.domains import DOMAINS
from energydsl.inference.ais import part_of
from energydsl.program import Engine
from energydsl.program.engine import MEAN_FIELD_ITERATIONS
from energydsl.program.exact import log_unnormalised
from energydsl.program.marginals import external_energy, neutral
from energydsl.program.states import check_params, layer_arrays
from energydsl.random import Rng, stream

Array = NDArray[Any]

_ROWS = 512
_SETTLED = 1e-6
# Draws of the latents a row, where a bound is averaged over them.
_DRAWS = 10


@dataclass(frozen=True)
class Scores:
    """log p~(v) of each row, in nats.

    values: (rows,). bound: whether they are lower bounds. errors: (rows,), the standard error of each row's bound where it is
    a mean over draws of recognition, else None. settled: of mean-field bounds, the share of rows whose moments moved by less
    than 1e-6 in the last iteration, else None.
    """

    values: Array
    bound: bool = False
    errors: Array | None = None
    settled: float | None = None

    def rows(self, index: Rows) -> Scores:
        """Those of some rows, chosen by an index of NumPy."""
        return Scores(self.values[index], self.bound, None if self.errors is None else self.errors[index], self.settled)

    @property
    def mean_error(self) -> float:
        """Standard error of the mean over these rows, over the draws of recognition."""
        return self.error_of_mean(None)

    def error_of_mean(self, weights: Array | None) -> float:
        """That of the mean by weights, (rows,)."""
        if self.errors is None:
            return 0.0
        errors = self.errors if weights is None else self.errors * weighted.relative(weights)
        return float(np.sqrt(np.square(errors).sum())) / len(errors)


def exact_scores(program: Engine, params: Arrays, x: Arrays, progress: Progress | None = None) -> Scores:
    """The latents summed out exactly, in float64, some rows at a time.

    x: by layer, (rows, *layer). Raises `TooLarge` or `NotApplicable` where that is not feasible.
    """
    count = len(next(iter(x.values())))
    parts = []
    for k in range(0, count, _ROWS):
        rows = {n: a[k : k + _ROWS] for n, a in x.items()}
        part = part_of(progress, k / count, min(_ROWS, count - k) / count)
        parts.append(log_unnormalised(program, params, rows, part))
    return Scores(np.concatenate(parts))


def scores(program: Engine, params: Arrays, x: Arrays, seed: int) -> Scores:
    """In closed form where all latents can be summed out so; else a bound by recognition, or by mean field."""
    if program.draws_its_bound:
        return _recognised(program, params, x, seed)
    if set(program.model.by_role("hidden")) <= set(program.derived.free_energy.summed_out):
        return exact_scores(program, params, x)
    return _by_mean_field(program, params, x)


def _recognised(program: Engine, params: Arrays, x: Arrays, seed: int) -> Scores:
    """The mean over a few draws of recognition, and its error."""
    count, rng = len(next(iter(x.values()))), Rng(stream(seed, "recognition for a bound"))
    p, draws = check_params(program, params), []
    for k in range(0, count, _ROWS):
        rows = {n: program.device(a[k : k + _ROWS]) for n, a in x.items()}
        draws.append(np.stack([program.host(program.bound(p, rows, rng)[0]) for _ in range(_DRAWS)]))
    every = np.concatenate(draws, axis=1).astype(np.float64)
    return Scores(every.mean(axis=0), True, every.std(axis=0, ddof=1) / np.sqrt(_DRAWS))


def _by_mean_field(program: Engine, params: Arrays, x: Arrays) -> Scores:
    count = len(next(iter(x.values())))
    exact = program.in_float64
    p, s = check_params(exact, params), exact.settings()
    found = []
    for k in range(0, count, _ROWS):
        rows = layer_arrays(exact, {n: a[k : k + _ROWS] for n, a in x.items()})
        found.append(exact.mean_field(p, rows, s, _SETTLED, MEAN_FIELD_ITERATIONS))
    settled = np.concatenate([f.residuals for f in found]) <= _SETTLED
    values = np.concatenate([program.host(f.bound) for f in found])
    return Scores(values, True, None, float(settled.mean()))


def least_log_z(program: Engine, x: Arrays, found: Scores) -> float:
    """log of the sum of p~ over the distinct rows, a lower bound of log Z, in nats; -inf where a layer is continuous.

    A bound that is a mean over draws counts less four of its standard errors. Rows with values between states (grey ones) do
    not count.
    """
    visible = program.model.by_role("visible")
    states = [_on_states(program, n, x[n]) for n in visible]
    valid = np.logical_and.reduce(states)
    if not valid.any():
        return -np.inf
    flat = np.concatenate([x[n].reshape(len(valid), -1)[valid] for n in visible], axis=1)
    values = (found.values if found.errors is None else found.values - 4.0 * found.errors)[valid]
    _, first = np.unique(flat, axis=0, return_index=True)
    return float(np.logaddexp.reduce(values[first]))


def _on_states(program: Engine, layer: str, values: Array) -> Array:
    """Which rows are states of a layer that has states to count."""
    record = program.model.layers[layer]
    domain = DOMAINS[record.domain.name]
    if not domain.integer_valued:
        return np.zeros(len(values), bool)
    fits = domain.admits_indicators(values) if domain.one_hot else domain.admits(values, record.domain.arguments)
    return np.asarray(fits.reshape(len(values), -1).all(axis=1))


def independent(program: Engine, base: Base, x: Arrays) -> Array:
    """log p of each row, (rows,), in nats, under independent units with the natural parameters `base`, by layer."""
    total: Array = np.zeros(len(next(iter(x.values()))))
    for name in program.model.by_role("visible"):
        owner = program.owner(name).in_float64
        fields = tuple(owner.host(f) for f in base[name])
        values = owner.device(x[name])
        total = (
            total
            + owner.host(external_energy(owner, name, values, fields, neutral(owner, name)))
            - log_z_units(owner, name, fields)
        )
        if owner.derived.families[name].factorial_base:
            flat = values.reshape(len(values), -1)
            total = total - owner.host(owner.xp.asarray(owner.kernels.lgamma(flat + 1.0)).sum(axis=1))
    return total
