"""A tiny program on one backend, compared with NumPy's: run in a process of its own."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from energydsl.api import loads
from energydsl.backends.choice import obstacle
from energydsl.diagnostics import EnergyError
from energydsl.options import Backend
from energydsl.program import Program
from energydsl.random import Rng

TEXT = "visible v[4] : binary\nhidden h[3] : binary\nparam W[4, 3] = normal(sd = 1)\nenergy = - v @ W @ h"


def tried(backend: Backend) -> None:
    """Print what was found, as JSON: `obstacle`, why it cannot be used here, else how many threads it has, and whether it uses tiles.

    Raises `EnergyError` where its numbers are not those of NumPy.
    """
    found: dict[str, Any] = {"obstacle": obstacle(backend)}
    if not found["obstacle"]:
        model = loads(TEXT)
        for name, (wanted, given) in _both(
            model.compile("numpy", "float64"), model.compile(backend, "float64")
        ).items():
            if not np.allclose(given, wanted, rtol=1e-9, atol=1e-12):
                raise EnergyError(f"the {name} of a tiny program are not those of NumPy")
        numba = sys.modules.get("numba")
        found["threads"] = numba.get_num_threads() if backend == "numba" and numba else None
        found["tiles"] = backend == "numba" and _on_tiles()
    print(json.dumps(found))  # noqa: T201


def _on_tiles() -> bool:
    """Whether large products are done on the tiles of the processor."""
    from energydsl.backends.numba.runtime.tiles import tiles_here

    return tiles_here()


def _both(first: Program, second: Program) -> dict[str, tuple[Any, Any]]:
    """Free energies, and latents after two sweeps, of both programs."""
    found = []
    for program in (first, second):
        params = program.init(0)
        state = program.gibbs(params, program.init_state(params, 50, 1), 2, rng=Rng(2))
        host = program.engine.host
        found.append({"free energies": host(program.free_energy(params, state)), "sweeps": host(state["h"])})
    return {name: (found[0][name], found[1][name]) for name in found[0]}
