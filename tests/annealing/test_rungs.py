"""A ladder of rungs from independent units to a model: its samples and log Z against enumeration that shares no code."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.annealing import rungs as ladder
from energydsl.annealing.path import Path
from energydsl.graph.edges import edges_of
from energydsl.program.states import check_params
from energydsl.verification.oracle import Oracle

# Two groups of spins that pull one another: single chains would stay with one sign.
FERROMAGNET = "param J = 0.45, b[8] = normal(sd = 0.1)\nvisible s[8] : spin\nenergy = - J*sum[i < j] s[i]*s[j] - b @ s"
MIXED = """visible v[3] : categorical[3]
hidden h[4] : binary
param W[3, 3, 4] = normal(sd = 1.5), c[4] = normal(sd = 1)
energy = - sum[i, a, j] W[i, a, j]*v[i, a]*h[j] - c @ h"""


def climbed(text: str, times: list[float], chains: int = 60) -> tuple[Any, list[ladder.Rung], ladder.Draws]:
    """A ladder with rungs at these places, and draws of the last."""
    program = ed.loads(text).compile("numpy", "float64")
    path = Path(program.engine.core, check_params(program.engine, program.init(3)), {})
    random = ed.Rng(5)
    rungs = [ladder.Rung(path, 0.0, path.start(chains, {}, random))]
    draws = ladder.Draws(ladder.kept(path, path.start(10 * chains, {}, random)), 0, 1.0, 0.0)
    for time in times:
        ladder.append(rungs, path, time, draws.states, chains, random)
        draws = ladder.draws(rungs, 10, random)
    return program, rungs, draws


def enumerated(program: Any) -> tuple[list[dict[str, np.ndarray]], np.ndarray]:
    """All states of all layers, and their log weights."""
    model, layers = program.model, program.model.random_layers()
    values = {
        n: list(np.eye(a.energy_shape[-1]))
        if a.domain.name == "categorical"
        else [[0.0, 1.0], [-1.0, 1.0]][a.domain.name == "spin"]
        for n, a in layers.items()
    }
    each = [itertools.product(values[n], repeat=a.size) for n, a in layers.items()]
    states = [
        {n: np.reshape(s, a.energy_shape) for (n, a), s in zip(layers.items(), state, strict=True)}
        for state in itertools.product(*(list(e) for e in each))
    ]
    x = {n: np.stack([s[n] for s in states]) for n in layers}
    oracle = Oracle(model, {n: edges_of(g) for n, g in model.graphs.items()})
    return states, -oracle.energy(program.init(3), x)


@pytest.mark.parametrize(("text", "times"), [(FERROMAGNET, [0.3, 0.6, 1.0]), (MIXED, [0.5, 1.0])])
def test_draws_and_log_z_are_those_of_the_model(text: str, times: list[float]) -> None:
    program, rungs, draws = climbed(text, times)
    states, weights = enumerated(program)
    log_z = np.logaddexp.reduce(weights)
    found, error = ladder.log_z(rungs)
    assert 0 < error < 0.1
    assert abs(found - log_z) < 4 * error
    p = np.exp(weights - log_z)
    for name, values in draws.states.items():
        mean = sum(q * s[name] for q, s in zip(p, states, strict=True))
        spread = np.sqrt(sum(q * (s[name] - mean) ** 2 for q, s in zip(p, states, strict=True)) / len(values))
        assert (np.abs(values.mean(axis=0) - mean) < 6 * spread + 1e-12).all()


def test_exchanges_that_look_at_one_distribution_alone_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: a state climbs whenever it is likelier above, whatever it was below."""
    right = ladder.turn

    def wrong(rungs: Any, number: int, random: Any) -> Any:
        drawn = [r.log_weights for r in rungs]
        for rung in rungs[:-1]:
            rung.log_weights = lambda x, rung=rung: np.zeros(rung.chains)
        works = right(rungs, number, random)
        for rung, function in zip(rungs, drawn, strict=True):
            rung.log_weights = function
        return works

    monkeypatch.setattr(ladder, "turn", wrong)
    with pytest.raises(AssertionError):
        test_draws_and_log_z_are_those_of_the_model(FERROMAGNET, [0.3, 0.6, 1.0])


def test_acceptance_is_that_of_exchanges_of_samples() -> None:
    """Normal distributions whose log ratio has variance s^2: exchanges are accepted with probability erfc(s / 2)."""
    from scipy.special import erfc

    drawn, s = np.random.default_rng(0).normal(size=200_000), 1.0
    assert abs(ladder.acceptance(s * drawn) - erfc(s / 2)) < 0.01
