"""Log-likelihood of data under a run: exact where that is feasible, else from both sides by annealing, with its errors."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults, limits, weighted
from energydsl.annealing.partition import AGREEMENT, LogPartition
from energydsl.annealing.path import Base, Path, Progress
from energydsl.backends.interface import Arrays
from energydsl.data.sources import Data, Given, as_data
from energydsl.data.weights import Weights
from energydsl.derive.records import Verdict
from energydsl.diagnostics import ArgumentError, DataError, EstimateError, NotApplicable, TooLarge, a_kind, one_of
from energydsl.inference.ais import ais_each, ais_seconds, ladder, with_latent_rates
from energydsl.inference.between import between, beyond
from energydsl.inference.raised import check_raises, raised
from energydsl.inference.scores import Scores, exact_scores, independent, least_log_z, scores
from energydsl.inference.sides import Found, exactly, from_sides
from energydsl.inference.tempered import tempered
from energydsl.inference.told import describe
from energydsl.options import ESTIMATORS, Estimator, Exactness
from energydsl.program import Engine
from energydsl.program.engine import CoreEngine
from energydsl.program.exact import check_normalisable, log_sum
from energydsl.program.samplers import Choice
from energydsl.program.states import check_params, checked_arrays
from energydsl.progress import watched
from energydsl.random import Rng, stream
from energydsl.ranks import WHOLE, Shards, asked_for

if TYPE_CHECKING:
    from energydsl.learning.run import Run

Array = NDArray[Any]
Method = Literal["exact", "ais", "reverse-ais", "bar", "tempering", "raise", "bound"]
# An enumeration that takes so many seconds is not given up for annealing, however quick that is.
_PATIENCE = 10.0
# From so many seconds on it is known how long an enumeration will take.
_TELLING = 0.2


@dataclass(frozen=True)
class Evaluation:
    """Mean log-likelihood of `n` rows, in nats, by their weights, and its errors.

    method: "exact"; "ais", "reverse-ais", "bar" or "tempering", where log Z is estimated; "raise", where log p of each row is; "bound", where
    log Z is exact but the latents are not summed out.
    log_z: log Z in nats; with inputs, the mean over the rows. log_z_std: its standard error, from sampling only: a mode that
    no chain has met is not in it.
    log_likelihood_std: standard error of the estimate for these very rows, that of log Z, and of the draws of recognition.
    rows_std: standard error of the mean over the rows, as draws from a larger population; None for one row. The total error
    is the root of the sum of both squares.
    bound: whether log_likelihood is a lower bound, by mean field or recognition; bound_std: its standard error over draws of
    recognition.
    effective: effective number of chains of AIS, of `chains` in all (of RAISE, of each row); where it is small, the estimate is doubtful.
    settled: of a mean-field bound, the share of rows whose moments moved by less than 1e-6 in the last iteration.
    rows: the log-likelihood of each row, (n,). weights: how much each row counts, (n,), None where all count alike;
    rows_effective: the number of rows of equal weight whose mean would be as sure, None without weights.
    exactness: what is known of log_likelihood: "exact", "bound from below", "bound from above" or "estimate". Bounds by
    annealing hold in expectation. log_z_exactness: the same of log_z.
    log_likelihood_low, log_likelihood_high: between which log_likelihood lies by what the sides of log Z say, each moved
    outwards by two of its standard errors; equal to it where log Z is exact; None for a side that was not asked for.
    gap: by how many nats the bound of log Z from above is higher than that from below; agree: whether that is less than one nat and
    nothing shows that the samples from which walks back begin are not those of the model. Both None for one side alone.
    doubts: what shows it, a sentence each.
    ladder: of tempering, the number of rungs, the least share of exchanges between neighbours, the turns until the last states were renewed,
    their autocorrelation time in turns, and the share that was not renewed; else None.
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
    exactness: Exactness = "exact"
    log_likelihood_low: float | None = None
    log_likelihood_high: float | None = None
    gap: float | None = None
    agree: bool | None = None
    doubts: tuple[str, ...] = ()
    log_z_exactness: Exactness = "exact"
    ladder: Mapping[str, float] | None = None

    def __str__(self) -> str:
        return describe(self.as_dict(), dashes="")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    @property
    def labels(self) -> dict[str, Exactness]:
        """What is known of each figure."""
        ends: dict[str, Exactness] = {
            "log_likelihood_low": "bound from below",
            "log_likelihood_high": "bound from above",
        }
        if self.exactness == "exact":
            ends = dict.fromkeys(ends, "exact")
        elif self.bound:  # how much more log p~ is than its bound is not known
            ends["log_likelihood_high"] = "estimate"
        known: dict[str, Exactness] = {"log_z": self.log_z_exactness, "log_likelihood": self.exactness, **ends}
        return known if self.gap is None else {**known, "gap": "estimate"}

    def as_dict(self) -> dict[str, Any]:
        """All figures but those of the single rows, and what is known of them, as `--json` prints them."""
        return {n: v for n, v in vars(self).items() if n not in ("rows", "weights")} | {"labels": self.labels}


def evaluate_in_steps(
    run: Run, rows: Data, progress: Progress | None = None, shards: int | Literal["auto"] | None = None
) -> tuple[Evaluation, int]:
    """As `evaluate`, by few temperatures where these hold the likelihood narrowly enough; and how many it took. Raises as that does."""
    betas = defaults.FEW_TEMPERATURES
    found = evaluate(run, rows, betas=betas, progress=progress, shards=shards)
    low, high = found.log_likelihood_low, found.log_likelihood_high
    wide = low is None or high is None or high - low > defaults.NARROW
    if found.effective is not None and (wide or not found.agree):
        betas = defaults.TEMPERATURES
        found = evaluate(run, rows, betas=betas, progress=progress, shards=shards)
    return found, betas


@dataclass(frozen=True)
class Annealing:
    """Settings of annealing: numbers of temperatures and chains, the seed, how chains are moved, and the shards they are cut into."""

    betas: int = defaults.TEMPERATURES
    chains: int = defaults.ANNEALED_CHAINS
    seed: int = defaults.SEED
    sampler: Choice = defaults.SAMPLER
    shards: Shards = WHOLE

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
    progress: bool | Progress | None = None,
    sampler: Choice = defaults.SAMPLER,
    weights: Weights | None = None,
    start: Run | None = None,
    shards: int | Literal["auto"] | None = None,
) -> Evaluation:
    """The mean log-likelihood of data under a run, in nats per row, with its errors.

    data: as for `train`, arrays (rows, *layer); of sources with parts, the test part. method: "exact"; "ais", a bound of log Z from below;
    "reverse-ais", one from above; "bar", Bennett's ratio between both; "tempering", a ladder of models that exchange states; "raise", annealing back from each row; or "auto": exact, unless
    that takes more than ten seconds and longer than annealing, and else both sides, with Bennett's ratio where sweeps run backwards
    too. betas, chains: numbers of temperatures and chains of annealing, of "raise" for each row. binarise: how
    grey values of binary layers become binary, if not as in training; they are drawn once, by `seed`. progress: called with
    the fraction done; True shows it, as in `train`. sampler: how chains of AIS are moved. weights: (rows,), how much each row counts, as
    for `train`. start: a run from which annealing leads to this one, in place of independent
    units: its log Z is exact or was found from both sides, and it shares a layer with this run. shards: into how many pieces chains are
    cut for MPI ranks to share, as for `train`; the figures are the same for any number of these. Raises `TooLarge` where an exact sum was asked for that is not feasible, `NotApplicable` where AIS does
    not fit the model, `NotNormalisable` where the joint density has no finite Z, `EstimateError` where a figure is not finite
    or contradicts the data, `ArgumentError` for arguments out of range, and `DataError` for data that do not fit.

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
    pieces = asked_for(shards)
    with pieces.team.together(), pieces.one_thread(), watched("evaluating", progress, pieces.team.first) as bar:
        return _evaluate(
            run, data, method, Annealing(betas, chains, seed, sampler, pieces), binarise, bar, weights, start
        )


def _evaluate(
    run: Run,
    data: Given,
    method: Estimator,
    annealing: Annealing,
    binarise: str | None,
    progress: Progress | None,
    weights: Weights | None,
    start: Run | None,
) -> Evaluation:
    """As `evaluate`. Raises `NotApplicable` where what is asked for is not cut into shards."""
    if annealing.shards.count > 1 and (method in ("raise", "tempering") or start is not None):
        what = "a path from another run" if start is not None else f"method {method}"
        raise NotApplicable(f"{what} is not cut into shards: run it in one process, without shards")
    x, row_weights = _rows(run, data, annealing.seed, binarise, weights)
    # What is not finite is refused in words.
    with np.errstate(all="ignore"):
        if start is not None and method in ("exact", "raise", "tempering"):
            raise ArgumentError(f"a path from another run is for annealing: method {method} has no use for start")
        if method == "raise":
            return _raised(run, x, row_weights, annealing, progress)
        return _evaluated(run, x, row_weights, method, annealing, progress, start)


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
    run: Run,
    x: Arrays,
    weights: Array | None,
    method: Estimator,
    annealing: Annealing,
    progress: Progress | None,
    start: Run | None = None,
) -> Evaluation:
    program = run.program.engine
    core, params, base = core_of(program, run.params, run.base, x, annealing.seed)
    inputs, number = distinct_inputs(core, x)
    own = {n: a for n, a in run.chains.items() if n in core.model.layers}
    base = with_latent_rates(core, base, own)
    if start is None:
        known = find_sides(core, params, base, inputs, method, annealing, own, progress)
    else:
        known = _from(start, (core, params, base), method, annealing, own, progress)
    # Where latents are not recognised nothing takes the place of their exact sum.
    seconds = _seconds(core, params, base, inputs, annealing) if _verdict(program).ok else lambda: math.inf
    found = _scores(program, run.params, x, method, annealing, seconds, progress)
    of_inputs = [number == k for k in range(len(known.sides))]
    known = known.at_least(
        [
            check_above_rows(program, {n: a[rows] for n, a in x.items()}, found.rows(rows), sides.best)
            for rows, sides in zip(of_inputs, known.sides, strict=True)
        ]
    )
    log_z = np.array([s.best.log_z for s in known.sides])[number]
    log_p = found.values - log_z
    check_finite(log_p)
    shares = np.bincount(number, None if weights is None else weighted.relative(weights), len(known.sides)) / len(
        number
    )
    best = known.mean("best", shares)
    assert best is not None
    effective = [s.best.effective for s in known.sides if s.best.effective is not None]
    return _over_rows(
        known.method if effective else "bound" if found.bound else "exact",
        log_z,
        log_p,
        weights,
        log_z_std=best.error,
        log_likelihood_std=math.hypot(best.error, found.error_of_mean(weights)),
        bound=found.bound,
        effective=min(effective, default=None),
        chains=known.sides[0].best.chains if effective else None,
        ladder=known.figures or None,
        settled=found.settled,
        bound_std=found.error_of_mean(weights),
        exactness=exactness_of(known.sides[0].best.exactness, found.bound),
        log_z_exactness=known.sides[0].best.exactness,
        **_between(known, shares, float(weighted.mean(log_p, weights)), best.value, found.bound),
    )


def _from(
    start: Run,
    end: tuple[CoreEngine, Mapping[str, Any], Base],
    method: Estimator,
    annealing: Annealing,
    own: Arrays,
    progress: Progress | None,
) -> Found:
    """log Z from the sides that `method` asks for, by a path from another run."""
    betas, chains, seed = annealing.betas, annealing.chains, annealing.seed
    steps, origin, samples = between(start, end, betas, chains, seed, annealing.sampler)
    return beyond(from_sides(steps, method, chains, own, seed, progress), origin, samples)


def _raised(run: Run, x: Arrays, weights: Array | None, annealing: Annealing, progress: Progress | None) -> Evaluation:
    """By annealing back from each row."""
    program = run.program.engine
    check_raises(program)
    core, params, base = core_of(program, run.params, run.base, x, annealing.seed)
    base = with_latent_rates(core, base, run.chains)
    inputs, _ = distinct_inputs(core, x)
    steps = ladder(core, params, base, annealing.betas, annealing.chains, annealing.seed, inputs, annealing.sampler)
    steps.path.check_reversible("RAISE")
    found = raised(steps, x, annealing.chains, Rng(stream(annealing.seed, "annealing from rows")), progress)
    log_p = exact_scores(program, run.params, x).values + found.values
    check_finite(log_p)
    error = Scores(log_p, errors=found.errors).error_of_mean(weights)
    return _over_rows(
        "raise",
        -found.values,
        log_p,
        weights,
        log_z_std=error,
        log_likelihood_std=error,
        effective=found.effective,
        chains=annealing.chains,
        exactness="estimate",
    )


def _between(known: Found, shares: Array, log_p: float, log_z: float, bound: bool) -> dict[str, Any]:
    """What both sides of log Z say of a mean log-likelihood that was found with log_z, and whether they agree."""
    if known.method == "exact":
        return {"log_likelihood_low": log_p, "log_likelihood_high": None if bound else log_p}
    below, above = known.mean("below", shares), known.mean("above", shares)
    low = None if above is None else log_p + log_z - above.value - 2.0 * above.error
    high = None if below is None else log_p + log_z - below.value + 2.0 * below.error
    if below is None or above is None or low is None or high is None:
        return {"log_likelihood_low": low, "log_likelihood_high": high, "doubts": known.doubts}
    gap = above.value - below.value
    return {
        "log_likelihood_low": min(low, high),
        "log_likelihood_high": max(low, high),
        "gap": gap,
        "agree": abs(gap) < AGREEMENT and not known.doubts,
        "doubts": known.doubts,
    }


def exactness_of(log_z: Exactness, bound: bool) -> Exactness:
    """What is known of a log-likelihood, log p~ - log Z, by what is known of log Z; bound: whether log p~ is one from below."""
    turned: Mapping[Exactness, Exactness] = {
        "bound from below": "bound from above",
        "bound from above": "bound from below",
    }
    found = turned.get(log_z, log_z)
    if not bound:
        return found
    return "bound from below" if found in ("exact", "bound from below") else "estimate"


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
    found = _summed_log_z(program, params, base, inputs, method, annealing, progress)
    if found is not None:
        return found
    _check_rows(inputs, annealing)
    given = annealing.betas, annealing.chains, annealing.seed, progress, inputs
    return ais_each(program, params, base, *given, sampler=annealing.sampler)


def find_sides(
    program: CoreEngine,
    params: Mapping[str, Any],
    base: Base,
    inputs: Arrays,
    method: Estimator,
    annealing: Annealing,
    own: Arrays,
    progress: Progress | None = None,
) -> Found:
    """log Z from the sides that `method` asks for, as `find_log_z`. own: the model's own chains, by layer, if it has such."""
    check_normalisable(program, params)
    if not program.model.random_layers():
        return exactly([LogPartition(0.0, 0.0, None, None)])
    found = _summed_log_z(program, params, base, inputs, method, annealing, progress)
    if found is not None:
        return exactly(found)
    _check_rows(inputs, annealing)
    betas, chains, seed = annealing.betas, annealing.chains, annealing.seed
    if method == "tempering":
        path = Path(program, check_params(program, params), base, sampler=annealing.sampler)
        return tempered(path, chains, Rng(stream(seed, "samples of the model")), progress)
    steps = replace(
        ladder(program, params, base, betas, chains, seed, inputs, annealing.sampler), shards=annealing.shards
    )
    return from_sides(steps, method, chains, own, seed, progress)


def _summed_log_z(
    program: CoreEngine,
    params: Mapping[str, Any],
    base: Base,
    inputs: Arrays,
    method: Estimator,
    annealing: Annealing,
    progress: Progress | None,
) -> list[LogPartition] | None:
    """The exact sum, where the method asks for it and it is feasible and worth its time."""
    units = tuple(program.model.random_layers())
    seconds = _seconds(program, params, base, inputs, annealing)

    def summed() -> list[float] | None:
        found = _exactly(lambda watch: log_sum(program, params, inputs, units, watch), method, progress, seconds)
        return None if found is None else [float(value) for value in found]

    # How long it takes is for one rank to say.
    found = annealing.shards.team.told(summed)
    return None if found is None else [LogPartition(value, 0.0, None, None) for value in found]


def _check_rows(inputs: Arrays, annealing: Annealing) -> None:
    """Raises `TooLarge` for too many rows of inputs, each of which is annealed by itself."""
    rows = len(next(iter(inputs.values()))) if inputs else 1
    if rows > limits.INPUT_ROWS:
        raise TooLarge(
            f"log Z depends on the inputs, and the data hold {rows:,} different rows of them, each of which takes an "
            f"annealing over {annealing.betas:,} temperatures; at most {limits.INPUT_ROWS:,} are made. Use fewer rows"
        )


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


def _scores(
    program: Engine,
    params: Arrays,
    x: Arrays,
    method: Estimator,
    annealing: Annealing,
    seconds: Callable[[], float],
    progress: Progress | None,
) -> Scores:
    """As `find_scores`, which rank 0 does."""
    if annealing.shards.team.size == 1:
        return find_scores(program, params, x, method, annealing.seed, seconds, progress)
    kept: list[Scores] = []

    def found() -> dict[str, Array]:
        kept.append(find_scores(program, params, x, method, annealing.seed, seconds, progress))
        return {"values": kept[0].values} | ({} if kept[0].errors is None else {"errors": kept[0].errors})

    team = annealing.shards.team
    arrays = team.told_arrays(found)
    bound, settled = team.told(lambda: (kept[0].bound, kept[0].settled))
    return Scores(arrays["values"], bound, arrays.get("errors"), settled)


Sum = TypeVar("Sum")


def _exactly(
    total: Callable[[Progress], Sum], method: Estimator, progress: Progress | None, seconds: Callable[[], float]
) -> Sum | None:
    """An exact sum; None where it is not wanted, not feasible, or not worth its time. seconds: how long annealing takes."""
    if method not in ("auto", "exact"):
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
    """What the distinct rows of data add up to, which log Z is at least; -inf where log Z is known.

    Raises `EstimateError` where an estimate is less by more than its sampling error: then annealing has missed a mode.
    """
    if partition.effective is None:
        return -math.inf
    least = least_log_z(program, x, found)
    if partition.log_z + 4.0 * partition.log_z_std < least - 1e-5 * max(1.0, abs(least)):
        raise EstimateError(
            f"annealing estimates log Z = {partition.log_z:.3f} +- {partition.log_z_std:.2g}, but the rows of data alone "
            f"show that log Z is {least:.3f} at least. The chains have missed a mode of the model, which the error, being "
            "that of sampling only, does not show. For an estimate, use an exact sum, or more temperatures and chains"
        )
    return least


def check_finite(rows: Array) -> None:
    """Raises `EstimateError`, with the row, where a log-likelihood of (rows,) is not finite."""
    bad = np.flatnonzero(~np.isfinite(rows))
    if len(bad):
        raise EstimateError(
            f"the log-likelihood of row {bad[0] + 1} is {rows[bad[0]]:g} ({len(bad)} of {len(rows)} rows are NaN or "
            "infinite): the parameters are not finite or too large, the row is impossible under the model, or the joint "
            "density cannot be normalised"
        )
