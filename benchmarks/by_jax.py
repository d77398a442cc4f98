"""The work of an RBM and a deep one in JAX, compiled, written by hand; on whatever device JAX has. `jax` is the module.

What overwrites itself is given to the compiled function, which may then write into it. Random numbers are the library's default,
which are its fastest on a processor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Work


class Units:
    """What all pieces need of the library. precision: of products, as JAX names it. every: how many calls there are to a wait."""

    def __init__(self, jax: Any, precision: str = "highest", every: int = 1):
        self.jax, self.numpy, self.precision, self.every = jax, jax.numpy, precision, every

    def product(self, a: Any, b: Any) -> Any:
        return self.numpy.matmul(a, b, precision=self.precision)

    def key(self, seed: int) -> Any:
        return self.jax.random.key(seed)

    def weights(self, rows: int, columns: int) -> Any:
        return 0.01 * self.jax.random.normal(self.key(0), (rows, columns))

    def states(self, rows: int, units: int) -> Any:
        return self.jax.random.bernoulli(self.key(1), 0.5, (rows, units)).astype(np.float32)

    def drawn(self, key: Any, mean: Any) -> Any:
        return (self.jax.random.uniform(key, mean.shape) < mean).astype(np.float32)

    def repeated(self, step: Callable[[Any], Any], state: Any) -> Work:
        """A compiled step from state to state."""
        compiled, count = self.jax.jit(step, donate_argnums=0), 0

        def run() -> None:
            nonlocal state, count
            state, count = compiled(state), count + 1
            if count % self.every == 0:
                self.jax.block_until_ready(state)

        return run

    def update(self, data: np.ndarray, hidden: int, persistent: bool) -> Work:
        """CD-1, or PCD-1 with as many chains as rows, again and again on the same rows."""
        sigmoid, product, split = self.jax.nn.sigmoid, self.product, self.jax.random.split
        v0, (batch, visible) = self.numpy.asarray(data), data.shape

        def step(state: Any) -> Any:
            w, b, c, chain, key = state
            key, first, second = split(key, 3)
            up = sigmoid(product(v0, w) + c)
            start = chain if persistent else self.drawn(first, up)
            x = self.drawn(second, sigmoid(product(start, w.T) + b))
            mean = sigmoid(product(x, w) + c)
            if persistent:
                chain = self.drawn(first, mean)
            w = w + 1e-3 / batch * (product(v0.T, up) - product(x.T, mean))
            return w, b + 1e-3 * (v0 - x).mean(0), c + 1e-3 * (up - mean).mean(0), chain, key

        zeros = self.numpy.zeros
        start = self.weights(visible, hidden), zeros(visible), zeros(hidden), self.states(batch, hidden), self.key(2)
        return self.repeated(step, start)

    def gibbs(self, visible: int, hidden: int, chains: int, steps: int = 1) -> Work:
        """Free sweeps, as one compiled loop."""
        w = 10.0 * self.weights(visible, hidden)

        def sweep(_: int, state: Any) -> Any:
            v, key = state
            key, first, second = self.jax.random.split(key, 3)
            h = self.drawn(first, self.jax.nn.sigmoid(self.product(v, w)))
            return self.drawn(second, self.jax.nn.sigmoid(self.product(h, w.T))), key

        loop = self.jax.lax.fori_loop
        return self.repeated(lambda s: loop(0, steps, sweep, s), (self.states(chains, visible), self.key(2)))

    def ais(self, visible: int, hidden: int, chains: int) -> Work:
        """One temperature: log weights with the latents summed out, then a sweep."""
        sigmoid, softplus, before, after = self.jax.nn.sigmoid, self.jax.nn.softplus, 0.5, 0.5001
        w, base = self.weights(visible, hidden), self.jax.random.normal(self.key(3), (visible,))

        def step(state: Any) -> Any:
            v, total, key = state
            key, first, second = self.jax.random.split(key, 3)
            field = self.product(v, w)
            gain = (softplus(after * field) - softplus(before * field)).sum(1)
            h = self.drawn(first, sigmoid(after * field))
            v1 = self.drawn(second, sigmoid(after * self.product(h, w.T) + (1 - after) * base))
            return v1, total + (before - after) * (v @ base) + gain, key

        return self.repeated(step, (self.states(chains, visible), self.numpy.zeros(chains), self.key(2)))

    def dbm(self, data: np.ndarray, hidden: int, deep: int, sweeps: int, latent: int, mean_field: bool) -> Work:
        """PCD: latents given the data, drawn or by mean field, chains over (v, h2), (h1), and the step."""
        sigmoid, product, split, loop = self.jax.nn.sigmoid, self.product, self.jax.random.split, self.jax.lax.fori_loop
        v0, (batch, visible) = self.numpy.asarray(data), data.shape

        def step(state: Any) -> Any:
            w, u, b, c, d, h2, g1, key = state
            given = product(v0, w) + c

            def find(key: Any, field: Any) -> Any:
                return sigmoid(field) if mean_field else self.drawn(key, sigmoid(field))

            def upwards(_: int, found: Any) -> Any:
                _, h2, key = found
                key, first, second = split(key, 3)
                h1 = find(first, given + product(h2, u.T))
                return h1, find(second, product(h1, u) + d), key

            def sweep(_: int, found: Any) -> Any:
                _, _, g1, key = found
                key, first, second, third = split(key, 4)
                v = self.drawn(first, sigmoid(product(g1, w.T) + b))
                g2 = self.drawn(second, sigmoid(product(g1, u) + d))
                return v, g2, self.drawn(third, sigmoid(product(v, w) + product(g2, u.T) + c)), key

            h1, h2, key = loop(0, latent, upwards, (g1, h2, key))
            v, g2, g1, key = loop(0, sweeps, sweep, (v0, h2, g1, key))
            w = w + 1e-3 / batch * (product(v0.T, h1) - product(v.T, g1))
            u = u + 1e-3 / batch * (product(h1.T, h2) - product(g1.T, g2))
            b, c, d = (a + 1e-3 * (x - y).mean(0) for a, x, y in ((b, v0, v), (c, h1, g1), (d, h2, g2)))
            return w, u, b, c, d, h2, g1, key

        zeros, sizes = self.numpy.zeros, (visible, hidden, deep)
        weights = self.weights(visible, hidden), self.weights(hidden, deep)
        latents = self.states(batch, deep), self.states(batch, hidden)
        return self.repeated(step, (*weights, *(zeros(n) for n in sizes), *latents, self.key(2)))
