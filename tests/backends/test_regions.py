"""Regions: threads carry their rows through many tasks without meeting, and nothing hangs on how many there are."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.annealing.path import Path
from energydsl.backends.numba import loader as numba_backend
from energydsl.backends.runtime_text import numba_runtime
from energydsl.random import Rng

pytestmark = [
    pytest.mark.usefixtures("more_threads"),
    pytest.mark.skipif(not numba_backend.installed(), reason="numba is not installed"),
]
DEEP = "visible v[90] : binary\nhidden h[70] : spin\nhidden g[50] : binary\nlayers v -- h -- g"
RBM = "visible v[90] : binary\nhidden h[70] : binary\nlayers v -- h"
GAUSSIAN = """
visible v[40] : real
hidden h[30] : binary
param W[40, 30] = normal(sd = 0.1), s[40] : positive = 1
energy = sum[i] v[i]^2 / (2*s[i]^2) - sum[i, j] v[i]/s[i] * W[i, j] * h[j]
"""


@pytest.fixture(scope="module")
def runtime() -> ModuleType:
    return numba_backend.runtime(numba_runtime("float32"))


@pytest.fixture
def held(runtime: ModuleType) -> Iterator[ModuleType]:
    """The runtime inside a loop of ours."""
    with runtime.single_threaded_blas():
        runtime.BLAS.threads = 2
        yield runtime


def swept(backend: Any, text: str, chains: int = 200) -> dict[str, np.ndarray]:
    program = ed.loads(text).compile(backend)
    params = program.init(3)
    x = program.init_state(params, chains, 1)
    program.engine.sweep(params, x, program.engine.settings(), Rng(5), program.engine.parts(), 4)
    return x


@pytest.mark.parametrize("pieces", [1, 2, 3, 8])
def test_states_do_not_hang_on_pieces(pieces: int, runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runtime.run
    monkeypatch.setattr(runtime, "run", lambda table, _, threads: whole(table, pieces, 2))
    found, wanted = swept("numba", DEEP), swept("numpy", DEEP)
    for name, states in wanted.items():
        np.testing.assert_array_equal(found[name], states)


def test_scaled_layers_wait_too(runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(layer.straight for layer in ed.loads(GAUSSIAN).compile("numba").engine.core.kernels.layers.values())
    whole, found = runtime.run, []
    for pieces in (1, 2, 3, 8):
        monkeypatch.setattr(runtime, "run", lambda table, _, threads, n=pieces: whole(table, n, 2))
        found.append(swept("numba", GAUSSIAN))
    for name, states in swept("numpy", GAUSSIAN).items():
        np.testing.assert_allclose(found[0][name], states, atol=1e-4)
        for other in found[1:]:
            np.testing.assert_array_equal(other[name], found[0][name])


def test_what_parameters_give_is_not_kept_longer_than_they_last(
    runtime: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, wanted = trained(GAUSSIAN), trained(GAUSSIAN, "numpy")
    for name, value in wanted.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4)
    clear, known = runtime.Region.clear, {}

    def kept(self: Any) -> None:
        clear(self)
        self.known = known

    monkeypatch.setattr(runtime.Region, "clear", kept)
    stale = trained(GAUSSIAN)
    assert any(np.abs(stale[name] - value).max() > 1e-2 for name, value in wanted.items())


def test_training_does_not_hang_on_pieces(runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a BLAS library may round otherwise where a product is cut."""
    found = []
    for pieces in (1, 2, 8):
        monkeypatch.setattr(
            runtime.Trials,
            "do",
            lambda self, table, work, rows, most, threads, n=pieces: runtime.run(table, min(n, most), 2),
        )
        found.append(trained("visible v[784] : binary\nhidden h[100] : binary\nlayers v -- h"))
    for name, wanted in found[0].items():
        for other in found[1:]:
            np.testing.assert_array_equal(other[name], wanted)


def two_products(held: ModuleType) -> tuple[np.ndarray, np.ndarray, int]:
    """C = A B, then A C', which reads all of C; how often work was done for it."""
    draw = np.random.default_rng(0)
    a, b = (draw.random((64, 64)).astype(np.float32) for _ in range(2))
    c, d = np.zeros_like(a), np.zeros_like(a)
    before = held.REGION.settled
    with held.region():
        held.matmul(a, b, out=c)
        assert not c.any()
        held.matmul(a, c, out=d)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5)
    return d, a @ (a @ b), held.REGION.settled - before


def test_what_threads_would_mix_up_is_kept_apart(held: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    found, wanted, regions = two_products(held)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert regions == 2
    monkeypatch.setattr(held.Region, "meets", lambda *_: False)
    assert two_products(held)[2] == 1


def test_after_an_error_nothing_of_a_region_is_done(held: ModuleType) -> None:
    a, c = np.ones((64, 64), np.float32), np.zeros((64, 64), np.float32)

    def interrupted() -> None:
        with held.region():
            held.matmul(a, a, out=c)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not c.any()
    assert not held.REGION.records
    held.matmul(a, a, out=c)
    assert (c == 64).all()


def trained(text: str, backend: Any = "numba") -> dict[str, np.ndarray]:
    model, draw = ed.loads(text), np.random.default_rng(0)
    data = {"v": (draw.random((60, model.layers["v"].shape[0])) < 0.4).astype(float)}
    run = ed.train(model.compile(backend), data, method=ed.PCD(k=2, chains=20), epochs=4, batch=20, seed=0)
    return {n: np.asarray(p) for n, p in run.params.items()}


def noted_down(runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one whenever something is noted down to be done again."""
    records: list[int] = []
    record = runtime.Replay.record

    def spied(self: Any, *given: Any) -> None:
        records.append(1)
        record(self, *given)

    monkeypatch.setattr(runtime.Replay, "record", spied)
    return records


def trust(runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was noted down once is done again, whatever would be noted down a second time."""
    record = runtime.Replay.record

    def once(self: Any, *given: Any) -> None:
        record(self, *given)
        self.sure = self.noted is not None

    monkeypatch.setattr(runtime.Replay, "record", once)


@pytest.mark.parametrize(("text", "noted"), [(RBM, True), (GAUSSIAN, False)], ids=["rbm", "gaussian"])
def test_what_is_done_again_is_what_would_be_done(
    text: str, noted: bool, runtime: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = noted_down(runtime, monkeypatch)
    found = trained(text)
    # Both phases and the step are noted down at the first two of twelve updates, where nothing hangs on arrays of the moment.
    assert (len(records) == 4) == noted

    def called(self: Any, function: Callable[..., None], arrays: Any, numbers: Any = ()) -> None:
        with runtime.region():
            function(*numbers)

    monkeypatch.setattr(runtime.Replay, "__call__", called)
    for name, wanted in trained(text).items():
        np.testing.assert_array_equal(found[name], wanted)

    monkeypatch.undo()
    trust(runtime, monkeypatch)
    monkeypatch.setattr(runtime.Noted, "move", lambda *_: None)
    differs = any((found[name] != p).any() for name, p in trained(text).items())
    assert differs == noted


def test_what_names_an_array_of_the_moment_is_not_done_again(held: ModuleType) -> None:
    a, c = np.ones((64, 64), np.float32), np.zeros((64, 64), np.float32)
    replay = held.Replay(held.Workspace(np.float32))
    for scale in (1, 2, 3):
        replay(lambda factor=scale: held.matmul(a * factor, a, out=c), [a, c])  # type: ignore[misc]
        assert (c == 64 * scale).all()
    assert replay.noted is None
    for scale in (1, 2, 3):
        a[...] = scale
        replay(lambda: held.matmul(a, a, out=c), [a, c])
        assert (c == 64 * scale * scale).all()
    assert replay.noted is not None


def test_what_hangs_on_numbers_of_the_moment_is_not_done_again(held: ModuleType) -> None:
    a, c = np.ones((64, 64), np.float32), np.zeros((64, 64), np.float32)
    for function, sure in (
        (lambda scale: held.matmul(a, a, out=c, factor=scale), True),
        (lambda scale: held.matmul(a, a, out=c, factor=1.0 * scale), False),
    ):
        replay = held.Replay(held.Workspace(np.float32))
        for scale in (1.0, 2.0, 3.0, 4.0):
            replay(function, [a, c], [scale])
            assert (c == 64 * scale).all()
        assert replay.sure == sure


def annealed(times: np.ndarray, backend: str = "numba") -> np.ndarray:
    program = ed.loads(DEEP).compile(backend)
    path = Path(program.engine, program.init(3), {"v": (np.linspace(-1.0, 1.0, 90, dtype=np.float32),)})
    return path.gains(path.start(40, {}, Rng(1)), times, Rng(2))


@pytest.mark.parametrize("times", [np.linspace(0, 1, 211), np.linspace(1, 0, 211)], ids=["forth", "back"])
def test_stretches_of_annealing_are_noted_down_twice(
    times: np.ndarray, runtime: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = noted_down(runtime, monkeypatch)
    found = annealed(times)
    # Two of four whole stretches of 50 temperatures, and the last, which is shorter.
    assert len(records) == 3
    np.testing.assert_allclose(found, annealed(times, "numpy"), rtol=1e-4, atol=1e-4)
    monkeypatch.setattr(Path, "together", property(lambda self: False, lambda self, value: None))
    np.testing.assert_allclose(found, annealed(times), rtol=1e-5, atol=2e-5)
    monkeypatch.undo()
    move = runtime.Noted.move
    trust(runtime, monkeypatch)
    monkeypatch.setattr(runtime.Noted, "move", lambda self, sweeps, _: move(self, sweeps, [0.5] * 51))
    assert np.abs(annealed(times) - found).max() > 0.01


def test_trials_are_kept_with_their_machine(runtime: ModuleType, tmp_path: Any) -> None:
    def trials() -> Any:
        found = runtime.Trials()
        found.file, found.best = tmp_path / "threads.json", {}
        found.read()
        return found

    first = trials()
    table = np.zeros((1, runtime.SLOTS), np.int64)
    table[0, :5] = runtime.copy_rows.address, 64, *(np.zeros(640, np.float32).ctypes.data for _ in range(2)), 10
    for _ in range(100):
        first.do(table, 10**6, 64, 1 << 30, 2)
    assert [pieces in {1, 2, 4} for pieces in first.best.values()] == [True]
    assert trials().best == first.best
    kept = json.loads(first.file.read_text("utf-8"))
    first.file.write_text(json.dumps(kept | {"machine": "another"}), "utf-8")
    assert trials().best == {}
    first.file.write_text("{", "utf-8")
    assert trials().best == {}


def test_threads_sleep_after_a_loop(runtime: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = runtime.run
    monkeypatch.setattr(runtime, "run", lambda table, _, threads: whole(table, 2, 2))
    swept("numba", DEEP)
    assert runtime.POOL.looks
    end = time.monotonic() + 5
    while len(runtime.POOL.asleep) < len(runtime.POOL.locks) and time.monotonic() < end:
        time.sleep(0.01)
    assert len(runtime.POOL.asleep) == len(runtime.POOL.locks)
    # One that is late for a region sleeps too, once the loop has ended: nobody waits for it.
    pool = runtime.POOL
    runtime.begin(pool.address, 0, 0, 0, 0)
    assert pool.woken(0)
    pool.locks[0].release()
    while 0 not in pool.asleep and time.monotonic() < end + 5:
        time.sleep(0.01)
    assert 0 in pool.asleep


def test_annealing_in_one_region_walks_the_same_way() -> None:
    program = ed.loads(DEEP).compile("numba")
    params, times = program.init(3), np.linspace(0, 1, 130)
    gains, states = [], []
    for together in (True, False):
        path = Path(program.engine.core, params, {})
        assert path.together
        path.together = together
        x = path.start(30, {}, Rng(0))
        gains.append(path.gains(x, times, Rng(1)))
        states.append(x)
    np.testing.assert_allclose(gains[0], gains[1], rtol=1e-4, atol=1e-5)
    for name, found in states[0].items():
        np.testing.assert_array_equal(found, states[1][name])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("m", "k", "n"), [(64, 90, 120), (64, 120, 90), (100, 120, 90), (128, 90, 70), (400, 500, 10)])
def test_no_cut_of_a_product_rounds_otherwise(
    m: int, k: int, n: int, turned: bool, held: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries have other kernels for small products; sizes at which a piece may fall to them."""
    draw = np.random.default_rng(0)
    a = draw.normal(size=(m, k)).astype(np.float32)
    b = draw.normal(size=(n, k) if turned else (k, n)).astype(np.float32)
    found = []
    for pieces in (1, 2, 4, 8):

        def cut(_: Any, table: Any, work: int, rows: int, most: int, threads: int, wanted: int = pieces) -> None:
            held.run(table, min(wanted, most), 2)

        monkeypatch.setattr(held.Trials, "do", cut)
        out = np.zeros((m, n), np.float32)
        with held.region():
            held.matmul(a, b.T if turned else b, out=out)
        found.append(out)
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
