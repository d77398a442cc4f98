"""Every kind of CUDA kernel a few times: in odd small sizes for compute-sanitizer, in full sizes for a profile by ncu.

python benchmarks/gpu_small.py [--profile]        # needs CuPy and a device
"""

from __future__ import annotations

import sys

import numpy as np
from dense import update
from forms import MEMORY, QUARTIC
from gpu import GLASS, TORUS, dense_sweeps, sparse_sweeps

import energydsl as ed
from energydsl.learning.methods import CD

SMALL_MEMORY = MEMORY.format(QUARTIC).replace("784", "37").replace("500", "21")
ZOO = (
    "potts_rbm",
    "poisson_rbm",
    "gaussian_rbm",
    "binomial_rbm",
    "beta_harmonium",
    "gamma_harmonium",
    "field_of_experts",
)


def small() -> None:
    """Sizes that are no multiple of a block, and one model of each kind of draw."""
    dense_sweeps("full", 33)()
    sparse_sweeps(GLASS.format(n=130), 7)()
    sparse_sweeps(TORUS.format(n=18), 3)()
    sparse_sweeps(SMALL_MEMORY, 45)()
    for name in ZOO:
        program = ed.load(f"models/{name}.energy").compile("cupy")
        params = program.init(0)
        program.gibbs(params, program.init_state(params, 19), 2, rng=ed.Rng(0))
        print(name)


def full() -> None:
    """One sweep or update of sizes of gpu.py."""
    sparse_sweeps(MEMORY.format(QUARTIC), 1024, 1)()
    sparse_sweeps(TORUS.format(n=1024), 4, 1)()
    dense_sweeps("full", 16384, 1)()
    update("rbm", CD(), 128, "cupy")()


if __name__ == "__main__":
    np.seterr(all="ignore")
    full() if "--profile" in sys.argv else small()
