"""What a compiled model can be asked by training and estimation: the working side of a `Program`.

An engine takes arguments that were checked (`states.check_params`, `states.layer_arrays`), loops over kernels, and copies
nothing that it need not. Undirected models and models with directed parts have an engine each; both answer the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from energydsl.backends.interface import Array, Arrays, CompiledModule, Fields, Random, Settings
from energydsl.derive import Derived
from energydsl.derive.records import BlockPart
from energydsl.diagnostics import ArgumentError, NotApplicable, one_of, suggestion
from energydsl.options import BACKENDS, PRECISIONS, Backend, DType, Precision
from energydsl.random import Rng

if TYPE_CHECKING:
    from energydsl.backends.numpy.runtime import Moments
    from energydsl.backends.sparse_sweeps import SparseSweeps

# The most iterations of mean field, unless said otherwise.
MEAN_FIELD_ITERATIONS = 500

Progress = Callable[[float], None]
Base = Mapping[str, tuple[Array, ...]]


@dataclass(frozen=True)
class MeanField:
    """moments: of the latents; bound: on log p~(v) (chains,); iterations run; residual: last largest change, of each row too."""

    moments: Arrays
    bound: Array
    iterations: int
    residual: float
    residuals: Array


@dataclass(frozen=True)
class CoreProblem:
    """The undirected part of a model with its parameters: what log Z belongs to.

    data: what its visible layers are given the data of the whole. method: how they were found, "" where they are the data.
    """

    engine: CoreEngine
    params: Arrays
    data: Arrays
    method: Literal["", "recognition"]


class PartGradient(Protocol):
    """The gradient of -log p(targets | given) of a directed part, or of q, at states that it is filled with."""

    @property
    def engine(self) -> CoreEngine:
        """The engine of the part."""

    def weigh(self, weights: Array) -> None:
        """Let the states count by weights, (rows,) of mean about 1, from now on."""

    def fill(self, params: Arrays, x: Arrays, settings: Any) -> None:
        """Take states, by layer; settings: those of the whole model."""

    def gradient(self, params: Arrays, names: list[str]) -> Arrays:
        """The mean over the states, by parameter."""

    def add_gradient(self, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of it onto a parameter."""


class Engine(ABC):
    """The kernels of a model and what is made of them.

    derived: all that follows from the energy. kernels: the compiled module (that of the core, where there are directed
    parts). workspace: arrays that kernels use again. xp: the array library of the backend. source: the generated text.
    """

    def __init__(
        self,
        derived: Derived,
        backend: Backend,
        dtype: DType,
        precision: Precision,
        kernels: CompiledModule,
        source: str,
    ):
        self.derived, self.model = derived, derived.model
        self.backend: Backend = one_of("backend", backend, BACKENDS)
        self.precision: Precision = one_of("precision", precision, PRECISIONS)
        self.dtype = np.dtype(dtype)
        self.kernels, self.source = kernels, source
        self.workspace = kernels.Workspace(self.dtype)
        self.xp: Any = kernels.xp

    # --- arrays

    def host(self, array: Any) -> Array:
        """Values as a NumPy array."""
        return self.kernels.host(array)

    def device(self, array: Any) -> Array:
        """Values as an array of the backend, in the precision of the program."""
        return self.xp.asarray(array, self.dtype)  # type: ignore[no-any-return]

    def all(self, found: Array) -> bool:
        """Whether all of an array is true, as the host sees it."""
        return bool(self.host(self.xp.all(found)))

    def single_threaded_blas(self) -> AbstractContextManager[None]:
        """The cores are the kernels' inside: hold it round a loop of many calls."""
        return self.kernels.single_threaded_blas()

    def straight(self, parts: Iterable[BlockPart]) -> bool:
        """Whether a sweep of these parts may wait for the end of a `region` of the kernels."""
        return False

    # --- the model

    @property
    @abstractmethod
    def in_float64(self) -> Engine:
        """The same model in float64, for what must be exact."""

    @property
    @abstractmethod
    def core(self) -> CoreEngine:
        """The undirected part: what log Z belongs to, and what Gibbs sweeps run in."""

    def core_params(self, params: Mapping[str, Any]) -> Arrays:
        """The parameters of the core."""
        return {n: params[n] for n in self.core.model.params}

    def check_random(self, layer: str) -> None:
        """Raises `ArgumentError` for a layer that is not random."""
        known = self.derived.families
        if layer not in known:
            raise ArgumentError(f"there is no random layer `{layer}`. {suggestion(layer, known)}".strip())

    def check_conditional(self, layer: str) -> None:
        """Raises `ArgumentError` for a layer that is not random, `NotApplicable` for one that has no conditional."""
        self.check_random(layer)
        if layer not in self.derived.conditionals:
            raise NotApplicable(
                f"`{layer}` has no conditional of a family: functions of several units hold it. Chains move it by the slope of log p "
                "(sampler hmc or mala), or unit by unit (gibbs)"
            )

    def check_clamped(self, clamp: Iterable[str]) -> frozenset[str]:
        """The layers that are clamped. Raises `ArgumentError` for one that is not there."""
        clamped = frozenset(clamp)
        for name in clamped:
            if name not in self.model.layers:
                raise ArgumentError(f"there is no layer `{name}` to clamp")
        return clamped

    @abstractmethod
    def owner(self, layer: str) -> CoreEngine:
        """The engine of the part that draws a layer. Raises `ArgumentError` for a layer that is not random."""

    def copies(self, owner: Engine) -> Mapping[str, str]:
        """Inputs of the part that draws a layer which are copies of a layer, that layer by its copy."""
        return {}

    @abstractmethod
    def settings(
        self,
        beta: float = 1.0,
        weights: Mapping[str, float] | None = None,
        consts: Mapping[str, float] | None = None,
        external: Mapping[str, Fields] | None = None,
    ) -> Any:
        """Run-time scalars as the kernels take them. Raises `ArgumentError` for what the model does not have."""

    # --- energies

    @abstractmethod
    def energy(self, p: Arrays, x: Arrays, s: Any) -> Array:
        """E(x), (chains,), not times beta."""

    @abstractmethod
    def term_energies(self, p: Arrays, x: Arrays) -> dict[str, Array]:
        """E by term, (chains,) each."""

    @abstractmethod
    def free_energy(self, p: Arrays, x: Arrays, s: Any) -> Array:
        """-log of the sum over the layers that are summed out in closed form, (chains,)."""

    @abstractmethod
    def log_weights(self, p: Arrays, x: Arrays, s: Any, out: tuple[str, ...]) -> Array:
        """log of what states weigh, the layers `out` summed out, (chains,)."""

    @abstractmethod
    def cheapest_sum(self, over: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Layers to sum out in closed form, and those to enumerate. Raises `TooLarge` or `NotApplicable`."""

    @abstractmethod
    def energy_gradient(self, p: Arrays, x: Arrays, s: Any) -> Arrays:
        """Batch mean of G with dE = sum(G * dparam) for every change that the constraints admit."""

    def part_gradients(
        self, rows: int, dreams: int, floors: Mapping[str, Array]
    ) -> tuple[list[PartGradient], list[PartGradient]]:
        """The gradients of the generative parts, for so many rows of data, and of recognition, for so many dreams.

        floors: what is added to the squares of the data, by layer. Without directed parts there are none.
        """
        return [], []

    # --- draws

    @abstractmethod
    def parts(self, clamp: Iterable[str] = ()) -> tuple[BlockPart, ...]:
        """The parts of one sweep, in order, with layers clamped. Raises `ArgumentError`, `NotApplicable`."""

    @abstractmethod
    def sweep(
        self,
        p: Arrays,
        x: Arrays,
        s: Any,
        random: Random,
        parts: Sequence[BlockPart],
        steps: int = 1,
        means: Moments | None = None,
        keep: Arrays | None = None,
    ) -> None:
        """Run sweeps in place; the last one leaves moments of the layers in `means` there.

        keep: entries of layers that are held at their values, marked with True, row by row as it may be.
        """

    @abstractmethod
    def recognise(self, p: Arrays, x: Arrays, s: Any, random: Random | None, means: bool = False) -> None:
        """Draw what is recognised from the data, upwards, into x; or put means there."""

    @abstractmethod
    def generate(self, p: Arrays, x: Arrays, s: Any, random: Random) -> None:
        """Draw the directed layers downwards, into x."""

    @abstractmethod
    def with_latents(self, p: Arrays, x: Arrays, s: Any, random: Rng) -> Arrays:
        """The data, and latents drawn given them."""

    @abstractmethod
    def reconstruction(self, p: Arrays, state: Arrays, s: Any) -> Iterator[tuple[str, Array]]:
        """Means of the visible layers given the latents."""

    # --- likelihoods

    @abstractmethod
    def bound(self, p: Arrays, x: Arrays, rng: Rng | None = None) -> tuple[Array, bool]:
        """log p~(data) of each row; and whether it is but a lower bound, or NaN where none fits."""

    @property
    @abstractmethod
    def draws_its_bound(self) -> bool:
        """Whether `bound` is one random draw, of which the mean is wanted."""

    @abstractmethod
    def mean_field(self, p: Arrays, x: Arrays, s: Settings, tolerance: float, max_iterations: int) -> MeanField:
        """The factorised approximation of p(latents | data). Raises `NotApplicable`."""

    @abstractmethod
    def annealing_start(
        self, params: Mapping[str, Any], base: Base, data: Arrays, random: Rng
    ) -> tuple[CoreEngine, Mapping[str, Any], Base]:
        """What log Z belongs to, its parameters, and where annealing starts: base rates, if need be those of the data."""

    @abstractmethod
    def core_problem(self, p: Arrays, x: Arrays, layer: str) -> CoreProblem:
        """The undirected model in which a visible layer is predicted. Raises `NotApplicable`."""


class CoreEngine(Engine):
    """The engine of an undirected model, or of one part of a model: its conditionals are those of its own energy."""

    @property
    @abstractmethod
    def sparse(self) -> SparseSweeps | None:
        """Sweeps on a sparse matrix, where the model is one and the backend has them."""

    @property
    @abstractmethod
    def in_float64(self) -> CoreEngine:
        """The same model in float64, for what must be exact."""

    @abstractmethod
    def joint(self, out: tuple[str, ...]) -> tuple[str, ...]:
        """Those of layers to be summed out that are integrated jointly: Gaussian ones whose units meet."""

    @abstractmethod
    def fields(self, p: Arrays, x: Arrays, layer: str, s: Settings) -> Fields:
        """beta times the natural parameters of a layer, one array a statistic, each broadcast to (chains, *layer)."""

    @abstractmethod
    def draw_layer(self, p: Arrays, x: Arrays, s: Settings, layer: str, random: Random) -> None:
        """Draw a layer given the others, in its own blocks, into x."""
