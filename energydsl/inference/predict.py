"""The distribution of one visible layer given the others: classification by an energy.

Exactly, p(y | v) = exp(-F(v, y)) / sum over y' of exp(-F(v, y')), where all hidden layers can be summed out in closed form
(Larochelle & Bengio 2008, eq. 7); else with the mean-field bound of each y' for -F(v, y'). In a model with directed parts,
from the means of an up-pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from energydsl.backends.interface import Arrays
from energydsl.data.sources import Data, as_data
from energydsl.derive.free_energy import log_states
from energydsl.diagnostics import ArgumentError, suggestion
from energydsl.domains import DOMAINS
from energydsl.inference.scores import standard_error
from energydsl.program import Engine
from energydsl.program.engine import MEAN_FIELD_ITERATIONS
from energydsl.program.exact import joint_states
from energydsl.program.marginals import summed_out
from energydsl.program.states import check_params, checked_arrays

if TYPE_CHECKING:
    from energydsl.learning.loop import Run

Array = NDArray[Any]
MOST_STATES = 4096
_ROWS = 2048
# How far moments may still move where a mean-field bound is read.
_SETTLED = 1e-4


@dataclass(frozen=True)
class Prediction:
    """What a layer is, given the other visible layers.

    probabilities: (rows, states), states in the order of `states`. truth: the number of the state in the data, by row.
    method: "exact" or "mean field"; in a model with directed parts "recognition" or "recognition, mean field". states: one line a state, the values of the layer's units.
    """

    layer: str
    method: str
    probabilities: Array
    truth: Array
    states: Array

    @property
    def predicted(self) -> Array:
        """The likeliest state of each row."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def error_rate(self) -> float:
        """The fraction of rows whose likeliest state is another than the data's."""
        return float(np.mean(self.predicted != self.truth))

    @property
    def error_rate_std(self) -> float | None:
        """Its standard error over the rows."""
        return standard_error(self.predicted != self.truth)

    @property
    def mean_log_probability(self) -> float:
        """Mean log p(truth | the rest), in nats."""
        return float(np.mean(self._log_probabilities()))

    @property
    def mean_log_probability_std(self) -> float | None:
        """Its standard error over the rows."""
        return standard_error(self._log_probabilities())

    def _log_probabilities(self) -> Array:
        chosen = self.probabilities[np.arange(len(self.truth)), self.truth]
        return np.asarray(np.log(np.maximum(chosen, np.finfo(float).tiny)))

    @property
    def confusion(self) -> Array:
        """Counts of rows, (true state, predicted state)."""
        size = len(self.states)
        return np.bincount(self.truth * size + self.predicted, minlength=size * size).reshape(size, size)


def predict(
    run: Run,
    data: Data | Mapping[str, Any],
    layer: str,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Prediction:
    """p(layer | the other visible layers) for each row of data, which holds the layer too. Grey values are drawn once.

    Raises `ArgumentError` for a layer that is not visible, has more than 4096 joint states, or is the only one with data;
    `NotApplicable` where directed parts or recognition are given the layer.
    """
    program = run.program.engine
    record = _checked(program, layer)
    data = as_data(program.model, data, run.config["data"]["binarise"], "test")
    x = checked_arrays(program, data.drawn(seed))
    [states] = joint_states(program, (layer,))
    found = program.host(states[layer])
    truth = _number(program.host(x[layer]).reshape(len(x[layer]), -1), found.reshape(len(found), -1), layer)
    problem = program.core_problem(check_params(program, run.params), x, layer)
    core, params, x, method = problem.engine, problem.params, problem.data, problem.method
    exact = set(core.model.by_role("hidden")) <= set(core.derived.free_energy.summed_out)
    if not exact:
        method += ", mean field" if method else "mean field"
    rest = {n: a for n, a in x.items() if n != layer}
    count = len(truth)
    parts = []
    for start in range(0, count, _ROWS):
        some = {n: core.device(a[start : start + _ROWS]) for n, a in rest.items()}
        parts.append(_chances(core, params, some, states, exact))
        if progress is not None:
            progress(min(1.0, (start + _ROWS) / count))
    codes = found.argmax(axis=-1) if DOMAINS[record.domain.name].one_hot else found
    return Prediction(layer, method or "exact", np.concatenate(parts), truth, codes.reshape(len(codes), -1))


def _checked(program: Engine, layer: str) -> Any:
    known = program.model.by_role("visible")
    if layer not in known:
        raise ArgumentError(f"there is no visible layer `{layer}`. {suggestion(layer, known)}".strip())
    if len(known) == 1 and not program.model.by_role("input"):
        raise ArgumentError(f"`{layer}` is the only layer with data: there is nothing to predict it from")
    record = program.model.layers[layer]
    if log_states([record]) > math.log2(MOST_STATES):
        raise ArgumentError(f"`{layer}` has too many joint states to be predicted ({MOST_STATES} are the most)")
    return record


def _number(values: Array, states: Array, layer: str) -> Array:
    """The number of the state that each row is."""
    score = np.abs(values[:, None, :] - states[None, :, :]).max(axis=2)
    nearest = score.argmin(axis=1)
    if score[np.arange(len(values)), nearest].max(initial=0.0) > 1e-6:
        raise ArgumentError(f"the data hold values of `{layer}` that are none of its states")
    return np.asarray(nearest)


def _chances(program: Engine, params: Arrays, rest: Arrays, states: Arrays, exact: bool) -> Array:
    """softmax over states of -F(rest, state), or of its mean-field bound, (rows, states)."""
    [(layer, values)] = states.items()
    rows = len(next(iter(rest.values())))
    settings, out = program.settings(), program.derived.free_energy.summed_out
    logits = np.empty((rows, len(values)))
    for k in range(len(values)):
        x = {**rest, layer: program.xp.array(program.xp.broadcast_to(values[k : k + 1], (rows, *values.shape[1:])))}
        if exact:
            with program.single_threaded_blas():
                logits[:, k] = -program.host(summed_out(program, params, x, settings, out))
        else:
            logits[:, k] = program.host(program.mean_field(params, x, settings, _SETTLED, MEAN_FIELD_ITERATIONS).bound)
    logits -= logits.max(axis=1, keepdims=True)
    weights = np.exp(np.maximum(logits, -700.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
