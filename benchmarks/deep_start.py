"""Train a deep Boltzmann machine that begins at a trained RBM: python benchmarks/deep_start.py RBM_RUN DATA OUT [EPOCHS] [RATE] [SD].

Its lower half is the RBM, its upper couplings are small and random (of standard deviation SD), and the biases between them make up for the mean that these
bring. So at first it is the RBM, whose mean field is exact, but for what the upper couplings disturb.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import energydsl as ed

MODELS = Path(__file__).resolve().parents[1] / "models"


def begun(program: ed.Program, rbm: ed.Run, sd: float) -> dict[str, np.ndarray]:
    """The parameters of a 784-500-1000 machine that begins at an RBM 784-500."""
    first = {name: np.array(value) for name, value in program.init(seed=0).items()}
    upper = first["W_h1_h2"]
    upper *= sd / upper.std()
    middle = rbm.params["c"] - 0.5 * upper.sum(axis=1)
    return first | {"W_v_h1": rbm.params["W"], "b_v": rbm.params["b"], "b_h1": middle, "W_h1_h2": upper}


def main(rbm: str, data: str, out: str, epochs: str = "105", rate: str = "0.06", sd: str = "0.05") -> None:
    """Train, and say how the couplings have grown."""
    model = ed.load(MODELS / "dbm.energy")
    program = model.compile()
    method = ed.PCD(k=1, chains=512, positive="mean-field", latent_sweeps=4, centred=True)
    run = ed.train(
        program, ed.load_data(model, [data], "train", "sample"), method, ed.SGD(lr=float(rate)), int(epochs), out, batch=128, validation=0.02,
        params=begun(program, ed.open_run(rbm), float(sd)), progress=True,
    )  # fmt: skip
    sizes = {name: float(np.sqrt(np.square(run.params[name]).mean())) for name in ("W_v_h1", "W_h1_h2")}
    print(f"{run.updates} updates, {run.seconds:.0f} s; root mean square of the couplings: {sizes}")


if __name__ == "__main__":
    main(*sys.argv[1:])
