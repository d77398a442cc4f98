"""Log-likelihood of data under a run: exactly where that is feasible, else by AIS with an error bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from energydsl.data.sources import Data, as_data
from energydsl.diagnostics import ArgumentError, DataError, NotApplicable, TooLarge, a_kind, one_of
from energydsl.directed_program import DirectedProgram
from energydsl.inference.ais import LogPartition, ais
from energydsl.learning import defaults
from energydsl.program import Arrays, Program
from energydsl.random import Rng, stream

if TYPE_CHECKING:
    from energydsl.learning.loop import Run

_ROWS = 512
_SETTLED = 1e-6
# Draws of the latents a row, where a bound is averaged over them.
_DRAWS = 10


@dataclass(frozen=True)
class Evaluation:
    """Mean log-likelihood of `n` rows in nats.

    log_likelihood_std: standard error of the estimate: that of log Z, not the spread over the rows.
    bound: whether log_likelihood is a lower bound (mean field over latents that cannot be summed out).
    effective: effective number of chains of AIS, of `chains` in all; few of them make a doubtful estimate.
    settled: of a mean-field bound, the share of rows whose moments moved by less than 1e-6 in the last iteration.
    """

    method: str
    log_z: float
    log_z_std: float
    log_likelihood: float
    log_likelihood_std: float
    n: int
    bound: bool = False
    effective: float | None = None
    chains: int | None = None
    settled: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def evaluate(
    run: Run,
    data: Data | Mapping[str, Any] | Any,
    method: str = "auto",
    betas: int = defaults.TEMPERATURES,
    chains: int = defaults.ANNEALED_CHAINS,
    seed: int = defaults.SEED,
    binarise: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """The mean log-likelihood of data.

    method: "exact" (raises `TooLarge`), "ais", or "auto". Grey values of binary layers are drawn once, by `seed`.
    Raises `NotApplicable` where AIS does not fit (input layers).
    """
    if not (hasattr(run, "program") and hasattr(run, "params")):
        raise ArgumentError(f"evaluate takes a run, as train and open_run give it, not {a_kind(run)}")
    one_of("method", method, ("auto", "exact", "ais"))
    if betas < 1 or chains < 2:
        raise ArgumentError("AIS takes one temperature or more, and two chains or more")
    program = run.program
    data = as_data(program.model, data, binarise or run.config["data"]["binarise"], "test")
    data = data.complete()
    if not len(data):
        raise DataError.of("every row has a missing entry: a likelihood is that of whole rows")
    x = program.layer_arrays(data.drawn(seed))
    if method != "ais":
        try:
            return _exact(program, run.params, x)
        except (TooLarge, NotApplicable):
            if method == "exact":
                raise
    verdict = next(v for v in program.derived.verdicts if v.name == "ais")
    if not verdict.ok:
        raise NotApplicable(f"ais does not fit this model: {verdict.why}")
    if isinstance(program, DirectedProgram):
        estimate = _core_ais(program, run.params, x, betas, chains, seed, progress)
        scores, bound, settled = _recognised(program, run.params, x, seed), True, None
    else:
        estimate = ais(program, run.params, run.base, betas, chains, seed, progress)
        scores, bound, settled = _scores(program, run.params, x)
    value = float(np.mean(scores)) - estimate.log_z
    return Evaluation(
        "ais",
        estimate.log_z,
        estimate.log_z_std,
        value,
        estimate.log_z_std,
        len(scores),
        bound,
        estimate.effective,
        chains,
        settled,
    )


def _exact(program: Program, params: Arrays, x: Arrays) -> Evaluation:
    inputs = {n: x[n] for n in program.model.by_role("input")}
    log_z = np.asarray(program.log_partition(params, inputs))
    scores = _summed(program, params, x)
    value = float(np.mean(scores - log_z))
    return Evaluation("exact", float(log_z.mean()), 0.0, value, 0.0, len(scores))


def _summed(program: Program, params: Arrays, x: Arrays) -> Any:
    """log p~(v), exactly, in float64, some rows at a time."""
    count = len(next(iter(x.values())))
    parts = [
        program.log_unnormalised(params, {n: a[k : k + _ROWS] for n, a in x.items()}) for k in range(0, count, _ROWS)
    ]
    return np.concatenate(parts)


def _core_ais(
    program: DirectedProgram,
    params: Arrays,
    x: Arrays,
    betas: int,
    chains: int,
    seed: int,
    progress: Callable[[float], None] | None,
) -> LogPartition:
    """log Z of the core, annealed from the base rates of what is recognised."""
    p, state = program.check_params(params), dict(x)
    program.recognise(p, state, program.settings(), Rng(stream(seed, "recognition for annealing")))
    core = program.core
    base = {n: core.base_rate(n, program.host(state[n])) for n in core.model.by_role("visible")}
    return ais(core, program.core_params(p), base, betas, chains, seed, progress)


def _recognised(program: DirectedProgram, params: Arrays, x: Arrays, seed: int) -> Any:
    """The bound on log p~(v) of each row: the mean over a few draws of recognition."""
    count, rng = len(next(iter(x.values()))), Rng(stream(seed, "recognition for a bound"))
    parts = []
    for k in range(0, count, _ROWS):
        rows = {n: a[k : k + _ROWS] for n, a in x.items()}
        parts.append(np.mean([program.host(program.bound(params, rows, rng)[0]) for _ in range(_DRAWS)], axis=0))
    return np.concatenate(parts)


def _scores(program: Program, params: Arrays, x: Arrays) -> tuple[Any, bool, float | None]:
    """log p~(v) of each row, or the mean-field bound on it where the latents cannot be summed out; and what settled."""
    hidden = set(program.model.by_role("hidden"))
    if hidden <= set(program.derived.free_energy.summed_out):
        return _summed(program, params, x), False, None
    count = len(next(iter(x.values())))
    found = [
        program.double.mean_field(params, {n: a[k : k + _ROWS] for n, a in x.items()}, _SETTLED)
        for k in range(0, count, _ROWS)
    ]
    settled = np.concatenate([f.residuals for f in found]) <= _SETTLED
    return np.concatenate([program.host(f.bound) for f in found]), True, float(settled.mean())
