"""Spike trains in bins of time: one row a bin, one unit a neuron, whether it fired or how often.

Times are in seconds from the beginning of the recording, or in milliseconds where a column is called `time_ms`. Bins begin at 0, and the last one holds
the last spike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.arrays import Values, as_numbers
from energydsl.data import named, readers
from energydsl.diagnostics import ArgumentError, DataError
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer

Array = NDArray[Any]
# Entries of bins and neurons that are held in memory.
_MOST = 1 << 30


def binned(times: Sequence[Values], bin_ms: float, *, counts: bool = False) -> Array:
    """Spike trains in bins, (bins, neurons): 1 where a neuron fired; counts: how often it did.

    times: for each neuron the times of its spikes, in seconds, (spikes,). bin_ms: the length of a bin, in milliseconds. Raises `DataError` for times
    that are negative or no numbers, `ArgumentError` for a bin that is no length.

    >>> import energydsl as ed
    >>> ed.binned([[0.001, 0.004, 0.025], [0.012]], bin_ms=10.0, counts=True).tolist()
    [[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    found = [as_numbers(t, f"neuron {k}").ravel() for k, t in enumerate(times)]
    neurons = np.repeat(np.arange(len(found)), [len(t) for t in found])
    return _binned(neurons, np.concatenate(found) if found else np.zeros(0), len(found), bin_ms, counts, "the data")


def read(path: Path, layer: Layer, bin_ms: float) -> Array:
    """The spikes of a file in bins, as a layer takes them: whether a neuron fired for units of two values, else how often.

    Its columns or arrays are `neuron`, the number of a unit, and `time` or `time_ms`; or, in an .npz file, one array of times for each unit,
    called by its number. Raises `DataError`, `OSError`.
    """
    neurons, times = _npz(path, layer) if path.suffix == ".npz" else _table(path)
    wrong = ~((neurons >= 0) & (neurons < layer.size) & (neurons == np.floor(neurons)))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise DataError.of(
            f"spike {k + 1} of {path} is of neuron {neurons[k]:g}; `{layer.name}` has the units 0 to {layer.size - 1}"
        )
    counts = not DOMAINS[layer.domain.name].two_valued
    return _binned(neurons.astype(np.int64), times, layer.size, bin_ms, counts, str(path))


def _table(path: Path) -> tuple[Array, Array]:
    known = named.names(path)
    if not known:
        raise DataError.of(f"{path} is no table of spikes", "they are in .csv, .parquet, .arrow or .npz files")
    columns = (
        readers.table(path) if path.suffix == ".csv" else readers.parquet_columns(readers.chosen(path, known), path)
    )
    return _pair({n: k for k, n in enumerate(known)}, columns.T, str(path))


def _npz(path: Path, layer: Layer) -> tuple[Array, Array]:
    found = readers.arrays(path)
    if "neuron" in found:
        names = {n: k for k, n in enumerate(found)}
        return _pair(names, [a.ravel() for a in found.values()], str(path))
    trains = {n: a.ravel() for n, a in found.items()}
    wrong = next((n for n in trains if not (n.isascii() and n.isdigit())), None)
    if wrong is not None:
        raise DataError.of(
            f"`{wrong}` of {path} is no neuron: arrays of times are called by its number, or `neuron` and `time`"
        )
    neurons = np.repeat([int(n[:9]) for n in trains], [len(a) for a in trains.values()])
    return neurons, np.concatenate([*trains.values(), np.zeros(0)])


def _pair(names: dict[str, int], columns: Sequence[Array] | Array, shown: str) -> tuple[Array, Array]:
    """The neurons and times, in seconds, of columns with names."""
    time = next((n for n in ("time", "time_ms") if n in names), None)
    if time is None or set(names) != {"neuron", time}:
        raise DataError.of(
            f"{shown} has {', '.join(f'`{n}`' for n in names)}: spikes are in `neuron` and `time` (seconds) or `time_ms`"
        )
    neurons, times = (np.asarray(columns[names[n]], float) for n in ("neuron", time))
    if neurons.shape != times.shape:
        raise DataError.of(f"{shown} has {len(neurons)} neurons and {len(times)} times")
    return neurons, times / 1000 if time == "time_ms" else times


def _binned(neurons: Array, times: Array, units: int, bin_ms: float, counts: bool, shown: str) -> Array:
    if not (isinstance(bin_ms, int | float) and math.isfinite(bin_ms) and bin_ms > 0):
        raise ArgumentError(f"a bin has a length in milliseconds, as bin_ms=20; not {bin_ms!r}")
    if not len(times):
        raise DataError.of(f"{shown} has no spikes")
    wrong = ~(np.isfinite(times) & (times >= 0))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise DataError.of(
            f"spike {k + 1} of {shown} is at {times[k]:g} s: times are counted from the beginning of the recording"
        )
    last = float(times.max()) * 1000 / bin_ms
    if (last + 1) * units > _MOST:
        raise DataError.of(
            f"{shown} has {last:.3g} bins of {bin_ms:g} ms, too many for {units} neurons",
            "take longer bins; times are in seconds, or in a column `time_ms`",
        )
    bins = np.floor(times * 1000 / bin_ms).astype(np.int64)
    found = np.zeros((int(bins.max()) + 1, units), np.float32)
    np.add.at(found, (bins, neurons), 1.0)
    return found if counts else np.minimum(found, np.float32(1.0))
