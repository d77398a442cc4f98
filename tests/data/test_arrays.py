"""What is handed over from Python as numbers, and what is refused (E0401)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import energydsl as ed
from energydsl.data.sources import from_arrays

REAL = ed.loads("visible v[2] : real\nenergy = sum(v) + 0.5 * sum(v^2)").resolved
CODE = ed.loads("visible y : categorical[3]\nenergy = - y[0]").resolved
NAN = np.nan


def taken(values: Any, impute: bool = False, binarise: str | None = None) -> Any:
    return from_arrays(REAL, {"v": values}, binarise, impute=impute).arrays["v"].tolist()


TAKEN: list[tuple[Any, list[list[float]]]] = [
    ([[1, None], [2, 3]], [[1, NAN], [2, 3]]),
    ([[Decimal("1.5"), 2]], [[1.5, 2]]),
    (np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]), [[1, NAN], [3, 4]]),
    (np.ma.array([[1.0, 2.0]]), [[1, 2]]),
    (np.ma.array([[1, 2]], mask=[[1, 1]]), [[NAN, NAN]]),
    (sparse.csr_matrix(np.eye(2)), [[1, 0], [0, 1]]),
    (sparse.coo_array(np.eye(2)), [[1, 0], [0, 1]]),
]


@pytest.mark.parametrize(("values", "wanted"), TAKEN)
def test_what_is_taken(values: Any, wanted: list[list[float]]) -> None:
    np.testing.assert_array_equal(taken(values, impute=True), wanted)
    if np.isnan(wanted).any():
        with pytest.raises(ed.DataError, match=r"of `v` is missing"):
            taken(values)


REFUSED: list[tuple[Any, str]] = [
    ([[1, 2], [1, 2, 3]], "row 1 has 2 entries, row 2 has 3"),
    ([["1", "2"]], "are not numbers, but text"),
    ([[1j, 2]], "complex numbers"),
    ([[{}, 2], [1, 2]], "there is a dict in row 1"),
    (np.array([["2020-01-01"] * 2], "M8[D]"), "dates"),
    ([[10**400, 2]], "row 1, column 1 of `v` is infinite"),
    (sparse.csr_matrix((10**7, 10**7)), "10000000 columns, the layer has 2"),
    (None, "empty"),
    (3.0, "empty"),
    (np.zeros((0, 2)), "empty"),
]


@pytest.mark.parametrize(("values", "words"), REFUSED)
def test_what_is_refused(values: Any, words: str) -> None:
    with pytest.raises(ed.DataError, match=words) as caught:
        taken(values)
    assert caught.value.diagnostics[0].code == "E0401"


def test_the_mask_of_a_layer_is_what_training_draws() -> None:
    """Masked entries hold 1, known ones are 1 in a fifth of the rows: the mean is that of the known ones."""
    rng = np.random.default_rng(0)
    whole = (rng.random((2000, 2)) < 0.2).astype(float)
    mask = rng.random(whole.shape) < 0.5
    program = ed.loads("visible v[2] : binary\nparam b[2] = base_rate(v)\nenergy = - b @ v").compile("numpy")
    run = ed.train(program, np.ma.array(np.where(mask, 1.0, whole), mask=mask), ed.PCD(impute=True), epochs=0)
    np.testing.assert_allclose(1 / (1 + np.exp(-run.base["v"][0])), 0.2, atol=0.03)


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(ed.DataError, match=r"no layer `w`") as caught:
        from_arrays(REAL, {"v": np.ones((1, 2)), "w": np.ones(1)}, None)
    assert caught.value.diagnostics[0].code == "E0401"
    latent = ed.loads("visible v[2] : binary\nhidden h[2] : binary\nenergy = - v @ h").resolved
    with pytest.raises(ed.DataError, match="`h` is hidden"):
        from_arrays(latent, {"v": np.ones((1, 2)), "h": np.ones((1, 2))}, None)


@pytest.mark.parametrize("rule", ["foo", "threshold:nan", "threshold:0", "threshold:2", "threshold:1_0", "round"])
def test_a_rule_for_grey_values_is_looked_at_whether_or_not_there_are_any(rule: str) -> None:
    binary = ed.loads("visible v[2] : binary\nenergy = sum(v)").resolved
    with pytest.raises(ed.ArgumentError, match="binarise must be threshold:T, sample or none"):
        from_arrays(binary, {"v": np.ones((1, 2))}, rule)


def test_programs_take_and_refuse_the_same() -> None:
    program = ed.loads("visible v[2] : real\nparam b[2] = base_rate(v)\nenergy = - b @ v + 0.5 * sum(v^2)").compile(
        "numpy"
    )
    params = program.init(0)
    np.testing.assert_array_equal(program.energy(params, {"v": sparse.csr_array(np.eye(2))}), [0.5, 0.5])
    masked = np.ma.array([[1.0, 2.0]], mask=[[0, 1]])
    for values in ([[1, 2], [1]], [["a", "b"]], masked):
        with pytest.raises(ed.DataError, match="`v`"):
            program.energy(params, {"v": values})
        with pytest.raises(ed.DataError, match="`v`"):
            program.init(0, {"v": values})
    for wrong in (None, np.ones((1, 2))):
        with pytest.raises(ed.ArgumentError, match="params is a dict"):
            program.energy(wrong, {"v": np.ones((1, 2))})
    with pytest.raises(ed.ArgumentError, match="a dict by layer"):
        program.energy(params, None)
    np.testing.assert_array_equal(program.energy(params, np.ones((1, 2))), [1.0])  # of the only layer


def test_pandas() -> None:
    pd = pytest.importorskip("pandas")

    def frame(second: Any) -> Any:
        return pd.DataFrame({"a": [1.0, 2.0], "b": second})

    plain = pd.DataFrame([[1, 2], [3, 4]])
    assert taken(plain) == [[1, 2], [3, 4]]
    for second in (
        pd.array([1, None], dtype="Int64"),
        pd.array([True, None], dtype="boolean"),
        pd.array([1.0, None], dtype="Float64"),
        pd.Categorical([1, None]),
        pd.Series([1, None], dtype=object),
        pd.arrays.SparseArray([1.0, NAN]),
    ):
        np.testing.assert_array_equal(taken(frame(second), impute=True), [[1, 1], [2, NAN]])
        with pytest.raises(ed.DataError, match="row 2, column 2 of `v` is missing"):
            taken(frame(second))
    for second, words in (
        (pd.Categorical(["x", "y"]), "`b` has the categories x, y.*\n.*cat.codes"),
        (["x", "y"], "a str in row 1 in column `b`"),
        (pd.to_datetime(["2020-01-01"] * 2), "dates in column `b`"),
    ):
        with pytest.raises(ed.DataError, match=words):
            taken(frame(second))
    codes = pd.Series([0, None, 2], dtype="category")
    assert from_arrays(CODE, {"y": codes}, None, impute=True).arrays["y"].tolist() == [0, -1, 2]
