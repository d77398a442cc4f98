"""Trajectory tempering: log Z along training against enumeration, modes of known weights, going back, and going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.annealing import rungs as ladder
from energydsl.learning.chains import Chains, trajectory
from energydsl.learning.chains.trajectory import Trajectory
from energydsl.learning.checkpoint_arrays import check_arrays

RBM = "visible v[20] : binary\nhidden h[6] : binary\nlayers v -- h"
SHARES = np.array([0.5, 0.3, 0.2])


def clusters(rows: int, units: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Rows near three patterns that differ in about half their units, and the patterns; their shares of rows are exact."""
    rng = np.random.default_rng(1)
    patterns = rng.integers(0, 2, (len(SHARES), units))
    which = np.repeat(np.arange(len(SHARES)), (SHARES * rows).astype(int))
    return np.abs(patterns[which] - (rng.random((rows, units)) < 0.04)).astype(float), patterns


def trained(method: Any, epochs: int = 60, **given: Any) -> Any:
    program = ed.loads(RBM).compile("numpy", "float64")
    rows, _ = clusters(500)
    return ed.train(program, rows, method, ed.SGD(lr=0.2), epochs=epochs, batch=50, validation=0.0, **given)


def exact(run: Any, rows: dict[str, Any]) -> dict[str, float]:
    """log Z, summed over all 2^6 states of the latents here."""
    w, b, c = (np.asarray(run.params[n], float) for n in ("W_v_h", "b_v", "b_h"))
    h = (np.arange(64)[:, None] >> np.arange(6)) & 1
    return {"exact": float(np.logaddexp.reduce(h @ c + np.logaddexp(0, b + h @ w.T).sum(1)))}


def misses(run: Any) -> float:
    """The largest error of log Z in any report, in nats."""
    return max(
        [abs(r["log_z"] - r["exact"]) for r in run.history if "log_z" in r and "exact" in r], default=float("nan")
    )


def mode_weights(params: dict[str, Any]) -> np.ndarray:
    """What the model gives to the neighbourhood of every pattern: 20,000 independent draws from all states of the latents."""
    w, b, c = (np.asarray(params[n], float) for n in ("W_v_h", "b_v", "b_h"))
    h = (np.arange(64)[:, None] >> np.arange(6)) & 1
    p = np.exp(
        h @ c + np.logaddexp(0, b + h @ w.T).sum(1) - np.logaddexp.reduce(h @ c + np.logaddexp(0, b + h @ w.T).sum(1))
    )
    rng = np.random.default_rng(0)
    mean = 1 / (1 + np.exp(-(b + h @ w.T)))
    v = rng.random((20_000, 20)) < mean[rng.choice(64, 20_000, p=p)]
    _, patterns = clusters(500)
    nearest = np.abs(v[:, None] - patterns).sum(-1).argmin(1)
    return np.bincount(nearest, minlength=3) / len(nearest)


def test_log_z_along_training_is_right_and_modes_have_their_weights() -> None:
    run = trained(ed.TrajectoryTempering(chains=400), monitor=exact, seed=1)
    assert run.history[-1]["rungs"] > 2
    assert misses(run) < 0.1
    last = run.history[-1]
    assert 0 < last["log_z_std"] < 0.1
    assert last["log_likelihood_train"] == pytest.approx(-last["free_energy_train"] - last["log_z"])
    np.testing.assert_allclose(mode_weights(run.params), SHARES, rtol=0.1)


def test_persistent_chains_alone_get_the_modes_wrong_and_the_verdict_says_so() -> None:
    run = trained(ed.PCD(chains=100), epochs=150)
    assert np.abs(mode_weights(run.params) / SHARES - 1).max() > 0.1
    rows, _ = clusters(500)
    verdict = ed.retrospect(run, rows, chains=60, sweeps=50)
    assert not verdict.sound
    assert verdict.own is not None
    assert verdict.own.distance < 0.1 < verdict.renewed.distance
    assert verdict.old <= 0.01
    right = ed.retrospect(trained(ed.Exact()), rows, chains=60, sweeps=50)
    assert right.sound, right.faults
    assert abs(right.renewed.distance) < 0.01


def test_parameters_wait_for_chains_that_lag(monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps = []
    right = Chains.step
    monkeypatch.setattr(Chains, "step", lambda *given: (sweeps.append(1), right(*given))[1])
    trained(ed.PCD(chains=20, lag=0.25), epochs=1)
    assert 10 < len(sweeps) < 10 * 100
    sweeps.clear()
    trained(ed.PCD(chains=20, lag=1e9), epochs=1)
    assert len(sweeps) == 20
    sweeps.clear()
    trained(ed.PCD(chains=20), epochs=1)
    assert len(sweeps) == 10


class OwnChains(Trajectory):
    """Mutant: log Z by the weights of the chains that the gradient follows."""

    def before(self, phases: Any, params: Any) -> Any:
        back = super().before(phases, params)
        path = trajectory._path(phases, params)
        if not hasattr(phases, "summed"):
            phases.summed = ladder.log_z(phases.own.rungs)[0]
        else:
            change = ladder.log_weights(path, phases.negative.samples) - phases.before
            phases.summed += float(np.log(np.exp(change).mean()))
        return back

    def step(self, phases: Any, params: Any) -> None:
        super().step(phases, params)
        phases.before = ladder.log_weights(trajectory._path(phases, params), phases.negative.samples)

    def figures(self, phases: Any, params: Any) -> dict[str, float]:
        return super().figures(phases, params) | {"log_z": phases.summed}


def test_chains_that_the_gradient_follows_cannot_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ed.TrajectoryTempering, "_chains", lambda method: OwnChains(method.k, method.chains))
    monkeypatch.setattr(ladder, "_SETTLING", 1)
    assert misses(trained(ed.TrajectoryTempering(chains=50), epochs=120, monitor=exact)) > 1.0


def test_goes_back_where_a_step_was_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    program = ed.loads(RBM).compile("numpy")
    rows, _ = clusters(500)

    def fast(lr: float) -> Any:
        method = ed.TrajectoryTempering(chains=20)
        return ed.train(program, rows, method, ed.SGD(lr=lr, momentum=0.5), epochs=2, batch=50, validation=0.0)

    last = fast(50.0).history[-1]
    assert last["pace"] < 0.5
    assert np.isfinite(last["log_z"])
    adam = ed.Adam(lr=0.5)  # goes back too, and keeps the sizes of its steps: only their direction is cleared
    kept = ed.train(program, rows, ed.TrajectoryTempering(chains=20), adam, epochs=2, batch=50, validation=0.0)
    assert kept.history[-1]["pace"] < 1.0
    assert np.isfinite(kept.history[-1]["log_z"])
    monkeypatch.setattr(trajectory, "_HALVINGS", 2)
    with pytest.raises(ed.TrainingError, match="after 2 halvings of the learning rate"):
        fast(1e6)


def test_interrupted_equals_uninterrupted_and_tells_of_damage(tmp_path: Path) -> None:
    whole = trained(ed.TrajectoryTempering(chains=20), epochs=40)

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 36:
            raise KeyboardInterrupt

    half = trained(ed.TrajectoryTempering(chains=20), epochs=40, out=tmp_path, report=stop)
    assert not half.finished
    assert half.history[-1]["rungs"] > 2
    kept = sorted(tmp_path.glob("checkpoint-*.npz"))[-1]
    arrays = dict(np.load(kept))
    parts = trained(ed.TrajectoryTempering(chains=20), epochs=40, out=tmp_path, resume=True)
    for name, value in whole.params.items():
        np.testing.assert_array_equal(parts.params[name], value)
    assert parts.history[-1]["log_z"] == whole.history[-1]["log_z"]
    engine = parts.program.engine
    for name in (
        "chain/ladder/1/state/h",
        "chain/ladder/0/param/b_v",
        "chain/ladder/witness/h",
        "chain/ladder/numbers",
    ):
        assert name in arrays
        with pytest.raises(ed.DataError, match="ladder"):
            check_arrays(
                engine, {n: a for n, a in arrays.items() if n != name and n.split("/")[0] in ("param", "chain")}
            )


def test_what_does_not_fit_says_why() -> None:
    program = ed.loads(
        "visible x[2] : real\nparam a = 1.0\nenergy = sum[i] (x[i]^4 - a*x[i]^2) + cos(x[0] + x[1])"
    ).compile("numpy")
    with pytest.raises(ed.NotApplicable, match="sampler that adapts"):
        ed.train(program, np.zeros((4, 2)), ed.TrajectoryTempering(sampler="hmc"), epochs=1)
