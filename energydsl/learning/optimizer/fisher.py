"""The Fisher matrix of the model, as far as a natural gradient uses it: its diagonal, or two factors of it for a coupling.

Of parameters: the variances of dE/dparam under the model (Amari 1998; Desjardins et al. 2013), of positive ones in their logarithm, of
symmetric ones twice those of an entry, since two entries are one parameter.
Of a coupling that multiplies a b, where dE/dW[i, j] = f a_i b_j, the second moments A = f^2 <a a'> and B = <b b'>, whose product A[i, k] B[j, l] is
that of the gradient where a and b are independent (Martens & Grosse 2015; Grosse & Salakhutdinov 2015). With centring, both
are those of the energy in units less their offsets. All are averages over updates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays, Random
from energydsl.learning.optimizer.centred import Centring, Layers, Offsets, Pair
from energydsl.learning.population import Population
from energydsl.program import Engine

_RATE = 0.01
# Eigenvalues before there are any, so large that a coupling stays where it is in the first update.
_UNKNOWN = 1e9
DIAGONAL, SIDES = "fisher", ("a", "b")


@dataclass(frozen=True)
class Fisher:
    """diagonal: parameters whose variances are followed. pairs: couplings whose factors are. refresh: updates between two times that these are diagonalised."""

    engine: Engine
    diagonal: tuple[str, ...]
    pairs: tuple[Pair, ...] = ()
    refresh: int = 1

    def init(self, slots: Mapping[str, dict[str, Array]]) -> None:
        """Add what is followed to the slots of each parameter: variances, factors, their eigenvectors and eigenvalues."""
        xp, dtype, params = self.engine.xp, self.engine.dtype, self.engine.model.params
        for name in self.diagonal:
            slots[name][DIAGONAL] = xp.zeros(params[name].shape, dtype)
        for pair in self.pairs:
            for side, layers in zip(SIDES, (pair.a, pair.b), strict=True):
                size = int(np.prod(self.engine.model.layers[layers[0]].energy_shape))
                slots[pair.param] |= {f"own/{part}_{side}": xp.eye(size, dtype=dtype) for part in ("factor", "basis")}
                slots[pair.param][f"own/values_{side}"] = xp.full(size, _UNKNOWN, dtype)

    def renew(self, slots: Mapping[str, dict[str, Array]], update: int) -> None:
        """Diagonalise the factors where that is due: every so many updates, and more often at first."""
        if not update or (update % self.refresh and update & (update - 1)):
            return
        xp, load = self.engine.xp, self.engine.kernels.load
        for pair in self.pairs:
            own = slots[pair.param]
            for side in SIDES:
                factor = own[f"own/factor_{side}"].astype(np.float64)
                # Numbers that are not finite are found where all parameters are looked at.
                values, basis = xp.linalg.eigh(xp.where(xp.isfinite(factor), factor, 0.0))
                load(own[f"own/basis_{side}"], basis)
                load(own[f"own/values_{side}"], xp.maximum(values, 0.0))

    def follow(
        self,
        slots: Mapping[str, dict[str, Array]],
        population: Population,
        params: Arrays,
        random: Random,
        rate: Any,
        centring: Centring | None,
        offsets: Offsets | None,
    ) -> None:
        """Move averages towards what these states have. rate: the share of the way, an array of one."""
        found = population.covariances(params, list(self.diagonal), random)
        if centring is not None and offsets is not None:
            found = centring.turned(offsets, found)
        for name in self.diagonal:
            slope, fisher = found[name], slots[name][DIAGONAL]
            constraints = self.engine.model.params[name].constraints
            if "positive" in constraints:
                slope = slope * params[name]
            square = slope * slope
            if "symmetric" in constraints:
                square = square * (2.0 - self.engine.xp.eye(len(square), dtype=self.engine.dtype))
            fisher += rate * (square - fisher)
        for pair in self.pairs:
            centred = offsets if centring is not None and pair in centring.pairs else None
            for side, layers, scale in (("a", pair.a, pair.factor**2), ("b", pair.b, 1.0)):
                x = _statistics(population, layers, centred)
                factor = slots[pair.param][f"own/factor_{side}"]
                factor += rate * (scale * ((x.T * population.share) @ x) - factor)

    @staticmethod
    def rate(update: int) -> float:
        """The first updates average all there was so far."""
        return max(_RATE, 1.0 / (1 + update))


def _statistics(population: Population, layers: Layers, offsets: Offsets | None) -> Array:
    """The units that a coupling multiplies on one side, less their offsets, (rows, entries)."""
    total: Any = 0.0
    for name in layers:
        x = population.x[name]
        total = total + (x if offsets is None else x - offsets.values[name]).reshape(len(x), -1)
    return total  # type: ignore[no-any-return]
