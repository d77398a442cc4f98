"""`Program`: a compiled model, ready to run. Parameters, clamps, beta, weights and consts are arguments of its methods.

Arrays are batch first. A state is a dict of all layers, inputs included; a categorical layer is one-hot over a last axis,
and integer codes are accepted wherever a state is. Arrays that come out are those of the backend: NumPy's, or CuPy's on
the device; arrays of the host are taken anywhere, and copied there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from energydsl.arrays import as_numbers
from energydsl.backends.numpy import loader as numpy_backend
from energydsl.backends.numpy.printer import Printed, Printer
from energydsl.backends.numpy.runtime import ndtri
from energydsl.derive import Derived
from energydsl.derive.free_energy import log_states, summable_sets
from energydsl.derive.quadratic import coupled_quadratic
from energydsl.derive.scaled import improper_when_scaled
from energydsl.diagnostics import (
    ArgumentError,
    DataError,
    EnergyError,
    NotApplicable,
    NotNormalisable,
    TooLarge,
    a_kind,
    suggestion,
    whole_number,
)
from energydsl.domains import DOMAINS
from energydsl.domains.density import Density
from energydsl.energy.terms import BASE
from energydsl.graph.edges import edges_of
from energydsl.kernels import lower
from energydsl.kernels.lower import CHEAPER
from energydsl.kernels.program import KernelProgram
from energydsl.kernels.sparse import SparsePlan, plan
from energydsl.model import constraints
from energydsl.model.records import Layer, Param
from energydsl.random import Rng, as_random, stream

if TYPE_CHECKING:
    from energydsl.backends.sparse_sweeps import SparseSweeps

Array = NDArray[Any]
Arrays = dict[str, Array]

MAX_LOG2_STATES = 24.0
_CHUNK = 1 << 13
_ROWS = 512
# More units than this have a precision matrix too large to be looked at.
_MOST_QUADRATIC = 4096
# Sweeps after which latents that do not factorise given data have forgotten where they began, nearly.
_SETTLING = 10


@dataclass(frozen=True)
class MeanField:
    """moments: of the latents; bound: on log p~(v) (chains,); iterations run; residual: last largest change, of each row too."""

    moments: Arrays
    bound: Array
    iterations: int
    residual: float
    residuals: Array


class Program:
    """Callable kernels of one model for one backend and precision.

    origin: what compiles to this program (a `Model`), from which a copy or an unpickled one is compiled again.

    Threads may call one program at once, each with an `Rng` and states of its own; and so may forked processes, but on a GPU.
    """

    origin: Any = None

    def __init__(
        self,
        derived: Derived,
        backend: str = "numpy",
        dtype: str = "float32",
        precision: str = "full",
        factored: str = CHEAPER,
    ):
        self.derived = derived
        self.model = derived.model
        self.backend = backend
        self.dtype = np.dtype(dtype)
        self.precision = precision
        printed = emit(derived, dtype, backend, precision, factored)
        self.source = printed.text
        self.kernels: ModuleType = _loader(backend)(printed)
        self.workspace = self.kernels.Workspace(self.dtype)
        self.xp: Any = self.kernels.xp

    @cached_property
    def in_float64(self) -> Program:
        """The same model in float64, for what must be exact."""
        return self if self.dtype == np.float64 else Program(self.derived, self.backend, "float64")

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            raise NotApplicable("a part of a program is not pickled or copied by itself, but with the whole")
        return _compiled, (self.origin, self.backend, self.dtype.name, self.precision)

    def host(self, array: Any) -> Array:
        """Values as a NumPy array."""
        return self.kernels.host(array)  # type: ignore[no-any-return]

    def device(self, array: Any) -> Array:
        """Values as an array of the backend, in the program's precision."""
        return self.xp.asarray(array, self.dtype)  # type: ignore[no-any-return]

    def single_threaded_blas(self) -> AbstractContextManager[None]:
        """The cores are this program's inside: hold it round a loop of many calls."""
        return self.kernels.single_threaded_blas()  # type: ignore[no-any-return]

    @cached_property
    def sparse(self) -> SparseSweeps | None:
        """Sweeps on a sparse matrix, where the model is one and the backend has them."""
        if self.backend == "numpy":
            return None
        program = lower(self.derived)
        found = sparse_plan(self.derived, program)
        if found is None:
            return None
        if self.backend == "numba":
            from energydsl.backends.numba.sweeps import NumbaSweeps

            return NumbaSweeps(found, program, self.kernels)
        from energydsl.backends.cupy.sweeps import CupySweeps

        return CupySweeps(found, program, self.kernels)

    # --- parameters and states

    def init(self, seed: int = 0, data: Mapping[str, Any] | Any = None) -> Arrays:
        """Initial parameters by their initialisers, constraints applied. `data`: visible layers, for base rates."""
        seed = whole_number("seed", seed)
        given = {n: self.host(a) for n, a in self.visible_arrays(data).items()} if data is not None else {}
        params = {}
        for number, (name, param) in enumerate(self.model.params.items()):
            rng = np.random.default_rng(stream(seed, "initial parameters", number))
            params[name] = self.device(self.constrain(param, self._initial(param, rng, given)))
        return params

    def _initial(self, param: Param, rng: np.random.Generator, data: Arrays) -> Array:
        init, size = param.init, param.shape
        match init.kind:
            case "number":
                return np.full(size, init.arguments["value"])
            case "normal":
                return np.asarray(rng.normal(init.arguments["mean"], init.arguments["sd"], size))
            case "uniform":
                return np.asarray(rng.uniform(init.arguments["low"], init.arguments["high"], size))
        return self.base_bias(init.layer, data.get(init.layer))

    def base_bias(self, name: str, data: Array | None) -> Array:
        """b in exp(b x) for which units with nothing else, but for a unit precision, have the training mean of a layer.

        At most 100 over the width of an interval (1 of a half-line): what never left its bound in the data is not nailed to it.
        A density without a closed form has its confining power beside b, as in `base_rate`.
        """
        layer, family = self.model.layers[name], self.derived.conditionals[name].distribution
        domain = DOMAINS[layer.domain.name]
        if family.density:
            return self.base_rate(name, data)[0]
        mean = self._smoothed_mean(name, data)
        if family.parameter_per_state and not domain.one_hot:
            assert domain.values is not None
            return self._natural(name, mean, states=np.array(domain.values(layer.domain.arguments)))
        found = self._natural(name, mean, *[np.full(layer.shape, -0.5)] * (2 in family.powers))
        if domain.integer_valued or not (domain.bounded or domain.nonnegative):
            return found
        low, high = domain.bounds(layer.domain.arguments)
        steepest = 100.0 / (high - low if domain.bounded else 1.0)
        return np.clip(found, -steepest, steepest)

    def base_rate(self, layer: str, data: Array | None) -> tuple[Array, ...]:
        """Natural parameters of independent units with the training mean of a layer; neutral where there are no data."""
        record = self.model.layers[layer]
        domain = DOMAINS[record.domain.name]
        shape = record.energy_shape
        family = self.derived.conditionals[layer].distribution
        values = domain.values(record.domain.arguments) if domain.values else None
        if family.density:
            return self._base_density(layer, family.density, data)
        if family.parameter_per_state and not domain.one_hot:
            assert values is not None
            counts = (
                np.zeros(record.field_shape) if data is None else np.stack([(data == v).sum(0) for v in values], -1)
            )
            return (np.log((counts + 1.0) / (counts.sum(-1, keepdims=True) + len(values))),)
        mean = self._smoothed_mean(layer, data)
        second: tuple[Array, ...] = ()
        if 2 in family.powers:
            variance = np.ones(shape) if data is None else np.maximum(data.var(axis=0, dtype=np.float64), 1e-3)
            second = (-0.5 / variance,)
        return self._natural(layer, mean, *second), *second

    def _smoothed_mean(self, layer: str, data: Array | None) -> Array:
        """The training mean, kept off the bounds: with one more row in each state of a unit that has few, else in the middle."""
        record = self.model.layers[layer]
        domain, shape = DOMAINS[record.domain.name], record.energy_shape
        mean, count = (np.zeros(shape), 0) if data is None else (data.mean(axis=0, dtype=np.float64), len(data))
        if domain.points:
            low, high = domain.points
            states = shape[-1] if domain.one_hot else 2
            return np.asarray(((mean - low) * count + (high - low)) / (count + states) + low)
        if domain.nonnegative or domain.bounded:
            return np.asarray((mean * count + self.neutral_mean(layer)) / (count + 1.0))
        return np.asarray(mean)

    def _base_density(self, layer: str, density: Density, data: Array | None) -> tuple[Array, ...]:
        """Held by the confining power c |x|^p alone, c = 1 / (p <|x|^p>); and with the mean where x is a statistic."""
        shape = self.model.layers[layer].shape
        etas = [np.zeros(shape) for _ in density.statistics]
        number, power = density.confining
        if power:
            size = np.ones(shape) if data is None else np.mean(np.abs(data, dtype=np.float64) ** power, axis=0)
            etas[number] -= 1.0 / (power * np.maximum(size, 1e-3))
        if data is not None and density.plain and (number, power) != (0, 1):
            etas[0] = self._natural(layer, data.mean(axis=0, dtype=np.float64), *etas[1:])
        return tuple(etas)

    def _natural(self, layer: str, mean: Array, *second: Array, states: Array | None = None) -> Array:
        """eta1 of a mean: in closed form, or by halving an interval; with states, what multiplies them in a table."""
        family = self.derived.conditionals[layer].distribution
        if family.mean_to_natural is not None:
            return np.asarray(family.mean_to_natural(mean, second[0] if second else None))
        formula = getattr(self.kernels, f"mean__{layer}")
        size = np.full(mean.shape, 1e4)
        low, high = -size, size
        for _ in range(60):
            middle = 0.5 * (low + high)
            first = middle if states is None else middle[..., None] * states
            above = self.host(formula(*(self.xp.asarray(e) for e in (first, *second)))) > mean
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return np.asarray(0.5 * (low + high))

    @staticmethod
    def constrain(param: Param, value: Array) -> Array:
        """The nearest value that the constraints admit (a positive parameter keeps its size)."""
        value = np.asarray(value)
        if "symmetric" in param.constraints:
            value = (value + value.T) / 2
        if "zero_diagonal" in param.constraints:
            value = value * (1 - np.eye(len(value), dtype=value.dtype))
        if "positive" in param.constraints:
            value = np.maximum(np.abs(value), np.finfo(np.float32).tiny)
        if "nonnegative" in param.constraints:
            value = np.maximum(value, 0)
        return value

    def check_params(self, params: Mapping[str, Any]) -> Arrays:
        """Parameters as arrays of the program's precision, finite and within their constraints. Raises `DataError` (E0403)."""
        if not isinstance(params, Mapping):
            raise ArgumentError(f"params is a dict of arrays by name, as init gives it, not {a_kind(params)}")
        for name in params:
            if name not in self.model.params:
                help = suggestion(str(name), self.model.params)
                raise DataError.of(f"the model has no parameter `{name}`", help, "E0403")
        for name in self.model.params:
            if name not in params:
                raise DataError.of(f"parameter `{name}` is missing", "", "E0403")
        found = {name: self._param_array(param, params[name]) for name, param in self.model.params.items()}
        constraints.check(self.model.params, found, self.xp, self.host)
        return found

    def _param_array(self, param: Param, value: Any) -> Array:
        given = value if self._is_there(value) else as_numbers(value, param.name, "E0403")
        if given.shape != param.shape:
            raise DataError.of(f"parameter `{param.name}` has shape {given.shape}, not {param.shape}", "", "E0403")
        if given.dtype == self.dtype:
            return self.device(given)
        with np.errstate(over="ignore"):  # what is too large for the precision is infinite, and told of as that
            return self.device(given)

    def _is_there(self, value: Any) -> bool:
        """Whether a value is an array of real numbers on the backend's device already."""
        return self.xp is not np and isinstance(value, self.xp.ndarray) and value.dtype.kind in "biuf"

    def visible_arrays(self, data: Mapping[str, Any] | Any) -> Arrays:
        """Data as a dict of arrays for visible and input layers; a bare array goes to the only visible layer.

        Nothing may be missing.
        """
        if not isinstance(data, Mapping):
            visible = self.model.by_role("visible")
            if len(visible) != 1:
                raise DataError.of(f"the model has {len(visible)} visible layers: give a dict of arrays by name")
            data = {visible[0]: data}
        arrays = self.checked_arrays(data)
        for name, array in arrays.items():
            if not np.isfinite(self.host(array)).all():
                raise DataError.of(f"an entry of `{name}` is missing or infinite", "give whole rows")
        return arrays

    def layer_arrays(self, given: Mapping[str, Any]) -> Arrays:
        """Arrays of layers in the shape they have in the energy; codes become one-hot. Raises `DataError` (E0401)."""
        return {n: self.device(a) for n, a in self.checked_arrays(given).items()}

    def checked_arrays(self, given: Mapping[str, Any]) -> Arrays:
        """As `layer_arrays`, but left where they are."""
        found, given = {}, by_layer(given, ())
        for name, value in given.items():
            if name not in self.model.layers:
                raise DataError.of(f"the model has no layer `{name}`", suggestion(name, self.model.layers))
            found[name] = self._layer_array(self.model.layers[name], value)
            if not len(found[name]):
                raise DataError.of(f"there are no rows of `{name}`")
        lengths = {name: len(a) for name, a in found.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"`{n}` {k}" for n, k in lengths.items())
            raise DataError.of(f"the layers have different numbers of rows: {shown}")
        return found

    def _layer_array(self, layer: Layer, value: Any) -> Array:
        array = value if self._is_there(value) else as_numbers(value, layer.name)
        if array.shape[1:] == layer.energy_shape:
            return array.astype(self.dtype, copy=False)
        if layer.energy_shape != layer.shape and (array.shape[1:] == layer.shape or array.shape[1:] == (layer.size,)):
            return one_hot(layer, self.host(array).reshape(len(array), *layer.shape), self.dtype)
        if array.ndim > 1 and math.prod(array.shape[1:]) == math.prod(layer.energy_shape):
            return array.reshape(len(array), *layer.energy_shape).astype(self.dtype, copy=False)
        if array.ndim == 1 and layer.energy_shape in ((), (1,)):
            return array.reshape(-1, *layer.energy_shape).astype(self.dtype, copy=False)
        raise DataError.of(
            f"the values of `{layer.name}` have shape {array.shape}, not (rows, {', '.join(map(str, layer.shape))})"
        )

    def init_state(
        self, params: Mapping[str, Any], batch: int, seed: int = 0, given: Mapping[str, Any] | None = None
    ) -> Arrays:
        """A random state: units independent, without regard to the energy; layers in `given` (inputs!) are kept."""
        if batch < 1:
            raise ArgumentError("a state has one row or more")
        return self.random_state(batch, Rng(stream(seed, "initial state")), given)

    def random_state(self, batch: int, random: Rng, given: Mapping[str, Any] | None = None) -> Arrays:
        """As `init_state`, from a stream of random numbers that goes on."""
        held = self.layer_arrays({} if given is None else given)
        state: Arrays = {}
        for name, layer in self.model.layers.items():
            if name in held:
                whole = self.xp.broadcast_to(held[name], (batch, *layer.energy_shape))
                state[name] = self.xp.array(whole, self.dtype)
            elif layer.role == "input":
                raise ArgumentError(f"`{name}` is an input: init_state(..., given={{'{name}': values}})")
            else:
                state[name] = self.device(self._random_layer(layer, batch, random))
        return state

    def _random_layer(self, layer: Layer, batch: int, rng: Rng) -> Array:
        domain = DOMAINS[layer.domain.name]
        shape = (batch, *layer.shape)
        if domain.one_hot:
            return one_hot(layer, rng.integers(0, layer.energy_shape[-1], shape), self.dtype)
        if domain.values:
            values = np.asarray(domain.values(layer.domain.arguments), self.dtype)
            return values[rng.integers(0, len(values), shape)]
        low, high = domain.bounds(layer.domain.arguments)
        if domain.integer_valued:
            return np.asarray(rng.integers(0, 3, shape) + low).astype(self.dtype)
        uniform = rng(np.empty(shape, self.dtype))
        if domain.bounded:
            return np.asarray(low + (high - low) * uniform, self.dtype)
        normal = np.asarray(ndtri(uniform))  # type: ignore[no-untyped-call]
        return np.abs(normal) if domain.nonnegative else normal

    def _state(self, state: Mapping[str, Any], needed: Iterable[str]) -> Arrays:
        needed = list(needed)
        arrays = self.checked_arrays(by_layer(state, needed))
        for name in needed:
            if name not in arrays:
                raise ArgumentError(f"the state has no layer `{name}`")
            if isinstance(arrays[name], np.ndarray):
                self._check_bounds(name, arrays[name])
        return {n: self.device(a) for n, a in arrays.items()}

    def _check_bounds(self, name: str, values: Array) -> None:
        """Values lie between the bounds of their domain (means of units do too). Raises `DataError` (E0401)."""
        domain = self.model.layers[name].domain
        low, high = (0.0, 1.0) if domain.name == "categorical" else DOMAINS[domain.name].bounds(domain.arguments)
        low, high = DOMAINS[domain.name].points or (low, high)
        outside = ~((values >= low) & (values <= high))
        if outside.any():
            raise DataError.of(f"a value of `{name}` is {values[outside].flat[0]:g}, outside its domain {domain}")

    def settings(
        self,
        beta: float = 1.0,
        weights: Mapping[str, float] | None = None,
        consts: Mapping[str, float] | None = None,
        external: Mapping[str, tuple[Array, ...]] | None = None,
    ) -> Any:
        """Run-time scalars as the kernels take them. Raises `ArgumentError` for unknown names."""
        for what, given, known in (
            ("energy term", weights or {}, self.model.labels),
            ("const", consts or {}, self.model.consts),
        ):
            for name in given:
                if name not in known:
                    raise ArgumentError(f"the model has no {what} `{name}`. {suggestion(name, known)}".strip())
        terms, numbers = ({n: _number(n, v) for n, v in (given or {}).items()} for given in (weights, consts))
        for name, value in numbers.items():
            record = self.model.consts[name]
            if ("positive" in record.constraints and not value > 0) or (
                "nonnegative" in record.constraints and value < 0
            ):
                raise ArgumentError(f"const `{name}` = {value:g} breaks its constraint")
        beta = _number("beta", beta)
        if external is None:
            self._check_proper(beta, terms)
        return self.kernels.settings(beta, terms, numbers, dict(external or {}))

    def _check_proper(self, beta: float, weights: Mapping[str, float]) -> None:
        """Raises `ArgumentError` where a factor that is not positive leaves a conditional that is no distribution."""
        if min((beta, *weights.values())) > 0:
            return
        factors = {n: beta * weights.get(n, 1.0) for n in self.model.labels}
        families = {n: c.distribution for n, c in self.derived.conditionals.items()}
        problem = next(improper_when_scaled(self.model, self.derived.energy, families, factors), None)
        if problem is not None:
            given = [f"with beta = {beta:g}", *(f"a weight of {w:g} for `{n}`" for n, w in weights.items() if w <= 0)]
            raise ArgumentError(f"{' and '.join(given)}: {problem.message}")

    # --- the energy and what follows from it

    def energy(self, params: Mapping[str, Any], state: Mapping[str, Any], **scalars: Any) -> Array:
        """E(x), shape (chains,): the energy itself, not times beta."""
        p, x, s = self.check_params(params), self._state(state, self.model.layers), self.settings(**scalars)
        return self._total(self.kernels.energy(p, x, s), s)

    @staticmethod
    def _total(terms: Mapping[str, Array], s: Any) -> Array:
        total: Any = sum((1.0 if label == BASE else s.weights[label]) * value for label, value in terms.items())
        return total  # type: ignore[no-any-return]

    @staticmethod
    def exponent(terms: Mapping[str, Array], s: Any) -> Array:
        """beta times the energy, the base measure once: -log of what a state weighs."""
        total: Any = sum((1.0 if label == BASE else s.beta * s.weights[label]) * v for label, v in terms.items())
        return total  # type: ignore[no-any-return]

    def free_energy(self, params: Mapping[str, Any], state: Mapping[str, Any], **scalars: Any) -> Array:
        """F = -log sum over the summed-out layers of exp(-beta E), shape (chains,); takes all other layers."""
        out = self.derived.free_energy.summed_out
        x = self._state(state, [n for n in self.model.layers if n not in out])
        return self.summed_out(self.check_params(params), x, self.settings(**scalars), out)

    def summed_out(self, p: Arrays, x: Arrays, s: Any, out: tuple[str, ...]) -> Array:
        """-log sum over the layers `out` of exp(-beta E + external fields), for checked arguments."""
        value = self.marginal_rest(p, x, s, out)
        for name, fields in s.external.items():
            if name not in out:
                value = value - self.external_energy(name, x[name], fields)
        for name in out:
            eta = getattr(self.kernels, f"fields__{name}")(p, x, s, self.workspace)
            value = value - self.summed_log_partition(name, eta)
        return value

    def marginal_rest(self, p: Arrays, x: Arrays, s: Any, out: tuple[str, ...], weighed: bool = True) -> Array:
        """beta times the energy of the terms free of the layers `out`, and the base measure, shape (chains,)."""
        terms = self.kernels.energy(p, x, s, frozenset(out))
        return self.exponent({n: e for n, e in terms.items() if weighed or n != BASE}, s)

    def summed_log_partition(self, layer: str, eta: Sequence[Array]) -> Array:
        """A(eta) added up over the units of a layer, shape (chains,)."""
        shape = (len(eta[0]), *self.model.layers[layer].shape)
        each = getattr(self.kernels, f"log_partition__{layer}")(*eta)
        return self.xp.broadcast_to(each, shape).reshape(shape[0], -1).sum(axis=1)  # type: ignore[no-any-return]

    def external_energy(self, layer: str, values: Array, fields: tuple[Array, ...]) -> Array:
        """sum_k fields_k . T_k(x) of a layer, shape (chains,)."""
        flat = values.reshape(len(values), -1)
        total: Array = self.xp.zeros(len(values))
        record = self.model.layers[layer]
        if record.field_shape != record.energy_shape:
            low, _ = DOMAINS[record.domain.name].bounds(record.domain.arguments)
            wide = self.xp.broadcast_to(self.device(fields[0]), record.field_shape).reshape(record.size, -1)
            codes = (flat - low).astype(int)
            return wide[self.xp.arange(record.size), codes].sum(axis=1)  # type: ignore[no-any-return]
        for statistic, eta in zip(self.statistics(layer, flat), fields, strict=True):
            total = total + statistic @ self.xp.broadcast_to(self.device(eta), values.shape[1:]).reshape(-1)
        return total

    def statistics(self, layer: str, values: Array) -> list[Array]:
        """T_k(x) of units of a layer, in the order of its natural parameters."""
        family = self.derived.conditionals[layer].distribution
        if family.density:
            return list(getattr(self.kernels, f"DENSITY__{layer}").each(values))
        return [values if power == 1 else values**power for power in family.powers]

    def mean(self, params: Mapping[str, Any], state: Mapping[str, Any], layer: str, **scalars: Any) -> Array:
        """Conditional mean of each unit of a layer given all other units; shape (chains, *layer)."""
        return self._given_rest(params, state, layer, "mean", scalars)

    def variance(self, params: Mapping[str, Any], state: Mapping[str, Any], layer: str, **scalars: Any) -> Array:
        """Conditional variance of each unit of a layer given all other units; shape (chains, *layer)."""
        return self._given_rest(params, state, layer, "variance", scalars)

    def _given_rest(
        self, params: Mapping[str, Any], state: Mapping[str, Any], layer: str, what: str, scalars: Mapping[str, Any]
    ) -> Array:
        eta = self.natural_parameters(params, state, layer, **scalars)
        found = getattr(self.kernels, f"{what}__{layer}")(*eta)
        if not self._all(~self.xp.isnan(found)):
            raise EnergyError(self._no_density(layer))
        shape = (len(eta[0]), *self.model.layers[layer].energy_shape)
        return self.xp.array(self.xp.broadcast_to(found, shape))  # type: ignore[no-any-return]

    def natural_parameters(
        self, params: Mapping[str, Any], state: Mapping[str, Any], layer: str, **scalars: Any
    ) -> tuple[Array, ...]:
        """beta times the fields of a layer, one array a statistic, each broadcast to (chains, *layer)."""
        self._check_unit_layer(layer)
        p = self.check_params(params)
        needed = [n for n in self.model.layers if n != layer or not self.derived.conditionals[layer].factorises]
        x, s = self._state(state, needed), self.settings(**scalars)
        eta = getattr(self.kernels, f"fields__{layer}")(p, x, s, self.kernels.Workspace(self.dtype))
        shape = (len(next(iter(x.values()))), *self.model.layers[layer].field_shape)
        return tuple(self.xp.broadcast_to(self.xp.asarray(e), shape) for e in eta)

    def _check_unit_layer(self, layer: str) -> None:
        if layer not in self.derived.conditionals:
            known = self.derived.conditionals
            raise ArgumentError(f"there is no random layer `{layer}`. {suggestion(layer, known)}".strip())

    def sample(
        self, params: Mapping[str, Any], state: Mapping[str, Any], layer: str, rng: Any, **scalars: Any
    ) -> Array:
        """A draw of a layer given the others, in its own blocks; shape (chains, *layer)."""
        self._check_unit_layer(layer)
        p, s = self.check_params(params), self.settings(**scalars)
        coupled = not self.derived.conditionals[layer].factorises
        x = dict(self._state(state, [n for n in self.model.layers if n != layer or coupled]))
        batch = len(next(iter(x.values())))
        shape = (batch, *self.model.layers[layer].energy_shape)
        x[layer] = self.xp.array(x[layer]) if coupled else self.xp.empty(shape, self.dtype)
        others = frozenset(n for n in self.model.layers if n != layer)
        for block in self.derived.schedule(others):
            for part in block:
                self.kernels.update(str(part), p, x, s, as_random(rng), self.workspace)
        self.check_drawn(x)
        return x[layer]

    def check_drawn(self, x: Arrays) -> None:
        """Raises `EnergyError` where a unit of an infinite domain has no finite value: there was nothing to draw from."""
        for name, layer in self.model.random_layers().items():
            if not DOMAINS[layer.domain.name].finite and name in x and not self._all(self.xp.isfinite(x[name])):
                raise EnergyError(self._no_density(name))

    def _all(self, found: Array) -> bool:
        """Whether all of an array is true, as the host sees it."""
        return bool(self.host(self.xp.all(found)))

    def _no_density(self, name: str) -> str:
        return (
            f"units of `{name}` have no finite value at these parameters: their conditional is no density, takes more than "
            f"20,000 panels to integrate, or lies beyond what {self.dtype.name} can hold"
        )

    def gibbs(
        self,
        params: Mapping[str, Any],
        state: Mapping[str, Any],
        steps: int = 1,
        clamp: Iterable[str] = (),
        rng: Any = None,
        **scalars: Any,
    ) -> Arrays:
        """A new state after `steps` sweeps; layers in `clamp`, and inputs, are held.

        rng: an `Rng`, or a generator of NumPy's; it goes on from call to call, so make it once, before a loop.
        """
        p, s, parts = self.check_params(params), self.settings(**scalars), self.parts(clamp)
        x = {n: self.xp.array(a) for n, a in self._state(state, self.model.layers).items()}
        self.sweep(p, x, s, as_random(rng), parts, steps)
        self.check_drawn(x)
        return x

    def parts(self, clamp: Iterable[str] = ()) -> list[str]:
        """The parts of one sweep, in order, with layers clamped."""
        clamped = frozenset(clamp)
        for name in clamped:
            if name not in self.model.layers:
                raise ArgumentError(f"there is no layer `{name}` to clamp")
        return [str(part) for block in self.derived.schedule(clamped) for part in block]

    def sweep(
        self,
        p: Arrays,
        x: Arrays,
        s: Any,
        random: Any,
        parts: list[str],
        steps: int = 1,
        means: Arrays | None = None,
        keep: Arrays | None = None,
    ) -> None:
        """Run sweeps in place on checked arguments; the last one leaves moments of the layers in `means` there.

        keep: entries of layers that are held at their values, marked with True, row by row as it may be.
        """
        update, workspace = self.kernels.update, self.workspace
        with self.single_threaded_blas():
            if keep:
                self._sweep_around(p, x, s, random, parts, steps, keep)
                return
            if self.sparse and not means and hasattr(random, "key") and self.sparse.knows(parts):
                self.sparse.sweep(p, x, s, random, parts, steps)
                return
            for step in range(steps):
                random.next()
                for part in parts:
                    wanted = means if means and part in means and step == steps - 1 else None
                    update(part, p, x, s, random, workspace, wanted)

    def _sweep_around(
        self, p: Arrays, x: Arrays, s: Any, random: Any, parts: list[str], steps: int, keep: Arrays
    ) -> None:
        """Sweeps that put held entries back after each draw: units of a block are independent, so none has read them."""
        held = {n: self.xp.array(x[n]) for n in keep}
        for _ in range(steps):
            random.next()
            for part in parts:
                name = part.rstrip("*").partition(":")[0]
                if part.endswith("*"):
                    scan = getattr(self.kernels, f"scan__{name}")
                    scan(p, x, s, random, self.workspace, keep.get(name))
                    continue
                self.kernels.update(part, p, x, s, random, self.workspace)
                if name in keep:
                    x[name][...] = self.xp.where(keep[name], held[name], x[name])

    def initialise_missing(self, given: Mapping[str, Any], random: Rng) -> tuple[Arrays, Arrays]:
        """Values of layers with NaN where an entry is missing: (values, those entries filled in at random; known entries).

        A missing code of a categorical layer is NaN or -1. Layers that are known throughout are not in the second.
        """
        values: Arrays = {}
        known: Arrays = {}
        for name, value in given.items():
            array = np.array(self.host(value), np.float64)
            missing = np.isnan(array)
            if name in self.model.layers and DOMAINS[self.model.layers[name].domain.name].one_hot:
                missing |= array == -1
            if name not in self.model.layers or not missing.any():
                values |= self.layer_arrays({name: value})
                continue
            record = self.model.layers[name]
            domain = DOMAINS[record.domain.name]
            low, _ = domain.points or domain.bounds(record.domain.arguments)
            array[missing] = low if np.isfinite(low) else 0.0
            filled = self.layer_arrays({name: array})[name]
            if missing.size == filled.size:
                missing = missing.reshape(filled.shape)
                if domain.one_hot:
                    missing = np.broadcast_to(missing.any(axis=-1, keepdims=True), filled.shape)
            else:  # codes: all states of a unit are missing together
                missing = np.broadcast_to(missing.reshape(len(array), *record.shape, 1), filled.shape)
            fresh = self.device(self._random_layer(record, len(array), random))
            values[name] = self.xp.where(self.xp.asarray(missing), fresh, filled)
            known[name] = self.xp.asarray(~missing)
        return values, known

    def energy_gradient(self, params: Mapping[str, Any], state: Mapping[str, Any], **scalars: Any) -> Arrays:
        """Batch mean of G with dE = sum(G * dparam) for every change that the constraints admit."""
        p, x, s = self.check_params(params), self._state(state, self.model.layers), self.settings(**scalars)
        count = len(next(iter(x.values())))
        found = self.weighted_gradient(p, x, s, self.xp.full(count, 1.0 / count, self.dtype))
        return {n: self.xp.array(g) for n, g in found.items()}

    def weighted_gradient(self, p: Arrays, x: Arrays, s: Any, row: Array, names: Iterable[str] | None = None) -> Arrays:
        """Sum over chains of row * dE/dparam, projected on what the constraints admit."""
        wanted = self.model.params if names is None else names
        with self.single_threaded_blas():
            return {
                n: self.project(self.model.params[n], self.kernels.GRADIENTS[n](p, x, s, row, self.workspace))
                for n in wanted
            }

    def add_gradient(self, p: Arrays, name: str, x: Arrays, s: Any, row: Array) -> None:
        """Add the sum over chains of row * dE/dparam onto a parameter; it is one of the kernels' `DIRECT`."""
        with self.single_threaded_blas():
            self.kernels.GRADIENTS[name](p, x, s, row, self.workspace, p[name])

    def project(self, param: Param, gradient: Array) -> Array:
        """The gradient among admissible changes: symmetric, zero on the diagonal."""
        if "symmetric" in param.constraints:
            gradient = (gradient + gradient.T) / 2
        if "zero_diagonal" in param.constraints:
            self.xp.fill_diagonal(gradient, 0.0)
        return gradient

    # --- sums over states

    def check_normalisable(self, params: Mapping[str, Any], **scalars: Any) -> None:
        """Raises `NotNormalisable` where real units, coupled by quadratics, have no density at these parameters.

        Their precision matrix is factorised; up to 4,096 units are looked at.
        """
        layers = coupled_quadratic(self.model, self.derived.energy)
        size = sum(self.model.layers[n].size for n in layers)
        if not layers or size > _MOST_QUADRATIC:
            return
        if self.dtype != np.float64:
            self.in_float64.check_normalisable(params, **scalars)
            return
        precision = self._precision(self.check_params(params), layers, scalars)
        names = " and ".join(f"`{n}`" for n in layers)
        if not np.isfinite(precision).all():
            raise NotNormalisable(f"the couplings of {names} are not finite numbers")
        if not _positive_definite(precision):
            least = float(np.linalg.eigvalsh(precision)[0])
            raise NotNormalisable(
                f"the joint density of {names} cannot be normalised: at these parameters their precision matrix is not "
                f"positive definite (its smallest eigenvalue is {least:.3g}), so Z is infinite and no likelihood exists. "
                "Weaker couplings, or larger precisions of the units, make it proper"
            )

    def _precision(self, p: Arrays, layers: tuple[str, ...], scalars: Mapping[str, Any]) -> Array:
        """d^2 (beta E) / dx dx' over all units of layers in which E is quadratic: differences of fields, exact but for rounding."""
        shapes = {n: self.model.layers[n].shape for n in layers}
        ends = np.cumsum([math.prod(shape) for shape in shapes.values()])
        given = {n: self._random_layer(self.model.layers[n], 1, Rng(0)) for n in self.model.by_role("input")}
        rest = {n: a for n, a in self.init_state(p, 1, 0, given).items() if n not in layers}

        def fields(units: Array) -> list[Array]:
            """eta1 and eta2 of all units, (rows, units) each, where the units have these values."""
            values = zip(shapes.items(), np.split(units, ends[:-1], axis=1), strict=True)
            x = {n: self.device(a.reshape(-1, *shape)) for (n, shape), a in values}
            x |= {n: self.xp.broadcast_to(a, (len(units), *a.shape[1:])) for n, a in rest.items()}
            etas = [self.natural_parameters(p, x, n, **scalars) for n in layers]
            return [np.concatenate([self.host(e[k]).reshape(len(units), -1) for e in etas], axis=1) for k in (0, 1)]

        size = int(ends[-1])
        at_zero, second = fields(np.zeros((1, size)))
        found = np.empty((size, size))
        for start in range(0, size, _ROWS):
            some = slice(start, min(start + _ROWS, size))
            found[some] = at_zero - fields(np.eye(some.stop - start, size, start))[0]
        np.fill_diagonal(found, -2.0 * second)
        return found

    def log_partition(
        self,
        params: Mapping[str, Any],
        given: Mapping[str, Any] | None = None,
        progress: Callable[[float], None] | None = None,
        **scalars: Any,
    ) -> float | Array:
        """Exact log Z(beta), by enumerating the cheapest side; `given`: the input layers, one value or many.

        Raises `TooLarge` with the cost, `NotApplicable` where a layer can be neither summed out nor enumerated, and
        `NotNormalisable` where Z is infinite. progress: takes the fraction done.
        """
        inputs = self.model.by_role("input")
        given = by_layer({} if given is None else given, inputs)
        for name in inputs:
            if name not in given:
                raise ArgumentError(f"log Z depends on the input `{name}`: log_partition(params, given={{...}})")
        self.check_normalisable(params, **scalars)
        rows = {n: self.host(given[n]) for n in inputs}
        single = all(_one_value(self.model.layers[n], rows[n]) for n in inputs)
        if single:
            rows = {n: a[None] for n, a in rows.items()}
        value = self.log_sum(params, rows, tuple(self.model.random_layers()), progress, **scalars)
        return float(value[0]) if single else value

    def log_unnormalised(
        self,
        params: Mapping[str, Any],
        data: Mapping[str, Any],
        progress: Callable[[float], None] | None = None,
        **scalars: Any,
    ) -> Array:
        """log p~(v) = log sum over all hidden layers of exp(-beta E), exactly; shape (rows,)."""
        return self.log_sum(params, data, self.model.by_role("hidden"), progress, **scalars)

    def log_sum(
        self,
        params: Mapping[str, Any],
        given: Mapping[str, Any],
        over: tuple[str, ...],
        progress: Callable[[float], None] | None = None,
        **scalars: Any,
    ) -> Array:
        """log sum over the layers `over` of exp(-beta E), for each row of all other layers, in float64.

        progress: takes the fraction done after every piece of an enumeration; what it raises ends the sum.
        """
        if self.dtype != np.float64:
            return self.in_float64.log_sum(params, given, over, progress, **scalars)
        p, s = self.check_params(params), self.settings(**scalars)
        x = self._state(given, [n for n in self.model.layers if n not in over])
        out, listed = self._cheapest(over)
        if not listed:
            return self.host(self._log_weights(p, x or {"": self.xp.zeros((1, 0))}, s, out))
        count, size = (len(next(iter(x.values()))) if x else 1), self._state_count(listed)
        together = max(1, _CHUNK // size)
        starts, chunks = range(0, count, together), -(-size // _CHUNK)
        result = np.empty(count)
        for piece, start in enumerate(starts):
            here = {n: a[start : start + together] for n, a in x.items()}
            rows, parts = min(together, count - start), []
            for number, states in enumerate(self.states(listed)):
                weights = self.host(self._log_weights(p, self._crossed(here, states), s, out))
                parts.append(np.logaddexp.reduce(weights.reshape(rows, -1), axis=1))
                if progress is not None:
                    progress((piece * chunks + number + 1) / (len(starts) * chunks))
            result[start : start + rows] = np.logaddexp.reduce(parts, axis=0)
        return result

    def _log_weights(self, p: Arrays, x: Arrays, s: Any, out: tuple[str, ...]) -> Array:
        """log of what states weigh, the layers `out` summed out, for checked arguments."""
        return -self.summed_out(p, x, s, out)

    def _cheapest(self, over: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Layers to sum out in closed form, and those to enumerate. Raises `TooLarge` or `NotApplicable`."""
        layers = self.model.layers
        sets = summable_sets(self.model, self.derived.energy, over)

        def cost(chosen: tuple[str, ...]) -> tuple[float, int]:
            return log_states([layers[n] for n in over if n not in chosen]), -len(chosen)

        best = min(sets, key=cost)
        listed = tuple(n for n in over if n not in best)
        size = cost(best)[0]
        if math.isinf(size):
            names = ", ".join(f"`{n}`" for n in listed if not DOMAINS[layers[n].domain.name].finite)
            raise NotApplicable(f"no exact sum: {names} can be neither summed out with the others nor enumerated")
        if size > MAX_LOG2_STATES:
            names = ", ".join(f"`{n}`" for n in listed)
            raise TooLarge(f"the exact sum would enumerate 2^{size:.4g} states of {names}; use AIS instead")
        return best, listed

    def _state_count(self, listed: tuple[str, ...]) -> int:
        """How many joint states finite layers have."""
        layers = [self.model.layers[n] for n in listed]
        return math.prod(r**layer.size for r, layer in zip(_radix(layers), layers, strict=True))

    def states(self, listed: tuple[str, ...]) -> Iterator[Arrays]:
        """All joint states of finite layers, in chunks."""
        layers = [self.model.layers[n] for n in listed]
        total = self._state_count(listed)
        for start in range(0, total, _CHUNK):
            number = np.arange(start, min(start + _CHUNK, total), dtype=np.int64)
            chunk: Arrays = {}
            for layer, base in zip(layers, _radix(layers), strict=True):
                digits = np.empty((len(number), layer.size), np.int64)
                for unit in range(layer.size):
                    number, digits[:, unit] = np.divmod(number, base)
                chunk[layer.name] = self._from_codes(layer, digits.reshape(-1, *layer.shape))
            yield chunk

    def _from_codes(self, layer: Layer, codes: Array) -> Array:
        domain = DOMAINS[layer.domain.name]
        if domain.one_hot:
            return self.device(one_hot(layer, codes, self.dtype))
        assert domain.values is not None
        return self.device(np.asarray(domain.values(layer.domain.arguments))[codes])

    def _crossed(self, here: Arrays, states: Arrays) -> Arrays:
        """Every row with every state, the states of a row next to one another."""
        rows, count = (len(next(iter(a.values()))) if a else 1 for a in (here, states))

        def spread(array: Array, axis: int) -> Array:
            shape = (rows, count, *array.shape[1:])
            return self.xp.broadcast_to(array[:, None] if axis else array, shape).reshape(-1, *array.shape[1:])  # type: ignore[no-any-return]

        return {n: spread(a, 1) for n, a in here.items()} | {n: spread(a, 0) for n, a in states.items()}

    def term_energies(self, p: Arrays, x: Arrays) -> dict[str, Array]:
        """E by term, shape (chains,) each, for checked arguments."""
        return dict(self.kernels.energy(p, x, self.settings()))

    def bound(self, params: Mapping[str, Any], x: Arrays, rng: Any = None) -> tuple[Array, bool]:
        """log p~(data) of each row; and whether it is but a lower bound, by mean field, or NaN where that does not fit."""
        out = set(self.derived.free_energy.summed_out)
        if set(self.model.by_role("hidden")) <= out:
            return -self.free_energy(params, x), False
        try:
            return self.mean_field(params, x, tolerance=1e-3, max_iterations=30).bound, True
        except NotApplicable:
            return self.xp.full(len(next(iter(x.values()))), np.nan), True

    def with_latents(self, p: Arrays, x: Arrays, s: Any, random: Any) -> Arrays:
        """The data, and latents drawn given them."""
        state = self.random_state(len(next(iter(x.values()))), random, x)
        if self.model.by_role("hidden"):
            clamped = self.derived.schedule(frozenset(self.model.by_role("visible")))
            apart = len(clamped) == 1 and all(part.kind == "whole" for part in clamped[0])
            self.sweep(p, state, s, random, self.parts(self.model.by_role("visible")), 1 if apart else _SETTLING)
        return state

    def reconstruction(self, p: Arrays, state: Arrays, s: Any) -> Iterator[tuple[str, Array]]:
        """Means of the visible layers given the latents."""
        for name in self.model.by_role("visible"):
            eta = getattr(self.kernels, f"fields__{name}")(p, state, s, self.workspace)
            yield name, getattr(self.kernels, f"mean__{name}")(*eta)

    # --- mean field

    def mean_field(
        self,
        params: Mapping[str, Any],
        data: Mapping[str, Any],
        tolerance: float = 1e-6,
        max_iterations: int = 500,
        **scalars: Any,
    ) -> MeanField:
        """Fully factorised approximation of p(latents | data), and the bound on log p~(data) it gives.

        Blocks are updated in turn, mu_k = E[T_k] at eta(mu), each of which can only raise the bound <-beta E> + entropy
        (Saul, Jaakkola & Jordan 1996).
        """
        hidden = self.model.by_role("hidden")
        if not hidden:
            raise NotApplicable("mean field needs a hidden layer")
        p, s = self.check_params(params), self.settings(**scalars)
        x = dict(self._state(data, [n for n in self.model.layers if n not in hidden]))
        count = len(next(iter(x.values())))
        x |= {n: self.xp.empty((count, *self.model.layers[n].energy_shape), self.dtype) for n in hidden}
        x |= {f"{n}^2": self.xp.empty_like(x[n]) for n in hidden if self.squared(n)}
        self.initial_moments(x, hidden)
        parts = [str(q) for block in self.derived.schedule(frozenset(self.model.layers) - set(hidden)) for q in block]
        with self.single_threaded_blas():
            iterations, residuals = self.mean_field_sweeps(p, x, s, parts, max_iterations, tolerance)
        bound = -self.exponent(self.kernels.energy(p, x, s), s) + self._weighed(x, hidden)
        for name in hidden:
            eta = getattr(self.kernels, f"fields__{name}")(p, x, s, self.workspace)
            shape = (count, *self.model.layers[name].shape)
            entropy = self.xp.broadcast_to(getattr(self.kernels, f"entropy__{name}")(*eta), shape)
            bound = bound + entropy.reshape(count, -1).sum(axis=1)
        worst = float(residuals.max(initial=0.0))
        return MeanField({n: x[n] for n in hidden}, bound, iterations, worst, residuals)

    def squared(self, layer: str) -> bool:
        """Whether the second moments of a layer are statistics of its family."""
        return 2 in self.derived.conditionals[layer].distribution.powers

    def initial_moments(self, x: Arrays, layers: Iterable[str]) -> None:
        """Moments from which mean field starts, written into x. Raises `NotApplicable` where x and x^2 are not all."""
        for name in layers:
            if not self.derived.conditionals[name].linear:
                raise NotApplicable(
                    f"mean field has the moments of {self.derived.conditionals[name].family} units only, and `{name}` "
                    "enters the energy by other functions"
                )
            x[name][...] = self.neutral_mean(name)
            if self.squared(name):
                x[f"{name}^2"][...] = x[name] ** 2 + 1.0

    def mean_field_sweeps(
        self, p: Arrays, x: Arrays, s: Any, parts: list[str], iterations: int, tolerance: float = 0.0
    ) -> tuple[int, Array]:
        """Mean-field updates of parts in turn, in place on checked arguments, until no moment moves by more than `tolerance`.

        Returns the number of iterations and the last largest change of each row; with tolerance 0 nothing is measured.
        """
        rows = len(next(iter(x.values())))
        residuals, done = np.zeros(rows), 0
        while done < iterations and (not done or not tolerance or residuals.max(initial=0.0) > tolerance):
            residuals = np.zeros(rows)
            for part in parts:
                name = part.rstrip("*").partition(":")[0]
                before = self.xp.array(x[name]) if tolerance else None
                self._settle_part(p, x, s, part, name)
                if before is not None:
                    change = self.host(abs(x[name] - before)).reshape(rows, -1)
                    residuals = np.maximum(residuals, change.max(axis=1, initial=0.0))
            done += 1
        return done, residuals

    def _settle_part(self, p: Arrays, x: Arrays, s: Any, part: str, name: str) -> None:
        if part == name:
            getattr(self.kernels, f"means__{name}")(p, x, s, self.workspace, x)
            return
        if part.endswith("*"):
            self._settle_units(p, x, s, name)
            return
        moved = {n: self.xp.array(x[n]) for n in (name, f"{name}^2") if n in x}
        getattr(self.kernels, f"means__{name}")(p, x, s, self.workspace, moved)
        layer, units = self.model.layers[name], getattr(self.kernels, f"UNITS__{name}")[int(part.partition(":")[2])]
        mask = self.xp.zeros(layer.size, bool)
        mask[units] = True
        shape = layer.shape + (1,) * (len(layer.energy_shape) - len(layer.shape))
        for key, new in moved.items():
            x[key][...] = self.xp.where(mask.reshape(shape), new, x[key])

    def _settle_units(self, p: Arrays, x: Arrays, s: Any, name: str) -> None:
        layer = self.model.layers[name]
        for unit in np.ndindex(*layer.shape):
            eta = [
                getattr(self.kernels, f"unit_eta{f.number}__{name}")(p, x, s, self.workspace, *unit)
                for f in self.derived.conditionals[name].fields
            ]
            shaped = [e[:, None] if layer.field_shape == layer.shape else e[:, None, :] for e in eta]
            at = (slice(None), *unit)
            x[name][at] = getattr(self.kernels, f"mean__{name}")(*shaped)[:, 0]
            if self.squared(name):
                x[f"{name}^2"][at] = x[name][at] ** 2 + getattr(self.kernels, f"variance__{name}")(*shaped)[:, 0]

    def neutral_mean(self, name: str) -> float:
        """Where mean field starts."""
        layer = self.model.layers[name]
        domain = DOMAINS[layer.domain.name]
        if domain.one_hot:
            return 1.0 / layer.energy_shape[-1]
        low, high = domain.bounds(layer.domain.arguments) if not domain.points else domain.points
        if math.isinf(high):
            return 1.0 if domain.nonnegative else 0.0
        return 0.5 * (low + high)

    def _weighed(self, x: Arrays, hidden: Sequence[str]) -> Any:
        """sum of lgamma(mean + 1) of the latents with a base measure: their entropy is relative to it, so it must go."""
        total: Any = 0.0
        for name in hidden:
            if self.derived.conditionals[name].distribution.factorial_base:
                values = x[name].reshape(len(x[name]), -1)
                total = total + self.xp.asarray(self.kernels.lgamma(values + 1.0)).sum(axis=1)
        return total


def _compiled(model: Any, backend: str, dtype: str, precision: str) -> Any:
    """A program from the pickled form of one."""
    return model.compile(backend, dtype, precision)


def by_layer(given: Any, needed: Sequence[str]) -> Mapping[str, Any]:
    """A dict of arrays by layer; a bare array is that of the only layer needed. Raises `ArgumentError`."""
    if isinstance(given, Mapping):
        return given
    if len(needed) == 1 and hasattr(given, "__len__"):
        return {needed[0]: given}
    shown = f" of {', '.join(f'`{n}`' for n in needed)}" if needed else ""
    raise ArgumentError(f"arrays{shown} are given as a dict by layer, not as {a_kind(given)}")


def _positive_definite(matrix: Array) -> bool:
    """Whether a symmetric matrix has a Cholesky factor, and one whose pivots are more than rounding."""
    diagonal = np.diag(matrix)
    if not (diagonal > 0).all():
        return False
    scale = 1.0 / np.sqrt(diagonal)
    try:
        factor = np.linalg.cholesky(matrix * scale * scale[:, None])
    except np.linalg.LinAlgError:
        return False
    return bool((np.diag(factor) ** 2).min() > 10 * len(matrix) * np.finfo(float).eps)


def _radix(layers: Iterable[Layer]) -> list[int]:
    """How many values a unit of each finite layer has."""
    return [layer.field_shape[-1] if layer.field_shape != layer.shape else 2 for layer in layers]


def _one_value(layer: Layer, value: Array) -> bool:
    """Whether an array is one value of a layer, not a batch of them."""
    if value.shape == layer.shape:
        return True
    indicator = value.shape == layer.energy_shape and np.isin(value, (0, 1)).all()
    return bool(indicator and (value.sum(axis=-1) == 1).all())


def _number(name: str, value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} is not a number") from None
    if math.isnan(found):
        raise ArgumentError(f"{name} is not a number")
    if math.isinf(found):
        raise ArgumentError(f"{name} is infinite")
    return found


def one_hot(layer: Layer, codes: Array, dtype: Any) -> Array:
    """Integer codes (rows, *layer) as one-hot over a last axis. Raises `DataError` (E0401)."""
    states = layer.energy_shape[-1]
    whole = np.asarray(codes)
    bad = ~((whole >= 0) & (whole < states) & (whole == np.floor(whole)))
    if bad.any():
        at = tuple(int(k) for k in np.argwhere(bad)[0])
        raise DataError.of(f"row {at[0] + 1} of `{layer.name}` has {whole[at]:g}, not a state from 0 to {states - 1}")
    return np.asarray(whole[..., None] == np.arange(states), dtype)


def emit(
    derived: Derived,
    dtype: str = "float32",
    backend: str = "numpy",
    precision: str = "full",
    factored: str = CHEAPER,
) -> Printed:
    """The text of the kernels of a derived model, a standalone module."""
    model = derived.model
    colours = {
        n: parts.colours.reshape(model.layers[n].shape)
        for n, parts in derived.parts.items()
        if parts.colours is not None
    }
    visible = frozenset(model.by_role("visible"))
    schedules = {
        key: [[str(part) for part in block] for block in derived.schedule(clamped)]
        for key, clamped in (("free", frozenset[str]()), ("clamped", visible))
    }
    printer = _printer(backend)(
        lower(derived, factored),
        {n: c.value for n, c in model.consts.items()},
        {n: edges_of(g) for n, g in model.graphs.items()},
        colours,
        schedules,
        dtype,
        precision,
    )
    return printer.module()


def sparse_plan(derived: Derived, program: KernelProgram) -> SparsePlan | None:
    """The model as one sparse matrix, or None."""
    model = derived.model
    shapes = {n: p.shape for n, p in model.params.items()} | {n: x.energy_shape for n, x in model.layers.items()}
    colours = {n: parts.colours for n, parts in derived.parts.items() if parts.colours is not None}
    return plan(program, shapes, {n: edges_of(g) for n, g in model.graphs.items()}, colours)


def _printer(backend: str) -> type[Printer]:
    if backend == "numba":
        from energydsl.backends.numba.printer import NumbaPrinter

        return NumbaPrinter
    if backend == "cupy":
        from energydsl.backends.cupy.printer import CupyPrinter

        return CupyPrinter
    return Printer


def _loader(backend: str) -> Callable[[Printed], ModuleType]:
    if backend == "numba":
        from energydsl.backends.numba import loader as numba_backend

        return numba_backend.load
    if backend == "cupy":
        from energydsl.backends.cupy import loader as cupy_backend

        return cupy_backend.load
    return numpy_backend.load
