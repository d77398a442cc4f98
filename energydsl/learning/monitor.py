"""Figures on the way: what is measured of a run at every report, and what a monitor of the caller's adds to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from energydsl import weighted
from energydsl.backends.interface import Array, Arrays
from energydsl.data.sources import Data
from energydsl.domains import DOMAINS
from energydsl.learning.run import Run
from energydsl.program import Engine
from energydsl.program.states import layer_arrays
from energydsl.random import Rng, stream

Monitor = Callable[[Run, Data], Mapping[str, float]]

# Rows that figures are of, at most.
_REPORT_ROWS = 500
# So many rows and more tell whether a latent is the same for all of them.
_TELLING_ROWS = 200


@dataclass(frozen=True)
class Figures:
    """The figures of a run at any parameters, of the same rows at every report.

    data: the rows trained on. held_out: the rows that are not, or None. errors: whether the free-energy gap has its standard error.
    """

    engine: Engine
    data: Data
    held_out: Data | None
    seed: int
    errors: bool = False

    def of(self, params: Arrays, chains: Arrays) -> dict[str, float]:
        """Reconstruction error, free energies of training and held-out rows and their gap, energies by term, latents that vary.

        chains: the states of the model, by layer, of which the energies of the terms are.
        """
        known, weights = self._rows(self.data)
        held, held_weights = (known, weights) if self.held_out is None else self._rows(self.held_out)
        figures = {"reconstruction_error": self._reconstruction_error(params, held, held_weights)}
        figures["free_energy_train"], error = self._free_energy(params, known, weights)
        if self.held_out is not None:
            figures["free_energy_validation"], other = self._free_energy(params, held, held_weights)
            figures["free_energy_gap"] = figures["free_energy_validation"] - figures["free_energy_train"]
            if self.errors:
                figures["free_energy_gap_std"] = math.hypot(error, other)
        for label, values in (self.engine.term_energies(params, chains) if chains else {}).items():
            figures[f"energy_{label}" if label else "base_measure"] = float(np.mean(self.engine.host(values)))
        return figures | self._varying(params, known)

    def monitored(self) -> Data | None:
        """The rows that a monitor gets: whole ones, held-out ones where there are any; None where no row is whole."""
        candidates = [data.complete() for data in (self.held_out, self.data) if data is not None]
        whole = next((data for data in candidates if len(data)), None)
        return None if whole is None else self._subset(whole)

    def _rows(self, data: Data) -> tuple[Arrays, Array | None]:
        """Rows for figures, and their weights."""
        chosen = self._chosen(data)
        return layer_arrays(self.engine, chosen.drawn(self.seed)), chosen.weights

    def _chosen(self, data: Data) -> Data:
        """Rows for figures: whole ones; where these are few, ones that are filled in."""
        whole = data.complete()
        few = len(whole) < min(len(data), _TELLING_ROWS)
        return self._subset(data.filled(self.seed, self.data) if few else whole)

    def _subset(self, data: Data) -> Data:
        rows = np.random.default_rng(stream(self.seed, "rows for figures")).permutation(len(data))[:_REPORT_ROWS]
        return data.rows(np.sort(rows))

    def _free_energy(self, params: Arrays, x: Arrays, weights: Array | None) -> tuple[float, float]:
        """Mean F(v), where latents remain the upper bound on it; and its standard error over the rows, NaN for one row."""
        rng = Rng(stream(self.seed, "free energy"))
        found = self.engine.host(self.engine.bound(params, x, rng)[0])
        error = weighted.standard_error(found, weights)
        mean = np.mean(found) if weights is None else weighted.mean(found, weights)
        return -float(mean), math.nan if error is None else error

    def _reconstruction_error(self, params: Arrays, x: Arrays, weights: Array | None) -> float:
        """Mean squared difference an entry between data and their one-step mean reconstruction; NaN where none has a mean."""
        error, units, engine = 0.0, 0, self.engine
        settings = engine.settings()
        state = engine.with_latents(params, x, settings, Rng(stream(self.seed, "reconstruction")))
        for name, means in engine.reconstruction(params, state, settings):
            squares = np.square(engine.host(means - x[name]))
            if weights is not None:
                squares = len(squares) * weighted.mean(squares, weights)
            error += float(np.sum(squares, dtype=np.float64))
            units += x[name].size
        return error / units if units else math.nan

    def _varying(self, params: Arrays, x: Arrays) -> dict[str, float]:
        """The share of units of a layer of latents that are not the same for all rows, where there are enough to tell."""
        engine, found = self.engine, {}
        if len(next(iter(x.values()))) < _TELLING_ROWS:
            return {}
        state = engine.with_latents(params, x, engine.settings(), Rng(stream(self.seed, "latents that vary")))
        for name in engine.model.by_role("hidden"):
            differs = np.ptp(engine.host(state[name]), axis=0) > 0
            one_hot = DOMAINS[engine.model.layers[name].domain.name].one_hot
            found[f"varying_{name}"] = float(np.mean(differs.any(axis=-1) if one_hot else differs))
        return found


def varying(run: Run) -> dict[str, float]:
    """The share of each layer's latents that differ from row to row of the data, at the last report that has it."""
    last = {k.removeprefix("varying_"): v for k, v in run.history[-1].items() if k.startswith("varying_")}
    return {name: share for name, share in last.items() if share is not None}
