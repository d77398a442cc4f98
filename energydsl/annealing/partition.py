"""log Z from the weights of chains that were walked along a path, and what is known of such a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import EstimateError
from energydsl.options import Exactness

Array = NDArray[Any]

# Two estimates of log Z that differ by less, in nats, agree.
AGREEMENT = 1.0


@dataclass(frozen=True)
class LogPartition:
    """log Z in nats, its standard error, and of how many chains; an exact one has no error, and chains are None.

    log_z_std: sampling error only, relative error of the mean weight: it knows nothing of modes that no chain has met.
    effective: the effective number of chains, (sum w)^2 / sum w^2 of their weights w (Neal 2001, section 4).
    exactness: what is known of it. A bound holds in expectation: chance may put one estimate on its other side, by its error.
    """

    log_z: float
    log_z_std: float
    effective: float | None
    chains: int | None
    exactness: Exactness = "exact"


def log_mean_weight(log_weights: Array) -> tuple[float, float, float]:
    """log of the mean of weights, its standard error by the delta method, and the effective number of them.

    log_weights: (chains,). Raises `EstimateError` where one is NaN or infinite, or all are 0.
    """
    count = len(log_weights)
    bad = int(np.count_nonzero(np.isnan(log_weights) | (log_weights == np.inf)))
    if bad or not np.isfinite(log_weights).any():
        raise EstimateError(
            f"annealing found no finite log Z: the weights of {bad or count} of {count} chains are NaN or infinite. "
            "Either the joint density cannot be normalised at these parameters (Z is infinite), or they are too large "
            "for this precision (float64 would show which)"
        )
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    mean = weights.mean()
    spread = float(weights.std(ddof=1) / mean / np.sqrt(count)) if count > 1 else float("nan")
    return float(np.log(mean) + top), spread, float(weights.sum() ** 2 / np.square(weights).sum())


def from_below(log_weights: Array) -> LogPartition:
    """log Z of log weights whose mean weight is Z: a stochastic lower bound, as E log <= log E (Jensen)."""
    value, error, effective = log_mean_weight(log_weights)
    return LogPartition(value, error, effective, len(log_weights), "bound from below")


def from_above(log_weights: Array) -> LogPartition:
    """log Z of log weights whose mean weight is 1 / Z: a stochastic upper bound, by the same inequality."""
    value, error, effective = log_mean_weight(log_weights)
    return LogPartition(-value, error, effective, len(log_weights), "bound from above")
