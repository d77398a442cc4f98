"""Folders of pictures that Pillow writes: values, sizes, classes, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import energydsl as ed

Image = pytest.importorskip("PIL.Image")

GREY = "visible v[4, 6] : binary\nenergy = sum(v)"
LABELLED = "visible v[4, 6] : binary\nvisible y : categorical[3]\nenergy = sum(v) + sum[a] y[a]"


def pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(256, size=shape or (4, 6)).astype(np.uint8)


def write(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def test_grey_values_in_the_order_of_names(tmp_path: Path) -> None:
    for k in (2, 0, 1):
        write(tmp_path / f"p{k}.png", pixels(k))
    data = ed.load_data(ed.loads(GREY), tmp_path, binarise="none")
    np.testing.assert_allclose(data.arrays["v"], [pixels(k) / np.float32(255) for k in range(3)], rtol=1e-6)
    cut = ed.load_data(ed.loads(GREY), tmp_path, binarise="threshold:0.4").arrays["v"]
    np.testing.assert_array_equal(cut, [pixels(k) / np.float32(255) >= 0.4 for k in range(3)])


def test_jpeg_colours_and_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(pixels(0)).save(tmp_path / "a.JPG", "JPEG", quality=100)
    data = ed.load_data(ed.loads(GREY), tmp_path, binarise="none").arrays["v"]
    np.testing.assert_allclose(data[0], pixels(0) / 255, atol=0.05)
    write(tmp_path / "deep" / "a.png", np.full((4, 6), 13107, np.uint16))
    deep = ed.load_data(ed.loads(GREY), tmp_path / "deep", binarise="none").arrays["v"]
    np.testing.assert_allclose(deep, 0.2, rtol=1e-6)
    write(tmp_path / "rgb" / "a.png", pixels(3, 4, 6, 3))
    colours = ed.load_data(ed.loads("visible v[4, 6, 3] : real\nenergy = sum(v^2)"), tmp_path / "rgb").arrays["v"]
    np.testing.assert_allclose(colours[0], pixels(3, 4, 6, 3) / np.float32(255), rtol=1e-6)


@pytest.mark.parametrize(("names", "codes"), [(("cat", "ape", "dog"), (1, 0, 2)), (("2", "0", "1"), (2, 0, 1))])
def test_folders_are_classes(names: tuple[str, ...], codes: tuple[int, ...], tmp_path: Path) -> None:
    for k, name in enumerate(names):
        write(tmp_path / name / "a.png", pixels(k))
    data = ed.load_data(ed.loads(LABELLED), tmp_path, binarise="none")
    for k, code in enumerate(codes):
        row = int(np.flatnonzero(data.arrays["y"] == code)[0])
        np.testing.assert_allclose(data.arrays["v"][row], pixels(k) / np.float32(255), rtol=1e-6)
    assert len(ed.load_data(ed.loads(GREY), tmp_path, binarise="none")) == 3


def test_folders_of_a_split(tmp_path: Path) -> None:
    for k, split in enumerate(("train", "test")):
        write(tmp_path / split / "a" / "1.png", pixels(k))
    for k, split in enumerate(("train", "test")):
        data = ed.load_data(ed.loads(LABELLED), tmp_path, split, "none")  # type: ignore[arg-type]
        np.testing.assert_allclose(data.arrays["v"][0], pixels(k) / np.float32(255), rtol=1e-6)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    model, labelled = ed.loads(GREY), ed.loads(LABELLED)
    with pytest.raises(ed.DataError, match="has no pictures"):
        ed.load_data(model, tmp_path)
    write(tmp_path / "a.png", pixels(0))
    write(tmp_path / "b.png", pixels(0, 5, 6))
    with pytest.raises(ed.DataError, match=r"b\.png has 6 x 5 pixels, a\.png has 6 x 4"):
        ed.load_data(model, tmp_path)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    with pytest.raises(ed.DataError, match=r"b\.png is no picture that can be read"):
        ed.load_data(model, tmp_path)
    (tmp_path / "b.png").unlink()
    with pytest.raises(ed.DataError, match="no folders for classes"):
        ed.load_data(labelled, tmp_path)
    with pytest.raises(ed.DataError, match="have 24 columns, the layer has 25"):
        ed.load_data(ed.loads("visible v[5, 5] : binary\nenergy = sum(v)"), tmp_path)
    write(tmp_path / "c" / "a.png", pixels(0))
    with pytest.raises(ed.DataError, match="has pictures, and folders with pictures, as c"):
        ed.load_data(model, tmp_path)
