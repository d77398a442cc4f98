"""How does the cost of a sweep grow with units, batch and chains, and does it grow as it should?

Beside each curve stands the slope in log-log that is expected once the work outweighs the cost of a call: 1 in the number
of chains, of units of a sparse model and of rows of a batch, 2 in the units of a dense one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from dense import update
from harness import Row, Work, medians

import energydsl as ed


def sweep(text: str, chains: int, sweeps: int = 1) -> Work:
    program = ed.loads(text).compile("numba")
    params = program.init(0)
    x, settings, rng, parts = (
        program.init_state(params, chains),
        program.engine.settings(),
        ed.Rng(0),
        program.engine.parts(),
    )
    return lambda: program.engine.sweep(params, x, settings, rng, parts, sweeps)


def rbm(units: int) -> str:
    return f"visible v[{units}] : binary\nhidden h[{units}] : binary\nlayers v -- h"


def torus(side: int) -> str:
    places = f"s[(i + 1) % {side}, j] + s[i, (j + 1) % {side}]"
    return f"visible s[{side}, {side}] : spin\nparam K = 0.4\nenergy = - K*sum[i, j] s[i, j]*({places})"


Curve = tuple[Sequence[int], Callable[[int], Work], float]
CURVES: dict[str, Curve] = {
    "RBM sweep, 256 chains, by units a layer": ((64, 128, 256, 512, 1024), lambda n: sweep(rbm(n), 256), 2.0),
    "RBM 500-500 sweep, by chains": ((16, 64, 256, 1024, 4096), lambda n: sweep(rbm(500), n), 1.0),
    "RBM 784-500 CD-1 update, by batch": ((16, 64, 256, 1024), lambda n: update("rbm", ed.CD(k=1), n, "numba"), 1.0),
    "torus, 32 chains, 10 sweeps, by units": ((16, 32, 64, 128, 256), lambda n: sweep(torus(n), 32, 10), 1.0),
    "64 x 64 torus, 10 sweeps, by chains": ((1, 8, 32, 128, 512), lambda n: sweep(torus(64), n, 10), 1.0),
}


def rows(seconds: float, wanted: Callable[[str], bool] = lambda name: True) -> list[Row]:
    """The curves whose names are wanted."""
    found = []
    for name, (sizes, make, expected) in CURVES.items():
        if not wanted(name):
            continue
        times = medians({str(n): make(n) for n in sizes}, rounds=3, seconds=seconds)
        shown = [n * n for n in sizes] if name.startswith("torus") else sizes
        slopes = np.diff(np.log(list(times.values()))) / np.diff(np.log(shown))
        for n, (who, taken) in enumerate(times.items()):
            slope = float(slopes[n - 1]) if n else float("nan")
            found.append(Row(name, who, taken, slope, f"slope (expected {expected:g})"))
    return found


if __name__ == "__main__":
    from harness import table

    print(table(rows(0.1)))
