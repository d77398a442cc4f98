"""Tables whose columns name units: any order, all of them, and no others; from files that the real libraries write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import energydsl as ed

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

MODEL = ed.loads(
    'visible v[2, 2] : binary\nvisible age : real\nvisible sex : categorical[2] = "FM"\nvisible y : categorical[3]\n'
    "param W[2, 2]\nenergy = 0.5*age^2 - sum(W * v) - sum[a] sex[a] - sum[a] y[a]"
)
ROWS = 7


def frame() -> Any:
    rng = np.random.default_rng(0)
    columns = {f"v[{i}, {k}]": rng.integers(2, size=ROWS) for i in range(2) for k in range(2)}
    columns |= {
        "age": rng.normal(size=ROWS).astype(np.float32),
        "sex": rng.choice(["F", "M"], ROWS),
        "y": rng.integers(3, size=ROWS),
    }
    return pd.DataFrame(columns)


def mixed() -> Any:
    """The columns in another order, those of v called in another way."""
    found = frame().rename(columns=lambda n: n.replace("[", "_").replace(", ", "_").replace("]", ""))
    return found[["y", "v_1_0", "sex", "v_0_1", "v_0_0", "age", "v_1_1"]]


def written(data: Any, suffix: str, folder: Path) -> Path:
    path = folder / f"t{suffix}"
    write = {".csv": lambda: data.to_csv(path, index=False), ".parquet": lambda: data.to_parquet(path), ".feather": lambda: data.to_feather(path)}  # fmt: skip
    write[suffix]()
    return path


def check(data: Any) -> None:
    wanted = frame()
    for i in range(2):
        for k in range(2):
            np.testing.assert_array_equal(data.arrays["v"][:, i, k], wanted[f"v[{i}, {k}]"])
    np.testing.assert_allclose(data.arrays["age"], wanted["age"], rtol=1e-6)
    np.testing.assert_array_equal(data.arrays["sex"], (wanted["sex"] == "M").astype(int))
    np.testing.assert_array_equal(data.arrays["y"], wanted["y"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
@pytest.mark.parametrize("make", [frame, mixed])
def test_one_table_is_all_layers(suffix: str, make: Any, tmp_path: Path) -> None:
    check(ed.load_data(MODEL, written(make(), suffix, tmp_path)))


@pytest.mark.parametrize("make", [frame, mixed])
def test_a_data_frame_is_data(make: Any) -> None:
    from energydsl.data.sources import as_data

    check(as_data(MODEL.resolved, make(), None, "train"))
    categories = make().assign(sex=make()["sex"].astype("category"))
    check(as_data(MODEL.resolved, categories, None, "train"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_columns_are_chosen(suffix: str, tmp_path: Path) -> None:
    data = mixed().rename(columns=lambda n: n.replace("v_", "pixel").replace("age", "Age (years)"))
    data["id"] = range(ROWS)
    path = written(data, suffix, tmp_path)
    sources = {"v": f"{path}:pixel*", "age": f"{path}:Age (years)", "sex": f"{path}:sex", "y": f"{path}:y"}
    check(ed.load_data(MODEL, sources))
    check(ed.load_data(MODEL, sources | {"v": f"{path}:pixel0_0,pixel0_1,pixel1_0, pixel1_1"}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns=["v[0, 1]", "v[1, 0]"]), r"no column for `v\[0, 1\]`, `v\[1, 0\]`"),
        (lambda t: t.drop(columns=["age"]), "no data for `age`"),
        (lambda t: t.assign(weight=1.0, ages=2.0), "name no unit: `weight`, `ages`"),
        (lambda t: t.rename(columns={"v[1, 1]": "v[1, 2]"}), r"name no unit: `v\[1, 2\]`"),
        (lambda t: t.assign(sex="X"), "is 'X', none of its letters"),
        (lambda t: t.assign(sex=["F"] * 6 + ["male"]), "row 7 of column `sex` is 'male'"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_does_not_fit_is_named(change: Any, words: str, suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ed.DataError, match=words):
        ed.load_data(MODEL, written(change(frame()), suffix, tmp_path))


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("agee", "no column `agee`\n  help: did you mean `age`"),
        ("pixel_*", "no column begins with `pixel_`"),
        ("v[0, 0],age", "has 4 units, and 2 columns are named for it"),
        ("v*,age", r"no column `v\*`"),
    ],
)
def test_columns_that_cannot_be_chosen(chosen: str, words: str, tmp_path: Path) -> None:
    path = written(frame(), ".csv", tmp_path)
    with pytest.raises(ed.DataError, match=words):
        ed.load_data(MODEL, {"v": f"{path}:{chosen}", "age": f"{path}:age", "sex": f"{path}:sex", "y": f"{path}:y"})


def test_a_column_twice(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("v_0,v_1,v_0\n1,0,1\n")
    model = ed.loads("visible v[2] : binary\nenergy = sum(v)")
    with pytest.raises(ed.DataError, match="two columns called `v_0`"):
        ed.load_data(model, tmp_path / "t.csv")


def test_other_names_say_nothing(tmp_path: Path) -> None:
    """Columns are taken in their order, as they are where there is no header."""
    model = ed.loads("visible v[2] : binary\nenergy = sum(v)")
    (tmp_path / "t.csv").write_text("left,right\n1,0\n")
    (tmp_path / "u.csv").write_text("1,0\n")
    for name in ("t.csv", "u.csv"):
        assert ed.load_data(model, tmp_path / name).arrays["v"].tolist() == [[1, 0]]


def test_a_streamed_table_keeps_its_order(tmp_path: Path) -> None:
    model = ed.loads("visible v[2] : binary\nenergy = sum(v)")
    rows = pd.DataFrame({"v_1": np.ones(500, int), "v_0": np.zeros(500, int)})
    rows.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(ed.DataError, match="not in the order of the units"):
        ed.load_streamed(model, tmp_path / "t.parquet")
    rows[["v_0", "v_1"]].to_parquet(tmp_path / "u.parquet")
    assert len(ed.load_streamed(model, tmp_path / "u.parquet")) > 0
