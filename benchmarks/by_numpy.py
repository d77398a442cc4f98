"""The work of an RBM and a deep one in NumPy, as well as it can be written by hand: what energydsl has to be ahead of.

Arrays are made once and written in place, random numbers are float32 of the fastest generator, states are drawn by the
comparison u (1 + exp(-x)) < 1, without a division, and the statistics of both phases are one product of stacked rows. Weights
and biases are kept with their signs changed, so that products give -x.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from harness import Work

Array = np.ndarray
ONE = np.float32(1.0)


class Layer:
    """The units of one layer for some rows: room for their fields and uniform numbers."""

    def __init__(self, rows: int, units: int, seed: int):
        self.rng = np.random.Generator(np.random.SFC64(seed))
        self.field, self.uniform = np.empty((2, rows, units), np.float32)
        self.bias = np.zeros(units, np.float32)  # with its sign changed

    def draw(self, minus: Array, out: Array) -> None:
        """States from fields with their signs changed, which are overwritten, without the bias."""
        minus += self.bias
        np.exp(minus, out=minus)
        self.compare(minus, out)

    def compare(self, odds: Array, out: Array) -> None:
        """States from exp(-x), which is overwritten."""
        odds += ONE
        uniform = self.uniform[: len(odds)]
        self.rng.random(out=uniform, dtype=np.float32)
        odds *= uniform
        np.less(odds, ONE, out=out)

    def among(self, means: Array, out: Array) -> None:
        """States from means."""
        uniform = self.uniform[: len(means)]
        self.rng.random(out=uniform, dtype=np.float32)
        np.less(uniform, means, out=out)

    def mean(self, minus: Array, out: Array) -> None:
        """Means from fields with their signs changed, without the bias."""
        np.add(minus, self.bias, out=out)
        np.exp(out, out=out)
        out += ONE
        np.reciprocal(out, out=out)


def states(rows: int, units: int, seed: int = 3) -> Array:
    """Zeros and ones at random, float32."""
    return (np.random.default_rng(seed).random((rows, units)) < 0.5).astype(np.float32)


def weights(rows: int, columns: int, seed: int = 4) -> Array:
    """Small weights at random, float32."""
    return np.random.default_rng(seed).normal(0, 0.01, (rows, columns)).astype(np.float32)


class Rbm:
    """An RBM that learns by CD-1 or PCD-1 with as many chains as rows. Rows before `batch` are the data, the others the chains."""

    def __init__(self, visible: int, hidden: int, batch: int, persistent: bool, lr: float = 1e-3):
        self.batch, self.persistent = batch, persistent
        self.v, self.h = Layer(batch, visible, 1), Layer(2 * batch, hidden, 2)
        self.w, self.chain = weights(visible, hidden), states(batch, hidden)
        self.both_v, self.both_h = np.empty((2 * batch, visible), np.float32), np.empty((2 * batch, hidden), np.float32)
        self.slope = np.empty_like(self.w)
        # What rows count for in the step of minus the parameters.
        self.row = np.repeat(np.array([-lr, lr], np.float32) / np.float32(batch), batch)

    def update(self, data: Array) -> None:
        """One update on a batch of rows."""
        half, v, h = self.batch, self.v, self.h
        self.both_v[:half] = data
        if not self.persistent:
            self.means(slice(0, half))
            h.among(self.both_h[:half], self.chain)
        np.matmul(self.chain, self.w.T, out=v.field)
        v.draw(v.field, self.both_v[half:])
        self.means(slice(None) if self.persistent else slice(half, None))
        if self.persistent:
            h.among(self.both_h[half:], self.chain)
        self.both_h *= self.row[:, None]
        v.bias += self.row @ self.both_v
        h.bias += self.both_h.sum(axis=0)
        np.matmul(self.both_v.T, self.both_h, out=self.slope)
        self.w += self.slope

    def means(self, rows: slice) -> None:
        """Of the hidden units of some rows."""
        np.matmul(self.both_v[rows], self.w, out=self.h.field[rows])
        self.h.mean(self.h.field[rows], self.both_h[rows])


def rbm_update(visible: int, hidden: int, data: Array, persistent: bool) -> Work:
    """One update on the same rows again and again."""
    rbm = Rbm(visible, hidden, len(data), persistent)
    return lambda: rbm.update(data)


def batches(grey: Array, size: int, seed: int = 5) -> Iterator[Array]:
    """Batches of pixels drawn anew from grey values, epoch after epoch in another order; each overwrites the one before."""
    rng = np.random.Generator(np.random.SFC64(seed))
    rows, uniform = np.empty((2, size, grey.shape[1]), np.float32)
    while True:
        order = rng.permutation(len(grey))
        for first in range(0, len(grey) - size + 1, size):
            np.take(grey, order[first : first + size], axis=0, out=rows, mode="clip")
            rng.random(out=uniform, dtype=np.float32)
            np.less(uniform, rows, out=rows)
            yield rows


def training(visible: int, hidden: int, grey: Array, batch: int) -> Work:
    """An update by PCD-1 on the next batch."""
    rbm, rows = Rbm(visible, hidden, batch, True), batches(grey, batch)
    return lambda: rbm.update(next(rows))


def gibbs(visible: int, hidden: int, chains: int) -> Work:
    """A sweep of chains."""
    w, v, h = weights(visible, hidden), Layer(chains, visible, 1), Layer(chains, hidden, 2)
    seen, hid = states(chains, visible), states(chains, hidden)

    def run() -> None:
        np.matmul(hid, w.T, out=v.field)
        v.draw(v.field, seen)
        np.matmul(seen, w, out=h.field)
        h.draw(h.field, hid)

    return run


def ais(visible: int, hidden: int, chains: int) -> Work:
    """One temperature: log weights with the latents summed out, then a sweep.

    softplus(a x) - softplus(b x) = (a - b) x + log((1 + exp(-a x)) / (1 + exp(-b x))), whose first exponential draws too.
    """
    before, after = np.float32(0.5), np.float32(0.5001)
    w, v, h = weights(visible, hidden), Layer(chains, visible, 1), Layer(chains, hidden, 2)
    base = np.random.default_rng(1).normal(-1, 1, visible).astype(np.float32)
    seen, hid, other = states(chains, visible), states(chains, hidden), np.empty((chains, hidden), np.float32)
    log_weights = np.zeros(chains)

    def run() -> None:
        np.matmul(seen, w, out=h.field)
        h.field += h.bias
        rest = seen @ (v.bias + base)  # minus what the visible units have at `after`, less that at `before`
        gain = h.field.sum(axis=1)
        np.multiply(h.field, before, out=other)
        np.exp(other, out=other)
        np.add(other, ONE, out=other)
        h.field *= after
        np.exp(h.field, out=h.field)
        np.add(h.field, ONE, out=hid)
        np.divide(hid, other, out=other)
        np.log(other, out=other)
        log_weights[:] += (before - after) * (rest + gain) + other.sum(axis=1)
        h.compare(h.field, hid)
        np.matmul(hid, w.T, out=v.field)
        v.field *= after
        v.field += after * v.bias - (ONE - after) * base
        np.exp(v.field, out=v.field)
        v.compare(v.field, seen)

    return run


def dbm_update(sizes: tuple[int, int, int], data: Array, sweeps: int, latent: int, mean_field: bool) -> Work:
    """PCD of a deep model: latents given the data, by sweeps or by mean field, chains over (v, h2), (h1), and the step."""
    (visible, hidden, deep), batch = sizes, len(data)
    w, u = weights(visible, hidden), weights(hidden, deep, 5)
    v, h, d = Layer(batch, visible, 1), Layer(batch, hidden, 2), Layer(batch, deep, 3)
    both_v, both_h, both_d = (np.vstack([states(batch, n, k) for k in (1, 2)]) for n in sizes)
    both_v[:batch] = data
    h1, d1, g1, e1 = both_h[:batch], both_d[:batch], both_h[batch:], both_d[batch:]
    bottom, down = np.empty((2, batch, hidden), np.float32)
    slope_w, slope_u, signed = np.empty_like(w), np.empty_like(u), np.empty_like(both_h)
    row = np.repeat(np.array([-1e-3, 1e-3], np.float32) / np.float32(batch), batch)

    def latents() -> None:
        """The data do not move: their product is one for all sweeps."""
        find_h, find_d = (h.mean, d.mean) if mean_field else (h.draw, d.draw)
        np.matmul(data, w, out=bottom)
        for _ in range(latent):
            np.matmul(d1, u.T, out=down)
            np.add(down, bottom, out=down)
            find_h(down, h1)
            np.matmul(h1, u, out=d.field)
            find_d(d.field, d1)

    def run() -> None:
        latents()
        for _ in range(sweeps):
            np.matmul(g1, w.T, out=v.field)
            v.draw(v.field, both_v[batch:])
            np.matmul(g1, u, out=d.field)
            d.draw(d.field, e1)
            np.matmul(both_v[batch:], w, out=h.field)
            np.matmul(e1, u.T, out=down)
            np.add(h.field, down, out=down)
            h.draw(down, g1)
        for layer, states_of in ((v, both_v), (h, both_h), (d, both_d)):
            layer.bias += row @ states_of
        np.multiply(both_h, row[:, None], out=signed)
        np.matmul(both_v.T, signed, out=slope_w)
        np.matmul(signed.T, both_d, out=slope_u)
        np.add(w, slope_w, out=w)
        np.add(u, slope_u, out=u)

    return run


def torus_sweep(side: int, chains: int, coupling: float = 0.4) -> Work:
    """Spins of a torus by the checkerboard, chains innermost.

    Those with i + j even are spins[0], the others spins[1], each (side, side / 2, chains): column j of row i is pair j // 2 there.
    """
    rng = np.random.Generator(np.random.SFC64(1))
    spins = np.where(rng.random((2, side, side // 2, chains)) < 0.5, -1, 1).astype(np.float32)
    field, uniform = np.empty((2, side, side // 2, chains), np.float32)
    two = np.float32(-2.0 * coupling)

    def run() -> None:
        for colour in (0, 1):
            sums_over_neighbours(spins[1 - colour], colour, field)
            np.multiply(field, two, out=field)
            draw_spins(field, rng, uniform, spins[colour])

    return run


def sums_over_neighbours(other: Array, colour: int, out: Array) -> None:
    """For each spin of a colour the sum over its four neighbours, which are those of the other colour."""
    np.add(other[:-2], other[2:], out=out[1:-1])
    np.add(other[-1], other[1], out=out[0])
    np.add(other[-2], other[0], out=out[-1])
    out += other  # the neighbour in the same pair of columns
    for parity in (0, 1):
        mine, theirs = out[parity::2], other[parity::2]
        if parity == colour:  # a spin is the left one of its pair: its other neighbour is in the pair before
            mine[:, 1:] += theirs[:, :-1]
            mine[:, 0] += theirs[:, -1]
        else:
            mine[:, :-1] += theirs[:, 1:]
            mine[:, -1] += theirs[:, 0]


def draw_spins(minus: Array, rng: np.random.Generator, uniform: Array, out: Array) -> None:
    """+1 where u (1 + exp(minus)) < 1, else -1; minus: -2 times the field, overwritten."""
    np.exp(minus, out=minus)
    np.add(minus, ONE, out=minus)
    rng.random(out=uniform, dtype=np.float32)
    np.multiply(minus, uniform, out=minus)
    np.less(minus, ONE, out=out)
    np.multiply(out, np.float32(2.0), out=out)
    np.subtract(out, ONE, out=out)


def graph_sweep(neighbours: list[Array], couplings: list[Array], classes: list[Array], chains: int) -> Work:
    """Spins of a graph by colours. neighbours: of the units of each class, (units, degree); couplings: alike."""
    count = sum(len(c) for c in classes)
    rng = np.random.Generator(np.random.SFC64(1))
    spins = np.where(rng.random((count, chains)) < 0.5, -1, 1).astype(np.float32)
    rooms = [np.empty((3, len(units), chains), np.float32) for units in classes]
    scaled = [np.float32(-2.0) * c.astype(np.float32)[..., None] for c in couplings]

    def run() -> None:
        for units, beside, coupling, (field, part, uniform) in zip(classes, neighbours, scaled, rooms, strict=True):
            np.take(spins, beside[:, 0], axis=0, out=field, mode="clip")
            np.multiply(field, coupling[:, 0], out=field)
            for k in range(1, beside.shape[1]):
                np.take(spins, beside[:, k], axis=0, out=part, mode="clip")
                np.multiply(part, coupling[:, k], out=part)
                np.add(field, part, out=field)
            draw_spins(field, rng, uniform, part)
            spins[units] = part

    return run
