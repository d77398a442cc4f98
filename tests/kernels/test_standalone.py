"""Generated modules: deterministic, readable, runnable where only NumPy is installed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from tests.conftest import ZOO, zoo

SCRIPT = """
import sys
sys.path.insert(0, {site!r})
try:
    import energydsl
except ImportError:
    pass
else:
    raise SystemExit("energydsl must not be importable here")
import numpy as np
import kernels as k
rng = k.Stream(0)
p = dict(np.load("params.npz"))
x = dict(np.load("state.npz"))
before = {{n: a.copy() for n, a in x.items()}}
if {drawn}:
    k.gibbs(p, x, 2, rng)
    assert any((x[n] != before[n]).any() for n in k.layers)
assert all(np.isfinite(a).all() for a in x.values())
e = k.energy(p, x, k.settings())
g = {{n: f(p, x, k.settings(), np.full(k.rows(x), 1 / k.rows(x), k.DTYPE), k.Workspace()) for n, f in k.gradients.items()}}
np.savez("out.npz", energy=sum(e.values()), **{{"x_" + n: a for n, a in x.items()}}, **{{"g_" + n: a for n, a in g.items()}})
"""


@pytest.fixture(scope="module")
def numpy_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with NumPy and nothing else; with -S and -I, Python sees no other packages."""
    site = tmp_path_factory.mktemp("site")
    installed = Path(np.__file__).parent
    for name in ("numpy", "numpy.libs"):
        if (installed.parent / name).exists():
            os.symlink(installed.parent / name, site / name)
    return site


def test_zoo_runs_with_only_numpy(zoo_path: Path, numpy_only: Path, tmp_path: Path) -> None:
    model = zoo(zoo_path)
    if model.factorisation:
        pytest.skip("a model with directed parts is several modules, each that of a model like the others")
    program = model.compile("numpy")
    (tmp_path / "kernels.py").write_text(program.source)
    drawn = set(model.resolved.random_layers()) == set(model.conditionals)  # trajectories are no part of the module
    params = program.init(seed=1)
    layers = program.model.layers
    given = {n: np.full((1, *layers[n].energy_shape), 0.5) for n in program.model.by_role("input")}
    state = program.init_state(params, 3, 0, given)
    np.savez(tmp_path / "params.npz", **params)
    np.savez(tmp_path / "state.npz", **state)
    (tmp_path / "run.py").write_text(
        "import sys; sys.path.insert(0, '.')\n" + SCRIPT.format(site=str(numpy_only), drawn=drawn)
    )
    subprocess.run([sys.executable, "-S", "-I", "run.py"], cwd=tmp_path, check=True, capture_output=True, text=True)
    with np.load(tmp_path / "out.npz") as out:
        after = {n: out[f"x_{n}"] for n in layers}
        same = program.gibbs(params, state, 2, rng=ed.Rng(0)) if drawn else state
        for name in layers:
            np.testing.assert_array_equal(after[name], same[name])
        np.testing.assert_allclose(out["energy"], program.energy(params, after), rtol=1e-4, atol=1e-3)


def test_same_text_gives_the_same_bytes_under_any_hash_seed() -> None:
    code = "import sys, hashlib, energydsl as ed\nfor path in sys.argv[1:]: print(path, hashlib.sha256(ed.load(path).compile().source.encode()).hexdigest())"
    found = [
        subprocess.run([sys.executable, "-c", code, *map(str, ZOO)], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert len(found[0].splitlines()) == len(ZOO)
    assert found[0] == found[1]


def test_equations_and_places_stand_above_the_kernels(rbm: ed.Model) -> None:
    source = rbm.compile().source
    assert "# p(h_j = 1 | v) = sigmoid(c_j + sum_i v_i W_ij)" in source
    assert "# from model.energy:6" in source
    assert 'matmul(x["v"], p["W"], out=eta)' in source


def test_no_text_of_a_model_reaches_the_module_as_code() -> None:
    from energydsl.api import Model
    from energydsl.diagnostics import Source
    from energydsl.model.resolve import Overrides

    name = 'm"""\nimport os\nraise SystemExit("owned")  # \\'
    text = 'visible v[2] : binary\nenergy = sum(v)  # """ raise\n'
    program = Model(Source(name, text), Overrides({}, {}, {})).compile()
    nodes = list(ast.walk(ast.parse(program.source)))
    thrown = [n.exc.func if isinstance(n.exc, ast.Call) else n.exc for n in nodes if isinstance(n, ast.Raise)]
    raised = {n.id if isinstance(n, ast.Name) else "" for n in thrown}
    assert raised == {"Crowded", "NotImplementedError"}, "the runtime's own, and nothing of the model's"
    imported = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    assert imported == {"base64", "contextlib", "functools", "math", "threading", "zlib", "numpy"}


def test_sampling_loop_allocates_nothing_large() -> None:
    import tracemalloc

    program = ed.loads("visible v[500] : binary\nhidden h[400] : binary\nlayers v -- h").compile()
    params = program.init()
    state = program.init_state(params, 200)
    rng, settings, parts = ed.Rng(0), program.engine.settings(), program.engine.parts()
    program.engine.sweep(params, state, settings, rng, parts, 2)
    tracemalloc.start()
    program.engine.sweep(params, state, settings, rng, parts, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200 * 400 * 4 / 4, "less than a quarter of one layer"
