"""Log-likelihood of data under a run: exact where that is feasible, else by AIS, with its errors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults, limits, weighted
from energydsl.backends.interface import Arrays
from energydsl.data.sources import Data, Given, as_data
from energydsl.data.weights import Weights
from energydsl.derive.records import Verdict
from energydsl.diagnostics import ArgumentError, DataError, EstimateError, NotApplicable, TooLarge, a_kind, one_of
from energydsl.inference.ais import Base, LogPartition, Progress, ais_each, ais_seconds
from energydsl.inference.scores import Scores, exact_scores, independent, least_log_z, scores
from energydsl.options import ESTIMATORS, Estimator
from energydsl.program import Engine
from energydsl.program.engine import CoreEngine
from energydsl.program.exact import check_normalisable, log_sum
from energydsl.program.samplers import Choice
from energydsl.program.states import checked_arrays
from energydsl.random import Rng, stream

if TYPE_CHECKING:
    from energydsl.learning.run import Run

Array = NDArray[Any]
Method = Literal["exact", "ais", "bound"]
# An enumeration that takes so many seconds is not given up for annealing, however quick that is.
_PATIENCE = 10.0
# From so many seconds on it is known how long an enumeration will take.
_TELLING = 0.2


@dataclass(frozen=True)
class Evaluation:
    """Mean log-likelihood of `n` rows, in nats, by their weights, and its errors.

    method: "exact"; "ais", where log Z is estimated; "bound", where log Z is exact but the latents are not summed out.
    log_z: log Z in nats; with inputs, the mean over the rows. log_z_std: its standard error, from sampling only: a mode that
    no chain has met is not in it.
    log_likelihood_std: standard error of the estimate for just these rows: that of log Z, and of the draws of recognition.
    rows_std: standard error of the mean over the rows, as draws from a larger population; None for one row. The total error
    is the root of the sum of both squares.
    bound: whether log_likelihood is a lower bound, by mean field or recognition; bound_std: its standard error over draws of
    recognition.
    effective: effective number of chains of AIS, of `chains` in all; where it is small, the estimate is doubtful.
    settled: of a mean-field bound, the share of rows whose moments moved by less than 1e-6 in the last iteration.
    rows: the log-likelihood of each row, (n,). weights: how much each row counts, (n,), None where all count alike;
    rows_effective: the number of rows of equal weight whose mean would be as sure, None without weights.
    """

    method: Method
    log_z: float
    log_z_std: float
    log_likelihood: float
    log_likelihood_std: float
    n: int
    bound: bool = False
    effective: float | None = None
    chains: int | None = None
    settled: float | None = None
    rows_std: float | None = None
    bound_std: float = 0.0
    rows: Array | None = field(default=None, repr=False, compare=False)
    rows_effective: float | None = None
    weights: Array | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """All figures but those of the single rows, as `--json` prints them."""
        return {n: v for n, v in vars(self).items() if n not in ("rows", "weights")}


@dataclass(frozen=True)
class Annealing:
    """Settings of AIS: numbers of temperatures and chains, the seed, and how chains are moved."""

    betas: int = defaults.TEMPERATURES
    chains: int = defaults.ANNEALED_CHAINS
    seed: int = defaults.SEED
    sampler: Choice = defaults.SAMPLER

    def __post_init__(self) -> None:
        if self.betas < 1 or self.chains < 2:
            raise ArgumentError(f"AIS takes at least 1 temperature and 2 chains, not {self.betas} and {self.chains}")


def evaluate(
    run: Run,
    data: Given,
    method: Estimator = "auto",
    betas: int = defaults.TEMPERATURES,
    chains: int = defaults.ANNEALED_CHAINS,
    seed: int = defaults.SEED,
    binarise: str | None = None,
    progress: Progress | None = None,
    sampler: Choice = defaults.SAMPLER,
    weights: Weights | None = None,
) -> Evaluation:
    """The mean log-likelihood of data under a run, in nats per row, with its errors.

    data: as for `train`; of sources with parts, the test part. method: "exact", "ais", or "auto": exact, unless that takes
    more than ten seconds and longer than annealing. betas, chains: numbers of temperatures and chains of AIS. binarise: how
    grey values of binary layers become binary, if not as in training; they are drawn once, by `seed`. progress: called with
    the fraction done. sampler: how chains of AIS are moved. weights: how much each row counts, as for `train`. Raises `TooLarge` where an exact sum was asked for that is not feasible, `NotApplicable` where AIS does
    not fit the model, `NotNormalisable` where the joint density has no finite Z, `EstimateError` where a figure is not finite
    or contradicts the data, and `DataError` for data that do not fit.

    >>> import energydsl as ed
    >>> text = "visible v[4] : binary hidden h[2] : binary param W[4, 2] energy = - v @ W @ h"
    >>> run = ed.train(ed.loads(text).compile("numpy"), "bars-and-stripes:2", epochs=0)
    >>> found = ed.evaluate(run, "bars-and-stripes:2")  # with W = 0, all 16 states have probability 1/16
    >>> found.method, found.n, round(found.log_likelihood, 4)
    ('exact', 8, -2.7726)
    """
    if not (hasattr(run, "program") and hasattr(run, "params")):
        raise ArgumentError(f"evaluate takes a run, such as train and open_run return, not {a_kind(run)}")
    one_of("method", method, ESTIMATORS)
    annealing = Annealing(betas, chains, seed, sampler)
    x, row_weights = _rows(run, data, seed, binarise, weights)
    # What is not finite is refused in words.
    with np.errstate(all="ignore"):
        return _evaluated(run, x, row_weights, method, annealing, progress)


def baseline(run: Run, data: Data, seed: int = defaults.SEED) -> Evaluation:
    """The exact log-likelihood of the same rows under independent units with the base rates of the training data."""
    x, weights = _rows(run, data, seed)
    return _over_rows("exact", np.zeros(1), independent(run.program.engine, run.base, x), weights)


def _over_rows(method: Method, log_z: Array, log_p: Array, weights: Array | None, **figures: Any) -> Evaluation:
    """An evaluation of means over the rows, by their weights. figures: all that does not follow from (rows,) log Z and log p."""
    known = {"log_z_std": 0.0, "log_likelihood_std": 0.0} | figures
    return Evaluation(
        method,
        float(weighted.mean(log_z, weights)),
        log_likelihood=float(weighted.mean(log_p, weights)),
        n=len(log_p),
        rows_std=weighted.standard_error(log_p, weights),
        rows=log_p,
        rows_effective=None if weights is None else weighted.effective(weights),
        weights=weights,
        **known,
    )


def _rows(
    run: Run, data: Given, seed: int, binarise: str | None = None, weights: Weights | None = None
) -> tuple[Arrays, Array | None]:
    """The whole rows of data, grey values drawn, as arrays of the host in the shapes of the energy; and their weights."""
    program = run.program.engine
    rule = binarise or run.config["data"]["binarise"]
    data = as_data(program.model, data, rule, "test", weights=weights).complete()
    if not len(data):
        raise DataError.of("every row has a missing entry, but a log-likelihood needs complete rows")
    data.counted()
    return {n: program.host(a) for n, a in checked_arrays(program, data.drawn(seed)).items()}, data.weights


def _evaluated(
    run: Run, x: Arrays, weights: Array | None, method: Estimator, annealing: Annealing, progress: Progress | None
) -> Evaluation:
    program = run.program.engine
    core, params, base = core_of(program, run.params, run.base, x, annealing.seed)
    inputs, number = distinct_inputs(core, x)
    partitions = find_log_z(core, params, base, inputs, method, annealing, progress)
    # Where latents are not recognised nothing takes the place of their exact sum.
    seconds = _seconds(core, params, base, inputs, annealing) if _verdict(program).ok else lambda: math.inf
    found = find_scores(program, run.params, x, method, annealing.seed, seconds, progress)
    log_z = np.empty(len(number))
    for k, partition in enumerate(partitions):
        rows = number == k
        log_z[rows] = check_above_rows(program, {n: a[rows] for n, a in x.items()}, found.rows(rows), partition)
    log_p, count = found.values - log_z, len(number)
    check_finite(log_p)
    relative = None if weights is None else weighted.relative(weights)
    shares = np.bincount(number, relative, minlength=len(partitions)) / count
    log_z_std = float(np.linalg.norm(shares * [p.log_z_std for p in partitions]))
    effective = [p.effective for p in partitions if p.effective is not None]
    return _over_rows(
        "ais" if effective else "bound" if found.bound else "exact",
        log_z,
        log_p,
        weights,
        log_z_std=log_z_std,
        log_likelihood_std=math.hypot(log_z_std, found.error_of_mean(weights)),
        bound=found.bound,
        effective=min(effective, default=None),
        chains=annealing.chains if effective else None,
        settled=found.settled,
        bound_std=found.error_of_mean(weights),
    )


def core_of(
    program: Engine, params: Arrays, base: Base, x: Arrays | None = None, seed: int = 0
) -> tuple[CoreEngine, Mapping[str, Any], Base]:
    """The program that log Z belongs to, its parameters, and the base rates where annealing starts, if need be those of x.

    In a model with directed parts it is the core, and the base rates are those of what is recognised from x.
    """
    return program.annealing_start(params, base, x or {}, Rng(stream(seed, "recognition for annealing")))


def distinct_inputs(program: Engine, x: Arrays) -> tuple[Arrays, Array]:
    """The distinct rows of the input layers, and the number of the one that each row has, (rows,); 0 without inputs."""
    names = program.model.by_role("input")
    count = len(next(iter(x.values())))
    if not names:
        return {}, np.zeros(count, int)
    flat = np.concatenate([x[n].reshape(count, -1) for n in names], axis=1)
    _, first, number = np.unique(flat, axis=0, return_index=True, return_inverse=True)
    return {n: x[n][first] for n in names}, number.reshape(-1)


def find_log_z(
    program: CoreEngine,
    params: Mapping[str, Any],
    base: Base,
    inputs: Arrays,
    method: Estimator = "auto",
    annealing: Annealing | None = None,
    progress: Progress | None = None,
) -> list[LogPartition]:
    """log Z, one for each row of the inputs, exactly or by AIS as `method` says.

    Raises `NotNormalisable` where Z is infinite, and `TooLarge` for more than 1000 rows of inputs by AIS.
    """
    annealing = annealing or Annealing()
    check_normalisable(program, params)
    units = tuple(program.model.random_layers())
    found = _exactly(
        lambda watch: log_sum(program, params, inputs, units, watch),
        method,
        progress,
        _seconds(program, params, base, inputs, annealing),
    )
    if found is not None:
        return [LogPartition(float(value), 0.0, None, None) for value in found]
    rows = len(next(iter(inputs.values()))) if inputs else 1
    if rows > limits.INPUT_ROWS:
        raise TooLarge(
            f"log Z depends on the inputs, and the data hold {rows:,} different rows of them, each of which takes an "
            f"annealing over {annealing.betas:,} temperatures; at most {limits.INPUT_ROWS:,} are made. Use fewer rows"
        )
    given = annealing.betas, annealing.chains, annealing.seed, progress, inputs
    return ais_each(program, params, base, *given, sampler=annealing.sampler)


def find_scores(
    program: Engine,
    params: Arrays,
    x: Arrays,
    method: Estimator,
    seed: int,
    seconds: Callable[[], float],
    progress: Progress | None = None,
) -> Scores:
    """log p~ of each row: exact where the method asks for it or a closed form gives it; else a lower bound.

    seconds: how long annealing takes. Raises `NotApplicable` where there is no bound.
    """
    found = _exactly(lambda watch: exact_scores(program, params, x, watch), method, progress, seconds)
    if found is None:
        verdict = _verdict(program)
        if not verdict.ok:
            raise NotApplicable(f"AIS does not fit this model: {verdict.why}")
        found = scores(program, params, x, seed)
    return found


Sum = TypeVar("Sum")


def _exactly(
    total: Callable[[Progress], Sum], method: Estimator, progress: Progress | None, seconds: Callable[[], float]
) -> Sum | None:
    """An exact sum; None where it is not wanted, not feasible, or not worth its time. seconds: how long annealing takes."""
    if method == "ais":
        return None
    try:
        return total(_Watch(progress, seconds if method == "auto" else lambda: math.inf))
    except (TooLarge, NotApplicable):
        if method == "exact":
            raise
        return None


class _Watch:
    """The progress of an enumeration, once its time can be told; it is given up where annealing is quicker."""

    def __init__(self, progress: Progress | None, seconds: Callable[[], float]):
        self.progress, self.seconds = progress, seconds
        self.first: tuple[float, float] | None = None
        self.decided = False

    def __call__(self, fraction: float) -> None:
        now = time.perf_counter()
        if self.first is None:  # what compiles does so before the first piece is done
            self.first = fraction, now
        if now - self.first[1] <= _TELLING:
            return
        if self.progress is not None:
            self.progress(fraction)
        if not self.decided:
            self.decided = True
            whole = (now - self.first[1]) / (fraction - self.first[0])
            if whole > _PATIENCE and whole > self.seconds():
                raise TooLarge(f"the exact sum would take {whole:.0f} s; use AIS instead")


def _seconds(
    program: CoreEngine, params: Mapping[str, Any], base: Base, inputs: Arrays, annealing: Annealing
) -> Callable[[], float]:
    """How long annealing takes, measured when it is asked for."""
    return lambda: ais_seconds(program, params, base, annealing.betas, annealing.chains, inputs, annealing.sampler)


def _verdict(program: Engine) -> Verdict:
    return next(v for v in program.derived.verdicts if v.name == "ais")


def check_above_rows(program: Engine, x: Arrays, found: Scores, partition: LogPartition) -> float:
    """log Z, at least what the distinct rows of data add up to.

    Raises `EstimateError` where an estimate is less by more than its sampling error: then annealing has missed a mode.
    """
    if partition.effective is None:
        return partition.log_z
    least = least_log_z(program, x, found)
    if partition.log_z + 4.0 * partition.log_z_std < least - 1e-5 * max(1.0, abs(least)):
        raise EstimateError(
            f"annealing estimates log Z = {partition.log_z:.3f} +- {partition.log_z_std:.2g}, but the rows of data alone "
            f"show that log Z is {least:.3f} at least. The chains have missed a mode of the model, which the error, being "
            "that of sampling only, does not show. For an estimate, use an exact sum, or more temperatures and chains"
        )
    return max(partition.log_z, least)


def check_finite(rows: Array) -> None:
    """Raises `EstimateError`, with the row, where a log-likelihood of (rows,) is not finite."""
    bad = np.flatnonzero(~np.isfinite(rows))
    if len(bad):
        raise EstimateError(
            f"the log-likelihood of row {bad[0] + 1} is {rows[bad[0]]:g} ({len(bad)} of {len(rows)} rows are NaN or "
            "infinite): the parameters are not finite or too large, the row is impossible under the model, or the joint "
            "density cannot be normalised"
        )
