"""The state of least energy, exactly where a method for that fits, else the best found with a bound; each says which it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array, Arrays
from energydsl.diagnostics import ArgumentError, NotApplicable, one_of, whole_number
from energydsl.inference.least import TABLE, Least, Problem
from energydsl.inference.least.bounds import bound_from_below
from energydsl.learning.run import Run
from energydsl.learning.sampling import as_run, clamped_values, codes, rows_of
from energydsl.options import LEAST_METHODS, Exactness, LeastMethod
from energydsl.program import Program
from energydsl.program.states import check_params
from energydsl.random import Rng, stream

# The share of the energies met by which a bound may miss what it meets, for rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class MapState:
    """The state of least energy of some layers, all others given; one for each row of these.

    state: all layers, (rows, *layer), categorical ones as integer codes. energy: (rows,), E and the base measure, which is minus the log of
    what a state weighs. bound: (rows,), no state has less; None where none is known. exact: (rows,), whether no state has less than
    `energy`, but for rounding. method: how it was found.
    """

    state: Arrays
    energy: Array
    bound: Array | None
    exact: Array
    method: str

    @property
    def gap(self) -> Array | None:
        """How far the bound is below the energy, (rows,); 0 where it is exact."""
        return None if self.bound is None else self.energy - self.bound

    @property
    def label(self) -> str:
        """What is known of all rows: "exact", or "best found"."""
        return "exact" if self.exact.all() else "best found"

    @property
    def exactness(self) -> Exactness:
        """What `energy` is of the least energy: a state that was found may have more."""
        return "exact" if self.exact.all() else "bound from above"


def map_state(
    run: Run | Program,
    given: Mapping[str, Any] | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    method: LeastMethod = "auto",
    starts: int = defaults.STARTS,
    sweeps: int = defaults.COOLING_SWEEPS,
    seed: int = defaults.SEED,
    progress: Callable[[float], None] | None = None,
) -> MapState:
    """The most probable state of all random layers together (maximum a posteriori): that of least energy.

    run: or a program, with its params: arrays by name of the shapes declared, as (I, J). given: values of layers that are held, one
    for all, (*layer), or a row each, (rows, *layer); inputs must be given. method: "auto"
    takes the first that fits: linear algebra for real layers with a quadratic energy, elimination on trees, chains and narrow strips,
    enumeration of few states, a minimum cut for two-valued units in pairs that are not frustrated, all exact; else a search:
    the best of `starts` chains that are cooled over `sweeps` sweeps, and descend to where no unit can lower the energy. A
    search that meets its own bound is exact too.

    Raises `NotApplicable` where the method does not fit, with the reason, and `ArgumentError` where a layer is given in part, or all are.

    >>> import energydsl as ed
    >>> found = ed.map_state(ed.zoo("ising", dims={"L": 4}).compile("numpy"))
    >>> found.label, found.method, float(abs(found.state["s"].sum()))
    ('exact', 'elimination', 16.0)
    """
    one_of("method", method, LEAST_METHODS)
    starts, sweeps = whole_number("starts", starts, 1), whole_number("sweeps", sweeps, 1)
    run = _on_host(as_run(run, params, seed))
    problem = _problem(run, given or {}, starts, sweeps, seed, progress)
    name, found = _solved(problem, method)
    x = problem.held | {n: problem.engine.device(a) for n, a in found.state.items()}
    energy = problem.energy(x)
    bound = energy if found.exact else bound_from_below(problem)
    exact = np.full(problem.rows, found.exact)
    if bound is not None and not found.exact:
        bound = np.minimum(bound, energy)
        exact = energy - bound <= _ROUNDING * np.maximum(1.0, np.abs(energy))
    state = codes(run, {n: np.array(problem.engine.host(x[n])) for n in problem.engine.model.layers})
    return MapState(state, energy, bound, exact, name)


def _on_host(run: Run) -> Run:
    """The run with kernels of NumPy in float64: an energy is no better than its rounding, and cuts are made on the host."""
    origin = run.program.origin
    return run if origin is None else replace(run, program=origin.compile("numpy", "float64", "full"))


def _solved(problem: Problem, method: LeastMethod) -> tuple[str, Least]:
    """The method that was taken, and what it found. Raises `NotApplicable` with the reason of each that does not fit."""
    reasons = []
    for name in TABLE if method == "auto" else (method,):
        found = TABLE[name].solve(problem)
        if isinstance(found, Least):
            return name, found
        reasons.append(f"{name}: {found}")
    raise NotApplicable(f"the state of least energy cannot be found. {'; '.join(reasons)}")


def _problem(
    run: Run, given: Mapping[str, Any], starts: int, sweeps: int, seed: int, progress: Callable[[float], None] | None
) -> Problem:
    """What is free and what is held, in float64. Raises `ArgumentError`, `DataError` for values that do not fit."""
    engine = run.program.engine.in_float64
    rows, held = rows_of(run, given) or 1, {}
    for name, value in given.items():
        values, known = clamped_values(run, name, value, rows, Rng(stream(seed, "missing entries of clamped values")))
        if known is not None:
            raise ArgumentError(f"an entry of `{name}` is missing: a layer is given as a whole here, or not at all")
        shape = (rows, *engine.model.layers[name].energy_shape)
        held[name] = engine.device(np.broadcast_to(run.program.engine.host(values), shape))
    for name in engine.model.by_role("input"):
        if name not in held:
            raise ArgumentError(f"`{name}` is an input: give it a value, given={{'{name}': ...}}")
    free = tuple(n for n in engine.model.layers if n not in held)
    if not free:
        raise ArgumentError("all layers are given: nothing is left to find")
    return Problem(engine, check_params(engine, run.params), held, free, rows, starts, sweeps, seed, progress)
