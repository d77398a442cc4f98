"""Are the times kept that the documents promise: an import, a compilation, a certificate, a colouring of a large lattice?

Each once, after what a process loads but once. Prints every time beside its bound and exits with 1 where one is not kept.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import energydsl as ed

ZOO = sorted((Path(__file__).resolve().parents[1] / "models").glob("*.energy"))
IMPORT = "import time; t = time.perf_counter(); import energydsl; print(time.perf_counter() - t)"
RBM = "dim I = {0}\nvisible v[I] : binary\nhidden h[I] : binary\nlayers v -- h"
TORUS = "dim L = 1000\nvisible s[L, L] : spin\nenergy = - sum[i, j] s[i, j]*(s[(i + 1) % L, j] + s[i, (j + 1) % L])"
GRID = "graph G = grid(1000, 1000, periodic = true)\nvisible s[1000000] : spin\nenergy = - sum[(i, k) in G] s[i]*s[k]"


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compiled(path: Path) -> None:
    ed.load(path).compile()


def verified(path: Path) -> None:
    ed.load(path).verify()


def coloured(text: str) -> None:
    ed.loads(text).schedule()


def promises() -> Iterator[tuple[str, float, float]]:
    """What, seconds it took, seconds it may take."""
    shown = subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True).stdout
    yield "import energydsl", float(shown), 0.3
    ed.loads(RBM.format(10)).compile()  # loads the grammar and Numba
    for path in ZOO:
        yield f"compile {path.stem}", seconds(partial(compiled, path)), 0.3
    for path in ZOO:
        yield f"verify {path.stem}", seconds(partial(verified, path)), 10.0
    small = seconds(lambda: ed.loads(RBM.format(10)).compile())
    yield "compile an RBM of 1,000,000 units", seconds(lambda: ed.loads(RBM.format(10**6)).compile()), 5 * small + 0.05
    for name, text in (("torus", TORUS), ("grid", GRID)):
        yield f"colour a {name} of 1,000,000 units", seconds(partial(coloured, text)), 5.0


def main() -> int:
    kept = True
    for name, taken, bound in promises():
        kept &= taken < bound
        print(f"{name:<40} {taken:7.3f} s, at most {bound:6.3f}: {'kept' if taken < bound else 'BROKEN'}", flush=True)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
