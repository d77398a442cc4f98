"""A protein family by a sampler of its own: sequences of a Potts model whose contacts are known, drawn by Gibbs sweeps in NumPy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
LETTERS = "-ACDEFGHIKLMNPQRSTVWY"


@dataclass(frozen=True)
class Family:
    """contacts: (pairs, 2), n < m. couplings: (pairs, states, states) of log p. fields: (sites, states). states: (rows, sites)."""

    contacts: Array
    couplings: Array
    fields: Array
    states: Array

    @property
    def texts(self) -> list[str]:
        return ["".join(LETTERS[a] for a in row) for row in self.states.tolist()]

    def fasta(self) -> str:
        return "".join(f">sequence {k}\n{text}\n" for k, text in enumerate(self.texts))


def family(sites: int, rows: int, sweeps: int = 50, seed: int = 0, strength: float = 1.2) -> Family:
    """Each site meets one or two others, at random."""
    rng, states = np.random.default_rng(seed), len(LETTERS)
    order = rng.permutation(sites)
    contacts = np.sort(np.stack([order, np.roll(order, 1)], axis=1)[: sites * 3 // 4], axis=1)
    couplings = strength * rng.normal(size=(len(contacts), states, states))
    fields = 0.5 * rng.normal(size=(sites, states))
    x = rng.integers(states, size=(rows, sites))
    for _ in range(sweeps):
        for site in range(sites):
            log = np.tile(fields[site], (rows, 1))
            for (n, m), table in zip(contacts.tolist(), couplings, strict=True):
                if n == site:
                    log += table.T[x[:, m]]
                elif m == site:
                    log += table[x[:, n]]
            log += rng.gumbel(size=log.shape)
            x[:, site] = log.argmax(axis=1)
    return Family(contacts, couplings, fields, x)
