"""How long from text to a ready program, for every model of the zoo, and does it grow with the sizes?

Each model once after a warm-up (the grammar is read once a process). Growth: an RBM and a torus at 10 and at 1000 times the
size a side. Bound: 0.3 s. Prints a table, and JSON with --json.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import energydsl as ed

ZOO = sorted((Path(__file__).resolve().parents[1] / "models").glob("*.energy"))
RBM = "dim I = {0}\nvisible v[I] : binary\nhidden h[I] : binary\nlayers v -- h"
TORUS = "dim L = {0}\nvisible s[L, L] : spin\nenergy = - sum[i, j] s[i, j]*(s[(i + 1) % L, j] + s[i, (j + 1) % L])"


def seconds(text: str) -> float:
    started = time.perf_counter()
    ed.loads(text).compile()
    return time.perf_counter() - started


def main() -> None:
    code = "import time; t = time.perf_counter(); import energydsl; print(time.perf_counter() - t)"
    imported = float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    first = seconds(ZOO[0].read_text())
    times = {path.stem: seconds(path.read_text()) for path in ZOO}
    growth = {
        "rbm 100 -> 100,000 units": (seconds(RBM.format(100)), seconds(RBM.format(100_000))),
        "torus 10 x 10 -> 1000 x 1000": (seconds(TORUS.format(10)), seconds(TORUS.format(1000))),
    }
    if "--json" in sys.argv:
        print(json.dumps({"import": imported, "first": first, "models": times, "growth": growth}))
        return
    print(f"import energydsl {imported:.3f} s; first model of a process {first:.3f} s")
    for name, took in times.items():
        print(f"  {name:<20} {took:.4f} s")
    for name, (small, large) in growth.items():
        print(f"  {name:<30} {small:.4f} s -> {large:.4f} s")


if __name__ == "__main__":
    main()
