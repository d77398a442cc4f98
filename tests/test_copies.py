"""Models, programs, runs, samples, methods and estimators travel to other processes, by what they are made from."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest

import energydsl as ed
from tests.conftest import ROOT, ZOO

ON_A_GRAPH = (
    "graph G[5]\nvisible s[5] : spin\nparam J[G] = normal(sd = 1)\nenergy = - sum[(i, k) in G] J[i, k]*s[i]*s[k]"
)
SIZES: dict[str, dict[str, int]] = {
    "rbm": {"I": 6, "J": 4},
    "label_rbm": {"I": 6, "J": 4, "K": 3},
    "sigmoid_belief": {},
    "fvbn": {},
    "spin_glass": {},
    "ising": {"L": 4},
    "bernoulli_mixture": {},
    "graph": {},
}


def model_of(name: str) -> ed.Model:
    if name == "graph":
        return ed.loads(ON_A_GRAPH, graphs={"G": nx.cycle_graph(5)})
    return ed.zoo(name, SIZES[name])


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[ProcessPoolExecutor]:
    """A process that was begun anew, and imports all it needs."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def moved(program: ed.Program, params: dict[str, Any], state: dict[str, Any]) -> tuple[Any, Any, str]:
    """What a program does: sweeps, energies, its text."""
    after = program.gibbs(params, state, 3, rng=ed.Rng(5))
    return after, program.energy(params, after), program.source


@pytest.mark.parametrize("name", SIZES)
def test_a_program_does_the_same_elsewhere(name: str, elsewhere: ProcessPoolExecutor) -> None:
    program = model_of(name).compile("numpy", "float64")
    params = program.init(1)
    state = program.init_state(params, 3, 2)
    wanted = moved(program, params, state)
    there = elsewhere.submit(moved, program, params, state).result()
    for found in (there, moved(copy.deepcopy(program), params, state), moved(pickled(program), params, state)):
        for layer, values in wanted[0].items():
            np.testing.assert_array_equal(found[0][layer], values)
        np.testing.assert_array_equal(found[1], wanted[1])
        assert found[2] == wanted[2]


def shown(model: ed.Model) -> str:
    return model.explain()


def test_a_model_takes_its_graph_along(elsewhere: ProcessPoolExecutor) -> None:
    model = model_of("graph")
    assert elsewhere.submit(shown, model).result() == model.explain()
    assert pickled(model).resolved.graphs == model.resolved.graphs


@pytest.mark.parametrize("path", ZOO, ids=lambda p: p.stem)
def test_every_model_of_the_zoo_is_pickled_as_text(path: Path) -> None:
    """What is written has the text as it was given, and little else: nothing that was derived."""
    model = ed.load(path)
    written = pickle.dumps(model)
    assert model.checked.given.text.encode() in written
    assert len(written) < len(model.source.text) + 40_000
    assert pickled(model).energy == model.energy


def evaluated(run: ed.Run, rows: Any) -> tuple[float, ed.learning.sampling.Samples]:
    return ed.evaluate(run, rows, "exact").log_likelihood, ed.sample(run, 5, 4, draws=2)


def test_a_run_and_its_samples_do_the_same_elsewhere(tmp_path: Path, elsewhere: ProcessPoolExecutor) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (40, 6)).astype(float)
    run = ed.train(model_of("rbm").compile("numpy"), rows, "pcd", epochs=1, out=tmp_path / "run")
    wanted = evaluated(run, rows)
    for found in (elsewhere.submit(evaluated, run, rows).result(), evaluated(copy.deepcopy(run), rows)):
        assert found[0] == wanted[0]
        assert type(found[1]) is type(wanted[1])
        assert found[1].several
        for layer, values in wanted[1].items():
            np.testing.assert_array_equal(found[1][layer], values)
        for term, values in wanted[1].energies.items():
            np.testing.assert_array_equal(found[1].energies[term], values)


def trained(program: ed.Program, rows: Any, method: Any, optimizer: Any) -> dict[str, Any]:
    return ed.train(program, rows, method, optimizer, epochs=2, validation=0.0).params


def test_methods_and_optimisers_train_the_same_elsewhere(elsewhere: ProcessPoolExecutor) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (40, 6)).astype(float)
    given = model_of("rbm").compile("numpy"), rows, ed.PCD(k=2, chains=7), ed.Adam(lr=0.01, l2=1e-3)
    wanted, found = trained(*given), elsewhere.submit(trained, *given).result()
    for name, value in wanted.items():
        np.testing.assert_array_equal(found[name], value)


def test_joblib_sends_them_to_its_workers() -> None:
    joblib = pytest.importorskip("joblib")
    program = model_of("graph").compile("numpy", "float64")
    params = program.init(1)
    states = [program.init_state(params, 2, seed) for seed in range(2)]
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(moved)(program, params, state) for state in states)
    for state, (after, *_) in zip(states, found, strict=True):
        np.testing.assert_array_equal(after["s"], moved(program, params, state)[0]["s"])


def scored(estimator: Any, rows: Any) -> Any:
    return estimator.score_samples(rows)


def test_an_estimator_takes_its_model_along(tmp_path: Path, elsewhere: ProcessPoolExecutor) -> None:
    """The file may be another one by then, or none."""
    pytest.importorskip("sklearn")
    path = tmp_path / "m.energy"
    path.write_text((ROOT / "models/rbm.energy").read_text())
    rows = np.random.default_rng(0).integers(0, 2, (40, 6)).astype(float)
    fitted = ed.sklearn.EnergyDensity(path, dims={"J": 3}, epochs=1).fit(rows)
    wanted = fitted.score_samples(rows)
    path.write_text("visible v[6] : binary\nenergy = sum(v)")
    for found in (elsewhere.submit(scored, fitted, rows).result(), scored(copy.deepcopy(fitted), rows)):
        np.testing.assert_array_equal(found, wanted)
    path.unlink()
    again = pickled(fitted).partial_fit(rows)
    ahead = copy.deepcopy(fitted).partial_fit(rows)
    np.testing.assert_array_equal(again.score_samples(rows), ahead.score_samples(rows))


def test_an_estimator_takes_what_backend_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("numba")
    rows = np.random.default_rng(0).integers(0, 2, (40, 6)).astype(float)
    fitted = ed.sklearn.EnergyDensity((ROOT / "models/rbm.energy").read_text(), dims={"J": 60}, epochs=1).fit(rows)
    assert fitted.program_.backend == "numba"
    written = pickle.dumps(fitted)
    monkeypatch.setattr(
        "energydsl.backends.choice.obstacle", lambda name: "not here" if name in ("numba", "cupy") else ""
    )
    there = pickle.loads(written)  # noqa: S301
    assert there.program_.backend == "numpy"
    np.testing.assert_allclose(there.score_samples(rows), fitted.score_samples(rows), rtol=1e-9)


def test_a_model_of_several_files_names_their_places_elsewhere(tmp_path: Path) -> None:
    """Its files go with it: nothing is read again."""
    folder = tmp_path / "models"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "edges.csv").write_text("0,1\n1,2\n")
    (folder / "parts" / "part.energy").write_text(
        'dim I\ngraph G = edges("edges.csv")\nvisible v[I] : spin\nparam J[G]\nenergy = - sum[(i, k) in G] J[i, k]*v[i]*v[k]\n'
    )
    (folder / "m.energy").write_text(
        'import "parts/part.energy" as part\nvisible x[3] : spin\nuse part(I = 3) as low on x\n'
    )
    model = ed.load(folder / "m.energy")
    written, here = pickle.dumps(model), str(folder / "parts" / "part.energy")
    shutil.rmtree(folder)
    there = pickle.loads(written)  # noqa: S301
    assert "part.energy:5" in model.compile("numpy").source
    assert there.compile("numpy").source == model.compile("numpy").source
    assert there.source == model.source
    assert {s.name for s in there.checked.files.values()} == {here}
    assert pickle.loads(pickle.dumps(there)).explain() == model.explain()  # noqa: S301
