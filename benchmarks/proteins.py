"""How fast is a Potts model of a protein family sampled and trained, beside adabmDCA (PyTorch), on the same alignment?

OMP_NUM_THREADS=2 NUMBA_NUM_THREADS=2 python benchmarks/proteins.py        # pip install "energydsl[bench]"

A site update draws one residue of one chain given all others. An update of training is so many sweeps of all chains, the frequencies of
pairs in data and chains, and the step; adabmDCA computes those of the data once, energydsl those of a batch of as many rows as chains.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import Any

import harness
import numpy as np

import energydsl as ed

SITES, STATES, ROWS, CHAINS, SWEEPS = 50, 21, 2000, 500, 5
THREADS = int(os.environ.get("NUMBA_NUM_THREADS", "2"))


def family() -> np.ndarray:
    """An alignment from a model with random couplings, (rows, sites)."""
    program = ed.zoo("protein_potts", dims={"N": SITES}).compile()
    params = program.init(seed=0)
    params["J"] = np.random.default_rng(0).normal(0, 0.1, params["J"].shape).astype(np.float32)
    found: np.ndarray = ed.sample(program, n=ROWS, steps=20, params=params)["x"]
    return found


def ours(data: np.ndarray) -> dict[str, Callable[[], object]]:
    """Sweeps of all chains, and updates of training; the latter as many as an epoch has."""
    program = ed.zoo("protein_potts", dims={"N": SITES}).compile()
    params, rng = program.init(seed=0, data={"x": data}), ed.Rng(1)
    state = program.init_state(params, CHAINS, seed=2)

    def train() -> None:
        method, step = ed.PCD(k=SWEEPS, chains=CHAINS), ed.SGD(lr=0.01, schedule="constant")
        ed.train(program, {"x": data}, method, step, epochs=1, batch=CHAINS, validation=0.0)

    return {"sweeps": lambda: program.gibbs(params, state, SWEEPS, rng=rng), "updates": train}


def theirs(data: np.ndarray) -> dict[str, Callable[[], object]] | None:
    """The same with adabmDCA's own functions, as its `train_graph` calls them; None where it is not installed."""
    try:
        import torch
        from adabmDCA.sampling import prepare_training_sampler
        from adabmDCA.stats import get_freq_single_point, get_freq_two_points
        from adabmDCA.training import update_params
        from adabmDCA.utils import init_chains, init_parameters
    except ImportError:
        return None
    torch.set_num_threads(THREADS)
    device, rows = torch.device("cpu"), torch.tensor(np.eye(STATES, dtype=np.float32)[data])
    fi, fij = get_freq_single_point(rows), get_freq_two_points(rows)
    params, sampler = init_parameters(fi), prepare_training_sampler("gibbs", device)
    mask = torch.ones(SITES, STATES, SITES, STATES)
    mask[torch.arange(SITES), :, torch.arange(SITES)] = 0
    chains: list[Any] = [init_chains(CHAINS, SITES, STATES, device, fi=fi)]

    def sweeps() -> None:
        with torch.no_grad():
            chains[0] = sampler(chains[0], params, SWEEPS)

    def updates() -> None:
        for _ in range(ROWS // CHAINS):
            sweeps()
            pi, pij = get_freq_single_point(chains[0]), get_freq_two_points(chains[0])
            update_params(fi, fij, pi, pij, params, mask, 0.01)

    return {"sweeps": sweeps, "updates": updates}


def main() -> None:
    data = family()
    known = {"energydsl": ours(data)}
    if (other := theirs(data)) is not None:
        known["adabmDCA"] = other
    else:
        print('adabmDCA is not installed: pip install "energydsl[bench]"')
    print(
        f"{platform.processor() or platform.machine()}, {THREADS} threads; {ROWS} sequences of {SITES} sites, {CHAINS} chains"
    )
    for work, each, unit in (
        ("sweeps", CHAINS * SITES * SWEEPS * 1e-9, "site updates per ns"),
        ("updates", (ROWS // CHAINS), f"updates of {SWEEPS} sweeps per s"),
    ):
        seconds = harness.medians({who: does[work] for who, does in known.items()}, rounds=3, seconds=1.0)
        for who, taken in seconds.items():
            print(f"{unit:<32} {who:<10} {each / taken:.4g}   ({taken:.3f} s a call)")


if __name__ == "__main__":
    main()
