"""log Z from both sides against exact sums and closed forms; the verdict; and mistakes that these tests must see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl import limits
from energydsl.annealing.bar import bennett
from energydsl.annealing.partition import from_above, log_mean_weight
from energydsl.annealing.path import Path
from energydsl.data.sources import as_data
from energydsl.inference import reverse_ais, sides, temperatures
from energydsl.inference.ais import ais, forwards, ladder
from energydsl.inference.evaluate import evaluate_in_steps
from energydsl.inference.sides import from_sides
from energydsl.inference.tempered import tempered
from energydsl.inference.told import describe
from energydsl.learning.run import Run
from energydsl.program.initialise import base_rate
from energydsl.program.states import check_params

Array = np.ndarray
RBM = "visible v[6] : binary\nhidden h[5] : binary\nparam W[6, 5] = normal(sd = 1), b[6] = normal(sd = 1), c[5] = normal(sd = 1)\nenergy = - b @ v - c @ h - v @ W @ h"
MODELS = {
    "rbm": RBM,
    "potts": "visible x[3] : categorical[3]\nhidden h[4] : binary\nparam W[3, 3, 4] = normal(sd = 1), g[3, 3] = normal(sd = 1)\nenergy = - sum[n, a] g[n, a]*x[n, a] - sum[n, a, j] x[n, a]*W[n, a, j]*h[j]",
    "gaussian": "visible v[4] : real\nhidden h[5] : binary\nparam W[4, 5] = normal(sd = 0.7), b[4] = normal(sd = 1)\nenergy = 0.5 * sum((v - b)^2) - v @ W @ h",
    "semi-restricted": "visible v[6] : binary\nhidden h[4] : binary\nparam W[6, 4] = normal(sd = 1), L[6, 6] : symmetric & zero_diagonal = normal(sd = 1)\nenergy = - v @ W @ h - 0.5 * v @ L @ v",
    "experts": "visible v[6] : binary\nparam W[6, 4] = normal(sd = 1), c[4] = normal(sd = 1)\nenergy = - sum(softplus(c + v @ W))",
    "gated": "input x[3] : real\nvisible y[5] : binary\nhidden h[3] : binary\nparam W[3, 5, 3] = normal(sd = 0.8), b[5] = normal(sd = 1)\nenergy = - b @ y - sum[k, i, j] x[k]*W[k, i, j]*y[i]*h[j]",
}
SEEDS = range(5)


def errors(name: str, betas: int = 150, chains: int = 50) -> Array:
    """log Z from below, from above, and as quoted, less the exact sum, and the error bar of each, in nats: (seeds, 3, 2)."""
    found = []
    for seed in SEEDS:
        program = ed.loads(MODELS[name]).compile("numpy", "float64")
        inputs = {n: np.full((1, 3), 0.5 - seed) for n in program.model.by_role("input")}
        params = program.init(seed)
        exact = float(np.asarray(program.log_partition(params, inputs or None)).item())
        steps = ladder(program.engine.core, params, {}, betas, chains, seed, inputs)
        [both] = from_sides(steps, "auto", chains, {}, seed).sides
        assert both.below is not None
        assert both.above is not None
        found.append([(p.log_z - exact, p.log_z_std) for p in (both.below, both.above, both.best)])
    return np.array(found)


def check(name: str) -> None:
    """Within error bars; and at few temperatures, where bounds lie apart, each on its side."""
    for exact_samples in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not exact_samples:
                patch.setattr(limits, "LOG2_DRAWN", -1.0)
            gaps, bars = np.moveaxis(errors(name), 2, 0)
        assert np.abs(gaps / bars).max() < 4.5
        assert np.abs((gaps / bars).mean(axis=0)).max() < 2.0
    below, above, _ = errors(name, betas=2, chains=4)[:, :, 0].T
    assert below.mean() < 2.0 * below.std() / np.sqrt(len(SEEDS))
    assert above.mean() > -2.0 * above.std() / np.sqrt(len(SEEDS))
    assert below.mean() < above.mean()


@pytest.mark.parametrize("name", MODELS)
def test_both_sides_hold_the_exact_sum(name: str) -> None:
    check(name)


def wrong_sign(original: Callable[..., Any]) -> Callable[..., Any]:
    return lambda log_weights: original(-log_weights)


MISTAKES: dict[str, tuple[Any, str, Callable[[Any], Any]]] = {
    "weights of the way back with the wrong sign": (reverse_ais, "from_above", wrong_sign),
    "the base is forgotten on the way back": (Path, "log_z_base", lambda _: lambda self: 0.0),
    "works of the way back with the wrong sign": (sides, "bennett", lambda f: lambda there, back: f(there, -back)),
    "chains of the way back begin at the base": (
        sides,
        "model_samples",
        lambda f: lambda steps, *rest: _at_the_base(f(steps, *rest), steps),
    ),
    "no move on the way": (Path, "step", lambda f: lambda self, x, a, b, rng, last: f(self, x, a, b, rng, True)),
}


def _at_the_base(samples: Any, steps: Any) -> Any:
    count = len(next(iter(samples.state.values())))
    samples.state.update(steps.path.start(count, steps.held(count), ed.Rng(9)))
    return samples


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, mistaken = MISTAKES[name]
    monkeypatch.setattr(owner, attribute, mistaken(getattr(owner, attribute)))
    with pytest.raises(AssertionError):
        check("rbm")


def test_latents_of_the_last_temperature_are_not_read_again() -> None:
    """Gibbs with gradients moves v by slopes at h, so h must be drawn anew; few temperatures and many chains show it."""
    text = "graph G = grid(2, 3)\nvisible s[2, 3] : spin\nhidden t[2, 3] : spin\nparam J[G] = normal(sd = 1), K[2, 3] = normal(sd = 1.5)\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*t[k] - sum(K*s*t)"
    bars = []
    for seed in (0, 1):
        program = ed.loads(text).compile("numpy", "float64")
        params = program.init(seed)
        found = ais(program.engine.core, params, {}, betas=3, chains=30_000, seed=seed, sampler="gibbs-gradient")
        bars.append((found.log_z - program.log_partition(params)) / found.log_z_std)
    assert np.abs(bars).max() < 3.5


# --- Bennett's ratio


def test_bennett_of_normal_works() -> None:
    """Works w ~ N(m, s^2) there are N(m + s^2, s^2) on the way back, and log Z = m + s^2 / 2."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        there, back = rng.normal(1.0, 1.5, 60), -rng.normal(1.0 + 1.5**2, 1.5, 30)
        p = bennett(there, back)
        found.append((p.log_z - 2.125, p.log_z_std))
    gaps, bars = np.array(found).T
    assert abs(gaps.mean()) < 3 * gaps.std() / np.sqrt(200)
    assert bars.mean() == pytest.approx(gaps.std(), rel=0.2)


def test_bennett_is_refused_where_sweeps_have_no_reverse() -> None:
    run, x = a_run(MODELS["semi-restricted"])
    with pytest.raises(ed.NotApplicable, match="run backwards"):
        ed.evaluate(run, x, "bar", betas=10)


# --- where temperatures stand


def pilot(spread: Array, chains: int = 4000) -> Array:
    """Changes of log weights, independent from step to step, with these standard deviations."""
    return np.random.default_rng(0).normal(size=(len(spread), chains)) * spread[:, None]


def test_temperatures_are_dense_where_steps_cost() -> None:
    """Ten times the spread in the last tenth: of the share that moves, as many fall there as in the rest together times 10/9."""
    even = temperatures.even(100)
    times = temperatures.at_equal_cost(even, pilot(np.where(even[1:] > 0.9001, 10.0, 1.0)), 1000)
    assert len(times) == 1001
    assert (times[0], times[-1]) == (0.0, 1.0)
    assert (np.diff(times) > 0).all()
    wanted = 0.9 * (10 / 19) + 0.1 * 0.1
    assert np.mean(times > 0.9) == pytest.approx(wanted, abs=0.01)
    again = temperatures.at_equal_cost(times, pilot(np.diff(times) * np.where(times[1:] > 0.9001, 100.0, 10.0)), 1000)
    assert (np.diff(again) > 0).all()
    assert np.mean(again > 0.9) > wanted - 0.01


@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_a_pilot_that_tells_nothing_leaves_temperatures_even(bad: float) -> None:
    even = temperatures.even(40)
    np.testing.assert_allclose(temperatures.at_equal_cost(even, np.full((40, 5), bad), 80), temperatures.even(80))


def test_placed_temperatures_carry_more_chains_and_are_a_function_of_the_seed() -> None:
    """A ferromagnet orders in a narrow stretch of the path, where steps cost most."""
    program = ed.loads("visible v[40] : spin\nhidden h[20] : spin\nparam W[40, 20]\nenergy = - v @ W @ h").compile(
        "numpy"
    )
    params = {"W": np.full((40, 20), 0.35)}
    effective = {}
    for kind in ("placed", "even"):
        found = []
        for seed in range(2):
            steps = ladder(program.engine.core, params, {}, 300, 100, seed, {})
            if kind == "even":
                steps = replace(steps, times=temperatures.even(300))
            found.append(log_mean_weight(forwards(steps, 100, ed.Rng(seed))[0])[2])
        effective[kind] = np.mean(found)
    assert effective["placed"] > 1.8 * effective["even"]
    twice = [ladder(program.engine.core, params, {}, 200, 20, 3, {}).times for _ in range(2)]
    np.testing.assert_array_equal(*twice)


def unsorted(original: Callable[..., Array]) -> Callable[..., Array]:
    return lambda *given: original(*given)[::-1]


def test_temperatures_in_another_order_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temperatures, "at_equal_cost", unsorted(temperatures.at_equal_cost))
    with pytest.raises(AssertionError):
        test_temperatures_are_dense_where_steps_cost()


# --- the verdict


def a_run(text: str, seed: int = 0, rows: int = 20) -> tuple[Run, dict[str, Array]]:
    """Initial parameters, random rows."""
    program = ed.loads(text).compile("numpy", "float64")
    params = program.init(seed)
    state = program.init_state(params, rows, seed)
    x = {n: state[n] for n in program.model.by_role("visible")}
    base = {n: base_rate(program.engine, n, a) for n, a in x.items()}
    return Run(program, params, {"data": {"binarise": None}}, base=base), x


def test_every_method_says_what_is_known_of_its_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    run, x = a_run(RBM)
    exact = ed.evaluate(run, x, "exact")
    assert exact.exactness == "exact"
    assert exact.log_likelihood_low == exact.log_likelihood_high == exact.log_likelihood
    monkeypatch.setattr(limits, "LOG2_STATES", 4.0)  # no exact sum, and no exact samples either
    monkeypatch.setattr(limits, "LOG2_CLIQUE", 1.0)
    known = {}
    for method in ("ais", "reverse-ais", "bar", "auto"):
        found = known[method] = ed.evaluate(run, x, method, betas=200, chains=50)
        assert found.log_likelihood == pytest.approx(exact.log_likelihood, abs=5 * found.log_z_std)
        assert found.rows.mean() == pytest.approx(found.log_likelihood)
    assert [f.exactness for f in known.values()] == ["bound from above", "bound from below", "estimate", "estimate"]
    assert [f.agree for f in known.values()] == [None, None, True, True]
    assert known["ais"].log_likelihood_low is None
    assert known["reverse-ais"].log_likelihood_high is None
    assert known["auto"] == known["bar"]
    assert known["auto"] == ed.evaluate(run, x, "auto", betas=200, chains=50)
    both = known["auto"]
    assert both.log_likelihood_low < exact.log_likelihood < both.log_likelihood_high
    told = describe(both.as_dict(), "test")
    assert f"(between {both.log_likelihood_low:.3f} and {both.log_likelihood_high:.3f}; both sides agree)" in told
    assert "(bound from above: annealing alone)" in describe(known["ais"].as_dict(), "test")


# A mode at one corner that weighs more than all else, and that no chain finds from elsewhere.
HIDDEN_MODE = "visible v[20] : binary\nhidden h : binary\nparam W[20], c\nenergy = - c * h - sum[i] W[i]*v[i]*h"


@pytest.mark.parametrize("listed", [True, False])
def test_the_trap_of_the_uniform_start_is_seen(listed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Annealing from uniform units says log Z = 20 log 2 = 13.9; it is 22. Exact samples or the run's own chains tell."""
    program = ed.loads(HIDDEN_MODE).compile("numpy", "float64")
    base = {"v": base_rate(program.engine, "v", None)}
    params = {"W": np.full(20, 20.0), "c": np.array(-378.0)}
    chains = {} if listed else {"v": np.ones((10, 20)), "h": np.ones(10)}
    run = Run(program, params, {"data": {"binarise": None}}, base=base, chains=chains)
    if not listed:
        monkeypatch.setattr(limits, "LOG2_DRAWN", -1.0)
    zeros = np.zeros((5, 20))
    exact = ed.evaluate(run, zeros, "exact").log_likelihood
    alone = ed.evaluate(run, zeros, "ais", betas=50)
    assert alone.log_likelihood > exact + 5.0
    found = ed.evaluate(run, zeros, "bar", betas=50)
    assert found.agree is False
    assert found.gap > 5.0
    assert found.log_likelihood_low < exact < found.log_likelihood_high
    told = describe(found.as_dict(), "test")
    assert f"do not quote this: the two sides differ by {found.gap:.1f} nats" in told
    assert listed or "have not met" in told


def test_chains_that_have_not_settled_are_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sweep of a long ferromagnetic chain leaves its energy on its way; a hundred thousand would be needed."""
    monkeypatch.setattr(limits, "LOG2_CLIQUE", 0.0)
    monkeypatch.setattr(sides, "_FEWEST_SWEEPS", 2)
    run, x = a_run(
        "visible s[200] : spin\nenergy = - 2 * sum[i in range(199)] s[i]*s[i + 1]",
    )
    found = ed.evaluate(run, x, "bar", betas=4, chains=20)
    assert found.agree is False
    assert any("still on their way" in doubt for doubt in found.doubts)


def test_an_upper_bound_is_minus_the_log_of_the_mean_weight() -> None:
    weights = np.array([0.5, 1.5, 1.0])
    assert from_above(np.log(weights)).log_z == pytest.approx(-np.log(weights.mean()))


def test_after_a_training_few_temperatures_are_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    program = ed.loads("visible v[30] : binary\nhidden h[30] : binary\nlayers v -- h").compile("numpy")
    rows = (np.random.default_rng(0).random((20, 30)) < 0.3).astype(float)
    run = ed.train(program, rows, epochs=1)
    data = as_data(program.model, rows, None, "train")
    monkeypatch.setattr("energydsl.defaults.TEMPERATURES", 1500)
    found, betas = evaluate_in_steps(run, data)
    assert betas == 1000
    assert found.agree
    monkeypatch.setattr("energydsl.defaults.NARROW", 0.0)
    assert evaluate_in_steps(run, data)[1] == 1500


@pytest.mark.parametrize(
    "text", [MODELS["rbm"], MODELS["experts"], MODELS["gaussian"]], ids=["rbm", "experts", "gaussian"]
)
def test_a_ladder_finds_log_z_from_both_sides(text: str) -> None:
    program = ed.loads(text).compile("numpy", "float64")
    params = {n: 2.0 * np.asarray(a) for n, a in program.init(3).items()}
    exact = float(np.asarray(program.log_partition(params)).item())
    path = Path(program.engine.core, check_params(program.engine, params), {})
    found = tempered(path, 60, ed.Rng(2))
    [sides] = found.sides
    assert 0 < sides.best.log_z_std < 0.1
    assert abs(sides.best.log_z - exact) < 4 * sides.best.log_z_std
    assert sides.below is not None
    assert sides.above is not None
    assert sides.below.log_z - 4 * sides.below.log_z_std < exact < sides.above.log_z + 4 * sides.above.log_z_std
    assert not found.doubts
    assert found.figures["rungs"] > 2
    assert found.figures["exchanged"] > 0.2
