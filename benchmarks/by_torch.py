"""The work of an RBM and a deep one in PyTorch, eager, written by hand; on the CPU or a GPU. `torch` is the module."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Work


class Units:
    """What all pieces need of the library on a device."""

    def __init__(self, torch: Any, device: str = "cpu"):
        torch.set_grad_enabled(False)
        torch.manual_seed(0)
        self.torch, self.device = torch, device

    def weights(self, rows: int, columns: int) -> Any:
        return 0.01 * self.torch.randn(rows, columns, device=self.device)

    def zeros(self, units: int) -> Any:
        return self.torch.zeros(units, device=self.device)

    def states(self, rows: int, units: int) -> Any:
        return self.torch.randint(0, 2, (rows, units), device=self.device).float()

    def draw(self, field: Any) -> Any:
        """States from fields."""
        mean = field.sigmoid_()
        return (self.torch.rand_like(mean) < mean).float()

    def update(self, data: np.ndarray, hidden: int, persistent: bool) -> Work:
        """CD-1, or PCD-1 with as many chains as rows, again and again on the same rows."""
        addmm, draw = self.torch.addmm, self.draw
        v, (batch, visible) = self.torch.tensor(data, device=self.device), data.shape
        w, b, c = self.weights(visible, hidden), self.zeros(visible), self.zeros(hidden)
        chain = self.states(batch, hidden)

        def run() -> None:
            nonlocal chain
            up = addmm(c, v, w).sigmoid_()
            start = chain if persistent else (self.torch.rand_like(up) < up).float()
            x = draw(addmm(b, start, w.T))
            mean = addmm(c, x, w).sigmoid_()
            if persistent:
                chain = (self.torch.rand_like(mean) < mean).float()
            w.addmm_(v.T, up, alpha=1e-3 / batch)
            w.addmm_(x.T, mean, alpha=-1e-3 / batch)
            b.add_((v - x).mean(0), alpha=1e-3)
            c.add_((up - mean).mean(0), alpha=1e-3)

        return run

    def gibbs(self, visible: int, hidden: int, chains: int, steps: int = 1) -> Work:
        """Free sweeps."""
        addmm, draw = self.torch.addmm, self.draw
        w, b, c = self.weights(visible, hidden), self.zeros(visible), self.zeros(hidden)
        h = self.states(chains, hidden)

        def run() -> None:
            nonlocal h
            for _ in range(steps):
                h = draw(addmm(c, draw(addmm(b, h, w.T)), w))

        return run

    def ais(self, visible: int, hidden: int, chains: int) -> Work:
        """One temperature: log weights with the latents summed out, then a sweep."""
        torch, before, after = self.torch, 0.5, 0.5001
        w, b, c = self.weights(visible, hidden), self.zeros(visible), self.zeros(hidden)
        base, v = torch.randn(visible, device=self.device), self.states(chains, visible)
        log_weights = torch.zeros(chains, dtype=torch.float64, device=self.device)
        softplus = torch.nn.functional.softplus

        def run() -> None:
            nonlocal v
            field = torch.addmm(c, v, w)
            gain = (softplus(after * field) - softplus(before * field)).sum(1)
            log_weights.add_((after - before) * (v @ (b - base)) + gain)
            h = self.draw(field.mul_(after))
            v = self.draw(torch.addmm(after * b + (1 - after) * base, h, w.T, alpha=after))

        return run

    def dbm(self, data: np.ndarray, hidden: int, deep: int, sweeps: int, latent: int, mean_field: bool) -> Work:
        """PCD: latents given the data, drawn or by mean field, chains over (v, h2), (h1), and the step."""
        addmm, draw = self.torch.addmm, self.draw
        find = self.torch.Tensor.sigmoid_ if mean_field else draw
        v0, (batch, visible) = self.torch.tensor(data, device=self.device), data.shape
        w, u = self.weights(visible, hidden), self.weights(hidden, deep)
        b, c, d = self.zeros(visible), self.zeros(hidden), self.zeros(deep)
        h1, h2, g1 = (self.states(batch, n) for n in (hidden, deep, hidden))

        def run() -> None:
            nonlocal h1, h2, g1
            given = addmm(c, v0, w)
            for _ in range(latent):
                h1 = find(addmm(given, h2, u.T))
                h2 = find(addmm(d, h1, u))
            for _ in range(sweeps):
                v, g2 = draw(addmm(b, g1, w.T)), draw(addmm(d, g1, u))
                g1 = draw(addmm(c, v, w).addmm_(g2, u.T))
            for weight, one, other, three, four in ((w, v0, h1, v, g1), (u, h1, h2, g1, g2)):
                weight.addmm_(one.T, other, alpha=1e-3 / batch)
                weight.addmm_(three.T, four, alpha=-1e-3 / batch)
            for bias, gain in ((b, v0 - v), (c, h1 - g1), (d, h2 - g2)):
                bias.add_(gain.mean(0), alpha=1e-3)

        return run
