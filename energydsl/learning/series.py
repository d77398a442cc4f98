"""What the chains of a training show now and then: energies, and random projections of the visible layers, of the last updates.

The parameters move under the chains, and all series with them. So each series is taken less its mean over the chains at that update: what is
left is how a chain differs from the others, which goes to and fro where chains mix, and stays where they do not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.learning import files
from energydsl.learning.mixing import columns
from energydsl.learning.run import Row
from energydsl.mixing import LEAST_DRAWS
from energydsl.program import Engine
from energydsl.program.engine import CoreEngine
from energydsl.random import stream

# A record is made every so many updates, of so many chains at most; so many of the last are kept.
EVERY, CHAINS, WINDOW = 10, 32, 100
# What is looked at anew once so many records have been made.
_RENEWED = WINDOW
_PROJECTIONS = 3


@dataclass
class Records:
    """By name of the series, arrays of the last records, (WINDOW, chains), in a ring; made: how many there have been."""

    values: Arrays = field(default_factory=dict)
    made: int = 0


@dataclass(frozen=True)
class Series:
    """What is recorded. engine: the undirected part, whose chains these are. projections: by visible layer, (units, projections)."""

    engine: CoreEngine
    projections: Mapping[str, Array]

    @staticmethod
    def of(engine: CoreEngine, seed: int) -> Series:
        """Projections that stay for the whole run."""
        return Series(engine, {n: engine.device(d) for n, d in projections(engine, seed).items()})

    @staticmethod
    def due(update: int) -> bool:
        """Whether there is a record after so many updates."""
        return update % EVERY == 0

    def record(self, records: Records, params: Arrays, states: Arrays) -> None:
        """What the chains show; states: by layer, (chains, *layer)."""
        xp, place = self.engine.xp, records.made % WINDOW
        for name, values in self.seen(params, {n: a[:CHAINS] for n, a in states.items()}).items():
            if name not in records.values:
                records.values[name] = xp.zeros((WINDOW, len(values)), self.engine.dtype)
            records.values[name][place] = values
        records.made += 1

    def seen(self, params: Arrays, states: Arrays) -> Arrays:
        """The energy, that of each term where there are several, and projections, (chains,) each."""
        found = energies(self.engine, self.engine.core_params(params), states)
        for name, directions in self.projections.items():
            each = states[name].reshape(len(states[name]), -1) @ directions
            found |= {f"projection_{name}.{k}": each[:, k] for k in range(_PROJECTIONS)}
        return found

    def projected(self, states: Arrays) -> dict[str, Array]:
        """Projections of the visible layers of states, (rows, projections) on the host, by layer."""
        return {n: self.engine.host(states[n].reshape(len(states[n]), -1) @ d) for n, d in self.projections.items()}

    def figures(self, records: Records, update: int, before: int, last: bool) -> Row:
        """The columns of a report, where enough has been recorded since the report before, or where it is the last.

        before: the update of the report before. Times are in updates.
        """
        renewed = update // (EVERY * _RENEWED) > before // (EVERY * _RENEWED)
        if records.made < LEAST_DRAWS or not (renewed or last):
            return {}
        series = {n: _among_chains(a).T for n, a in self.arrays(records).items()}
        return {"mixing_updates": min(records.made, WINDOW) * EVERY} | columns(series, EVERY)

    # --- checkpoints

    def arrays(self, records: Records) -> Arrays:
        """The records by name, the oldest first, (records, chains), on the host; what was too large for the precision is the largest."""
        kept = min(records.made, WINDOW)
        order = np.arange(records.made - kept, records.made) % WINDOW
        return {n: np.nan_to_num(self.engine.host(a)[order]) for n, a in records.values.items()} if kept else {}

    def restore(self, saved: Arrays) -> Records:
        """Records to go on from; none where a checkpoint has none. Raises `DataError` (E0403)."""
        records, lengths = Records(), {len(a) for a in saved.values()}
        if len(lengths) > 1 or max(lengths, default=0) > WINDOW:
            raise files.invalid("its records of chains are of different numbers, or too many")
        for name, array in saved.items():
            own = np.zeros((WINDOW, array.shape[1]), self.engine.dtype)
            own[: len(array)] = array
            records.values[name], records.made = self.engine.device(own), len(array)
        return records


def projections(engine: Engine, seed: int) -> Arrays:
    """Random directions, (units, projections), by visible layer."""
    rng, found = np.random.default_rng(stream(seed, "projections")), {}
    for name in engine.model.by_role("visible"):
        units = math.prod(engine.model.layers[name].energy_shape)
        found[name] = rng.standard_normal((units, _PROJECTIONS)) / math.sqrt(units)
    return found


def energies(engine: Engine, params: Arrays, states: Arrays) -> Arrays:
    """E of states, and that of each term where there are several, (chains,) each."""
    named = {n: e for n, e in engine.term_energies(params, states).items() if n}
    found: Arrays = {"energy": sum(named.values())} if named else {}  # type: ignore[dict-item]
    return found | ({f"energy_{n}": e for n, e in named.items()} if len(named) > 1 else {})


def _among_chains(series: Array) -> Array:
    """A series less its mean over the chains, (records, chains), float64."""
    wide = series.astype(np.float64)
    return np.asarray(wide - wide.mean(axis=1, keepdims=True))
