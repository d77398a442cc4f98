"""Chains and draws as ArviZ has them (the `arviz` extra): for its tables, its plots, and its files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from energydsl.backends.interface import Array
from energydsl.diagnostics import EnergyError, NotApplicable
from energydsl.learning.tables import beside

Arrays = Mapping[str, Array]


def of_samples(layers: Arrays, energies: Arrays) -> Any:
    """A group posterior: energies and layers of every draw, chains and draws first; one draw a chain is an axis of length 1."""
    return _data({"posterior": beside(energies, layers)})


def of_run(series: Arrays, chains: Arrays) -> Any:
    """A group posterior: what the chains showed at the last updates; a group chains: their last states, one draw each."""
    if not series:
        raise NotApplicable(
            "this run has no series of its chains: those of pcd, fast-pcd and parallel-tempering persist, and are looked at every "
            "tenth update. ed.sample(run, n=4, draws=1000).to_arviz() has draws of the trained model"
        )
    groups = {"posterior": {n: a.T for n, a in series.items()}, "chains": {n: a[:, None] for n, a in chains.items()}}
    return _data(groups)


def _data(groups: Mapping[str, Arrays]) -> Any:
    try:
        from arviz_base import from_dict
    except ModuleNotFoundError:
        raise EnergyError('ArviZ data need arviz-base: pip install "energydsl[arviz]"') from None
    with warnings.catch_warnings():  # more chains than draws are nothing odd here
        warnings.filterwarnings("ignore", "Found chain dimension to be longer")
        return from_dict({name: dict(group) for name, group in groups.items()})
