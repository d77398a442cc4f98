"""The states that stand for the model while it is trained: what variances of the energy's changes are taken over.

The derivative of log p(x) in the parameters is -dE/dparam less its mean, so that the covariance of dE/dparam under the model is the Fisher
matrix (Amari 1998), and half the variance of a small change of E is the divergence that it makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from energydsl.backends.interface import Array, Arrays, Random, Settings
from energydsl.program import Engine
from energydsl.program.gradients import weighted_gradient


@dataclass(frozen=True)
class Population:
    """x: states by layer, (rows, *layer). share: what each counts, (rows,), adding up to 1.

    free_energies: F of each row, (rows,), of the layers that are not summed out, at any parameters.
    """

    engine: Engine
    x: Arrays
    settings: Settings
    share: Array
    free_energies: Callable[[Arrays], Array]

    def covariances(self, params: Arrays, names: list[str], random: Random) -> Arrays:
        """By parameter, the sum of r dE/dparam for random r whose squares are, on average, the variances of dE/dparam.

        r_c = sqrt(p_c) s_c - p_c sum_d sqrt(p_d) s_d, of random signs s: <r_c r_d> = p_c [c = d] - p_c p_d (Hutchinson 1990).
        """
        engine, xp = self.engine, self.engine.xp
        random.next()
        u = engine.kernels.fill(random, xp.empty((len(self.share), 1), engine.dtype))[:, 0]
        signed = xp.sqrt(self.share) * xp.sign(u - 0.5)
        row = signed - self.share * signed.sum()
        own = {n: params[n] for n in engine.model.params}
        found = weighted_gradient(engine, own, self.x, self.settings, row, names)
        return {n: xp.array(g) for n, g in found.items()}

    def divergence(self, before: Arrays, after: Arrays) -> Any:
        """KL(before || after) of a small step, in nats: half the variance of the change of F. An array of one, in float64."""
        changes = (self.free_energies(after) - self.free_energies(before)).astype("float64")
        away = changes - (self.share * changes).sum()
        return 0.5 * (self.share * away * away).sum()
