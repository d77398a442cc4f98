"""A model as a quadratic function of its spins or bits: what annealers and QUBO solvers take."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from energydsl.data.bqm import as_bqm, of_bqm
from energydsl.data.quadratic import Quadratic
from energydsl.data.qubo import Qubo, as_qubo, of_qubo
from energydsl.diagnostics import ArgumentError, NotApplicable
from energydsl.domains import DOMAINS
from energydsl.energy.rules import Rules
from energydsl.graph.scopes import offsets
from energydsl.learning.run import Run
from energydsl.learning.sampling import as_run
from energydsl.program import Program
from energydsl.program.coefficients import coefficients
from energydsl.program.states import check_params


def from_bqm(bqm: Any) -> Quadratic:
    """A `dimod.BinaryQuadraticModel` as a model: `.model()`, `.params` and `.labels`, offset included. Needs dimod.

    >>> import dimod
    >>> import energydsl as ed
    >>> found = ed.from_bqm(dimod.BinaryQuadraticModel({"a": 1.0}, {("a", "b"): -2.0}, 0.5, "SPIN"))
    >>> program = found.model().compile("numpy", "float64")
    >>> print(program.energy(found.params, {"x": [[1, 1], [1, -1]]}), found.labels)
    [-0.5  3.5] ('a', 'b')
    """
    return of_bqm(bqm)


def from_qubo(biases: Mapping[tuple[Hashable, Hashable], float], offset: float = 0.0) -> Quadratic:
    """A QUBO, a dictionary from pairs of labels to biases, as a model.

    >>> import energydsl as ed
    >>> ed.from_qubo({(0, 0): -1.0, (0, 1): 2.0}).labels
    (0, 1)
    """
    return of_qubo(biases, offset)


def to_bqm(
    run: Run | Program, params: Mapping[str, Any] | None = None, *, labels: Sequence[Hashable] | None = None
) -> Any:
    """The energy as a `dimod.BinaryQuadraticModel`, E and all its layers, hidden ones too. Needs dimod.

    run: or a program, with its params: arrays by name of the shapes declared, as (I, J). labels: of the units, one layer after the
    other; by default numbers, or `h[3]` where there are
    several layers. Raises `NotApplicable` where the energy is not quadratic in spins or in bits, with the reason, and
    `ArgumentError` for labels that are not one a unit.
    """
    return as_bqm(as_quadratic(run, params, labels))


def to_qubo(
    run: Run | Program, params: Mapping[str, Any] | None = None, *, labels: Sequence[Hashable] | None = None
) -> tuple[Qubo, float]:
    """The energy as a QUBO: a dictionary from pairs of labels to biases over bits, and the offset. Arguments are those of `to_bqm`.

    params: arrays of the shapes declared, as (I, J). Raises `NotApplicable` and `ArgumentError` as that does.
    """
    return as_qubo(as_quadratic(run, params, labels))


def as_quadratic(
    run: Run | Program, params: Mapping[str, Any] | None = None, labels: Sequence[Hashable] | None = None
) -> Quadratic:
    """The energy as a quadratic function. Raises `NotApplicable`, `ArgumentError`."""
    run = as_run(run, params, 0)
    model, engine = run.program.model, run.program.engine.in_float64
    layers = model.random_layers()
    kinds = {a.domain.name: n for n, a in layers.items()}
    for name, layer in layers.items():
        if not DOMAINS[layer.domain.name].two_valued:
            raise NotApplicable(f"`{name}` is {layer.domain}: the units of a quadratic model have two values")
    if len(kinds) > 1:
        shown = " and ".join(f"`{n}` {kind}" for kind, n in kinds.items())
        raise NotApplicable(f"a quadratic model has one kind of variables, and {shown}")
    if engine.core is not engine:
        raise NotApplicable("the model has directed parts, whose energies are not quadratic")
    first, rules, p = offsets(model, layers), Rules(model), check_params(engine, run.params)
    count = sum(a.size for a in layers.values())
    offset, linear = 0.0, np.zeros(count)
    places, weights = [np.zeros((0, 2), np.int64)], [np.zeros(0)]
    for term in engine.derived.energy.terms:
        units = term.monomial.distinct_units()
        if len(units) > 2:
            raise NotApplicable(f"units meet {len(units)} at a time, not in pairs alone")
        for where, values in coefficients(engine.core, p, term.monomial):
            numbers = [where.units(at, rules) + first[at.name] for at in units]
            if not numbers:
                offset += float(values.sum())
            elif len(numbers) == 1:
                np.add.at(linear, numbers[0], values)
            else:
                places.append(np.sort(np.stack(numbers, axis=1), axis=1))
                weights.append(values)
    pairs, number = np.unique(np.concatenate(places), axis=0, return_inverse=True)
    found = np.bincount(number.reshape(-1), np.concatenate(weights), len(pairs))
    points = DOMAINS[next(iter(kinds))].points
    return Quadratic(points == (-1.0, 1.0), _labels(layers, count, labels), offset, linear, pairs, found)


def _labels(layers: Mapping[str, Any], count: int, given: Sequence[Hashable] | None) -> tuple[Hashable, ...]:
    """A label for each unit. Raises `ArgumentError`."""
    if given is not None:
        if len(given) != count or len(set(given)) != count:
            raise ArgumentError(f"labels are one of its own for each of {count} units, not {len(set(given))}")
        return tuple(given)
    if len(layers) == 1:
        return tuple(range(count))
    named = ((n, index) for n, a in layers.items() for index in itertools.product(*map(range, a.shape)))
    return tuple(f"{n}[{', '.join(map(str, index))}]" if index else n for n, index in named)
