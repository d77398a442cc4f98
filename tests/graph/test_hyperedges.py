"""Hyperedges from a file: parity checks."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.learning import files

TEXT = """graph   H = hyperedges("checks.csv")
visible s[{n}] : spin
param   J[H]
energy = - sum[c in H] J[c] * prod[i in c] s[i]
"""
# A header, rows of unequal length, one filled up, one written twice, units in any order.
CHECKS = "unit, unit, unit\n2,0,1\n1,4,\n5,3,0\n2,3,4,5\n4,1\n"
IN_ORDER = ((1, 4), (0, 1, 2), (0, 3, 5), (2, 3, 4, 5))


def loaded(folder: Path, checks: str = CHECKS, n: int = 6) -> ed.Model:
    (folder / "checks.csv").write_text(checks)
    (folder / "m.energy").write_text(TEXT.format(n=n))
    return ed.load(folder / "m.energy")


def test_energies_and_gradients_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    assert model.resolved.graphs["H"].edges == IN_ORDER
    program = model.compile("numpy", dtype="float64")
    states = np.array(list(itertools.product([-1.0, 1.0], repeat=6)))
    couplings = np.array([0.5, -1.0, 2.0, 0.3])
    parities = np.stack([states[:, list(c)].prod(axis=1) for c in IN_ORDER], axis=1)
    np.testing.assert_allclose(program.energy({"J": couplings}, {"s": states}), -parities @ couplings, rtol=1e-12)
    slopes = program.energy_gradient({"J": couplings}, {"s": states[:7]})["J"]
    np.testing.assert_allclose(slopes, -parities[:7].mean(axis=0), rtol=1e-12)
    fields = program.natural_parameters({"J": couplings}, {"s": states}, "s")[0]
    flipped = states.copy()
    flipped[:, 2] *= -1
    gap = program.energy({"J": couplings}, {"s": flipped}) - program.energy({"J": couplings}, {"s": states})
    np.testing.assert_allclose(2 * states[:, 2] * fields[:, 2], gap, atol=1e-12)


def test_units_that_share_no_check_are_one_block(tmp_path: Path) -> None:
    checks = "".join(f"{3 * k},{3 * k + 1},{3 * k + 2}\n" for k in range(20))
    assert loaded(tmp_path, checks, 60).compiled.derived.parts["s"].count == 3


def test_a_copy_and_a_run_keep_them(tmp_path: Path) -> None:
    model = loaded(tmp_path)
    rows = np.random.default_rng(0).choice([-1.0, 1.0], (40, 6)).astype(np.float32)
    arguments: dict[str, Any] = {"epochs": 1, "batch": 20, "out": tmp_path / "run"}
    first = ed.train(model.compile("numpy"), rows, **arguments)
    changed = loaded(tmp_path, "0,1,2\n1,4\n0,3,5\n2,3,4\n")
    assert copy.deepcopy(model).resolved.graphs["H"].edges == IN_ORDER
    again = ed.open_run(tmp_path / "run")
    assert again.program.model.graphs["H"].edges == IN_ORDER
    np.testing.assert_array_equal(again.params["J"], first.params["J"])
    with pytest.raises(ed.EnergyError, match=r"graph `H` has changed.*\(2, 3, 4, 5\) no longer there, \(2, 3, 4\) new"):
        ed.train(changed.compile("numpy"), rows, resume=True, **arguments)
    files.write_arrays(tmp_path / "run/graphs.npz", {"H": np.array([[1, 0]])})
    with pytest.raises(ed.DataError, match="is not an array of edges"):
        ed.open_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ("", "holds no hyperedge"),
        ("0,1,1\n", "0, 1, 1 of graph `H` names a unit twice"),
        ("0,-1\n", "has a negative unit number"),
        ("0,1.5\n", "row 1 of checks.csv is not a list of whole numbers"),
        ("0,,1\n", "row 1 of checks.csv is not a list of whole numbers"),
        (",".join(map(str, range(33))), "has 33 units, more than 32"),
        ("0,6\n", "graph `H` has 7 units, this axis 6"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(checks: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ed.ModelError, match=message):
        loaded(tmp_path, checks)
