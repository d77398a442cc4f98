"""How long from text to a ready program, for every model of the zoo, does it grow with the sizes, and how long is a start?

Each model once after a warm-up (the grammar is read once a process). Bounds: 0.3 s to compile for NumPy and to import, 1 s
from a fresh process to the first compiled sweep with the kernels already in the cache.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from harness import Row, table

import energydsl as ed

ZOO = sorted((Path(__file__).resolve().parents[1] / "models").glob("*.energy"))
WORK = "to a ready program"
RBM = "dim I = {0}\nvisible v[I] : binary\nhidden h[I] : binary\nlayers v -- h"
TORUS = "dim L = {0}\nvisible s[L, L] : spin\nenergy = - sum[i, j] s[i, j]*(s[(i + 1) % L, j] + s[i, (j + 1) % L])"
START = """import energydsl as ed
p = ed.load({path!r}).compile({backend!r})
w = p.init(0)
p.gibbs(w, p.init_state(w, 100), 1, rng=ed.Rng(0))
"""


def compiled(text: str) -> float:
    started = time.perf_counter()
    ed.loads(text).compile("numpy")
    return time.perf_counter() - started


def process(code: str) -> float:
    """Seconds of a fresh process, interpreter included; the second of two."""
    for _ in range(2):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def rows() -> list[Row]:
    path = str(Path(__file__).resolve().parents[1] / "models/rbm.energy")
    times = {
        "import energydsl (process)": process("import energydsl"),
        "python alone (process)": process("pass"),
        "first sweep, numpy (process)": process(START.format(path=path, backend="numpy")),
        "first sweep, numba (process)": process(START.format(path=path, backend="numba")),
        "first model of a process": compiled(ZOO[0].read_text()),
        **{path.stem: compiled(path.read_text()) for path in ZOO},
        "rbm, 100 units": compiled(RBM.format(100)),
        "rbm, 100,000 units": compiled(RBM.format(100_000)),
        "torus, 10 x 10": compiled(TORUS.format(10)),
        "torus, 1000 x 1000": compiled(TORUS.format(1000)),
    }
    return [Row(WORK, name, taken, taken, "s") for name, taken in times.items()]


if __name__ == "__main__":
    print(table(rows()))
