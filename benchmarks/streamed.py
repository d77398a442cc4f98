"""How much memory does training take whose data do not fit in it?

    python benchmarks/streamed.py [--gigabytes 1] [--kind npy|parquet|zarr] [--ranks N] [--folder FOLDER] [--keep]

Makes a file of noisy patterns of 784 bits, one byte each, of the size that is asked for, trains an RBM with 64 hidden units on it for one
epoch as a user would, `energydsl train --streamed`, and prints the peak of the resident memory of the training (of the largest rank)
beside the size of the file. What a process may allocate is limited to a quarter of the file (512 MB at least, which an interpreter with
its libraries needs), so that a training that held the data would fail. Absolute: the question is whether it fits.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

UNITS, HIDDEN, PATTERNS, FLIPPED, BATCH = 784, 64, 64, 0.1, 512
AT_ONCE, GROUP = 1 << 14, 1 << 13
MODEL = f"visible v[{UNITS}] : binary\nhidden h[{HIDDEN}] : binary\nlayers v -- h\n"
LEAST = 512 << 20


def pieces(rows: int) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    """So many rows, some at a time."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2, (PATTERNS, UNITS), np.uint8)
    threshold = int(FLIPPED * 256)
    for start in range(0, rows, AT_ONCE):
        count = min(AT_ONCE, rows - start)
        flips = np.frombuffer(rng.bytes(count * UNITS), np.uint8).reshape(count, UNITS) < threshold
        yield np.asarray(patterns[rng.integers(0, PATTERNS, count)] ^ flips, np.uint8)


def make(path: Path, rows: int) -> None:
    """Write the file, without holding it."""
    if path.suffix == ".npy":
        out = np.lib.format.open_memmap(path, "w+", np.uint8, (rows, UNITS))
        start = 0
        for piece in pieces(rows):
            out[start : start + len(piece)] = piece
            start += len(piece)
        out.flush()
    elif path.suffix == ".zarr":
        import zarr

        array = zarr.create_array(str(path), shape=(rows, UNITS), chunks=(GROUP // 8, UNITS), dtype="u1")
        start = 0
        for piece in pieces(rows):
            array[start : start + len(piece)] = piece
            start += len(piece)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = [f"v{k}" for k in range(UNITS)]
        with pq.ParquetWriter(path, pa.schema([(n, pa.uint8()) for n in names])) as writer:
            for piece in pieces(rows):
                writer.write_table(pa.table(dict(zip(names, piece.T, strict=True))), row_group_size=GROUP // 8)


def train(path: Path, folder: Path, ranks: int, limit: int) -> tuple[float, float, str]:
    """Seconds, the peak of resident memory in bytes, and the last line that was said."""
    model = folder / "rbm.energy"
    model.write_text(MODEL)
    launcher = ["mpiexec", "-n", str(ranks)] if ranks > 1 else []
    command = [*launcher, sys.executable, "-m", "energydsl", "train", str(model), "--data", str(path), "--streamed"]
    command += [
        "--out",
        str(folder / "run"),
        "--epochs",
        "1",
        "--batch",
        str(BATCH),
        "--method",
        "cd",
        "--backend",
        "numpy",
    ]
    command += ["--no-evaluate"]
    since = time.perf_counter()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)) if ranks == 1 else None,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return time.perf_counter() - since, peak, done.stdout.strip().splitlines()[0]


def main() -> None:
    """Make the file, train, and print one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--kind", choices=("npy", "parquet", "zarr"), default="npy")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/streamed"))
    parser.add_argument("--keep", action="store_true", help="leave the file where it is")
    options = parser.parse_args()
    rows = int(options.gigabytes * 1e9) // UNITS
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"patterns.{options.kind}"
    shutil.rmtree(options.folder / "run", ignore_errors=True)
    if not path.exists():
        make(path, rows)
        os.sync()
    limit = max(LEAST, int(options.gigabytes * 1e9) // 4)
    try:
        seconds, peak, said = train(path, options.folder, options.ranks, limit)
    finally:
        if not options.keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    print(f"{options.kind}, {rows:,} rows of {UNITS} bytes: {rows * UNITS / 1e9:.2f} GB; {said}")
    print(
        f"limit of what a process may allocate: {limit / 1e9:.2f} GB"
        if options.ranks == 1
        else "no limit is set for several ranks"
    )
    print(
        f"peak of resident memory {peak / 1e9:.2f} GB, {peak / (rows * UNITS):.0%} of the data; {seconds:.0f} s in all, "
        f"{rows / seconds:,.0f} rows a second"
    )


if __name__ == "__main__":
    main()
