"""Every kind of source, and every way in which data do not fit (E0401, with row and column)."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.data import load_data
from energydsl.data.sources import from_arrays
from energydsl.model.records import Resolved


def model(domain: str = "binary", shape: str = "[4]") -> Resolved:
    square = " + 0.5 * sum(v^2)" if domain == "real" else ""
    return ed.loads(f"visible v{shape} : {domain}\nenergy = sum(v){square}").resolved


LABELLED = ed.loads("visible v[784] : binary\nvisible y : categorical[10]\nenergy = sum(v) + sum(y)").resolved


def idx(path: Path, array: np.ndarray, zipped: bool) -> None:
    data = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    path.write_bytes(gzip.compress(data) if zipped else data)


def test_digits_in_both_sizes_with_labels() -> None:
    big = load_data(LABELLED, ["digits"], "test", "sample")
    assert {n: a.shape for n, a in big.arrays.items()} == {"v": (500, 784), "y": (500,)}
    assert load_data(model(shape="[64]"), ["digits"], binarise="none").arrays["v"].shape == (3000, 64)
    assert load_data(model(shape="[8, 8]"), ["digits:8"], binarise="threshold:0.5").arrays["v"].shape == (3000, 8, 8)


def test_bars_and_stripes() -> None:
    rows = load_data(model(shape="[3, 3]"), ["bars-and-stripes:3"]).arrays["v"]
    assert rows.shape == (16, 3, 3)
    assert len(np.unique(rows.reshape(16, -1), axis=0)) == 14


def test_files(tmp_path: Path) -> None:
    rows = np.array([[0, 1, 0, 1], [1, 1, 0, 0]])
    np.save(tmp_path / "a.npy", rows)
    np.savez(tmp_path / "a.npz", one=rows, two=1 - rows)
    (tmp_path / "a.csv").write_text("w,x,y,z\n0,1,0,1\n1,1,0,0\n")
    (tmp_path / "b.csv").write_text("0,1,0,1\n1,1,0,0\n")
    for name in ("a.npy", "a.csv", "b.csv"):
        np.testing.assert_array_equal(load_data(model(), [str(tmp_path / name)]).arrays["v"], rows)
    found = load_data(model(), [str(tmp_path / "a.npz")], key="two")
    np.testing.assert_array_equal(found.arrays["v"], 1 - rows)
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    pq.write_table(pa.table({f"c{k}": rows[:, k] for k in range(4)}), tmp_path / "a.parquet")
    np.testing.assert_array_equal(load_data(model(), [str(tmp_path / "a.parquet")]).arrays["v"], rows)


@pytest.mark.parametrize("zipped", [True, False])
def test_an_idx_folder(tmp_path: Path, zipped: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    end = ".gz" if zipped else ""
    idx(tmp_path / f"train-images-idx3-ubyte{end}", images, zipped)
    idx(tmp_path / f"train-labels-idx1-ubyte{end}", np.arange(5, dtype=np.uint8), zipped)
    data = load_data(LABELLED, [str(tmp_path)], binarise="none")
    np.testing.assert_allclose(data.arrays["v"], images.reshape(5, -1) / np.float32(255))
    np.testing.assert_array_equal(data.arrays["y"], np.arange(5))
    one = load_data(
        model(shape="[28, 28]"), [str(tmp_path / f"train-images-idx3-ubyte{end}")], binarise="threshold:0.5"
    )
    np.testing.assert_array_equal(one.arrays["v"], images / 255 >= 0.5)
    with pytest.raises(ed.DataError, match="t10k"):
        load_data(LABELLED, [str(tmp_path)], "test", "none")


def test_two_layers_take_two_sources(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 784)))
    np.save(tmp_path / "y.npy", np.array([1, 2, 3]))
    data = load_data(LABELLED, [f"v={tmp_path / 'x.npy'}", f"y={tmp_path / 'y.npy'}"])
    assert data.arrays["y"].tolist() == [1, 2, 3]
    np.savez(tmp_path / "both.npz", v=np.zeros((3, 784)), y=np.eye(10)[:3])
    assert load_data(LABELLED, [str(tmp_path / "both.npz")]).arrays["y"].tolist() == [0, 1, 2]


def test_grey_values_are_drawn_anew_or_once() -> None:
    data = load_data(model(shape="[784]"), ["digits"], binarise="sample").rows(slice(0, 200))
    once, again, other = data.drawn(0)["v"], data.drawn(0)["v"], data.drawn(1)["v"]
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()
    assert set(np.unique(once)) == {0, 1}
    assert abs(once.mean() - data.arrays["v"].mean()) < 0.01


def test_no_other_layer_is_drawn_from() -> None:
    """`sample` is a rule for grey values of binary layers: reals, counts and binary values stay what they are."""
    text = "visible v[4] : binary\nvisible u[2] : binary\nvisible x[2] : real\nvisible n : count\nlayers v -- x, u -- x\nenergy = n"
    rng = np.random.default_rng(0)
    arrays = {
        "v": rng.random((50, 4)),
        "u": rng.integers(0, 2, (50, 2)),
        "x": rng.normal(5, 2, (50, 2)),
        "n": rng.poisson(4, 50),
    }
    data = from_arrays(ed.loads(text).resolved, arrays, "sample")
    assert data.grey == {"v"}
    drawn = data.drawn(0)
    assert set(np.unique(drawn["v"])) == {0, 1}
    for name in ("u", "x", "n"):
        np.testing.assert_allclose(drawn[name].ravel(), arrays[name].ravel())


def test_a_missing_unit_may_be_one_hot_or_a_code() -> None:
    labels = ed.loads("visible y : categorical[3]\nenergy = - y[0]").resolved
    one_hot = from_arrays(labels, {"y": np.array([[0, 1, 0], [np.nan] * 3, [0, 0, 1]])}, None, impute=True)
    code = from_arrays(labels, {"y": np.array([1, np.nan, 2])}, None, impute=True)
    for data in (one_hot, code):
        assert data.arrays["y"].ravel().tolist() == [1, -1, 2]


CSV = {
    "0,1,0\n": "3 columns, the layer has 4 units",
    "0,1,0,1\n1,0,0\n": "row 2 of .*d.csv has 3 columns, the first has 4",
    "a,b,c,d\n0,1,x,1\n": "row 2, column 3 of .*d.csv: `x` is not a number",
    "0,1,0,1\n0,1,0,2\n": r"row 2, column 4 of `v` is 2, outside",
    "0,1,,1\n": r"row 1, column 3 of `v` is missing",
    "0,0.5,0,1\n": r"row 1, column 2 of `v` is 0.5, but `v` is binary",
    "0,1,nan,1\n": "missing",
    "0,1,inf,1\n": "infinite",
    "w,x,y,z\n": "no rows",
    "": "no rows",
}


@pytest.mark.parametrize("text", CSV)
def test_what_does_not_fit_has_row_and_column(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(ed.DataError, match=CSV[text]) as caught:
        load_data(model(), [str(tmp_path / "d.csv")])
    assert caught.value.diagnostics[0].code == "E0401"


WAYS = {
    "1,-1,1,-1\n": "these are spins: declare `v` as `spin`",
    "0,255,17,3\n": "divide grey values by their maximum, 255 here",
    "0,-0.5,1,3\n": "a layer of domain `real` takes negative values",
}


@pytest.mark.parametrize("text", WAYS)
def test_the_way_to_binary_values_follows_what_was_given(tmp_path: Path, text: str) -> None:
    (tmp_path / "d.csv").write_text(text)
    with pytest.raises(ed.DataError) as caught:
        load_data(model(), [str(tmp_path / "d.csv")])
    assert WAYS[text] in caught.value.diagnostics[0].help


def test_other_misfits(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "empty.npy", np.zeros((0, 4)))
    np.save(tmp_path / "codes.npy", np.array([0, 1, 7]))
    np.save(tmp_path / "two.npy", np.zeros((2, 4)))
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8bnothing")
    pair = ed.loads("visible v[4] : binary\nvisible y : categorical[3]\nenergy = sum(v) + sum(y)").resolved
    cases = [
        (model(), ["objects.npy"], "plain"),
        (model(), ["empty.npy"], "empty"),
        (model(), ["bad.npz"], "not an .npz"),
        (model(), ["bad.gz"], "damaged"),
        (model(), ["missing.npy"], "no file"),
        (model(), ["file.txt"], "no file"),
        (pair, ["v=two.npy", "y=codes.npy"], "not a state from 0 to 2"),
        (pair, ["v=two.npy"], "no data for `y`"),
        (pair, ["q=two.npy"], "no layer `q`"),
        (pair, ["two.npy"], "2 layers"),
    ]
    for resolved, sources, words in cases:
        places = [s.replace("=", f"={tmp_path}/") if "=" in s else f"{tmp_path}/{s}" for s in sources]
        with pytest.raises(ed.DataError, match=words):
            load_data(resolved, places)
    np.save(tmp_path / "codes.npy", np.array([0, 1, 2]))
    with pytest.raises(ed.DataError, match="different numbers of rows"):
        load_data(pair, [f"v={tmp_path}/two.npy", f"y={tmp_path}/codes.npy"])
    with pytest.raises(ed.ArgumentError, match="binarise"):
        load_data(model(shape="[784]"), ["digits"], binarise="round")
    with pytest.raises(ed.DataError, match="threshold"):
        load_data(model("spin", "[784]"), ["digits"], binarise="sample")


def test_rows_drawn_into_room_are_those_drawn_anew() -> None:
    """The same numbers for grey values, known ones as they are, what is missing missing; each batch over the one before."""
    model = ed.loads("visible v[3] : binary\nvisible u[2] : binary\nenergy = sum(v) + sum(u)").resolved
    grey = np.random.default_rng(0).random((9, 3))
    grey[[1, 4, 5], [0, 2, 1]] = np.nan
    data = from_arrays(model, {"v": grey, "u": np.eye(9, 2)}, "sample", impute=True)
    room = data.room(4)
    for numbers in (np.array([0, 1, 4, 8]), np.array([2, 3, 5, 6])):
        anew, there = (data.draw(np.random.Generator(np.random.SFC64(3)), numbers, r) for r in (None, room))
        for name in ("v", "u"):
            np.testing.assert_array_equal(there[name], anew[name])
            assert there[name] is room[name][1]
        assert np.array_equal(np.isnan(anew["v"]), np.isnan(grey[numbers]))
        np.testing.assert_array_equal(anew["u"], np.eye(9, 2)[numbers])


@pytest.mark.parametrize("rows", [3, 4])
def test_grey_values_are_drawn_by_the_uniform_numbers_of_numpy(rows: int) -> None:
    """An odd count leaves half a word for the next layer."""
    model = ed.loads("visible v[3] : binary\nvisible u[5] : binary\nenergy = sum(v) + sum(u)").resolved
    grey = {n: np.random.default_rng(k).random((rows, size)) for k, (n, size) in enumerate((("v", 3), ("u", 5)))}
    data = from_arrays(model, grey, "sample")
    found, rng = data.draw(np.random.Generator(np.random.SFC64(3))), np.random.Generator(np.random.SFC64(3))
    for name, array in data.arrays.items():
        np.testing.assert_array_equal(found[name], rng.random(array.shape, dtype=np.float32) < array)


def test_data_say_what_they_are() -> None:
    model = ed.loads("visible v[64] : binary\nenergy = sum(v)")
    assert repr(ed.load_data(model, "digits:8")) == "<energydsl data digits:8: 3000 rows of v[64], binarise sample>"
