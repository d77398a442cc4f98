"""Does the pseudolikelihood find the couplings of a protein Potts model, 50 sites of 21 states, from 5,000 weighted sequences?

python benchmarks/potts.py        # sequences are drawn from a model with 60 coupled pairs; about a minute
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

import energydsl as ed

SITES, STATES, ROWS, PAIRS, STRENGTH = 50, 21, 5000, 60, 3.0
TEXT = f"""dim L = {SITES}, Q = {STATES}
visible x[L] : categorical[Q]
param J[L, L, Q, Q] = normal(sd = 0), h[L, Q] = normal(sd = 0)
energy = - sum[i < j, a, b] J[i, j, a, b]*x[i, a]*x[j, b] - sum[i, a] h[i, a]*x[i, a]"""
Array = NDArray[np.float64]


def truth(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Couplings that are zero but at some pairs, fields, and the pairs."""
    pairs = rng.permutation(np.argwhere(np.triu(np.ones((SITES, SITES)), 1)))[:PAIRS]
    couplings = np.zeros((SITES, SITES, STATES, STATES))
    # At a coupled pair every letter goes with one of the other site, as residues in contact do.
    partners = np.stack([np.eye(STATES)[rng.permutation(STATES)] for _ in range(PAIRS)])
    couplings[pairs[:, 0], pairs[:, 1]] = STRENGTH * partners
    return couplings, rng.normal(0, 0.5, (SITES, STATES)), pairs


def zero_sum(block: Array) -> Array:
    """A coupling in the gauge in which rows and columns add up to zero."""
    rows, columns, both = (block.mean(axes, keepdims=True) for axes in (-1, -2, (-1, -2)))
    return np.asarray(block - rows - columns + both)


def main() -> None:
    rng = np.random.default_rng(0)
    couplings, fields, pairs = truth(rng)
    program = ed.loads(TEXT).compile()
    real = {"J": couplings.astype(np.float32), "h": fields.astype(np.float32)}
    started = time.perf_counter()
    drawn = program.gibbs(real, program.init_state(real, ROWS), 50, rng=ed.Rng(1))["x"]
    print(f"{ROWS} sequences drawn in {time.perf_counter() - started:.0f} s")
    # A tenth of the sequences stand ten times in the alignment, and count a tenth each time.
    copies = np.where(np.arange(ROWS) % 10 == 0, 10, 1)
    rows, weights = np.repeat(np.asarray(drawn), copies, axis=0), np.repeat(1.0 / copies, copies)
    started = time.perf_counter()
    # Most letters of a coupled pair do not go together, and most pairs are not coupled: couplings are sparse.
    optimizer = ed.Adam(lr=0.02, l1=(("J", 1e-3),))
    run = ed.train(
        program, {"x": rows}, ed.PseudoLikelihood(), optimizer, weights=weights, epochs=40, batch=1000, validation=0.0
    )
    seconds = time.perf_counter() - started
    found, wanted = (zero_sum(c[pairs[:, 0], pairs[:, 1]]) for c in (run.params["J"], couplings))
    upper = np.triu_indices(SITES, 1)
    norms = np.linalg.norm(zero_sum(run.params["J"][upper]), axis=(-1, -2))
    best = set(map(tuple, np.transpose(upper)[np.argsort(norms)[::-1][:PAIRS]].tolist()))
    print(f"fitted to {len(rows)} weighted rows in {seconds:.0f} s")
    print(
        f"correlation of couplings at the coupled pairs with the truth: {np.corrcoef(found.ravel(), wanted.ravel())[0, 1]:.3f}"
    )
    print(
        f"of the {PAIRS} pairs with the largest couplings, coupled in truth: {len(best & set(map(tuple, pairs.tolist())))}"
    )


if __name__ == "__main__":
    main()
