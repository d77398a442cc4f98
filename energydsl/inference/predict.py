"""The distribution of one visible layer given the others: classification by an energy.

Exactly, p(y | v) = exp(-F(v, y)) / sum over y' of exp(-F(v, y')), where all hidden layers can be summed out in closed form
(Larochelle & Bengio 2008, eq. 7); else with the mean-field bound of each y' for -F(v, y'). In a model with directed parts,
from the means of an up-pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults, limits, weighted
from energydsl.backends.interface import Arrays
from energydsl.data.sources import Given, as_data
from energydsl.data.weights import Weights
from energydsl.derive.free_energy import log_states
from energydsl.diagnostics import ArgumentError, suggestion
from energydsl.domains import DOMAINS
from energydsl.options import Exactness
from energydsl.program import Engine
from energydsl.program.engine import MEAN_FIELD_ITERATIONS
from energydsl.program.exact import joint_states
from energydsl.program.marginals import summed_out
from energydsl.program.states import check_params, checked_arrays

if TYPE_CHECKING:
    from energydsl.learning.run import Run

Array = NDArray[Any]
Method = Literal["exact", "mean field", "recognition", "recognition, mean field"]
_ROWS = 2048
# How the layers of the core were found, and whether their sum is exact -> the name of the method.
_METHODS: Mapping[tuple[str, bool], Method] = {
    ("", True): "exact",
    ("", False): "mean field",
    ("recognition", True): "recognition",
    ("recognition", False): "recognition, mean field",
}
# How far moments may still move where a mean-field bound is read.
_SETTLED = 1e-4


@dataclass(frozen=True)
class Prediction:
    """p(layer | the other visible layers) for each row of data.

    method: "exact" or "mean field"; in a model with directed parts "recognition" or "recognition, mean field".
    probabilities: (rows, states), states in the order of `states`. truth: (rows,), the number of the state in the data.
    states: (states, units), the values of the layer's units; of a categorical layer, their codes. weights: how much each row
    counts in means, (rows,); None where all count alike.
    """

    layer: str
    method: Method
    probabilities: Array
    truth: Array
    states: Array
    weights: Array | None = None

    @property
    def exactness(self) -> Exactness:
        """What is known of the probabilities: those from mean-field bounds, or from an up-pass, are estimates."""
        return "exact" if self.method == "exact" else "estimate"

    @property
    def predicted(self) -> Array:
        """The number of the likeliest state of each row, (rows,)."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def error_rate(self) -> float:
        """The fraction of rows whose likeliest state is not that of the data."""
        return float(weighted.mean(self.predicted != self.truth, self.weights))

    @property
    def error_rate_std(self) -> float | None:
        """The standard error of `error_rate` over the rows; None for one row."""
        return weighted.standard_error(self.predicted != self.truth, self.weights)

    @property
    def mean_log_probability(self) -> float:
        """Mean of log p(true state | the other visible layers) over the rows, in nats."""
        return float(weighted.mean(self._log_probabilities(), self.weights))

    @property
    def mean_log_probability_std(self) -> float | None:
        """The standard error of `mean_log_probability` over the rows; None for one row."""
        return weighted.standard_error(self._log_probabilities(), self.weights)

    def _log_probabilities(self) -> Array:
        chosen = self.probabilities[np.arange(len(self.truth)), self.truth]
        return np.asarray(np.log(np.maximum(chosen, np.finfo(float).tiny)))

    @property
    def confusion(self) -> Array:
        """Numbers of rows by true state and predicted state, (states, states)."""
        size = len(self.states)
        return np.bincount(self.truth * size + self.predicted, minlength=size * size).reshape(size, size)


def predict(
    run: Run,
    data: Given,
    layer: str,
    seed: int = defaults.SEED,
    progress: Callable[[float], None] | None = None,
    weights: Weights | None = None,
) -> Prediction:
    """p(layer | the other visible layers) for each row of data, which holds the layer too.

    Exact where all hidden layers can be summed out in closed form (Larochelle & Bengio 2008, eq. 7), else from mean-field
    bounds. data: as for `train`, arrays (rows, *layer); grey values are drawn once, by `seed`. weights: (rows,), how much each row counts,
    as for `train`. Raises `ArgumentError` for a layer that is not visible, has more than 4096
    joint states, or is the only one with data; `NotApplicable` where directed parts or recognition are given the layer;
    `DataError` for data that do not fit.
    """
    program = run.program.engine
    found = label_states(program, layer)
    data = as_data(program.model, data, run.config["data"]["binarise"], "test", weights=weights)
    x = checked_arrays(program, data.drawn(seed))
    truth = _number(program.host(x[layer]).reshape(len(x[layer]), -1), found.reshape(len(found), -1), layer)
    method, probabilities = chances(program, run.params, x, layer, progress)
    codes = found.argmax(axis=-1) if DOMAINS[program.model.layers[layer].domain.name].one_hot else found
    return Prediction(layer, method, probabilities, truth, codes.reshape(len(codes), -1), data.weights)


def chances(
    program: Engine,
    params: Mapping[str, Any],
    x: Arrays,
    layer: str,
    progress: Callable[[float], None] | None = None,
) -> tuple[Method, Array]:
    """p(layer | the other visible layers) for rows of these, (rows, states), and how it was found.

    x: on the host; what it has of the layer itself plays no part.
    """
    [states] = joint_states(program, (layer,))
    rest = {n: a for n, a in x.items() if n != layer}
    count = len(next(iter(rest.values())))
    some = program.host(states[layer])[:1]
    whole = {**rest, layer: np.broadcast_to(some, (count, *some.shape[1:]))}
    problem = program.core_problem(check_params(program, params), whole, layer)
    core, params = problem.engine, problem.params
    exact = set(core.model.by_role("hidden")) <= set(core.derived.free_energy.summed_out)
    parts = []
    for start in range(0, count, _ROWS):
        here = {n: core.device(a[start : start + _ROWS]) for n, a in problem.data.items() if n != layer}
        parts.append(_chances(core, params, here, states, exact))
        if progress is not None:
            progress(min(1.0, (start + _ROWS) / count))
    return _METHODS[problem.method, exact], np.concatenate(parts)


def label_states(program: Engine, layer: str) -> Array:
    """The joint states of a layer that can be predicted, (states, *layer), on the host. Raises `ArgumentError` for another."""
    known = program.model.by_role("visible")
    if layer not in known:
        help = suggestion(layer, known) or f"visible are {', '.join(f'`{n}`' for n in known)}"
        raise ArgumentError(f"there is no visible layer `{layer}`: {help}")
    if len(known) == 1 and not program.model.by_role("input"):
        raise ArgumentError(f"`{layer}` is the only layer with data: there is nothing to predict it from")
    record = program.model.layers[layer]
    if log_states([record]) > math.log2(limits.PREDICTED_STATES):
        raise ArgumentError(f"`{layer}` has too many joint states to be predicted (at most {limits.PREDICTED_STATES})")
    [states] = joint_states(program, (layer,))
    return program.host(states[layer])


def _number(values: Array, states: Array, layer: str) -> Array:
    """The number of the state that each row is."""
    score = np.abs(values[:, None, :] - states[None, :, :]).max(axis=2)
    nearest = score.argmin(axis=1)
    if score[np.arange(len(values)), nearest].max(initial=0.0) > 1e-6:
        raise ArgumentError(f"the data of `{layer}` hold values that are none of its states")
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
