"""Runs and samples as tables of pandas and data sets of xarray (the `notebook` extra)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from energydsl.backends.interface import Array
from energydsl.diagnostics import EnergyError

Arrays = Mapping[str, Array]
# One row a report of a run.
History = Sequence[Mapping[str, Any]]


def beside(energies: Arrays, layers: Arrays) -> dict[str, Array]:
    """Energies and layers by name; an energy that has the name of a layer gets a mark behind it."""
    return {f"{n}_" if n in layers else n: a for n, a in energies.items()} | dict(layers)


def history_table(history: History) -> Any:
    """A row a report, by its update."""
    columns = list(dict.fromkeys(["update", *(name for row in history for name in row)]))
    return _pandas().DataFrame(list(history), columns=columns).set_index("update")


def sample_table(layers: Arrays, energies: Arrays, several: bool) -> Any:
    """A row a draw, by its chain and its number; a column a unit, `v[0, 3]`, and one an energy. layers: (chains, draws, *layer)."""
    pandas = _pandas()
    arrays = beside(energies, layers)
    chains, draws = next(iter(arrays.values())).shape[:2]
    columns = {}
    for name, array in arrays.items():
        for place in np.ndindex(array.shape[2:]):
            columns[f"{name}{[*place] if place else ''}"] = array[(..., *place)].reshape(-1)
    index = pandas.MultiIndex.from_product([range(chains), range(draws)], names=["chain", "draw"])
    table = pandas.DataFrame(columns, index=index)
    return table if several else table.droplevel("draw")


def sample_set(layers: Arrays, energies: Arrays) -> Any:
    """A variable a layer and an energy, over chains, draws and the axes of the layer, `v_0`."""
    arrays = beside(energies, layers)
    return _xarray().Dataset({n: (("chain", "draw", *_axes(n, a.shape[2:])), a) for n, a in arrays.items()})


def run_set(history: History, params: Arrays) -> Any:
    """A variable a parameter, over its axes, `W_0`; and one a figure of the reports, over updates."""
    columns = {n: np.array([row.get(n, np.nan) for row in history], float) for n in {n: 0 for r in history for n in r}}
    updates = columns.pop("update", np.zeros(0)).astype(int)
    figures = {n: (("update",), a) for n, a in beside(columns, params).items() if n not in params}
    arrays = {n: (_axes(n, a.shape), a) for n, a in params.items()}
    return _xarray().Dataset(arrays | figures, coords={"update": updates})


def _axes(name: str, shape: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"{name}_{k}" for k in range(len(shape)))


def _pandas() -> Any:
    return _found("pandas")


def _xarray() -> Any:
    return _found("xarray")


def _found(library: str) -> Any:
    """A library of the extra. Raises `EnergyError` where it is missing."""
    try:
        return import_module(library)
    except ModuleNotFoundError:
        raise EnergyError(f'this needs {library}: pip install "energydsl[notebook]"') from None
