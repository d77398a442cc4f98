"""What does each optimiser reach in equal seconds? An RBM of few latents on the embedded 8 x 8 digits, its likelihood exact.

python benchmarks/optimisers.py [SECONDS]

Every optimiser trains for as long, at its default rate and at some multiples of it, with a constant rate; the best of these counts. Figures
are nats of the test rows after each quarter of the time. Evaluations do not count as training. Run it on an idle machine.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import energydsl as ed
from energydsl import defaults
from energydsl.data.sources import Data

LATENTS, SECONDS, QUARTERS = 12, 1.5, 4
MULTIPLES = (1.0, 4.0, 16.0)
METHODS: Mapping[str, ed.PCD] = {"": ed.PCD(), ", centred": ed.PCD(centred=True)}
OPTIMIZERS: Mapping[str, Any] = {
    "sgd": ed.SGD(schedule="constant"),
    "sgd, momentum": ed.SGD(schedule="constant", momentum=0.9),
    "adam": ed.Adam(schedule="constant"),
    "natural": ed.Natural(schedule="constant"),
    "natural-factored": ed.NaturalFactored(schedule="constant"),
    "spectral": ed.Spectral(schedule="constant"),
    "natural, max_kl 0.01": ed.Natural(schedule="constant", max_kl=0.01),
}
MODEL = Path(__file__).resolve().parents[1] / "models" / "rbm.energy"


class Clock:
    """Stops a training when its time is over, and notes its likelihood after each part of it."""

    def __init__(self, program: ed.Program, rows: Data, seconds: float):
        self.program, self.rows, self.seconds = program, rows, seconds
        self.found: list[float] = []

    def monitor(self, run: ed.Run, _: Data) -> dict[str, float]:
        """The exact log-likelihood of the rows, where the next part of the time is over; nothing joins the metrics."""
        if run.seconds >= self.seconds * (len(self.found) + 1) / QUARTERS:
            self.found.append(ed.evaluate(run, self.rows, method="exact").log_likelihood)
        return {}

    def report(self, row: dict[str, Any]) -> None:
        """Ends the training once all parts are over."""
        if len(self.found) >= QUARTERS:
            raise KeyboardInterrupt


def nats(program: ed.Program, data: Data, test: Data, method: ed.PCD, optimizer: Any, seconds: float) -> list[float]:
    """The log-likelihood of the test rows after each quarter of the time, in nats a row."""
    clock = Clock(program, test, seconds)
    ed.train(program, data, method, optimizer, 1_000_000, monitor=clock.monitor, report=clock.report, validation=0.0)
    return clock.found


def main(seconds: float) -> None:
    """A line for each optimiser, with and without centring."""
    model = ed.load(MODEL, dims={"I": 64, "J": LATENTS})
    program = model.compile("numpy")
    data, test = (ed.load_data(model, ["digits"], part) for part in ("train", "test"))
    times = " ".join(f"{seconds * (k + 1) / QUARTERS:6.2f}s" for k in range(QUARTERS))
    print(f"{'optimiser':<30} {'rate':>7} {times}")
    for name, optimizer in OPTIMIZERS.items():
        for suffix, method in METHODS.items():
            found = {}
            for multiple in MULTIPLES:
                rate = multiple * defaults.RATES[optimizer.name][0]
                found[rate] = nats(program, data, test, method, replace(optimizer, lr=rate), seconds)
            best = max(found, key=lambda rate: found[rate][-1])
            print(f"{name + suffix:<30} {best:7.3g}", " ".join(f"{n:7.2f}" for n in found[best]), flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS)
