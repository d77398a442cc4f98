"""One program in two threads of Python, and in processes forked from one that has used Numba's threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend

pytestmark = pytest.mark.usefixtures("more_threads")
NUMBA = pytest.mark.skipif(not numba_backend.installed(), reason="numba is not installed")
CPU = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=NUMBA)])
MODELS = {
    "dense": "visible v[150] : binary\nhidden h[80] : binary\nlayers v -- h",
    "lattice": "visible s[40, 40] : spin\nparam J = 0.3\nenergy = - J*sum[i, j] s[i, j]*s[(i + 1) % 40, j] - J*sum[i, j] s[i, j]*s[i, (j + 1) % 40]",
    "density": "visible x[12] : real\nparam W[12, 12] : symmetric & zero_diagonal = normal(sd = 0.2)\nenergy = sum(x^4) - 0.5 * x @ W @ x",
    "directed": "visible v[40] : binary\nhidden h[30] : binary\nlayers v <- h",
}


def at_once(work: Callable[[int], Any], count: int = 2) -> list[Any]:
    """What a function returns in threads that run side by side; raises what it raises."""
    found: list[Any] = [None] * count
    errors: list[BaseException] = []
    start = threading.Barrier(count)

    def run(k: int) -> None:
        try:
            start.wait()
            found[k] = work(k)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return found


@CPU
@pytest.mark.parametrize("name", MODELS)
def test_two_threads_share_a_program(name: str, backend: str) -> None:
    program = ed.loads(MODELS[name]).compile(backend)
    params = program.init(0)
    states = [program.init_state(params, 60, seed) for seed in range(2)]

    def work(k: int) -> list[np.ndarray]:
        found = []
        for round in range(4):
            found += [*program.gibbs(params, states[k], 3, rng=ed.Rng([k, round])).values()]
            found += [program.free_energy(params, states[k]), *program.energy_gradient(params, states[k]).values()]
        return found

    wanted = [work(k) for k in range(2)]
    for k, found in enumerate(at_once(work)):
        for array, right in zip(found, wanted[k], strict=True):
            np.testing.assert_array_equal(array, right)


@CPU
def test_two_threads_train_on_one_program(backend: str) -> None:
    program = ed.loads(MODELS["dense"]).compile(backend)
    rows = np.random.default_rng(0).integers(0, 2, (300, 150)).astype(np.float32)

    def work(k: int) -> Any:
        return ed.train(program, rows, ed.PCD(chains=50), epochs=2, batch=50, seed=k).params

    wanted = [work(k) for k in range(2)]
    for k, found in enumerate(at_once(work)):
        for layer, right in wanted[k].items():
            np.testing.assert_array_equal(found[layer], right)


@NUMBA
def test_blas_is_held_in_any_thread() -> None:
    from threadpoolctl import threadpool_info

    def threads() -> set[int]:
        return {i["num_threads"] for i in threadpool_info() if "numpy" in i["filepath"]}

    program = ed.loads(MODELS["dense"]).compile("numba")
    before = threads()
    with program.engine.single_threaded_blas():
        assert threads() == {1}

    def work(k: int) -> set[int]:
        with program.engine.single_threaded_blas():
            return threads()

    for _ in range(2):
        assert at_once(work, 1) == [{1}]
        assert threads() == before
    assert at_once(work, 3) == [{1}] * 3
    assert threads() == before


START = """
import threading, numpy as np, energydsl as ed
TEXT = "visible v[150] : binary\\nhidden h[80] : binary\\nlayers v -- h"
program = ed.loads(TEXT).compile("numba")
params = program.init(0)
state = program.init_state(params, 60)
rows = np.asarray(state["v"])

def work(seed):
    ed.train(program, rows, epochs=1, batch=20)
    double = ed.loads(TEXT).compile("numba", "float64")  # in a child: loaded after the fork
    return program.gibbs(params, state, 3, rng=ed.Rng(seed))["v"], double.free_energy(params, {"v": rows})

def same(a, b):
    return (a[0] == b[0]).all() and np.allclose(a[1], b[1], rtol=1e-12)
"""
THREADS = """
found = {}
threads = [threading.Thread(target=lambda k=k: found.update({k: [work(k) for _ in range(10)]})) for k in range(2)]
[t.start() for t in threads], [t.join() for t in threads]
assert all(same(v, work(k)) for k in range(2) for v in found[k])
print("right")
"""
POOL = """
import multiprocessing
wanted = [work(k) for k in range(3)]
with program.engine.single_threaded_blas(), multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(work, range(3))
assert all(map(same, found, wanted))
assert all(same(work(k), wanted[k]) for k in range(3)), "the parent goes on"
print("right")
"""


def run(text: str, layer: str = "default") -> str:
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=240,
        env={**os.environ, "NUMBA_THREADING_LAYER": layer},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@NUMBA
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_regions_take_turns_where_they_must(layer: str) -> None:
    assert run(START + THREADS, layer) == "right"


@NUMBA
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_a_pool_forked_after_a_training_works(layer: str) -> None:
    assert run(START + POOL, layer) == "right"
