"""What models of the zoo are known to do: exact values, ground states, recall, and what training finds; each could fail."""

from __future__ import annotations

from itertools import product
from typing import Any

import networkx as nx
import numpy as np
import pytest
from scipy.signal import correlate2d
from scipy.special import comb, expit, logsumexp

import energydsl as ed
from energydsl.random import Rng
from tests.conftest import ROOT

RNG = np.random.default_rng


def compiled(name: str, dims: dict[str, int] | None = None, **consts: float) -> ed.Program:
    return ed.zoo(name, dims, consts or None).compile("numpy", "float64")


def drawn(program: ed.Program, params: Any, n: int, steps: int, **options: Any) -> Any:
    """States of n chains; float64, as they are compared with exact values."""
    return program.gibbs(params, program.init_state(params, n, seed=1), steps, rng=Rng(2), **options)


def settled(program: ed.Program, params: Any, state: Any, beta: float = 20.0, steps: int = 20) -> Any:
    """States after sweeps so cold that energies hardly rise."""
    return program.gibbs(params, state, steps, rng=Rng(3), beta=beta)


def within(found: Any, exact: Any, sigmas: float = 4.5) -> None:
    """Means of independent rows lie within their standard errors of exact values."""
    error = np.std(found, axis=0) / np.sqrt(len(found))
    np.testing.assert_array_less(np.abs(np.mean(found, axis=0) - exact), sigmas * error + 1e-12)


def spins(n: int) -> Any:
    """All states of n spins, (2^n, n)."""
    return np.array(list(product([-1.0, 1.0], repeat=n)))


def trained(program: ed.Program, data: Any, epochs: int, lr: float = 0.02, **options: Any) -> ed.Run:
    return ed.train(program, data, ed.PCD(k=2, chains=200, **options), ed.Adam(lr=lr), epochs=epochs, validation=0.0)


# --- memories


def recalled(program: ed.Program, patterns: Any, flips: float) -> float:
    """The share of patterns to which states go back from flips of a share of their units."""
    noisy = patterns * np.where(RNG(1).random(patterns.shape) < flips, -1, 1)
    found = settled(program, {"X": patterns}, {"s": noisy})["s"]
    return float((found == patterns).all(axis=1).mean())


def test_a_quartic_memory_recalls_what_a_quadratic_one_cannot() -> None:
    patterns = RNG(0).choice([-1.0, 1.0], (40, 100))
    quadratic = ed.loads((ROOT / "models/dense_memory.energy").read_text().replace("^4", "^2"), {"N": 100, "P": 40})
    assert recalled(compiled("dense_memory", {"N": 100, "P": 40}), patterns, 0.2) == 1
    assert recalled(quadratic.compile("numpy", "float64"), patterns, 0.2) < 0.1


def test_an_exponential_memory_holds_more_patterns_than_it_has_units() -> None:
    patterns = RNG(0).choice([-1.0, 1.0], (150, 50))
    assert recalled(compiled("exponential_memory", {"N": 50, "P": 150}), patterns, 0.15) > 0.95


def test_a_modern_hopfield_network_is_a_mixture_of_gaussians() -> None:
    patterns = np.array([[1.5, 0.0], [-1.0, 1.0], [0.0, -0.5]])
    program = compiled("modern_hopfield", {"N": 2, "P": 3})
    weights = np.exp((patterns**2).sum(axis=1) / 2)
    found = drawn(program, {"X": patterns}, 2000, 60)["x"]
    within(found, weights @ patterns / weights.sum())


# --- units summed out, or not


def test_the_softplus_energy_is_the_free_energy_of_an_rbm() -> None:
    program, rbm = compiled("softplus_rbm", {"I": 7, "J": 4}), compiled("rbm", {"I": 7, "J": 4})
    params = {n: RNG(0).normal(size=np.shape(a)) for n, a in rbm.init().items()}
    np.testing.assert_allclose(program.log_partition(params), rbm.log_partition(params), rtol=1e-12)
    v = RNG(1).integers(0, 2, (5, 7))
    np.testing.assert_allclose(program.energy(params, {"v": v}), rbm.free_energy(params, {"v": v}), rtol=1e-12)


def test_all_covariance_latents_on_make_one_gaussian() -> None:
    program = compiled("mean_covariance_rbm", {"I": 3, "J": 2, "F": 4, "K": 2})
    params = program.init(seed=0) | {"d": np.full(2, 60.0), "c": np.full(2, -60.0), "b": np.array([1.0, 0, -1])}
    precision = np.eye(3) + params["C"] * params["P"].sum(axis=1) @ params["C"].T
    found = drawn(program, params, 4000, 30)["v"]
    mean = np.linalg.solve(precision, params["b"])
    within(found, mean)
    within((found - mean)[:, :, None] * (found - mean)[:, None, :], np.linalg.inv(precision))


def test_the_number_of_spikes_has_a_table() -> None:
    program = compiled("k_pairwise", {"N": 6})
    table = RNG(0).normal(size=7)
    params = program.init(seed=0) | {"J": np.zeros((6, 6)), "V": table}
    exact = logsumexp(table, b=comb(6, np.arange(7)))
    np.testing.assert_allclose(program.log_partition(params), exact, rtol=1e-12)


def test_all_spikes_on_make_one_gaussian() -> None:
    program = compiled("spike_slab_rbm", {"I": 3, "J": 2})
    params = program.init(seed=0) | {"W": np.array([[0.9, 0.2], [0.5, -0.6], [0.0, 0.8]]), "b": np.full(2, 60.0)}
    precision = params["L"] * np.eye(3) - params["W"] @ params["W"].T / params["a"]
    found = drawn(program, params, 4000, 30)["v"]
    within(found[:, :, None] * found[:, None, :], np.linalg.inv(precision))


# --- experts and networks


def test_student_experts_along_the_axes_are_independent() -> None:
    program = compiled("student_experts", {"I": 2, "J": 2}, e=0.1)
    params = {"W": np.diag([1.0, 2.0]), "a": np.array([1.5, 1.0])}
    line = np.linspace(-60, 60, 400_001)
    found = drawn(program, params, 3000, 60)["x"]
    for k, scale in enumerate((1.0, 2.0)):
        p = np.exp(-params["a"][k] * np.log1p(0.5 * (scale * line) ** 2) - 0.05 * line**2)
        within(np.abs(found[:, k]), p @ np.abs(line) / p.sum())
    assert abs(np.corrcoef(found[:, 0] ** 2, found[:, 1] ** 2)[0, 1]) < 0.1


def test_a_field_of_experts_learns_that_neighbours_are_alike() -> None:
    program = compiled("field_of_experts", {"N": 6, "K": 2, "S": 2}, e=0.1)
    noise = RNG(0).normal(size=(400, 8, 8))
    images = np.array([correlate2d(x, np.ones((3, 3)) / 3, "valid") for x in noise])
    params = program.init(seed=0)
    filtered = [[correlate2d(x, j, "valid") for x in images] for j in params["J"]]
    by_hand = sum(a * np.log1p(0.5 * np.square(r)).sum(axis=(1, 2)) for a, r in zip(params["a"], filtered, strict=True))
    by_hand = by_hand + 0.05 * (images**2).sum(axis=(1, 2))
    np.testing.assert_allclose(program.energy(params, {"x": images}), by_hand, rtol=1e-12)
    run = ed.train(program, images, ed.CD(), ed.Adam(lr=0.01), epochs=10, validation=0.0)
    shuffled = RNG(1).permuted(images.reshape(400, -1), axis=1).reshape(images.shape)

    def gap(p: Any) -> float:
        return float((program.energy(p, {"x": shuffled}) - program.energy(p, {"x": images})).mean())

    assert gap(run.params) > 1.5 > gap(params)


def test_samples_of_a_network_follow_its_density() -> None:
    program = compiled("network")
    params = program.init(seed=4)
    line = np.linspace(-15, 15, 301)
    places = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    log_p = -program.energy(params, {"x": places})
    p = np.exp(log_p - logsumexp(log_p))
    found = drawn(program, params, 1000, 40)["x"]
    within(found, p @ places)
    within(found**2, p @ places**2)


# --- sequences


def test_couplings_of_a_protein_family_are_direct() -> None:
    """Sites 0 and 1, 1 and 2 copy one another: 0 and 2 agree as well, but are not coupled."""
    rng = RNG(0)
    x = np.empty((3000, 4), int)
    x[:, 0], x[:, 3] = rng.integers(0, 3, 3000), rng.integers(0, 3, 3000)
    for site in (1, 2):
        x[:, site] = np.where(rng.random(3000) < 0.8, x[:, site - 1], rng.integers(0, 3, 3000))
    run = trained(compiled("protein_potts", {"N": 4, "K": 3}), np.eye(3)[x], 20)
    couplings = run.params["J"] - run.params["J"].mean(axis=1, keepdims=True)
    strength = np.linalg.norm(couplings - couplings.mean(axis=2, keepdims=True), axis=(1, 2))
    direct = np.isin(np.arange(6), (0, 3))  # edges 0-1, 0-2, 0-3, 1-2, 1-3, 2-3
    assert strength[direct].min() > 4 * strength[~direct].max()


def test_a_temporal_rbm_learns_that_a_light_moves_on() -> None:
    frames = (np.arange(4)[:, None] + np.arange(3)) % 4  # of each start, where the light is at each time
    data = np.tile(np.eye(4)[frames], (50, 1, 1))
    run = trained(compiled("temporal_rbm", {"T": 3, "I": 4, "J": 3}), data, 150, lr=0.05)
    independent = 12 * (0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert np.log(1 / 4) > ed.evaluate(run, data).log_likelihood > independent / 3


def forward(params: Any, x: Any) -> tuple[float, Any]:
    """log sum over states of exp(-E), and the posterior of each state (T, S), by the forward-backward algorithm (Rabiner 1989)."""
    emit = params["B"][:, x].T
    ahead = [params["a"] + emit[0]]
    for e in emit[1:]:
        ahead.append(logsumexp(ahead[-1][:, None] + params["A"], axis=0) + e)
    back = [np.zeros(len(params["a"]))]
    for e in emit[:0:-1]:
        back.append(logsumexp(params["A"] + e + back[-1], axis=1))
    joint = np.array(ahead) + np.array(back[::-1])
    total = float(logsumexp(joint[0]))
    return total, np.exp(joint - total)


def test_a_hidden_markov_model_by_forward_and_backward_passes() -> None:
    program = compiled("hidden_markov", {"T": 5})
    params = {n: RNG(0).normal(size=np.shape(a)) for n, a in program.init().items()}
    rows = np.array(list(product(range(4), repeat=5)))
    totals = np.array([forward(params, x)[0] for x in rows])
    np.testing.assert_allclose(program.log_partition(params), logsumexp(totals), rtol=1e-10)
    found = program.marginals(params, {"x": np.eye(4)[rows[:20]]})["z"]
    np.testing.assert_allclose(found, [forward(params, x)[1] for x in rows[:20]], atol=1e-10)


def test_a_conditional_random_field_uses_what_stands_beside() -> None:
    """Labels that last, seen through noise: neighbours say more than a place alone."""
    rng = RNG(0)
    y = np.repeat(rng.integers(0, 3, (300, 5)), 2, axis=1)
    f = np.eye(3)[y] + rng.normal(size=(300, 10, 3))
    program = compiled("chain_crf", {"D": 3})
    run = ed.train(program, {"f": f, "y": np.eye(3)[y]}, ed.CD(k=5), ed.Adam(lr=0.05), epochs=20, validation=0.0)
    guess = program.marginals(run.params, {"f": f})["y"].argmax(axis=-1)
    assert (guess == y).mean() > (f.argmax(axis=-1) == y).mean() + 0.04


# --- fields on graphs


def test_a_gaussian_field_has_the_moments_of_its_precision() -> None:
    program = compiled("gaussian_field")
    laplacian = nx.laplacian_matrix(nx.convert_node_labels_to_integers(nx.grid_graph((8, 8)))).toarray()
    covariance = np.linalg.inv(laplacian + 0.1 * np.eye(64))
    b = np.zeros(64)
    b[[0, 63]] = 3, -3
    found = drawn(program, {"b": b}, 500, 150)["x"]
    within(found, covariance @ b, 5)
    within((found - covariance @ b) ** 2, np.diag(covariance), 5)


def test_a_partition_of_equal_weight_is_found() -> None:
    program = compiled("number_partition")
    a = RNG(3).integers(1, 200, 16).astype(float)
    best = ((spins(16) @ a) ** 2).min()
    state = drawn(program, {"a": a / 200}, 100, 200, sampler="tempering", beta=50.0)
    np.testing.assert_allclose(program.energy({"a": a}, state).min(), best)


def test_the_greatest_cut_is_found() -> None:
    program = compiled("max_cut")
    edges = nx.random_regular_graph(3, 24, seed=1).edges
    states = np.arange(2**20, dtype=np.int32)
    best = 0
    for high in range(2**3):  # the last spin may be held: turning all of them changes no cut
        word = states + high * 2**20
        best = max(best, sum(((word >> i) ^ (word >> k)) & 1 for i, k in edges).max())
    state = program.gibbs({}, program.init_state({}, 50, seed=0), 200, rng=Rng(0), beta=4.0)
    assert program.energy({}, state).min() == -best


def test_every_word_with_one_wrong_bit_is_decoded() -> None:
    program = compiled("parity_check", J=20)
    words = spins(7)
    checks = [[(i + k) % 7 for k in (0, 3, 5, 6)] for i in range(7)]
    words = words[np.all([words[:, c].prod(axis=1) == 1 for c in checks], axis=0)]
    assert len(words) == 16
    received = words[:, None, :] * (1 - 2 * np.eye(8, 7))  # one bit is flipped, or none
    found = program.marginals({}, {"f": received.reshape(-1, 7)})["s"].argmax(axis=-1)
    assert (2 * found.reshape(received.shape) - 1 == words[:, None, :]).all()


# --- lattices


def torus(dims: tuple[int, ...]) -> list[tuple[int, int]]:
    """Bonds of sites, numbered along the last axis first, to the next ones along each axis."""
    sites = np.arange(np.prod(dims)).reshape(dims)
    return [(i, k) for d in range(len(dims)) for i, k in zip(sites.flat, np.roll(sites, -1, d).flat, strict=True)]


def test_the_ground_states_of_baxter_and_wu() -> None:
    """All up, or one of three sublattices: four states, each with every triangle content."""
    program = compiled("baxter_wu", {"L": 6}, K=1)
    sublattice = np.add.outer(-np.arange(6), np.arange(6)) % 3
    states = np.array([np.ones((6, 6)), *(np.where(sublattice == k, 1.0, -1.0) for k in range(3))])
    np.testing.assert_allclose(program.energy({}, {"s": states}), -72.0)
    everything = compiled("baxter_wu", {"L": 3}, K=1).energy({}, {"s": spins(9).reshape(-1, 3, 3)})
    assert everything.min() == -18
    assert (everything == -18).sum() == 4


def test_two_ising_models_and_four_states_of_potts() -> None:
    pairs = torus((3, 3))
    s = spins(9)
    ising = logsumexp(0.3 * sum(s[:, i] * s[:, k] for i, k in pairs))
    program = compiled("ashkin_teller", {"L": 3}, K=0.3, U=0)
    np.testing.assert_allclose(program.log_partition({}), 2 * ising, rtol=1e-12)
    x = np.array(np.meshgrid(*[range(4)] * 9)).reshape(9, -1)
    potts = logsumexp(0.2 * sum(4.0 * (x[i] == x[k]) - 1 for i, k in pairs))
    program = compiled("ashkin_teller", {"L": 3}, K=0.2, U=0.2)
    np.testing.assert_allclose(program.log_partition({}), potts, rtol=1e-12)


def test_a_clock_of_five_hours_has_the_energy_of_its_angles() -> None:
    program = compiled("clock", {"L": 2, "Q": 5}, K=0.7)
    angles = np.array(list(product(np.arange(5) * 2 * np.pi / 5, repeat=4)))
    exact = logsumexp(0.7 * sum(np.cos(angles[:, i] - angles[:, k]) for i, k in torus((2, 2))))
    np.testing.assert_allclose(program.log_partition({}), exact, rtol=1e-12)


def test_spins_on_a_cube_are_sampled_as_listed() -> None:
    program = compiled("ising_3d", {"L": 2})
    s = spins(8)
    energy = -0.22165463 * sum(s[:, i] * s[:, k] for i, k in torus((2, 2, 2)))
    p = np.exp(-energy - logsumexp(-energy))
    state = drawn(program, {}, 2000, 50)
    within(program.energy({}, state), p @ energy)
    within(np.square(state["s"].sum(axis=(1, 2, 3))), p @ np.square(s.sum(axis=1)))


def test_a_third_of_all_bonds_stays_unsatisfied_on_triangles() -> None:
    program = compiled("triangular_antiferromagnet", {"L": 6})
    state = settled(program, {}, program.init_state({}, 200, seed=0), beta=6.0, steps=100)
    energy = program.energy({}, state)
    assert energy.min() == -36  # of 108 bonds, 36 are not satisfied (Wannier 1950): none can do better
    assert (energy == -36).mean() > 0.5
    assert len(np.unique(state["s"][energy == -36], axis=0)) > 50


# --- latent variables


def test_principal_components_are_those_of_the_sample() -> None:
    """The noise is the mean of the eigenvalues left over (Tipping & Bishop 1999, eq. 8)."""
    rng = RNG(0)
    x = rng.normal(size=(2000, 2)) * [2, 1.5] @ rng.normal(size=(2, 6)) + 0.5 * rng.normal(size=(2000, 6))
    values, axes = np.linalg.eigh(np.cov(x.T))
    run = trained(compiled("ppca", {"I": 6, "J": 2}), x, 30, lr=0.05)
    np.testing.assert_allclose(run.params["s"] ** 2, values[:4].mean(), rtol=0.15)
    basis = np.linalg.qr(run.params["W"])[0]
    assert np.linalg.norm(basis.T @ axes[:, 4:], 2) > 0.99


def test_factor_analysis_tells_the_noise_of_each_column() -> None:
    rng = RNG(0)
    noise = np.array([0.3, 0.6, 0.9, 0.3, 0.6, 0.9])
    x = rng.normal(size=(2000, 1)) @ np.ones((1, 6)) + noise * rng.normal(size=(2000, 6))
    run = trained(compiled("factor_analysis", {"I": 6, "J": 1}), x, 30, lr=0.05)
    np.testing.assert_allclose(run.params["s"], noise, rtol=0.15)


def test_a_mixture_of_gaussians_finds_its_clusters() -> None:
    rng = RNG(0)
    centres, widths = np.array([[3.0, 0], [-3, 0], [0, 4]]), np.array([[0.3, 1.0], [1.0, 0.3], [0.6, 0.6]])
    k = rng.integers(0, 3, 1500)
    x = centres[k] + widths[k] * rng.normal(size=(1500, 2))
    program = compiled("gaussian_mixture", {"K": 3})
    start = program.init(seed=0) | {"m": np.array([[1.0, 0], [-1, 0], [0, 1]])}
    run = ed.train(program, x, ed.PCD(k=2, chains=500), ed.Adam(lr=0.05), epochs=40, validation=0.0, params=start)
    np.testing.assert_allclose(run.params["m"], centres, atol=0.3)
    np.testing.assert_allclose(run.params["s"], widths, rtol=0.3)


def test_a_sigmoid_belief_net_learns_bars_and_stripes() -> None:
    data = np.array(
        [np.outer(b, [1, 1, 1]) if t else np.outer([1, 1, 1], b) for t in (0, 1) for b in product([0, 1], repeat=3)]
    )
    rows = np.tile(data.reshape(-1, 9), (30, 1))
    program = compiled("sigmoid_belief", {"I": 9, "J": 8, "K": 4})
    run = ed.train(program, rows, ed.WakeSleep(), ed.Adam(lr=0.02), epochs=200, validation=0.0)
    assert ed.evaluate(run, rows[:16]).log_likelihood > 9 * np.log(0.5) + 1


def test_topics_of_documents() -> None:
    """Two topics of four words each; a document has one of them."""
    rng = RNG(0)
    topic = rng.integers(0, 2, 400)
    words = rng.integers(0, 4, (400, 6)) + 4 * topic[:, None]
    data = np.eye(8)[words]
    run = trained(compiled("replicated_softmax", {"D": 6, "V": 8, "J": 2}), data, 30, lr=0.05)
    one_multinomial, truth = 6 * np.log(1 / 8), np.log(0.5) + 6 * np.log(0.25)
    assert truth > ed.evaluate(run, data).log_likelihood > 0.6 * truth + 0.4 * one_multinomial


@pytest.mark.parametrize("bias", [-60.0, 60.0])
@pytest.mark.parametrize("name", ["beta_harmonium", "gamma_harmonium"])
def test_latents_shift_the_shapes_of_beta_and_gamma(name: str, bias: float) -> None:
    program = compiled(name, {"I": 2, "J": 3})
    params = program.init(seed=0) | {"a": np.array([0.3, 2.0]), "b": np.array([1.5, 0.7]), "c": np.full(3, bias)}
    on = bias > 0
    first = 1 + params["a"] + on * params["W"].sum(axis=1)
    second = params["b"] + on * params["U"].sum(axis=1)
    found = drawn(program, params, 1000, 3)["x"]
    within(found, first / (first + 1 + second) if name == "beta_harmonium" else first / second)


def test_codes_are_laplacian_whatever_the_dictionary() -> None:
    """With the noisy image integrated out nothing but the prior is left of the energy."""
    program = compiled("sparse_coding", {"I": 2, "J": 3}, l=1.5)
    params = program.init(seed=0) | {"s": np.float64(1.0)}
    found = drawn(program, params, 500, 25)
    within(np.abs(found["z"]), 1 / 1.5)
    within(found["x"] - found["z"] @ params["W"].T, 0)
    within((found["x"] - found["z"] @ params["W"].T) ** 2, 1)


def test_the_difficulty_of_questions() -> None:
    rng, difficulty = RNG(0), np.linspace(-2, 2, 10)
    ability = rng.normal(size=(2000, 1))
    answers = (rng.random((2000, 10)) < expit(ability - difficulty)).astype(float)
    program = compiled("rasch")
    run = ed.train(program, answers, ed.WakeSleep(), ed.Adam(lr=0.02), epochs=30, validation=0.0)
    np.testing.assert_allclose(run.params["d"], difficulty, atol=0.4)
    assert (np.diff(run.params["d"]) > 0).all()
