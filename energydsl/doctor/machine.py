"""Backends, devices, threads and MPI of this machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterable

from energydsl.backends.cupy.loader import INSTALL, NO_GPU
from energydsl.backends.registry import TABLE
from energydsl.doctor.libraries import version_of
from energydsl.doctor.probe import Outcome, probe
from energydsl.doctor.record import Finding

# What each backend is made of.
_LIBRARIES = {"cupy": ("cupy", "cupy-cuda12x", "cupy-cuda13x")}
_MODULES = {"numba": ("numba", "threadpoolctl"), "cupy": ("cupy",)}
_BLAS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "OMP_NUM_THREADS")


def try_backend(name: str) -> Outcome:
    """A tiny program on a backend."""
    return probe(f"from energydsl.doctor.tiny import tried\ntried({name!r})")


def backend(name: str, outcome: Outcome) -> Finding:
    """What a tiny program says of a backend."""
    shown = next(filter(None, map(version_of, _LIBRARIES.get(name, (name,)))), "of unknown version")
    if outcome.why:
        again = f"; pip install --force-reinstall {name}" if name in _MODULES else ""
        return Finding(
            "backends", name, "broken", f"{shown}: a tiny program fails: {outcome.why}", f"use another backend{again}"
        )
    if why := outcome.said["obstacle"]:
        there = all(importlib.util.find_spec(module) is not None for module in _MODULES[name])
        return Finding("backends", name, "broken" if there and not why.startswith(NO_GPU) else "missing", why)
    like, tiles = (
        " as on NumPy" * (name != "numpy"),
        "; large products on tiles (AMX)" * outcome.said.get("tiles", False),
    )
    return Finding("backends", name, "ok", f"{shown}: a tiny program runs{like}{tiles}")


def backends() -> tuple[str, ...]:
    """All that there are."""
    return tuple(TABLE)


def devices() -> list[Finding]:
    """GPUs, as the driver lists them."""
    listing = shutil.which("nvidia-smi")
    if listing is None:
        return [Finding("devices", "GPU", "missing", "no driver of NVIDIA's")]
    try:
        done = subprocess.run([listing, "-L"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [Finding("devices", "GPU", "broken", f"nvidia-smi does not run: {error}")]
    if done.returncode:
        return [Finding("devices", "GPU", "missing", f"nvidia-smi says: {(done.stdout or done.stderr).strip()}")]
    lines = [line.partition(" (UUID")[0] for line in done.stdout.splitlines() if line.startswith("GPU ")]
    unused = "" if importlib.util.find_spec("cupy") else f"to use it: {INSTALL}"
    return [
        Finding("devices", name, "ok", detail, unused) for name, _, detail in (line.partition(": ") for line in lines)
    ]


def threads(numba: Outcome) -> list[Finding]:
    """Cores, and how many threads of what there are, and what said so."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = [Finding("threads", "cores", "ok", f"{cores} of {os.cpu_count()} for this process")]
    if numba.said and not numba.said["obstacle"]:
        found.append(Finding("threads", "numba", "ok", f"{numba.said['threads']}, {_set_by(['NUMBA_NUM_THREADS'])}"))
    if importlib.util.find_spec("threadpoolctl") is None:
        return [
            *found,
            Finding("threads", "BLAS", "missing", "threadpoolctl is not installed", 'pip install "energydsl[numba]"'),
        ]
    outcome = probe(
        "import json, numpy, threadpoolctl\n"
        "print(json.dumps([[c['internal_api'], c['num_threads']] for c in threadpoolctl.threadpool_info() if c['user_api'] == 'blas']))"
    )
    if outcome.why:
        return [
            *found,
            Finding("threads", "BLAS", "broken", outcome.why, 'pip install --force-reinstall "threadpoolctl"'),
        ]
    return [
        *found,
        *(Finding("threads", f"BLAS ({api})", "ok", f"{count}, {_set_by(_BLAS)}") for api, count in outcome.said),
    ]


def _set_by(names: Iterable[str]) -> str:
    """Which variable of the environment says how many."""
    said = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    return f"set by {said[0]}" if said else "by the cores"


def mpi() -> list[Finding]:
    """mpi4py with the library that it finds, and the launcher."""
    if importlib.util.find_spec("mpi4py") is None:
        return [Finding("mpi", "mpi4py", "missing", "mpi4py is not installed", 'pip install "energydsl[mpi]"')]
    shown = f"mpi4py {version_of('mpi4py')}"
    outcome = probe(
        "import json\nfrom mpi4py import MPI\nassert MPI.COMM_WORLD.allreduce(1) == MPI.COMM_WORLD.size\n"
        "print(json.dumps(MPI.Get_library_version().splitlines()[0]))"
    )
    if outcome.why:
        return [
            Finding(
                "mpi",
                "mpi4py",
                "broken",
                f"{shown}: {outcome.why}",
                'pip install "energydsl[mpi]", or an MPI of the site',
            )
        ]
    launcher = shutil.which("mpiexec")
    return [
        Finding("mpi", "mpi4py", "ok", f"{shown} with {' '.join(outcome.said.split())}"),
        Finding("mpi", "mpiexec", "ok", launcher)
        if launcher
        else Finding("mpi", "mpiexec", "missing", "not on the PATH", 'pip install "energydsl[mpi]"'),
    ]
