"""All benchmarks in one go: a table, and JSON with versions beside it (`--json FILE`). Some ten minutes on two cores.

pip install -e ".[numba,sklearn]" torch thrml dwave-samplers        # what is missing is left out
python benchmarks/run.py --json benchmarks/results/DATE.json
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path

import compile_time
import curves
import dense
import lattice
from harness import table, write_json

from energydsl.options import Backend

PACKAGES = ("energydsl", "numpy", "numba", "scikit-learn", "torch", "jax", "thrml", "dwave-samplers")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "cores": str(os.cpu_count()), "machine": platform.machine()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def main() -> None:
    backends: tuple[Backend, ...] = ("numba", "numpy")
    rows = [
        *dense.rows(backends, 0.3),
        *lattice.rows(backends, 0.5),
        *curves.rows(0.1),
        *compile_time.rows(),
    ]
    print(versions())
    print(table(rows))
    if "--json" in sys.argv:
        write_json(Path(sys.argv[sys.argv.index("--json") + 1]), versions(), rows)


if __name__ == "__main__":
    main()
