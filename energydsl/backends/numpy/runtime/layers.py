"""What the functions of a model ask for: run-time scalars, rows, fields of some units, fields moved in annealing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array

# A temperature of annealing: natural parameters are scale * eta + offset, one offset for each of them.
Tempering = tuple[float, Sequence[Array]]


def settings_of(
    labels: Sequence[str],
    defaults: dict[str, Any],
    beta: float,
    weights: dict[str, float] | None,
    consts: dict[str, Any] | None,
    external: dict[str, Any] | None,
) -> SimpleNamespace:
    """Run-time scalars: beta, weights of energy terms, constants, and external fields added to the natural parameters.

    labels: the energy terms, each of weight 1 unless `weights` says otherwise. defaults: constants as they are written.
    external: by layer, one array a natural parameter.
    """
    return SimpleNamespace(
        beta=beta,
        weights=dict.fromkeys(labels, 1.0) | (weights or {}),
        consts=defaults | (consts or {}),
        external=external or {},
    )


class Part(NamedTuple):
    """What is drawn together: a layer ("whole"), the units of one colour of it ("colours"), or all units in turn ("scan")."""

    layer: str
    kind: str = "whole"
    colour: int = 0


class Tempered(NamedTuple):
    """What annealing asks of a layer between two temperatures, from fields that are found once."""

    split_fields: Callable[..., Any]
    log_partition_difference: Callable[..., Array]
    draw: Callable[..., Any]


class Layer(NamedTuple):
    """The kernels of a layer.

    fields(p, x, s, w), and unit_fields for one unit at a time: natural parameters. sample, scan: draws into the state.
    moments(means, *fields), means(p, x, s, w, means): conditional moments into a Moments. log_partition, mean, variance,
    entropy, mode: of every unit, functions of the fields. units: those of each colour. density: statistics without a closed form.
    straight: whether a draw of the whole layer may wait for the end of a `region`.
    """

    fields: Callable[..., Any]
    sample: Callable[..., Any]
    moments: Callable[..., Any]
    means: Callable[..., Any]
    log_partition: Callable[..., Array]
    mean: Callable[..., Array]
    variance: Callable[..., Array]
    entropy: Callable[..., Array]
    mode: Callable[..., Array]
    unit_fields: tuple[Callable[..., Array], ...] = ()
    scan: Any = None
    units: list[Array] | None = None
    tempered: Tempered | None = None
    density: object = None
    straight: bool = False


def with_forms(p: dict[str, Array], x: Any, s: SimpleNamespace, w: Any) -> Any:
    """A state with the inner forms beside it: the state itself, where the energy has none."""
    return x


def no_conditional(*arguments: Any) -> Any:
    """In the place of the kernels of a layer that has no conditional that could be drawn from."""
    raise NotImplementedError("this layer has no conditional: functions of several units hold it")


def draw_part(
    layer: Layer,
    part: Part,
    p: dict[str, Array],
    x: dict[str, Array],
    s: SimpleNamespace,
    random: Any,
    w: Any,
    means: Moments | None = None,
) -> None:
    """Draw one part of a block; the moments of a whole layer into means."""
    if part.kind == "scan":
        layer.scan(p, x, s, random, w)
    elif part.kind == "colours":
        layer.sample(p, x, s, random, w, part.colour)
    else:
        layer.sample(p, x, s, random, w, None, means)


class Moments(dict[str, Any]):
    """First moments by layer, where a state has values; second: those of the squares, of layers that have them as a statistic."""

    def __init__(self, first: dict[str, Any], second: dict[str, Any]) -> None:
        super().__init__(first)
        self.second = dict(second)


def rows(x: Mapping[str, Array]) -> int:
    """The number of chains of a state, of which every array has the chains first."""
    return len(next(iter(x.values())))


def square(x: Mapping[str, Array], name: str) -> Array:
    """Second moments of a layer: those in the state if it holds means, else the squares of its values."""
    second: dict[str, Array] = getattr(x, "second", {})
    return second[name] if name in second else x[name] ** 2


def at_units(eta: Array, units: Array, shape: tuple[int, ...], states: tuple[int, ...] = ()) -> Array:
    """A field at some units of a layer: (chains, units, *states), or without chains where it does not vary with them.

    eta: broadcasts against (chains, *shape, *states). units: (units,), places in the flattened layer.
    """
    eta = np.asarray(eta)
    chains = eta.shape[:1] if eta.ndim > len(shape) + len(states) else ()
    whole = np.broadcast_to(eta, (*chains, *shape, *states))
    return np.take(whole.reshape(*chains, -1, *states), units, axis=len(chains))


def moved(etas: Sequence[Array], at: Tempering) -> list[Array]:
    """scale * eta + offset for each natural parameter; at: scale, and an offset for each. What comes after them stays as it is."""
    scale, offsets = at
    found = [scale * eta + offset for eta, offset in zip(etas, offsets, strict=False)]
    return [*found, *etas[len(found) :]]


def log_partition_difference(
    log_partition: Callable[..., Array],
    etas: Sequence[Array],
    before: Tempering,
    after: Tempering,
    shape: tuple[int, ...],
    out: Array | None = None,
) -> Array:
    """The sum over units of A(after) - A(before), shape (chains,), float64: A at natural parameters moved two ways.

    log_partition: A of the family, elementwise. etas: natural parameters, chains first. shape: that of the layer. out: where it goes.
    """
    change = log_partition(*moved(etas, after)) - log_partition(*moved(etas, before))
    chains = len(etas[0])
    found: Array = np.broadcast_to(change, (chains, *shape)).reshape(chains, -1).sum(axis=1, dtype=np.float64, out=out)
    return found
