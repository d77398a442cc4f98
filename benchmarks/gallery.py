"""Pictures of models of the zoo, and the page that shows them: docs/gallery.md.

    python benchmarks/gallery.py [NAME ...]

One function a model draws samples of it, or what training made of it; its docstring is the text below the picture. Seeds are fixed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from scipy.stats import gamma

import energydsl as ed

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "gallery"
RNG = np.random.default_rng
Draw = Callable[[Figure], None]
PICTURES: dict[str, Draw] = {}


def picture(draw: Draw) -> Draw:
    """A function that draws the model of its own name."""
    PICTURES[draw.__name__] = draw
    return draw


# --- what they share


def compiled(name: str, dims: dict[str, int] | None = None, **consts: float) -> ed.Program:
    """A model of the zoo."""
    return ed.load(ROOT / "models" / f"{name}.energy", dims, consts or None).compile()


def moved(program: ed.Program, params: Any, n: int, steps: int, start: Any = None, **options: Any) -> Any:
    """States of n chains after some sweeps."""
    state = program.init_state(params, n, seed=1) if start is None else start
    return program.gibbs(params, state, steps, rng=ed.Rng(2), **options)


def trained(program: ed.Program, data: Any, epochs: int, lr: float, method: Any = None, **options: Any) -> ed.Run:
    """A run of persistent chains, unless a method is given."""
    method = method or ed.PCD(k=2, chains=200)
    return ed.train(program, data, method, ed.Adam(lr=lr), epochs=epochs, validation=0.0, **options)


def digits(side: int = 28) -> Any:
    """Grey values of the embedded digits, (rows, side, side)."""
    model = ed.loads(f"visible v[{side * side}] : real\nenergy = sum(v^2)")
    source = "digits" if side == 28 else f"digits:{side}"
    return np.asarray(ed.load_data(model, [source]).arrays["v"]).reshape(-1, side, side)


def images(figure: Figure, rows: list[tuple[str, Any]], cmap: str = "gray_r", **options: Any) -> None:
    """Rows of images, with a name before each."""
    axes = figure.subplots(len(rows), max(len(r) for _, r in rows), squeeze=False)
    for line, (name, row) in zip(axes, rows, strict=True):
        for axis in line:
            axis.set(xticks=[], yticks=[])
        for axis in line[len(row) :]:
            axis.axis("off")
        for axis, image in zip(line, row, strict=False):
            axis.imshow(image, cmap=cmap, interpolation="nearest", **options)
        line[0].text(-0.15, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=8)


def lattices(figure: Figure, shown: list[tuple[str, Any]], **options: Any) -> None:
    """Lattices side by side, with a title above each."""
    for axis, (title, lattice) in zip(figure.subplots(1, len(shown)), shown, strict=True):
        axis.imshow(lattice, interpolation="nearest", **options)
        axis.set_title(title, fontsize=8)
        axis.axis("off")


def plain(axis: Any, title: str, x: str = "", y: str = "") -> None:
    """Small titles and labels."""
    axis.set_title(title, fontsize=8)
    axis.set_xlabel(x, fontsize=8)
    axis.set_ylabel(y, fontsize=8)
    axis.tick_params(labelsize=7)


def plane(half: float, size: int = 161) -> Any:
    """Places on a square, (size, size, 2), x across and y up."""
    line = np.linspace(-half, half, size)
    return np.stack(np.meshgrid(line, line), axis=-1)


def density(axis: Any, energy: Any, half: float, title: str) -> None:
    """The logarithm of a density on a square, six nats deep."""
    shown = np.maximum(energy.min() - energy, -6)
    axis.imshow(shown, origin="lower", extent=(-half, half, -half, half), cmap="viridis")
    plain(axis, title)


def scatter(axis: Any, x: Any, half: float, title: str) -> None:
    """Points in a square."""
    axis.plot(*x.T, ".", ms=1.5, alpha=0.5)
    axis.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
    plain(axis, title)


def crossed(rows: int = 2000) -> Any:
    """Points along one of two lines that cross."""
    rng = RNG(0)
    along, across = rng.normal(size=rows) * 1.6, rng.normal(size=rows) * 0.25
    turn = np.where(rng.random(rows) < 0.5, 1, -1)
    return np.stack([along - across, turn * (along + across)], axis=1) / np.sqrt(2)


def bars_and_stripes(side: int) -> Any:
    """All bars and all stripes, (rows, side * side)."""
    lines = np.array(list(product([0.0, 1.0], repeat=side)))
    bars = np.repeat(lines[:, None, :], side, axis=1)
    return np.concatenate([bars, bars.transpose(0, 2, 1)]).reshape(-1, side * side)


# --- memories


@picture
def dense_memory(figure: Figure) -> None:
    """The share of random patterns of 100 spins that come back after 20 % of their spins are flipped: fourth powers against squares."""
    axis = figure.subplots()
    text = (ROOT / "models/dense_memory.energy").read_text()
    counts = [2, 5, 10, 15, 20, 40, 80, 160, 320]
    for power in (4, 2):
        shares = []
        for count in counts:
            patterns = RNG(count).choice([-1.0, 1.0], (count, 100))
            model = ed.loads(text.replace("^4", f"^{power}"), {"N": 100, "P": count})
            noisy = patterns * np.where(RNG(0).random(patterns.shape) < 0.2, -1, 1)
            found = moved(model.compile(), {"X": patterns}, count, 10, {"s": noisy}, beta=20.0)["s"]
            shares.append((found == patterns).all(axis=1).mean())
        axis.semilogx(counts, shares, "o-", ms=3, label=f"power {power}")
    axis.legend(fontsize=8)
    plain(axis, "recall", "patterns stored", "share that comes back")


@picture
def exponential_memory(figure: Figure) -> None:
    """500 digits are stored in 784 spins, alike as they are; a quarter of all spins is flipped, and five cold sweeps bring them back."""
    patterns = np.where(digits()[:500].reshape(500, -1) > 0.5, 1.0, -1.0)
    program = compiled("exponential_memory", {"N": 784, "P": 500})
    noisy = patterns[:10] * np.where(RNG(0).random((10, 784)) < 0.25, -1, 1)
    found = moved(program, {"X": patterns}, 10, 5, {"s": noisy}, beta=5.0)["s"]
    images(
        figure,
        [(n, x.reshape(-1, 28, 28)) for n, x in (("stored", patterns[:10]), ("given", noisy), ("recalled", found))],
    )


@picture
def modern_hopfield(figure: Figure) -> None:
    """Five patterns in the plane (crosses), the density around them, and samples by Hamiltonian Monte Carlo."""
    angle = 2 * np.pi * np.arange(5) / 5
    patterns = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    program = compiled("modern_hopfield", {"N": 2, "P": 5})
    left, right = figure.subplots(1, 2)
    density(left, program.energy({"X": patterns}, {"x": plane(6).reshape(-1, 2)}).reshape(161, 161), 6, "log p")
    scatter(right, moved(program, {"X": patterns}, 1500, 50)["x"], 6, "samples")
    for axis in (left, right):
        axis.plot(*patterns.T, "rx", ms=4)


# --- experts and networks


@picture
def student_experts(figure: Figure) -> None:
    """Sixty-four experts trained on whitened 8 x 8 patches of digits: each filter, drawn in the space of pixels, looks at a place."""
    patches = np.lib.stride_tricks.sliding_window_view(digits(), (8, 8), axis=(1, 2)).reshape(-1, 64)
    patches = patches[patches.std(axis=1) > 0.15]
    patches = patches[RNG(0).permutation(len(patches))[:10_000]]
    patches = patches - patches.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(patches.T))
    scale = np.sqrt(values + 0.01 * values.max())
    program = compiled("student_experts", {"I": 64, "J": 64})
    run = trained(program, patches @ axes / scale @ axes.T, 15, 0.01, ed.CD(k=1))
    filters = ((axes * scale) @ axes.T @ run.params["W"]).T.reshape(-1, 8, 8)
    filters /= np.abs(filters).max(axis=(1, 2), keepdims=True)
    images(figure, [("", filters[16 * k : 16 * k + 16]) for k in range(4)], cmap="RdBu", vmin=-1, vmax=1)


@picture
def field_of_experts(figure: Figure) -> None:
    """Trained on images in which neighbours are alike: its filters are differences, and its samples are smooth as well."""
    smooth = gaussian_filter(RNG(0).normal(size=(600, 20, 20)), (0, 1, 1))[:, 4:16, 4:16]
    smooth /= smooth.std()
    program = compiled("field_of_experts", {"N": 12, "K": 4})
    run = trained(program, smooth, 80, 0.02, ed.CD(k=1))
    found = moved(program, run.params, 6, 300)["x"]
    before = moved(program, program.init(seed=0), 6, 300)["x"]
    filters = run.params["J"] / np.abs(run.params["J"]).max()
    images(figure, [("data", smooth[:6]), ("untrained", before), ("trained", found), ("filters", filters)], cmap="gray")


@picture
def softplus_rbm(figure: Figure) -> None:
    """Trained on the bars and stripes of 4 x 4 pixels, by sweeps over visible units alone: 20 samples."""
    program = compiled("softplus_rbm", {"I": 16, "J": 16})
    run = trained(program, np.tile(bars_and_stripes(4), (30, 1)), 500, 0.02)
    found = moved(program, run.params, 20, 500)["v"].reshape(-1, 4, 4)
    images(figure, [("", found[:10]), ("", found[10:])], vmin=0, vmax=1)


@picture
def network(figure: Figure) -> None:
    """Trained on eight Gaussians on a ring, both phases by Hamiltonian Monte Carlo: the data, the density, and samples."""
    rng = RNG(0)
    angle = 2 * np.pi * rng.integers(0, 8, 2000) / 8
    data = 3 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.4 * rng.normal(size=(2000, 2))
    program = compiled("network", {"J": 32, "K": 16}, s=2)
    run = trained(program, data, 150, 0.01, ed.PCD(k=3, chains=500))
    left, middle, right = figure.subplots(1, 3)
    scatter(left, data, 5, "data")
    density(middle, program.energy(run.params, {"x": plane(5).reshape(-1, 2)}).reshape(161, 161), 5, "log p")
    scatter(right, moved(program, run.params, 2000, 200)["x"], 5, "samples")


@picture
def mean_covariance_rbm(figure: Figure) -> None:
    """Points on two lines that cross have no correlation; latents that switch precisions on find them all the same."""
    data = 0.6 * crossed()
    program = compiled("mean_covariance_rbm", {"I": 2, "J": 2, "F": 8, "K": 8})
    start = program.init(seed=0) | {"C": RNG(0).normal(size=(2, 8)), "P": np.eye(8), "b": np.zeros(2)}
    run = trained(program, data, 200, 0.05, params=start)
    left, middle, right = figure.subplots(1, 3)
    scatter(left, data, 2.5, "data")
    free = program.free_energy(run.params, {"v": plane(2.5).reshape(-1, 2)}).reshape(161, 161)
    density(middle, free, 2.5, "log p")
    scatter(right, moved(program, run.params, 2000, 200)["v"], 2.5, "samples")


@picture
def spike_slab_rbm(figure: Figure) -> None:
    """Two directions, each used now and then: a spike says whether, its slab how much. Samples, by the spikes that are on."""
    directions = np.array([[0.96, -0.28], [0.28, 0.96]])
    params = {"W": 7.7 * directions, "b": np.full(2, -2.5), "L": np.float64(16.0), "a": np.float64(4.0)}
    state = moved(compiled("spike_slab_rbm", {"I": 2, "J": 2}), params, 3000, 500)
    for axis, spikes in zip(figure.subplots(1, 4), product([0, 1], repeat=2), strict=True):
        scatter(axis, state["v"][(state["h"] == spikes).all(axis=1)], 4, f"h = {spikes}")


@picture
def sparse_coding(figure: Figure) -> None:
    """A dictionary of eight bars of 4 x 4 pixels, and eight samples of images: most codes are small, a few are not."""
    lines = np.eye(4)
    bars = np.concatenate([np.repeat(lines[:, None], 4, axis=1), np.repeat(lines[:, :, None], 4, axis=2)])
    program = compiled("sparse_coding", {"I": 16, "J": 8})
    params = {"W": bars.reshape(8, 16).T, "s": np.float64(0.2)}
    found = moved(program, params, 8, 300, sampler="hmc")["x"].reshape(-1, 4, 4)
    images(figure, [("dictionary", bars), ("samples", found / 3)], cmap="RdBu", vmin=-1, vmax=1)


@picture
def k_pairwise(figure: Figure) -> None:
    """How many of 16 neurons fire at once, where a common drive makes silence and bursts likely: data, and exact models with and without the table."""
    rng = RNG(0)
    drive = np.where(rng.random((4000, 1)) < 0.12, 1.5, -2.5) + rng.normal(size=(4000, 1)) / 2
    data = (rng.random((4000, 16)) < 1 / (1 + np.exp(-drive))).astype(float)
    program = compiled("k_pairwise", {"N": 16})
    axis, states = figure.subplots(), np.array(list(product([0.0, 1.0], repeat=16)))
    total = np.arange(17)
    axis.semilogy(total, np.bincount(data.sum(axis=1).astype(int), minlength=17) / 4000, "k.", label="data")
    pairwise = (
        (ROOT / "models/k_pairwise.energy")
        .read_text()
        .replace("param   J", "param   V[M] : frozen, J")
        .replace(", V[M]\n", "\n")
    )
    for name, model in (("K-pairwise", program), ("pairwise", ed.loads(pairwise).compile())):
        run = trained(model, data, 60, 0.02)
        log_p = -model.energy(run.params, {"v": states}).astype(float)
        p = np.exp(log_p - log_p.max())
        axis.semilogy(total, np.bincount(states.sum(axis=1).astype(int), p / p.sum()), label=name)
    axis.set_ylim(1e-5, 1)
    axis.legend(fontsize=8)
    plain(axis, "", "neurons that fire", "probability")


@picture
def beta_harmonium(figure: Figure) -> None:
    """One latent pulls the left half to 1 and the other half to 0, a second one the other way round: 20 samples, a row each."""
    side = np.arange(16) < 8
    params = {"W": 6.0 * np.stack([side, ~side], axis=1), "U": 6.0 * np.stack([~side, side], axis=1)}
    params |= {"a": np.full(16, 0.2), "b": np.full(16, 0.2), "c": np.full(2, 36.0)}
    found = moved(compiled("beta_harmonium", {"I": 16, "J": 2}), params, 20, 30)["x"]
    axis = figure.subplots()
    axis.imshow(found, cmap="viridis", vmin=0, vmax=1, aspect="auto")
    plain(axis, "", "unit", "sample")


@picture
def gamma_harmonium(figure: Figure) -> None:
    """One latent makes all waiting times short: those of 400 samples, and the two Gammas that they are drawn from."""
    program = compiled("gamma_harmonium", {"I": 3, "J": 1})
    params = {
        "W": np.zeros((3, 1)),
        "U": np.full((3, 1), 3.0),
        "a": np.full(3, 4.0),
        "b": np.ones(3),
        "c": np.array([21.5]),
    }
    x = moved(program, params, 400, 30)["x"][:, 0]
    axis, line = figure.subplots(), np.linspace(0, 14, 200)
    axis.hist(x, bins=np.linspace(0, 14, 43).tolist(), density=True, color="0.8")
    for rate in (1.0, 4.0):
        axis.plot(line, gamma.pdf(line, 5, scale=1 / rate), lw=1, label=f"Gamma(5, rate {rate:g})")
    axis.legend(fontsize=8)
    plain(axis, "", "waiting time", "density")


# --- sequences


@picture
def protein_potts(figure: Figure) -> None:
    """Each site of a chain mostly copies the one before. All sites within reach are correlated; only neighbours are coupled."""
    rng, sites, states = RNG(0), 8, 4
    x = np.empty((3000, sites), int)
    x[:, 0] = rng.integers(0, states, 3000)
    for site in range(1, sites):
        x[:, site] = np.where(rng.random(3000) < 0.75, x[:, site - 1], rng.integers(0, states, 3000))
    hot = np.eye(states)[x]
    run = trained(compiled("protein_potts", {"N": sites, "K": states}), hot, 20, 0.02)
    centred = run.params["J"] - run.params["J"].mean(axis=1, keepdims=True)
    strength = np.zeros((sites, sites))
    strength[np.triu_indices(sites, 1)] = np.linalg.norm(centred - centred.mean(axis=2, keepdims=True), axis=(1, 2))
    excess = np.einsum("rna,rmb->nmab", hot, hot) / 3000 - 1 / states**2
    correlated = np.linalg.norm(excess, axis=(2, 3)) * (1 - np.eye(sites))
    left, right = figure.subplots(1, 2)
    for axis, table, title in ((left, correlated, "correlations"), (right, strength + strength.T, "couplings")):
        axis.imshow(table, cmap="magma_r")
        plain(axis, title, "site", "site")


@picture
def temporal_rbm(figure: Figure) -> None:
    """Films of a light that moves on by one place in each frame, round a ring of eight: six samples, time downwards."""
    frames = (np.arange(8)[:, None] + np.arange(6)) % 8
    program = compiled("temporal_rbm", {"J": 12})
    run = trained(program, np.tile(np.eye(8)[frames], (40, 1, 1)), 400, 0.02)
    images(figure, [("", moved(program, run.params, 6, 500)["v"])], vmin=0, vmax=1)


@picture
def hidden_markov(figure: Figure) -> None:
    """A fair die and a loaded one are swapped from time to time: which one was thrown (grey), and the exact posterior of it (line)."""
    rng, length = RNG(5), 200
    stay, loaded = np.array([[0.96, 0.04], [0.06, 0.94]]), np.array([1, 1, 1, 1, 1, 5]) / 10
    z = [0]
    for _ in range(length - 1):
        z.append(int(rng.choice(2, p=stay[z[-1]])))
    x = np.array([rng.choice(6, p=loaded if s else None) for s in z])
    program = compiled("hidden_markov", {"T": length, "S": 2, "K": 6})
    params = {"A": np.log(stay), "B": np.log([np.full(6, 1 / 6), loaded]), "a": np.log([0.5, 0.5])}
    found = program.marginals(params, {"x": np.eye(6)[x][None]})["z"][0, :, 1]
    axis = figure.subplots()
    axis.fill_between(range(length), z, step="mid", color="0.85")
    axis.plot(found, lw=1)
    axis.plot(np.flatnonzero(x == 5), np.full((x == 5).sum(), 1.06), "k|", ms=4)
    plain(axis, "throws of six are marked above", "throw", "p(loaded | all throws)")


@picture
def chain_crf(figure: Figure) -> None:
    """Labels that last, seen through noise: true ones, the best ones place by place, and the posterior of the chain, trained on 300 others."""
    rng = RNG(0)
    y = np.repeat(rng.integers(0, 3, (310, 6)), 5, axis=1)
    f = np.eye(3)[y] + 1.2 * rng.normal(size=(310, 30, 3))
    program = compiled("chain_crf", {"D": 3, "T": 30})
    run = trained(program, {"f": f[:300], "y": np.eye(3)[y[:300]]}, 20, 0.05, ed.CD(k=5))
    found = program.marginals(run.params, {"f": f[300:]})["y"]
    shown = [("true", np.eye(3)[y[300:]]), ("place by place", np.eye(3)[f[300:].argmax(axis=-1)]), ("chain", found)]
    lattices(figure, [(n, x) for n, x in shown], aspect="auto")


# --- fields on graphs


@picture
def gaussian_field(figure: Figure) -> None:
    """Two corners of an 8 x 8 grid are pulled up and down: the exact mean, that of 500 chains, and one sample."""
    program = compiled("gaussian_field")
    laplacian = nx.laplacian_matrix(nx.convert_node_labels_to_integers(nx.grid_graph((8, 8)))).toarray()
    b = np.zeros(64)
    b[[0, 63]] = 8, -8
    x = moved(program, {"b": b}, 500, 200)["x"]
    exact = np.linalg.solve(laplacian + 0.1 * np.eye(64), b)
    shown = [("exact mean", exact), ("mean of samples", x.mean(axis=0)), ("one sample", x[0])]
    lattices(figure, [(n, a.reshape(8, 8)) for n, a in shown], cmap="RdBu_r", vmin=-5, vmax=5)


@picture
def number_partition(figure: Figure) -> None:
    """Sixteen whole numbers below 200: how far apart two heaps are at random, and after sweeps that grow colder."""
    a = RNG(3).integers(1, 200, 16).astype(float)
    program = compiled("number_partition")
    state = program.init_state({"a": a}, 1000, seed=0)
    before = np.abs(state["s"] @ a)
    for beta in np.geomspace(1e-5, 1, 60):
        state = moved(program, {"a": a}, 1000, 2, state, beta=float(beta))
    axis = figure.subplots()
    after = np.abs(state["s"] @ a)
    axis.hist(
        [before, after], bins=np.linspace(0, 1000, 26).tolist(), label=["at random", f"cold (best: {after.min():g})"]
    )
    axis.legend(fontsize=8)
    plain(axis, "1000 chains", "difference of weights", "chains")


@picture
def max_cut(figure: Figure) -> None:
    """A graph of 24 nodes of degree 3: edges that the best cut found keeps within a side are red."""
    program = compiled("max_cut")
    state = moved(program, {}, 50, 200, beta=4.0)
    best = state["s"][program.energy({}, state).argmin()]
    graph = nx.random_regular_graph(3, 24, seed=1)
    inner = ["tab:red" if best[i] == best[k] else "0.6" for i, k in graph.edges]
    axis = figure.subplots()
    places = nx.kamada_kawai_layout(graph)
    nx.draw_networkx(
        graph, places, ax=axis, with_labels=False, node_size=50, node_color=best, cmap="cividis", edge_color=inner
    )
    plain(axis, f"{sum(c == '0.6' for c in inner)} of {len(inner)} edges are cut")
    axis.axis("off")


@picture
def parity_check(figure: Figure) -> None:
    """Bits sent through Gaussian noise: the share that is wrong as received, and by the exact posterior of the Hamming code."""
    words = np.array(list(product([-1.0, 1.0], repeat=7)))
    checks = [[(i + k) % 7 for k in (0, 3, 5, 6)] for i in range(7)]
    words = words[np.all([words[:, c].prod(axis=1) == 1 for c in checks], axis=0)]
    program, rng = compiled("parity_check", J=20), RNG(0)
    noises, raw, decoded = np.linspace(0.3, 1, 8), [], []
    for noise in noises:
        sent = words[rng.integers(0, 16, 20_000)]
        received = sent + noise * rng.normal(size=sent.shape)
        bits = 2 * program.marginals({}, {"f": received / noise**2})["s"].argmax(axis=-1) - 1
        raw.append((np.sign(received) != sent).mean())
        decoded.append((bits != sent).mean())
    axis = figure.subplots()
    axis.semilogy(noises, raw, "o-", ms=3, label="as received")
    axis.semilogy(noises, decoded, "o-", ms=3, label="decoded")
    axis.legend(fontsize=8)
    plain(axis, "Hamming (7, 4)", "standard deviation of the noise", "share of wrong bits")


# --- lattices


@picture
def baxter_wu(figure: Figure) -> None:
    """48 x 48 spins above, at and below the critical temperature: below, one of four ground states, three of which are striped."""
    shown = []
    for coupling in (0.38, 0.4407, 0.5):
        shown.append((f"K = {coupling}", moved(compiled("baxter_wu", {"L": 48}, K=coupling), {}, 1, 3000)["s"][0]))
    lattices(figure, shown, cmap="gray", vmin=-1, vmax=1)


@picture
def ashkin_teller(figure: Figure) -> None:
    """Two spins at each of 64 x 64 sites make four colours. On the right K is small and U is large: s and t are free, but their product is not."""
    shown = []
    for k, u in ((0.2, 0.2), (0.32, 0.2), (0.1, 0.7)):
        state = moved(compiled("ashkin_teller", {"L": 64}, K=k, U=u), {}, 1, 3000)
        shown.append((f"K = {k}, U = {u}", state["s"][0] + state["t"][0] / 2))
    lattices(figure, shown, cmap="PuOr", vmin=-1.5, vmax=1.5)


@picture
def clock(figure: Figure) -> None:
    """Six hours as six hues on 64 x 64 sites: disorder, the phase of vortices between, and order."""
    couplings = (0.7, 1.2, 2.5)
    shown = [(f"K = {k}", moved(compiled("clock", {"L": 64}, K=k), {}, 1, 2000)["n"][0]) for k in couplings]
    lattices(figure, shown, cmap="hsv", vmin=0, vmax=6)


@picture
def ising_3d(figure: Figure) -> None:
    """The magnetisation of cubes by clusters (Swendsen and Wang): it falls to zero at K = 0.2217, the more sharply the larger the cube."""
    axis, couplings = figure.subplots(), np.linspace(0.18, 0.28, 11)
    for size in (4, 8, 12):
        found = []
        for k in couplings:
            state = moved(compiled("ising_3d", {"L": size}, K=float(k)), {}, 40, 60, sampler="swendsen-wang")
            found.append(np.abs(state["s"].mean(axis=(1, 2, 3))).mean())
        axis.plot(couplings, found, "o-", ms=3, label=f"L = {size}")
    axis.axvline(0.22165463, color="0.6", lw=1)
    axis.legend(fontsize=8)
    plain(axis, "", "K", "mean of |m|")


@picture
def triangular_antiferromagnet(figure: Figure) -> None:
    """18 x 18 spins at K = 3, and the bonds that are not satisfied: one of each triangle, and no two pictures are alike."""
    axis = figure.subplots()
    s = moved(compiled("triangular_antiferromagnet", {"L": 18}, K=3), {}, 1, 500)["s"][0]

    def place(i: int, j: int) -> tuple[float, float]:
        return j + i / 2, i * 0.75**0.5

    for i, j in product(range(18), repeat=2):
        for k, m in ((i + 1, j), (i, j + 1), (i + 1, j - 1)):
            if k < 18 and 0 <= m < 18 and s[i, j] == s[k, m]:
                axis.plot(*zip(place(i, j), place(k, m), strict=True), color="tab:red", lw=1.5, zorder=1)
    x, y = zip(*(place(i, j) for i, j in product(range(18), repeat=2)), strict=True)
    axis.scatter(x, y, c=s.ravel(), cmap="gray", s=14, edgecolors="k", linewidths=0.4, zorder=2)
    axis.set_aspect("equal")
    axis.axis("off")


# --- latent variables


@picture
def ppca(figure: Figure) -> None:
    """Eight components of digits of 8 x 8 pixels: what the weights span, turned to the axes of greatest variance."""
    x = digits(8).reshape(-1, 64)
    run = trained(compiled("ppca", {"I": 64, "J": 8}), x, 60, 0.02, ed.PCD(k=5, chains=200))
    exact = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2][:8]
    found = np.linalg.svd(run.params["W"], full_matrices=False)[0].T
    found *= np.sign((found * exact).sum(axis=1, keepdims=True))
    images(
        figure,
        [("trained", found.reshape(-1, 8, 8)), ("exact", exact.reshape(-1, 8, 8))],
        cmap="RdBu",
        vmin=-0.4,
        vmax=0.4,
    )


@picture
def factor_analysis(figure: Figure) -> None:
    """One factor in twelve columns, each with a noise of its own: planted and found."""
    rng, noise = RNG(0), np.linspace(0.2, 1.3, 12)
    x = rng.normal(size=(2000, 1)) + noise * rng.normal(size=(2000, 12))
    run = trained(compiled("factor_analysis", {"I": 12, "J": 1}), x, 40, 0.05)
    axis = figure.subplots()
    axis.bar(np.arange(12) - 0.2, noise, 0.4, label="planted")
    axis.bar(np.arange(12) + 0.2, run.params["s"], 0.4, label="found")
    axis.legend(fontsize=8)
    plain(axis, "standard deviation of the noise", "column")


@picture
def gaussian_mixture(figure: Figure) -> None:
    """Four clusters of different widths: the data, and the density that was fitted."""
    rng = RNG(0)
    centres = np.array([[3.0, 0], [-3, -1], [0, 3.5], [0, -3]])
    widths = np.array([[0.3, 1.2], [1.0, 0.3], [0.6, 0.6], [0.2, 0.2]])
    k = rng.integers(0, 4, 2000)
    x = centres[k] + widths[k] * rng.normal(size=(2000, 2))
    program = compiled("gaussian_mixture")
    start = program.init(seed=0) | {"m": centres / 2}
    run = trained(program, x, 60, 0.05, ed.CD(k=1), params=start)
    left, right = figure.subplots(1, 2)
    scatter(left, x, 5.5, "data")
    density(right, program.free_energy(run.params, {"x": plane(5.5).reshape(-1, 2)}).reshape(161, 161), 5.5, "log p")


@picture
def rasch(figure: Figure) -> None:
    """Ten questions, answered by 3000 people: their difficulty, planted and found."""
    rng, difficulty = RNG(0), np.linspace(-2, 2, 10)
    answers = rng.random((3000, 10)) < 1 / (1 + np.exp(difficulty - rng.normal(size=(3000, 1))))
    run = trained(compiled("rasch"), answers.astype(float), 40, 0.02, ed.WakeSleep())
    axis = figure.subplots()
    axis.plot(difficulty, difficulty, color="0.7", lw=1)
    axis.plot(difficulty, run.params["d"], "o", ms=4)
    plain(axis, "", "difficulty, planted", "found")


@picture
def sigmoid_belief(figure: Figure) -> None:
    """Trained on bars and stripes of 4 x 4 pixels by wake-sleep: 20 samples, each drawn from the top in one pass."""
    program = compiled("sigmoid_belief", {"I": 16, "J": 16, "K": 8})
    run = trained(program, np.tile(bars_and_stripes(4), (30, 1)), 1000, 0.01, ed.WakeSleep())
    found = moved(program, run.params, 20, 1)["v"].reshape(-1, 4, 4)
    images(figure, [("", found[:10]), ("", found[10:])], vmin=0, vmax=1)


@picture
def fvbn(figure: Figure) -> None:
    """Trained on digits of 8 x 8 pixels by the exact gradient: 20 samples, each drawn in one pass, pixel by pixel in the order of the rows."""
    program = compiled("fvbn", {"N": 64})
    run = trained(program, digits(8).reshape(-1, 64) > 0.5, 60, 0.01, ed.WakeSleep())
    found = moved(program, run.params, 20, 1)["v"].reshape(-1, 8, 8)
    images(figure, [("", found[:10]), ("", found[10:])], vmin=0, vmax=1)


@picture
def replicated_softmax(figure: Figure) -> None:
    """Documents of twenty words have one of three topics, of ten words each: p(word | latents), for the three states of the latents that are met most often."""
    rng = RNG(0)
    topic = rng.integers(0, 3, 600)
    words = rng.integers(0, 10, (600, 20)) + 10 * topic[:, None]
    program = compiled("replicated_softmax", {"J": 3})
    run = trained(program, np.eye(30)[words], 60, 0.03)
    state = {"w": np.eye(30)[words], "h": np.zeros((600, 3))}
    met, counts = np.unique(program.mean(run.params, state, "h") > 0.5, axis=0, return_counts=True)
    often = met[np.argsort(-counts)[:3]].astype(float)
    axis = figure.subplots()
    axis.imshow(softmax(run.params["b"] + often @ run.params["W"].T, axis=1), cmap="magma_r", aspect="auto")
    axis.set_yticks(range(3), ["".join(f"{x:.0f}" for x in h) for h in often])
    plain(axis, "", "word", "latents")


# --- the page

HEAD = """# Gallery

Samples of models of the zoo, or what training made of them. `python benchmarks/gallery.py` draws this page anew, from fixed seeds;
`energydsl new NAME` writes a model to start from.
"""


def draw(name: str) -> None:
    """Write the picture of a model."""
    figure = Figure(figsize=(6, 2.2), layout="constrained")
    PICTURES[name](figure)
    figure.savefig(FOLDER / f"{name}.png", dpi=90, metadata={"Software": None})


def section(name: str) -> str:
    """A model on the page: its equation, its picture, what is seen."""
    title = (ROOT / "models" / f"{name}.energy").read_text().splitlines()[0].removeprefix("# ")
    what, _, equation = title.partition(":  ")
    seen = " ".join((PICTURES[name].__doc__ or "").split())
    return f"\n## {name}\n\n{what}: `{equation}`\n\n![{name}](gallery/{name}.png)\n\n{seen}\n"


def page() -> str:
    """The text of docs/gallery.md."""
    return HEAD + "".join(map(section, PICTURES))


def main() -> None:
    """Draw the pictures named, or all, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models; all, if none is named")
    FOLDER.mkdir(exist_ok=True)
    for name in parser.parse_args().names or PICTURES:
        draw(name)
        print(name, flush=True)
    (ROOT / "docs" / "gallery.md").write_text(page())


if __name__ == "__main__":
    main()
