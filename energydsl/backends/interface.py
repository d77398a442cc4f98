"""What a compiled module holds: the seam between generated code and everything above it.

A backend's loader gives a module that has these members. x: a state, arrays by layer, chains first; p: parameters by name;
s: what `settings` returned; w: a `Workspace`. Natural parameters are tuples of arrays, one a statistic, each
(chains, *layer) or without chains where it does not vary with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]
Fields = tuple[Array, ...]
# A multiple of some fields, and what is added to each of them.
Affine = tuple[float, Sequence[Any]]


class Random(Protocol):
    """A source of uniform numbers: fills an array, chains first."""

    def next(self) -> None:
        """Go on to the next sweep."""

    def __call__(self, out: Array, /) -> Array:
        """Fill `out` with uniform numbers in [0, 1)."""


class Settings(Protocol):
    """Run-time scalars: beta, weights of energy terms, constants, and fields added to natural parameters by layer."""

    beta: float
    weights: Mapping[str, float]
    consts: Mapping[str, float]
    external: Mapping[str, Fields]


class Part(Protocol):
    """What is drawn together: a layer (kind "whole"), the units of a colour ("colours"), or all units in turn ("scan")."""

    @property
    def layer(self) -> str:
        """The name of the layer."""

    @property
    def kind(self) -> str:
        """How it is drawn: "whole", "colours" or "scan"."""

    @property
    def colour(self) -> int:
        """The number of the colour, 0 where there are none."""


class Density(Protocol):
    """The statistics of a layer without a closed form."""

    def each(self, x: Array) -> Sequence[Array]:
        """T_k(x) of every statistic."""


class Tempered(Protocol):
    """A layer between two temperatures, from fields that are found once."""

    @property
    def split_fields(self) -> Callable[..., tuple[Fields, Fields]]:
        """(p, x, s, w): fields that vary with the chains, and what is the same for all and adds to them."""

    @property
    def log_partition_difference(self) -> Callable[..., Array]:
        """(fields, before, after, out=None): the sum over units of A(after) - A(before), shape (chains,), into `out` if that is given."""

    @property
    def draw(self) -> Callable[..., None]:
        """(fields, at, random, out, w): draw the layer at natural parameters scale * field + offset."""


class CompiledLayer(Protocol):
    """The kernels of one layer."""

    @property
    def fields(self) -> Callable[..., Fields]:
        """(p, x, s, w): beta times the natural parameters."""

    @property
    def unit_fields(self) -> tuple[Callable[..., Array], ...]:
        """(p, x, s, w, *unit): each natural parameter of one unit, (chains,); none where units are not drawn one by one."""

    @property
    def sample(self) -> Callable[..., None]:
        """(p, x, s, random, w, colour=None, means=None): draw the layer, or a colour of it, into x."""

    @property
    def scan(self) -> Callable[..., None] | None:
        """(p, x, s, random, w, keep=None): draw the units in turn, but for entries that `keep` marks."""

    @property
    def moments(self) -> Callable[..., None]:
        """(means, *fields): the conditional moments, into a `Moments`."""

    @property
    def means(self) -> Callable[..., None]:
        """(p, x, s, w, means): the conditional moments given all other layers, into a `Moments`."""

    @property
    def log_partition(self) -> Callable[..., Array]:
        """(*fields): A of every unit."""

    @property
    def mean(self) -> Callable[..., Array]:
        """(*fields): the mean of every unit."""

    @property
    def variance(self) -> Callable[..., Array]:
        """(*fields): the variance of every unit."""

    @property
    def entropy(self) -> Callable[..., Array]:
        """(*fields): the entropy of every unit, relative to its base measure."""

    @property
    def mode(self) -> Callable[..., Array]:
        """(*fields): the most probable value of every unit."""

    @property
    def units(self) -> Sequence[Array] | None:
        """The units of each colour, by flat number; None where the layer is drawn whole or in turn."""

    @property
    def tempered(self) -> Tempered | None:
        """What annealing asks of the layer; None where it is drawn colour by colour."""

    @property
    def density(self) -> Density | None:
        """Its statistics, where there is no closed form."""

    @property
    def straight(self) -> bool:
        """Whether a draw of the whole layer may wait for the end of a `region`."""


class CompiledModule(Protocol):
    """A generated module: the kernels of a model, and what of its runtime is asked for above it."""

    @property
    def layers(self) -> Mapping[str, CompiledLayer]:
        """The kernels of every random layer."""

    @property
    def gradients(self) -> Mapping[str, Callable[..., Array]]:
        """(p, x, s, weights, w): the sum over chains of weights * dE/dparam, by parameter; overwritten by the next call."""

    @property
    def slopes(self) -> Mapping[str, Callable[..., Array]]:
        """(p, x, s, w): dE/dx times beta and weights, (chains, *layer), by layer; overwritten by the next call."""

    @property
    def direct(self) -> Sequence[str]:
        """The parameters whose gradient can be added onto them as it is made: (p, x, s, weights, w, onto)."""

    @property
    def xp(self) -> Any:
        """The array library: NumPy, or CuPy with its names."""

    @property
    def DTYPE(self) -> Any:
        """The precision, as a type of the array library."""

    def energy(
        self, p: Arrays, x: Mapping[str, Array], s: Settings, without: frozenset[str] = ..., /
    ) -> dict[str, Array]:
        """E by term, (chains,), without beta and weights; leaves out terms of given layers."""

    def with_forms(self, p: Arrays, x: Arrays, s: Settings, w: Any, /) -> Arrays:
        """A state with the inner forms beside it, made anew where they are not there; its arrays are those of x."""

    def update(
        self, part: Part, p: Arrays, x: Arrays, s: Settings, random: Random, w: Any, means: Any = ..., /
    ) -> None:
        """Draw one part of a block into x; the moments of a whole layer into means."""

    def settings(
        self,
        beta: float = ...,
        weights: Mapping[str, float] | None = ...,
        consts: Mapping[str, float] | None = ...,
        external: Mapping[str, Fields] | None = ...,
        /,
    ) -> Settings:
        """Run-time scalars, by default those of the energy as it is written."""

    def Workspace(self, dtype: Any, /) -> Any:
        """Arrays by name that are made once and used again."""

    def Scatter(self, index: Any, size: int, /) -> Callable[[Array, Array], None]:
        """Adds columns of values to the columns of an output that `index` names."""

    def single_threaded_blas(self) -> AbstractContextManager[None]:
        """The cores are the kernels' inside."""

    def region(self) -> AbstractContextManager[None]:
        """Inside, draws of whole layers that are `straight`, gradients that are `direct`, and copies are but noted down.

        They are done at the end, in order, all rows in as many pieces as there are threads, so that threads need not meet in
        between. Nothing may be looked at before. May be nested.
        """

    def Replay(self, workspace: Any, random: Any = ..., /) -> Callable[..., None]:
        """What is done again and again with the same arrays, (function, arrays, numbers=()), kept where that saves work.

        The function is called with the numbers, which may be others every time. It does nothing that a `region` does not note down, and draws
        from no stream but `random`. arrays: all that it reads and writes, but for those of the workspace.
        """

    def fill(self, random: Random, out: Array, /) -> Array:
        """Fill an array, chains first, with uniform numbers in [0, 1)."""

    def host(self, array: Any, /) -> Array:
        """The values as a NumPy array."""

    def load(self, target: Array, values: Any, /) -> None:
        """Copy values into an array of the backend."""

    def repeated(self, function: Callable[[], Any], random: Any, work: float, /) -> Callable[[], Any]:
        """A function that is called again and again with the same arrays, made faster where that can be."""

    def axpy(self, value: Array, direction: Array, factor: Any, /) -> tuple[Any, Any]:
        """value += factor * direction, in place; the sums of squares of the direction and of the new value."""

    def square_sum(self, array: Array, /) -> Any:
        """The sum of squares of all entries."""

    def lgamma(self, x: Array, /) -> Array:
        """log Gamma(x), elementwise."""
