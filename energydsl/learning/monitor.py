"""Figures on the way: what is measured of a run at every report, and what a monitor of the caller's adds to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from energydsl import weighted
from energydsl.backends.interface import Array, Arrays
from energydsl.data.sources import Data
from energydsl.domains import DOMAINS
from energydsl.learning.run import Run
from energydsl.learning.series import Series
from energydsl.program import Engine
from energydsl.program.states import layer_arrays
from energydsl.random import Rng, stream

Monitor = Callable[[Run, Data], Mapping[str, float]]

# Rows that figures are of, at most.
_REPORT_ROWS = 500
# So many rows and more tell whether a latent is the same for all of them.
_TELLING_ROWS = 200
# The probability of its likeliest value from which a latent is saturated.
_SATURATED = 0.99


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
        (known, weights), (held, held_weights) = self._known, self._held
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

    def moments(self, states: Arrays, series: Series) -> dict[str, float]:
        """How far the moments of the data are from those of persistent chains, by layer; nothing where there are no such chains.

        moment_gap: the root of the mean over units of (mean of the data - mean of the chains)^2. covariance_gap: the norm of the
        difference of covariances of random projections, as a share of that of the data.
        """
        if not states or not all(n in states for n in self.data.arrays):
            return {}
        known, weights = self._known
        host, found = self.engine.host, {}
        pairs = series.projected({n: known[n] for n in series.projections if n in known}), series.projected(states)
        for name in pairs[0]:
            gap = weighted.mean(host(known[name]), weights) - weighted.mean(host(states[name]))
            found[f"moment_gap_{name}"] = float(np.sqrt(np.mean(np.square(gap))))
            seen, made = _covariance(pairs[0][name], weights), _covariance(pairs[1][name], None)
            found[f"covariance_gap_{name}"] = float(np.linalg.norm(seen - made) / np.linalg.norm(seen))
        return found

    @cached_property
    def monitored(self) -> Data | None:
        """The rows that a monitor gets: whole ones, held-out ones where there are any; None where no row is whole."""
        candidates = (data.complete() for data in (self.held_out, self.data) if data is not None)
        whole = next((data for data in candidates if len(data)), None)
        return None if whole is None else self._subset(whole)

    @cached_property
    def _known(self) -> tuple[Arrays, Array | None]:
        """Rows trained on and their weights: chosen once, for that looks at all rows."""
        return self._rows(self.data)

    @cached_property
    def _held(self) -> tuple[Arrays, Array | None]:
        """Rows held out and their weights, else those trained on."""
        return self._known if self.held_out is None else self._rows(self.held_out)

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
        """The share of units of a layer of latents that are not the same for all rows, where there are enough to tell.

        And of latents that are saturated: whose likeliest value, given a row and all other units, has a probability of 0.99 or more.
        """
        engine, found = self.engine, {}
        if len(next(iter(x.values()))) < _TELLING_ROWS:
            return {}
        state = engine.with_latents(params, x, engine.settings(), Rng(stream(self.seed, "latents that vary")))
        for name in engine.model.by_role("hidden"):
            differs = np.ptp(engine.host(state[name]), axis=0) > 0
            domain = DOMAINS[engine.model.layers[name].domain.name]
            found[f"varying_{name}"] = float(np.mean(differs.any(axis=-1) if domain.one_hot else differs))
            if engine.core is engine and name in engine.derived.conditionals and (domain.one_hot or domain.two_valued):
                kernels = engine.core.kernels.layers[name]
                means = engine.host(kernels.mean(*engine.core.fields(params, state, name, engine.settings())))
                low, high = (0.0, 1.0) if domain.points is None else domain.points
                share = (means - low) / (high - low)
                likeliest = share.max(axis=-1) if domain.one_hot else np.maximum(share, 1.0 - share)
                found[f"saturated_{name}"] = float(np.mean(likeliest >= _SATURATED))
        return found


def _covariance(values: Array, weights: Array | None) -> Array:
    """The covariance of columns over rows."""
    return np.atleast_2d(np.cov(values.astype(np.float64), rowvar=False, bias=True, aweights=weights))


def varying(run: Run) -> dict[str, float]:
    """The share of each layer's latents that differ from row to row of the data, at the last report that has it."""
    last = {k.removeprefix("varying_"): v for k, v in run.history[-1].items() if k.startswith("varying_")}
    return {name: share for name, share in last.items() if share is not None}
