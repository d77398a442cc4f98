"""What is particular to the Numba backend: its functions, products, threads, cache and modules."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.numba import loader as numba_backend
from energydsl.backends.numpy.runtime.quantile import ndtri
from energydsl.domains import FAMILIES

pytestmark = [
    pytest.mark.skipif(not numba_backend.installed(), reason="numba is not installed"),
    pytest.mark.usefixtures("more_threads"),
]


@pytest.mark.parametrize("shape", [(200, 300), (7, 2000), (2000, 7), (64, 64), (1, 1)])
def test_products_in_pieces_are_the_products(shape: tuple[int, int]) -> None:
    kernels = ed.loads("visible v : binary\nenergy = - v").compile("numba").engine.kernels
    rng = np.random.default_rng(0)
    m, n = shape
    a, b = rng.normal(size=(m, 150)).astype(np.float32), rng.normal(size=(150, n)).astype(np.float32)
    row = np.repeat([0.5, -0.25], 75).astype(np.float32)
    wanted = a @ b
    with kernels.single_threaded_blas():
        for left in (a, np.asfortranarray(a), np.repeat(a, 2, axis=1)[:, ::2]):
            for right in (b, np.asfortranarray(b)):
                out = np.ones((m, n), np.float32)
                np.testing.assert_allclose(kernels.matmul(left, right), wanted, rtol=1e-4, atol=1e-4)
                np.testing.assert_allclose(
                    kernels.matmul(left, right, out=out, add=True), wanted + 1, rtol=1e-4, atol=1e-4
                )
                np.testing.assert_allclose(
                    kernels.matmul(left, right, row=row), (a * row) @ b, rtol=1e-4, atol=1e-4
                )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scalar_functions(dtype: str) -> None:
    kernels = ed.loads("visible v : binary\nenergy = - v").compile("numba", dtype).engine.kernels
    kind = np.dtype(dtype).type
    import numba

    def over(name: str, x: np.ndarray) -> np.ndarray:
        function = getattr(kernels, f"unit_{name}")
        each = numba.njit(lambda a: np.array([function(v) for v in a]))
        return each(x.astype(dtype)).astype(np.float64)

    x = np.concatenate([np.linspace(-80, 80, 1601), np.linspace(-1, 1, 401)])
    wide = 3e-7 if dtype == "float32" else 1e-14
    exact = x.astype(dtype).astype(np.float64)
    np.testing.assert_allclose(over("exp", x), np.exp(exact), rtol=wide)
    np.testing.assert_allclose(over("tanh", x), np.tanh(exact), atol=wide)
    np.testing.assert_allclose(over("sigmoid", x), 1 / (1 + np.exp(-exact)), rtol=2 * wide)
    positive = np.exp(np.linspace(-60, 60, 999)).astype(dtype).astype(np.float64)
    np.testing.assert_allclose(over("log", positive), np.log(positive), rtol=wide, atol=wide)
    u = np.concatenate([np.linspace(0.001, 0.999, 999), [2.0**-24, 2.0**-20, 1 - 2.0**-24]]).astype(dtype)
    wanted = ndtri(u.astype(np.float64))
    np.testing.assert_allclose(over("ndtri", u), wanted, rtol=3e-6 if dtype == "float32" else 1e-13, atol=wide)
    assert kind(0.0) == over("step", np.zeros(1))[0]


def test_chains_do_not_depend_on_batch_or_threads(rbm: ed.Model) -> None:
    import numba

    program = ed.loads("visible v[300] : binary\nhidden h[200] : binary\nlayers v -- h").compile("numba")
    params = program.init(0)
    state = program.init_state(params, 300)
    whole = program.gibbs(params, state, 2, rng=ed.Rng(2))
    part = program.gibbs(params, {n: a[250:] for n, a in state.items()}, 2, rng=ed.Rng(2, chain=250))
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    alone = program.gibbs(params, state, 2, rng=ed.Rng(2))
    numba.set_num_threads(before)
    for name in whole:
        assert np.mean(whole[name][250:] != part[name]) < 1e-4
        assert np.mean(whole[name] != alone[name]) < 1e-4


def test_auto_takes_it_where_there_is_work() -> None:
    text = "visible v[{n}] : binary\nhidden h[{n}] : binary\nlayers v -- h"
    assert ed.loads(text.format(n=3)).compile().backend == "numpy"
    assert ed.loads(text.format(n=200)).compile().backend == "numba"


def test_threads_of_blas_are_given_back() -> None:
    from threadpoolctl import threadpool_info

    def threads() -> list[int]:
        return [i["num_threads"] for i in threadpool_info() if "numpy" in i["filepath"]]

    program = ed.loads("visible v[200] : binary\nhidden h[200] : binary\nlayers v -- h").compile("numba")
    before = threads()
    with program.engine.single_threaded_blas():
        assert set(threads()) == {1}
        with program.engine.single_threaded_blas():
            pass
        assert set(threads()) == {1}
    assert threads() == before


def test_blas_is_held_through_reports_of_a_training() -> None:
    """Its threads, once used, would spin through the epoch that follows."""
    from threadpoolctl import threadpool_info

    seen: list[int] = []

    def report(_: Any) -> None:
        seen.extend(i["num_threads"] for i in threadpool_info() if "numpy" in i["filepath"])

    program = ed.loads("visible v[200] : binary\nhidden h[200] : binary\nlayers v -- h").compile("numba")
    ed.train(program, np.random.default_rng(0).integers(0, 2, (300, 200)), epochs=2, report=report)
    assert set(seen) == {1}
    assert not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ)


def test_two_python_threads_may_sample_at_once() -> None:
    program = [
        ed.loads("visible v[200] : binary\nhidden h[200] : binary\nlayers v -- h").compile("numba") for _ in "ab"
    ]
    params = program[0].init(0)
    state = program[0].init_state(params, 100)
    wanted = program[0].gibbs(params, state, 20, rng=ed.Rng(1))
    found: list[Any] = [None, None]

    def work(k: int) -> None:
        found[k] = program[k].gibbs(params, state, 20, rng=ed.Rng(1))

    workers = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for result in found:
        np.testing.assert_array_equal(result["v"], wanted["v"])


def test_standalone_module_runs_without_the_package(tmp_path: Path) -> None:
    program = ed.loads("visible v[20] : binary\nhidden h[30] : binary\nlayers v -- h").compile("numba")
    (tmp_path / "kernels.py").write_text(program.source)
    np.savez(tmp_path / "params.npz", **program.init(0))
    script = "import sys, numpy as np; sys.modules['energydsl'] = None; sys.path.insert(0, '.'); import kernels as k\n"
    script += "p = dict(np.load('params.npz'))\n"
    script += "x = dict(v=np.zeros((9, 20), 'f4'), h=np.zeros((9, 30), 'f4'))\n"
    script += "k.gibbs(p, x, 3, k.Stream(1)); print(x['h'].mean())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=os.environ, check=False
    )
    assert done.returncode == 0, done.stderr
    assert 0.4 < float(done.stdout) < 0.6


def test_every_family_can_be_printed() -> None:
    from energydsl.backends.runtime_text import numba_runtime

    for dtype in ("float32", "float64"):
        text = numba_runtime(dtype)
        assert all(f"def draw_{name}(" in text and f"def gain_{name}(" in text for name in FAMILIES)
