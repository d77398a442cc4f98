"""Couplings and contacts of a protein family: found in the terms of the energy, and those that the family was drawn with."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl import limits
from energydsl.cli.main import cli
from tests.conftest import ROOT
from tests.families import LETTERS, family

POTTS = "protein_potts"


def by_loops(J: np.ndarray, gap: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Zero-sum couplings, norms and scores of J[n, m, a, b], pair by pair."""
    sites, states = J.shape[0], J.shape[2]
    kept = [a for a in range(states) if a != gap]
    gauged, norms = np.zeros_like(J), np.zeros((sites, sites))
    for n in range(sites):
        for m in range(sites):
            j = J[n, m]
            gauged[n, m] = j - j.mean(axis=0) - j.mean(axis=1)[:, None] + j.mean()
            norms[n, m] = np.sqrt(sum(gauged[n, m, a, b] ** 2 for a in kept for b in kept))
    scores = np.zeros_like(norms)
    pairs = [(n, m) for n in range(sites) for m in range(sites) if n != m]
    for n, m in pairs:
        others = lambda k: np.mean([norms[k, i] for i in range(sites) if i != k])  # noqa: E731
        scores[n, m] = norms[n, m] - others(n) * others(m) / np.mean([norms[p] for p in pairs])
    return gauged, norms, scores


def potts(sites: int) -> tuple[ed.Program, dict[str, Any], np.ndarray]:
    """A Potts model, and its couplings of log p as J[n, m, a, b]."""
    program = ed.zoo(POTTS, dims={"N": sites}).compile("numpy", "float64")
    params = program.init(seed=1)
    J = np.zeros((sites, sites, 21, 21))
    for (n, m), table in zip(np.transpose(np.triu_indices(sites, 1)).tolist(), params["J"], strict=True):
        J[n, m], J[m, n] = table, table.T
    return program, params, J


@pytest.mark.parametrize("listed", [1 << 20, 5000])
def test_scores_are_those_of_the_definition(listed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LISTED_PLACES", listed)
    program, params, J = potts(6)
    found = ed.contacts(program, params)
    gauged, norms, scores = by_loops(J, LETTERS.index("-"))
    np.testing.assert_allclose(found.couplings.transpose(0, 2, 1, 3), gauged, atol=1e-12)
    np.testing.assert_allclose(found.norms, norms, atol=1e-12)
    np.testing.assert_allclose(found.scores, scores, atol=1e-12)
    n, m, score, _ = found.ranked()[0]
    assert n < m
    assert score == found.scores.max()


def test_couplings_are_found_however_they_are_written() -> None:
    """As a full square of a symmetric array, with a function of a parameter and an index, on a layer of two axes."""
    text = """
    visible x[2, 2] : categorical[3]
    param J[2, 2, 2, 2], c[3]
    energy = - sum[i, j, a] exp(c[a])*J[0, 0, i, j]*(i + 1)*x[0, 0, a]*x[i, j, a] - sum[i, a] x[i, 1, a]*x[1, 0, a]*c[a]
    """
    program = ed.loads(text).compile("numpy", "float64")
    rng = np.random.default_rng(0)
    params = {"J": rng.normal(size=(2, 2, 2, 2)), "c": rng.normal(size=3)}
    found = ed.contacts(program, params).couplings
    eye, states = np.eye(3), rng.integers(3, size=(40, 4))

    def energy(x: np.ndarray) -> np.ndarray:
        return np.asarray(program.energy(params, {"x": eye[x].reshape(-1, 2, 2, 3)}))

    for n, m in ((0, 1), (0, 3), (1, 2), (1, 3)):
        a, b = rng.integers(3, size=2)
        one, other, both = states.copy(), states.copy(), states.copy()
        one[:, n] = both[:, n] = a
        other[:, m] = both[:, m] = b
        mixed = -(energy(both) - energy(one) - energy(other) + energy(states))
        j = found[n, :, m, :]
        expected = j[a, b] - j[a, states[:, m]] - j[states[:, n], b] + j[states[:, n], states[:, m]]
        np.testing.assert_allclose(mixed, expected, atol=1e-12)


def test_squares_of_sums_have_their_couplings() -> None:
    """(u - 1)^2 with u = sum a_i x_i has 2 a_n a_m for each pair."""
    text = "visible s[4] : spin\nparam a[4]\nenergy = (a @ s - 1)^2"
    a = np.array([1.0, -2.0, 3.0, 0.5])
    norms = ed.contacts(ed.loads(text).compile("numpy"), {"a": a}).norms
    np.testing.assert_allclose(norms, np.abs(4 * np.outer(a, a)) * (1 - np.eye(4)), rtol=1e-12)


def test_units_of_two_values_have_contacts_too() -> None:
    program = ed.loads("visible s[3] : spin\nparam J[3, 3]\nenergy = - sum[i < k] J[i, k]*s[i]*s[k]").compile("numpy")
    params = {"J": np.arange(9.0).reshape(3, 3)}
    norms = ed.contacts(program, params).norms
    np.testing.assert_allclose(norms[[0, 0, 1], [1, 2, 2]], 2 * params["J"][[0, 0, 1], [1, 2, 2]])


def test_other_terms_are_refused_with_the_reason() -> None:
    cases = {
        "visible x[3] : categorical[3]\nhidden h[2] : binary\nparam W[3, 3, 2]\nenergy = - sum[i, a, j] W[i, a, j]*x[i, a]*h[j]": "`x` is coupled to `h`",
        "visible x[3] : spin\nenergy = - x[0]*x[1]*x[2]": "meet 3 at a time",
        "visible x[3] : spin\nenergy = exp(sum(x))": "function of several units",
        "visible x[3] : spin\ninput u : real\nenergy = - x[0]*x[1]*u": "depends on the input `u`",
        "visible x : spin\nenergy = - x": "name a layer: x",
        "visible x[3] : real\nenergy = sum(x^2)": "none has units with states",
    }
    for text, words in cases.items():
        with pytest.raises(ed.EnergyError, match=words):
            ed.contacts(ed.loads(text).compile("numpy"))


def test_contacts_of_a_family_are_found_from_its_sequences(tmp_path: Path) -> None:
    """FASTA in, contact map out: nine in ten, and more, of the first L/2 pairs are contacts of the family."""
    sites, file, run = 20, tmp_path / "family.fasta", tmp_path / "run"
    drawn = family(sites, 2000)
    file.write_text(drawn.fasta())
    model = ed.load(ROOT / "models" / f"{POTTS}.energy", dims={"N": sites})
    data = ed.load_data(model, str(file), weights="identity:0.8")
    ed.train(model.compile(), data, ed.PCD(k=1), ed.SGD(lr=0.05), epochs=6, out=run, seed=1)
    outs = [str(tmp_path / "scores.csv"), str(tmp_path / "scores.npy")]
    result = CliRunner().invoke(cli, ["contacts", str(run), "-o", outs[0], "-o", outs[1], "--json"])
    assert result.exit_code == 0, result.output
    with open(outs[0], newline="") as lines:
        pairs = [(int(row["i"]) - 1, int(row["j"]) - 1) for row in csv.DictReader(lines)]
    known = {tuple(pair) for pair in drawn.contacts.tolist()}
    assert len(pairs) == sites * (sites - 1) // 2
    assert np.mean([pair in known for pair in pairs[: sites // 2]]) > 0.9
    scores = np.load(outs[1], allow_pickle=False)
    assert scores.shape == (sites, sites)
    assert scores[pairs[0]] == scores.max()
    assert json.loads(result.output)["highest"][0]["i"] == pairs[0][0] + 1
