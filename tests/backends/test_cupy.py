"""What is particular to the CuPy backend, without a GPU: its CUDA source, products, recorded updates, and what it copies."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.cupy import cuda as cuda_printer
from energydsl.backends.cupy import loader as cupy_backend
from energydsl.backends.runtime_text import cupy_runtime
from energydsl.data.sources import from_arrays
from energydsl.domains import FAMILIES
from energydsl.inference.ais import ais
from energydsl.inference.evaluate import baseline
from energydsl.learning.begin import begin
from energydsl.learning.loop import Loop
from energydsl.learning.run import Run
from energydsl.program.initialise import base_rate
from energydsl.program.states import layer_arrays
from tests.backends.test_agreement import on_host, start
from tests.conftest import zoo
from tests.standin import cupy, nvrtc

RBM = "visible v[12] : binary\nhidden h[8] : binary\nlayers v -- h"
DTYPES = ("float32", "float64")


@pytest.mark.skipif(nvrtc.library() is None, reason="the wheel nvidia-cuda-nvrtc is not installed")
@pytest.mark.parametrize(("architecture", "dtype"), [("sm_80", "float64"), ("sm_90", "float32")])
def test_the_source_compiles_for(architecture: str, dtype: str) -> None:
    code, messages = nvrtc.build(cuda_printer.cuda_source(dtype), architecture, "-std=c++17", "-ftz=true")
    assert code.startswith(b"\x7fELF")
    assert "warning" not in messages
    for name, family in FAMILIES.items():
        swept = ("sweep", "scan") if family.local else ()
        assert all(f"{what}_{name}".encode() in code for what in ("draw", "gain", *swept))


def test_no_name_of_a_model_enters_the_source(stand_in: cupy.State) -> None:
    program = ed.loads("visible sinister : binary\nenergy = - sinister").compile("cupy")
    assert "sinister" not in cuda_printer.cuda_source("float32")
    assert "sinister" in program.source


def training(program: ed.Program, method: Any, optimizer: Any, rows: np.ndarray, weights: Any = None) -> ed.Run:
    return ed.train(program, rows, method, optimizer, epochs=3, batch=20, weights=weights)


@pytest.mark.parametrize(
    "optimizer",
    [ed.SGD(lr=0.1, momentum=0.5, weight_decay=1e-3, l1=1e-3, average="polyak"), ed.Adam(lr=0.01, group=1e-2)],
    ids=lambda o: o.name,
)
@pytest.mark.parametrize("method", [ed.CD(), ed.PCD(chains=30), ed.MCMC(k=2, chains=20)], ids=lambda m: m.name)
def test_training_is_that_of_numpy(device: str, method: Any, optimizer: Any) -> None:
    rows = (np.random.default_rng(0).random((200, 12)) < 0.3).astype(float)
    runs = [training(ed.loads(RBM).compile(b, "float64"), method, optimizer, rows) for b in ("numpy", "cupy")]
    for name, wanted in runs[0].params.items():
        assert isinstance(runs[1].params[name], np.ndarray)
        np.testing.assert_allclose(runs[1].params[name], wanted, rtol=1e-9, atol=1e-11)
    for row, other in zip(*(r.history for r in runs), strict=True):
        assert {k: v for k, v in other.items() if k != "seconds"} == pytest.approx(
            {k: v for k, v in row.items() if k != "seconds"}
        )
    assert set(runs[0].series) == (
        {"energy", *(f"projection_v.{k}" for k in range(3))} if method.name == "pcd" else set()
    )
    for name, series in runs[0].series.items():
        np.testing.assert_allclose(runs[1].series[name], series, rtol=1e-9, atol=1e-11)
    found, wanted = (ed.evaluate(r, rows, method="ais", betas=50, chains=10) for r in reversed(runs))
    assert found.log_z == pytest.approx(wanted.log_z, rel=1e-12)
    drawn = [ed.sample(r, 10, 5)["v"] for r in runs]
    np.testing.assert_array_equal(*drawn)


DEEP = "visible v[12] : binary\nhidden a[9] : binary\nhidden b[7] : binary\nlayers v -- a -- b"
BELIEF_NET = DEEP.replace("v -- a", "v <- a")


@pytest.mark.parametrize(
    ("text", "method"),
    [
        (DEEP, ed.PCD(chains=30, positive="mean-field")),
        (DEEP, ed.PCD(chains=30, centred=True)),
        (DEEP, ed.PCD(chains=30, impute=True)),
        (BELIEF_NET, ed.WakeSleep()),
        (BELIEF_NET, ed.WakeSleep(chains=30)),
        (DEEP, ed.CD(centred=True)),
        (BELIEF_NET, ed.WakeSleep(k=2)),
    ],
    ids=["mean field", "centred", "impute", "wake-sleep", "wake-sleep, chains", "weights", "wake-sleep, weights"],
)
def test_deep_training_is_that_of_numpy(device: str, text: str, method: Any, request: pytest.FixtureRequest) -> None:
    weights = np.arange(200) % 7 if "weights" in request.node.callspec.id else None
    rows = (np.random.default_rng(0).random((200, 12)) < 0.3).astype(float)
    if method.impute:
        rows[::2, 3] = np.nan
    programs = [ed.loads(text).compile(b, "float64") for b in ("numpy", "cupy")]
    runs = [training(program, method, ed.SGD(lr=0.1), rows, weights) for program in programs]
    for name, wanted in runs[0].params.items():
        np.testing.assert_allclose(runs[1].params[name], wanted, rtol=1e-9, atol=1e-11, err_msg=name)
    drawn = [ed.sample(r, 10, 5, clamp={"b": runs[0].chains["b"][:10]})["v"] for r in runs]
    np.testing.assert_array_equal(*drawn)


def an_update(program: ed.Program, method: Any, batch: int = 20) -> tuple[Loop, dict[str, Any]]:
    from energydsl.data.sources import from_arrays

    _, state = start(program, 100)
    names = (*program.model.by_role("visible"), *program.model.by_role("input"))
    data = from_arrays(program.model, {n: state[n] for n in names}, "none")
    config = {"seed": 0, "validation": 0.0, "batch": batch, "epochs": 1}
    return begin(program, data, method, ed.SGD(lr=0.01), config, None), {n: state[n][:batch] for n in names}


def test_updates_of_the_zoo_are_recorded(zoo_path: Path, device: str) -> None:
    model = zoo(zoo_path)
    if not next(v for v in model.applicability() if v.name == "cd").ok:
        pytest.skip("the method does not fit this model")
    found = {}
    for backend in ("numpy", "cupy"):
        program = model.compile(backend, "float64")
        work, data = an_update(program, ed.CD())
        for _ in range(6):
            work.update(data)
        found[backend] = on_host(program, work.state.params)
        if backend == "cupy" and set(model.resolved.random_layers()) == set(model.conditionals):
            assert work.state.work.graph is not None  # trajectories wait for the host
    for name, wanted in found["numpy"].items():
        np.testing.assert_allclose(found["cupy"][name], wanted, rtol=1e-8, atol=1e-10, err_msg=name)


def test_updates_of_blocks_over_forms_are_recorded(device: str) -> None:
    """Of a sum over windows of units with three values, and of a product of such units, whose forms are made anew."""
    text = (
        "visible x[8] : integer[0, 2]\nparam W[2] = normal(sd = 1)\n"
        "energy = sum[k in range(6)] log(1 + (sum[p, q in range(2)] W[p]*x[k + p + q])^2) + sum[k in range(7)] tanh(W[0]*x[k]*x[k + 1])"
    )
    found = {}
    for backend in ("numpy", "cupy"):
        program = ed.loads(text).compile(backend, "float64")  # type: ignore[arg-type]
        work, data = an_update(program, ed.PCD(chains=20))
        for _ in range(6):
            work.update(data)
        found[backend] = on_host(program, work.state.params)["W"]
        assert backend == "numpy" or work.state.work.graph is not None
    np.testing.assert_allclose(found["cupy"], found["numpy"], rtol=1e-8)


def test_only_the_data_are_copied_once_training_runs(stand_in: cupy.State) -> None:
    work, data = an_update(ed.loads(RBM).compile("cupy"), ed.PCD(chains=20))
    for _ in range(4):
        work.update(data)
    before, launches = stand_in.copies, len(stand_in.launched)
    for _ in range(10):
        work.update(data)
    assert stand_in.copies - before == 10
    assert len(stand_in.launched) - launches <= 10 * 12
    program, params, state = work.program, work.state.params, on_host(work.program, work.learner.chains(work.state))
    x = layer_arrays(program.engine, state)
    before = stand_in.copies
    program.engine.sweep(params, x, program.engine.settings(), ed.Rng(0), program.engine.parts(), 20)
    assert stand_in.copies == before
    copies = []
    for betas in (100, 200):
        before = stand_in.copies
        ais(program.engine, params, {}, betas=betas, chains=5)
        copies.append(stand_in.copies - before)
    assert copies[0] == copies[1]


def test_a_recorded_update_goes_on_after_the_stream_was_moved(device: str) -> None:
    """As after loading a checkpoint: the numbers are those of the sweep, not of the recording."""
    found = []
    for backend in ("numpy", "cupy"):
        work, data = an_update(ed.loads(RBM).compile(backend, "float64"), ed.PCD(chains=20))
        for n in range(8):
            if n == 5:
                work.state.random.sweep += 100
            work.update(data)
        found.append({n: np.array(work.learner.engine.host(a)) for n, a in work.state.params.items()})
    for name, wanted in found[0].items():
        np.testing.assert_allclose(found[1][name], wanted, rtol=1e-9)


def test_a_parameter_that_explodes_is_named(device: str) -> None:
    program = ed.loads(
        "visible v[4] : real\nhidden h[3] : binary\nparam W[4, 3] = normal(sd = 1)\nenergy = 0.5*sum(v^2) - v @ W @ h"
    ).compile("cupy")
    rows = np.full((100, 4), 1e3)
    with np.errstate(all="ignore"), pytest.raises(ed.TrainingError, match="parameter `W`"):
        ed.train(program, rows, ed.CD(), ed.SGD(lr=1e30), epochs=2, batch=10)


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(device: str, tmp_path: Path) -> None:
    rows = (np.random.default_rng(0).random((100, 12)) < 0.3).astype(float)
    whole = ed.train(ed.loads(RBM).compile("cupy"), rows, epochs=4, batch=10)

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    program = ed.loads(RBM).compile("cupy")
    assert not ed.train(program, rows, epochs=4, batch=10, out=tmp_path / "run", report=stop).finished
    resumed = ed.train(program, rows, epochs=4, batch=10, out=tmp_path / "run", resume=True)
    for name, wanted in whole.params.items():
        np.testing.assert_array_equal(resumed.params[name], wanted)


@pytest.mark.parametrize("optimizer", [ed.SGD(momentum=0.5), ed.Adam()], ids=lambda o: o.name)
def test_a_scalar_parameter_is_resumed_with_its_slots(device: str, optimizer: Any, tmp_path: Path) -> None:
    program = ed.loads("visible v[4] : binary\nparam k = 0.5, b[4]\nenergy = - k*sum(v) - b @ v").compile("cupy")
    rows = (np.random.default_rng(0).random((60, 4)) < 0.3).astype(float)
    whole = ed.train(program, rows, ed.PCD(), optimizer, epochs=4, batch=10)

    def stop(row: dict[str, Any]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    ed.train(program, rows, ed.PCD(), optimizer, epochs=4, batch=10, out=tmp_path / "run", report=stop)
    resumed = ed.train(program, rows, ed.PCD(), optimizer, epochs=4, batch=10, out=tmp_path / "run", resume=True)
    np.testing.assert_array_equal(resumed.params["k"], whole.params["k"])


def test_what_cannot_be_recorded_is_called_as_before(device: str) -> None:
    work, data = an_update(ed.loads(RBM).compile("cupy"), ed.CD())
    step, plain = work.state.work, work.state.work.function

    def reads() -> Any:
        found = plain()
        work.program.engine.host(work.state.params["b_v"])
        return found

    step.function = reads
    for _ in range(5):
        work.update(data)
    assert step.graph is None
    assert step.refused
    assert np.isfinite(work.program.engine.host(work.state.params["b_v"])).all()


def test_arrays_of_other_shapes_are_kept(stand_in: cupy.State) -> None:
    """A recorded update has their addresses."""
    program = ed.loads(RBM).compile("cupy")
    first = program.engine.workspace("a", (2, 3))
    program.engine.workspace("a", (4, 3))
    assert program.engine.workspace("a", (2, 3)) is first


# --- products

ERRORS = {"full": 2e-7, "tf32": 5e-4, "bf16x2": 1.6e-5, "bf16x3": 4e-7}


@pytest.mark.parametrize("small", [True, False], ids=["own", "cublas"])
@pytest.mark.parametrize("precision", ERRORS)
def test_products_and_their_errors(device: str, precision: str, small: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In every layout, added or not, with weights; the relative norm of the error against float64."""
    kernels = ed.loads(RBM).compile("cupy", precision=precision).engine.kernels
    monkeypatch.setitem(kernels.matmul.__globals__, "SMALL", 1 << 40 if small else 0)
    rng = np.random.default_rng(1)
    for m, n, k in ((33, 65, 70), (1, 5, 3), (64, 32, 32), (7, 1, 40), (1, 1, 1)):
        a, b = rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)
        row = rng.normal(size=k).astype(np.float32)
        wanted, weighted = a.astype(float) @ b.astype(float), (a * row.astype(float)) @ b.astype(float)
        lefts = [
            kernels.np.asarray(a),
            kernels.np.asarray(np.ascontiguousarray(a.T)).T,
            kernels.np.asarray(np.repeat(a, 2, axis=1))[:, ::2],
        ]
        rights = [kernels.np.asarray(b), kernels.np.asarray(np.ascontiguousarray(b.T)).T]
        cupy.STATE.launched.clear()
        for left in lefts:
            for right in rights:
                out = kernels.np.ones((m, n), np.float32)
                close(kernels.matmul(left, right), wanted, ERRORS[precision])
                close(kernels.matmul(left, right, row=kernels.np.asarray(row)), weighted, ERRORS[precision])
                close(kernels.matmul(left, right, out=out, add=True) - 1.0, wanted, 2 * ERRORS[precision] + 1e-6)
        assert device == "gpu" or ("gemmEx" in cupy.STATE.launched) != small


def close(found: Any, wanted: np.ndarray, error: float) -> None:
    assert np.linalg.norm(found.get() - wanted) <= error * np.linalg.norm(wanted) * 1.5 + 1e-7


def test_bf16_terms_are_exact_for_states(device: str) -> None:
    """0, 1, -1 are bf16 numbers, so only the other factor is rounded: to 2^-16 with two terms."""
    kernels = ed.loads(RBM).compile("cupy", precision="bf16x2").engine.kernels
    x = (np.random.default_rng(0).integers(0, 2, (5, 7)) * 2.0 - 1).astype(np.float32)
    high, low = kernels.split(kernels.np.asarray(x), 2)
    np.testing.assert_array_equal((high.get().astype(np.uint32) << 16).view(np.float32), x)
    assert not low.get().any()


def test_precision_is_for_float32_on_the_device(stand_in: cupy.State) -> None:
    model = ed.loads(RBM)
    for backend, dtype in (("numpy", "float32"), ("cupy", "float64")):
        with pytest.raises(ed.EnergyError, match="precision tf32 is for float32 on the cupy backend"):
            model.compile(backend, dtype, precision="tf32")
    with pytest.raises(ed.EnergyError, match="precision must be one of full, tf32"):
        model.compile("cupy", precision="fp8")


# --- mutants: an error in the CUDA source, in the runtime or in the recording is seen


SOURCES = {
    "words in another order": ("u[1] = (b >> 8)", "u[1] = (c >> 8)"),
    "units beside each other": ("q + w * count < part.count) put(part, q + w * count", "4 * q + w < part.count) put(part, 4 * q + w"),
    "the base forgotten": ("return scale * eta1[at(rows1, r, j)] + offset(r, j);", "return scale * eta1[at(rows1, r, j)];"),
    "a barrier too few": ("    __syncthreads();\n    for (int s = 0; s < SHARE; ++s) {\n      int e", "    for (int s = 0; s < SHARE; ++s) {\n      int e"),
    "weights of the inner axis forgotten": ("* (p.row ? p.row[inner] : FLOAT(1))", ""),
    "the product not added": ("out[at] = add ? out[at] + sum : sum;", "out[at] = sum;"),
    "sweeps since the recording forgotten": ("sweep + (moved ? *moved : 0)", "sweep"),
    "the last state never": ("return states - 1;", "return 0;"),
    "a colour one slot on": ("int slot = part.first + unit;", "int slot = part.first + (unit + 1) % part.count;"),
    "gain of one end": ("total -= unit_logsumexp", "total += 0 * unit_logsumexp"),
    "a lane of a vector product lost": ("for (int l = 1; l < lanes", "for (int l = 2; l < lanes"),
    "a vector product without its weights": ("* (row ? row[d] : FLOAT(1))", ""),
}  # fmt: skip
MODELS = {
    "rbm": RBM,
    "semi-restricted": "visible v[6] : binary\nhidden h[33] : binary\nhidden g[5] : spin\nlayers v -- h -- g",
    "glass": "graph G = random_regular(degree = 3, nodes = 20, seed = 1)\nvisible s[20] : spin\nparam J[G] = normal(sd = 1)\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]",
    "labels": "visible v[4] : binary\nvisible y : categorical[3]\nhidden h[3] : categorical[4]\nlayers v -- h, y -- h",
}


def wrong() -> bool:
    """Whether any model trains, anneals or multiplies otherwise on the stand-in than with NumPy, or fails."""
    cuda_printer.cuda_head.cache_clear()
    cuda_printer.cuda_shared.cache_clear()
    cuda_printer.cuda_modules.cache_clear()
    cupy_runtime.cache_clear()
    cupy.forget()
    for text in MODELS.values():
        model, results = ed.loads(text), []
        for backend in ("numpy", "cupy"):
            program = model.compile(backend, "float32")
            work, data = an_update(program, ed.PCD(chains=20))
            for _ in range(5):
                work.update(data)
            params = {n: a + 0.1 for n, a in on_host(program, work.state.params).items()}
            state = on_host(program, work.learner.chains(work.state))
            after = on_host(program, program.gibbs(params, state, 2, rng=ed.Rng(1)))
            estimate = ais(program.engine, params, {}, betas=5, chains=5).log_z
            results.append({**on_host(program, work.state.params), **after, "log_z": np.float64(estimate)})
        for name, wanted in results[0].items():
            if not np.mean(np.abs(results[1][name] - wanted) < 1e-3) > 0.99:
                return True
    kernels, ones = ed.loads(RBM).compile("cupy").engine.kernels, np.ones((3, 3), np.float32)
    out = kernels.np.asarray(ones)
    a = kernels.np.asarray(ones)
    halves = kernels.np.asarray(np.full(3, 0.5, np.float32))
    if not np.allclose(kernels.matmul(a, a[:, :1], row=halves).get(), 1.5):
        return True
    return not np.allclose(kernels.matmul(a, a, out=out, add=True).get(), 4.0)


def test_nothing_is_wrong(device: str) -> None:
    assert not wrong()


@pytest.mark.parametrize("name", SOURCES)
def test_mutants_of_the_cuda_source_are_caught(
    name: str, stand_in: cupy.State, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = SOURCES[name]
    read = cuda_printer.source_of
    assert sum(read(piece).count(old) for piece in cuda_printer.PIECES) >= 1
    monkeypatch.setattr(cuda_printer, "source_of", lambda file: read(file).replace(old, new))
    try:
        assert wrong()
    finally:
        monkeypatch.undo()
        cuda_printer.cuda_head.cache_clear()
        cuda_printer.cuda_shared.cache_clear()
        cuda_printer.cuda_modules.cache_clear()
        cupy_runtime.cache_clear()


# --- where there is no GPU


def test_a_machine_without_cupy_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cupy_backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ed.EnergyError, match="needs CuPy: pip install .cupy-cuda12x"):
        ed.loads(RBM).compile("cupy")


@pytest.mark.parametrize(
    "error", [RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected"), ImportError("libcudart.so.12")]
)
def test_a_machine_without_a_device_is_told_so(
    error: Exception, stand_in: cupy.State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> int:
        raise error

    monkeypatch.setattr(sys.modules["cupy"].cuda, "runtime", SimpleNamespace(getDeviceCount=fail))
    with pytest.raises(ed.EnergyError, match=str(error).split(":")[0]):
        ed.loads(RBM).compile("cupy")
    assert ed.loads("visible v[200] : binary\nhidden h[200] : binary\nlayers v -- h").compile().backend in (
        "numba",
        "numpy",
    )


def test_a_machine_without_the_toolkit_is_told_so(stand_in: cupy.State, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[int, int]:
        raise RuntimeError("libnvrtc.so.12 is not there")

    monkeypatch.setattr(sys.modules["cupy"].cuda, "nvrtc", SimpleNamespace(getVersion=fail))
    with pytest.raises(ed.EnergyError, match=r"libnvrtc.so.12 is not there.*cupy-cuda12x\[ctk\]"):
        ed.loads(RBM).compile("cupy")


def test_auto_takes_the_device_where_there_is_work(stand_in: cupy.State) -> None:
    text = "visible v[{n}] : binary\nhidden h[{n}] : binary\nlayers v -- h"
    assert ed.loads(text.format(n=200)).compile().backend == "cupy"
    assert ed.loads(text.format(n=3)).compile().backend == "numpy"


def test_a_run_from_a_device_opens_without_one(
    stand_in: cupy.State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (np.random.default_rng(0).random((100, 12)) < 0.3).astype(float)
    ed.train(ed.loads(RBM).compile("cupy"), rows, epochs=1, out=tmp_path / "run")
    monkeypatch.setattr(cupy_backend.importlib.util, "find_spec", lambda name: None)
    run = ed.open_run(tmp_path / "run")
    assert run.program.backend == "numpy"
    assert np.isfinite(ed.evaluate(run, rows).log_likelihood)


def test_the_standalone_module_needs_only_cupy(tmp_path: Path) -> None:
    """Written on a machine without a GPU; run with the stand-in in CuPy's place."""
    from click.testing import CliRunner

    from energydsl.cli.main import cli

    (tmp_path / "m.energy").write_text(RBM)
    done = CliRunner().invoke(
        cli, ["compile", str(tmp_path / "m.energy"), "--backend", "cupy", "-o", str(tmp_path / "kernels.py")]
    )
    assert done.exit_code == 0, done.output
    script = "import sys\nfrom tests.standin import cupy as s\nsys.modules.update(s.module())\n"
    script += f"import numpy, cupy\nfor n in [n for n in sys.modules if n.startswith('energydsl')]: sys.modules[n] = None\nsys.path.insert(0, {str(tmp_path)!r})\n"
    script += (
        "import kernels as k\np = {n: cupy.zeros(s, 'f4') for n, s in (('b_v', 12), ('b_h', 8), ('W_v_h', (12, 8)))}\n"
    )
    script += "x = {n: cupy.zeros((500, s), 'f4') for n, s in (('v', 12), ('h', 8))}\n"
    script += "k.gibbs(p, x, 3, k.Stream(1)); print(k.host(x['h']).mean())"
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, env=os.environ, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert 0.45 < float(ran.stdout) < 0.55


@pytest.mark.usefixtures("device")
def test_shards_on_a_device_find_what_they_do_on_the_host() -> None:
    rows = (np.random.default_rng(0).random((64, 12)) < 0.3).astype(np.float32)
    method, optimizer = ed.PCD(chains=8, centred=True), ed.SGD(lr=0.1, momentum=0.5)
    there, here = (
        ed.train(ed.loads(RBM).compile(backend), rows, method, optimizer, 2, batch=16, validation=0.0, shards=4)
        for backend in ("cupy", "numpy")
    )
    for name, array in here.params.items():
        np.testing.assert_allclose(there.params[name], array, rtol=0, atol=1e-4)


# --- the stand-in itself


def test_the_stand_in_refuses_the_host(stand_in: cupy.State) -> None:
    x = sys.modules["cupy"].zeros(3)
    for use in (
        np.exp,
        np.asarray,
        lambda a: float(a[0]),
        lambda a: bool(a[0]),
        list,
        lambda a: a + np.ones(3),
        lambda a: np.ones(3) * a,
        lambda a: a[np.arange(2)],
    ):
        with pytest.raises(TypeError):
            use(x)
    assert not hasattr(x, "__array_interface__")


def test_the_stand_in_checks_the_arguments_of_kernels(stand_in: cupy.State) -> None:
    kernels = ed.loads(RBM).compile("cupy").engine.kernels
    moved = kernels.np.zeros(1, np.uint32)
    kernels.DEVICE("move_on", 1, moved, np.uint32(2))
    assert moved.get()[0] == 2
    for arguments in ((moved, np.int32(2)), (moved, 2), (kernels.np.zeros(1), np.uint32(2)), (moved,)):
        with pytest.raises(TypeError):
            kernels.DEVICE("move_on", 1, *arguments)


def test_scales_and_their_floor_are_those_of_numpy(device: str) -> None:
    """A Gaussian RBM at default settings, with a unit that never varies; and a positive parameter that sets no scale."""
    text = "visible v[6] : real\nhidden h[3] : binary\nparam W[6, 3] = normal(sd = 0.1), b[6] = base_rate(v), c[3]\n"
    text += "param s[6] : positive = 1, a : positive = 1\n"
    text += "energy = sum((v - b)^2 / (2 * s^2)) - c @ h - a * ((v / s) @ W @ h)"
    rows = np.random.default_rng(0).normal(size=(200, 6))
    rows[:, 0] = 0.5
    runs = [ed.train(ed.loads(text).compile(b, "float64"), rows, epochs=3, batch=20) for b in ("numpy", "cupy")]
    for name, value in runs[0].params.items():
        np.testing.assert_allclose(runs[1].params[name], value, rtol=1e-6, atol=1e-8, err_msg=name)
    assert runs[0].params["s"][0] < 0.1


LIKELIHOODS = {
    "rbm": RBM,
    "inputs": "input x[2] : real\nvisible v[8] : binary\nhidden h[5] : binary\nparam W[8, 5], U[2, 5]\nenergy = - v @ W @ h - x @ U @ h",
    "deep": "visible v[8] : binary\nhidden a[6] : binary\nhidden b[4] : binary\nlayers v -- a -- b",
    "directed": "visible v[8] : binary\nhidden a[6] : binary\nhidden b[4] : binary\nlayers v <- a -- b",
    "counts": "visible v[4] : count\nhidden h[3] : binary\nparam W[4, 3], b[4]\nenergy = sum(lgamma(v + 1)) - b @ v - sum[i, j] v[i]*tanh(W[i, j])*h[j]",
    "coupled real units": "visible v[4] : real\nhidden h[3] : real\nparam W[4, 3]\nenergy = 0.5 * sum(v^2) + 0.5 * sum(h^2) - v @ W @ h",
}


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_likelihoods_are_those_of_numpy(name: str, stand_in: cupy.State) -> None:
    found = []
    for backend in ("numpy", "cupy"):
        program = ed.loads(LIKELIHOODS[name]).compile(backend, "float64")
        rng = np.random.default_rng(0)
        params = {n: rng.normal(0, 0.2, p.shape) for n, p in program.model.params.items()}
        given = {n: np.repeat(np.eye(2), 10, axis=0) for n in program.model.by_role("input")}
        state = ed.loads(LIKELIHOODS[name]).compile("numpy", "float64").init_state({}, 20, 0, given)
        rows = {n: state[n] for n, layer in program.model.layers.items() if layer.role != "hidden"}
        run = Run(program, params, {"data": {"binarise": None}}, base={"v": base_rate(program.engine, "v", rows["v"])})
        judged = [ed.evaluate(run, rows, method, betas=30, chains=20) for method in ("auto", "ais", "reverse-ais")]
        judged.append(baseline(run, from_arrays(program.model, rows, None)))
        found.append([each.rows for each in judged])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)
