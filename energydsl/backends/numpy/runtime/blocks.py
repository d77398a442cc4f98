"""Blocks of units that functions of several units hold, no two of a block in one such function."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from energydsl.backends.numpy.runtime.arrays import Array, Scatter, axis, in_cache

# Units at the places of some loops, and where they count: arrays over these loops and those inside, all of one shape.
Standing = Iterable[tuple[Array, Array]]


def owners(units: Sequence[Array], size: int, extent: tuple[int, ...], standing: Standing) -> list[tuple[Array, Array]]:
    """For each colour, the unit of it that stands at every place, by its number in the colour, and whether there is one.

    units: those of each colour, of a layer of `size` units. extent: of the places.
    """
    rank = np.zeros(size, np.int64)
    colour = np.zeros(size, np.int64)
    for k, inside in enumerate(units):
        rank[inside] = np.arange(len(inside))
        colour[inside] = k
    places = math.prod(extent)
    found = np.full((len(units) + 1, places), -1, np.int64)
    for unit, holds in standing:
        at, keep = unit.reshape(places, -1), holds.reshape(places, -1)
        found[np.where(keep, colour[at], len(units)), axis(0, places, 0, 2)] = rank[at]
    return [(np.maximum(found[k], 0).reshape(extent), (found[k] >= 0).reshape(extent)) for k in range(len(units))]


class BlockForm(NamedTuple):
    """An inner form that holds a layer: its values at a state; where its units stand, if it is a sum over these alone.

    extent: of the form, 1 along axes that its units do not depend on.
    """

    values: Callable[..., Array]
    extent: tuple[int, ...] = ()
    standing: Standing | None = None


class Block:
    """A layer in colours: all units of a colour are set to a value at once, and each function is then that of its one unit.

    units: of each colour. points: the values of a unit; rows of the unit matrix where these are states. reads: the layers in
    forms. terms(p, x, s, w): the terms of several units, each (chains, places); standing: which units these places are of.
    A form that is a sum over single units changes by `gains`, what it gains as the units of a colour leave their first value.
    """

    def __init__(
        self,
        layer: str,
        units: Sequence[Array],
        shape: tuple[int, ...],
        points: Sequence[Any],
        reads: Sequence[str],
        terms: Callable[..., Sequence[Array]],
        standing: Sequence[tuple[tuple[int, ...], Standing]],
        forms: dict[str, BlockForm],
    ) -> None:
        self.layer, self.units, self.shape, self.points, self.reads = layer, units, shape, points, reads
        self.terms, self.standing, self.forms = terms, standing, forms
        self.size = sum(map(len, units))

    @functools.cached_property
    def numbers(self) -> dict[str, list[Array]]:
        """By form that is a sum over single units and by colour: for every entry the unit that stands in it, or any where none does."""
        return {
            name: [number for number, _ in owners(self.units, self.size, form.extent, form.standing)]
            for name, form in self.forms.items()
            if form.standing is not None
        }

    @functools.cached_property
    def places(self) -> list[list[Scatter]]:
        """By colour and term: sums of places by the unit that stands there, the last one of those where none does."""
        found = [
            [
                Scatter(np.where(there, number, len(inside)).ravel(), len(inside) + 1)
                for inside, (number, there) in zip(self.units, owners(self.units, self.size, *at), strict=True)
            ]
            for at in self.standing
        ]
        return [list(terms) for terms in zip(*found, strict=True)]

    def flat(self, x: Array) -> Array:
        """A layer, (chains, units) or (chains, units, states), as a view."""
        return x.reshape(len(x), self.size, *x.shape[1 + len(self.shape) :])

    def having(self, values: Array, point: int) -> Array:
        """1 where units have a value, else 0."""
        one_hot = values.ndim > 2
        return values[:, :, point] if one_hot else (values == self.points[point]).astype(values.dtype)

    def at_point(self, x: Array, colour: int, point: int) -> Array:
        """A copy of a layer with the units of a colour at a value."""
        found = x.copy()
        self.flat(found)[:, self.units[colour]] = self.points[point]
        return found

    def gains(self, p: Any, x: Any, s: Any, w: Any) -> dict[str, Array]:
        """By how much forms are more where units have another value than the first, (colours, values - 1, ...), kept in the state."""
        key = f"gains of {self.layer}"
        if key not in x:
            others = len(self.points) - 1
            count = 1 + len(self.units) * others
            y = {name: np.broadcast_to(x[name][:1], (count, *x[name].shape[1:])) for name in self.reads}
            y[self.layer] = y[self.layer].copy()
            flat = self.flat(y[self.layer])
            flat[:] = self.points[0]
            for colour, units in enumerate(self.units):
                for point in range(others):
                    flat[1 + colour * others + point, units] = self.points[point + 1]
            found = {name: self.forms[name].values(p, y, s, w) for name in self.numbers}
            x[key] = {n: (f[1:] - f[:1]).reshape(len(self.units), others, *f.shape[1:]) for n, f in found.items()}
        return x[key]  # type: ignore[no-any-return]

    def others(self, p: Any, x: Any, s: Any, w: Any) -> dict[str, Array]:
        """Forms that are more than a sum over single units, at a state."""
        return {n: form.values(p, x, s, w) for n, form in self.forms.items() if n not in self.numbers}

    def fields(self, p: Any, x: Any, s: Any, w: Any, colour: int) -> list[Array]:
        """The energy of the units of a colour at their first value less that at each other one, (chains, units) each.

        x: a state with its forms.
        """
        self.gains(p, x, s, w)
        found = []
        for rows in self.pieces(x):
            part = {name: a[rows] if hasattr(a, "shape") else a for name, a in x.items()}
            found.append(self.energies(p, part, s, w, colour))
        return found[0] if len(found) == 1 else [np.concatenate(parts) for parts in zip(*found, strict=True)]

    def pieces(self, x: Any) -> list[slice]:
        """Chains in pieces that fit the cache with their forms."""
        return in_cache(len(x[self.layer]), max(math.prod(x[name].shape[1:]) for name in self.forms))

    def energies(self, p: Any, x: Any, s: Any, w: Any, colour: int) -> list[Array]:
        """As `fields`, for chains that are few enough."""
        gains, units = self.gains(p, x, s, w), self.units[colour]
        now = self.flat(x[self.layer])[:, units]
        first = {**x, self.layer: self.at_point(x[self.layer], colour, 0)}
        for name, numbers in self.numbers.items():
            form = x[name]
            for point in range(1, len(self.points)):
                form = form - self.having(now, point)[:, numbers[colour]] * gains[name][colour, point - 1]
            first[name] = form
        first |= self.others(p, first, s, w)
        below = self.terms(p, first, s, w)
        found = []
        for point in range(1, len(self.points)):
            moved = {**first, self.layer: self.at_point(first[self.layer], colour, point)}
            moved |= {name: first[name] + gains[name][colour, point - 1] for name in self.numbers}
            moved |= self.others(p, moved, s, w)
            total = np.zeros((len(now), len(units) + 1), now.dtype)
            for add, low, high in zip(self.places[colour], below, self.terms(p, moved, s, w), strict=True):
                add(total, low - high)
            found.append(total[:, : len(units)])
        return found

    def put(self, p: Any, x: Any, s: Any, w: Any, colour: int, new: Array) -> None:
        """Give the units of a colour their new values, and the forms of the state what they change by."""
        gains, units, flat = self.gains(p, x, s, w), self.units[colour], self.flat(x[self.layer])
        now = flat[:, units]
        for name, numbers in self.numbers.items():
            for point in range(1, len(self.points)):
                change = self.having(new, point) - self.having(now, point)
                for rows in self.pieces(x):
                    x[name][rows] += change[rows][:, numbers[colour]] * gains[name][colour, point - 1]
        flat[:, units] = new
        for name, form in self.others(p, x, s, w).items():
            x[name][...] = form
