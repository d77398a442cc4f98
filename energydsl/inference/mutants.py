"""What a change of one unit does to the probability of a state: scores of all single mutants of a sequence.

score_n(a) = log p(x with x_n = a) - log p(x) = F(x) - F(x with x_n = a)

F is the free energy where hidden layers are summed out, and the energy where there are none; log Z is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.backends.interface import Array
from energydsl.data.sources import from_arrays
from energydsl.diagnostics import ArgumentError, NotApplicable
from energydsl.domains import DOMAINS
from energydsl.inference.contacts import layer_with_states
from energydsl.learning.run import Run
from energydsl.learning.sampling import as_run
from energydsl.model.records import Layer
from energydsl.program import Program
from energydsl.program.states import check_params

_AT_ONCE = 1 << 10


@dataclass(frozen=True)
class Mutants:
    """states: (units,), of the sequence itself. scores: (units, states), log p of a mutant less that of the sequence, 0 for itself."""

    layer: Layer
    states: Array
    scores: Array

    def listed(self) -> Iterator[tuple[int, int, int, float]]:
        """Each mutant: the unit, its state before and after, and the score."""
        for unit, own in enumerate(self.states.tolist()):
            for state in range(self.scores.shape[1]):
                if state != own:
                    yield unit, own, state, float(self.scores[unit, state])

    def shown(self, state: int) -> str:
        """The letter of a state, or its number."""
        return self.layer.letters[state] if self.layer.letters else str(state)

    def mutated(self, unit: int, state: int) -> Array:
        """The states of a mutant, (units,)."""
        found = self.states.copy()
        found[unit] = state
        return found


def mutants(
    run: Run | Program,
    sequence: Mapping[str, Any] | Any,
    params: Mapping[str, Any] | None = None,
    *,
    layer: str | None = None,
) -> Mutants:
    """Scores of all states of each unit of a categorical layer, the others as they are.

    run: or a program, with its params: arrays by name of the shapes declared, (N, K) for `g[N, K]`. sequence: values of the layer,
    (units,), or by layer where there are several; letters or numbers of states. layer: whose units are changed; by default the only
    categorical one of several units. Raises `NotApplicable` where hidden layers cannot be summed out, and `ArgumentError` for more than
    one sequence.

    >>> import energydsl as ed
    >>> program = ed.zoo("protein_potts", dims={"N": 5}).compile("numpy")
    >>> found = ed.mutants(program, "ACD-W")
    >>> found.scores.shape, float(found.scores[0, 1])
    ((5, 21), 0.0)
    """
    run = as_run(run, params, 0)
    model = run.program.model
    engine = run.program.engine.in_float64
    chosen = layer_with_states(model, layer)
    if not DOMAINS[chosen.domain.name].one_hot:
        raise NotApplicable(f"mutants are of a layer with states; `{chosen.name}` is {chosen.domain}")
    out = engine.derived.free_energy.summed_out
    left = [n for n in model.by_role("hidden") if n not in out]
    if engine.core is not engine or left:
        why = f"`{left[0]}` cannot be summed out" if left else "the model has directed parts"
        raise NotApplicable(f"mutants need a free energy in closed form: {why}")
    given = dict(sequence) if isinstance(sequence, Mapping) else {chosen.name: sequence}
    row = from_arrays(model, {n: _one_row(v, model.layers.get(n)) for n, v in given.items()}, None).arrays
    if any(len(a) != 1 for a in row.values()):
        raise ArgumentError("mutants are of one sequence")
    x = {n: engine.device(_in_energy(model.layers[n], a)) for n, a in row.items()}
    states = row[chosen.name].reshape(-1)
    p, settings = check_params(engine, run.params), engine.settings()

    def free_energies(codes: Array) -> Array:
        """Of so many states of the layer, (rows, units)."""
        count = (len(codes), *chosen.shape)
        wide = {n: np.broadcast_to(a, (len(codes), *a.shape[1:])) for n, a in x.items()}
        wide[chosen.name] = engine.device(_in_energy(chosen, codes.reshape(count)))
        return np.asarray(engine.host(engine.free_energy(p, wide, settings)))

    every = [(unit, state) for unit in range(chosen.size) for state in range(chosen.energy_shape[-1])]
    own, found = free_energies(states[None])[0], np.empty(len(every))
    for first in range(0, len(every), _AT_ONCE):
        some = np.asarray(every[first : first + _AT_ONCE])
        codes = np.repeat(states[None], len(some), axis=0)
        codes[np.arange(len(some)), some[:, 0]] = some[:, 1]
        found[first : first + len(some)] = own - free_energies(codes)
    scores = found.reshape(chosen.size, -1)
    scores[np.arange(chosen.size), states] = 0.0
    return Mutants(chosen, states, scores)


def _one_row(values: Any, layer: Layer | None) -> Any:
    """A sequence without an axis of rows, as one row."""
    if isinstance(values, str):
        return [values]
    return np.asarray(values)[None] if layer is not None and np.shape(values) == layer.shape else values


def _in_energy(layer: Layer, values: Array) -> Array:
    """Values as the energy has them: states as indicators."""
    return np.eye(layer.energy_shape[-1])[values] if DOMAINS[layer.domain.name].one_hot else values
