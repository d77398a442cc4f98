"""Folders of pictures: grey values in [0, 1], all of one size, and the folders that they are in as labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.data.readers import Fits
from energydsl.diagnostics import DataError
from energydsl.files import plain_file
from energydsl.options import Split

Array = NDArray[Any]
SUFFIXES = (".png", ".jpg", ".jpeg")
_COLOURS = 3


def files(folder: Path, split: Split) -> tuple[list[Path], list[str]]:
    """The pictures of a folder by name, and the name of the class of each where they are in one folder for each class; else none.

    Where there are folders `train` and `test`, those of the split. Raises `DataError` where pictures are in both places, or there are none.
    """
    if all((folder / name).is_dir() for name in ("train", "test")):
        folder = folder / split
    here = _pictures(folder)
    within = {sub.name: found for sub in sorted(folder.iterdir()) if sub.is_dir() and (found := _pictures(sub))}
    if here and within:
        raise DataError.of(
            f"{folder} has pictures, and folders with pictures, as {next(iter(within))}",
            "put all into one folder for each class, or all into one folder",
        )
    if not here and not within:
        raise DataError.of(f"{folder} has no pictures ({', '.join(SUFFIXES)})")
    return here or [p for found in within.values() for p in found], [n for n, found in within.items() for _ in found]


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def labels(folder: Path, split: Split) -> Array:
    """The class of each picture: the number that its folder is called, or the place of its name among those of all classes."""
    _, names = files(folder, split)
    if not names:
        raise DataError.of(f"{folder} has no folders for classes, so pictures have no labels")
    classes = sorted(set(names))
    if all(n.isascii() and n.isdigit() and len(n) < 10 for n in classes):
        return np.array([int(n) for n in names])
    return np.array([classes.index(n) for n in names])


def images(folder: Path, split: Split, shape: Sequence[int], fits: Fits) -> Array:
    """Grey values in [0, 1], (pictures, height, width); or colours, (pictures, height, width, 3), where a layer has that last axis.

    Needs Pillow. Raises `DataError` where a picture has another size than the first, and where one cannot be read.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DataError.of("reading pictures needs Pillow", 'pip install "energydsl[images]"') from None
    paths, _ = files(folder, split)
    coloured = len(shape) == _COLOURS and shape[-1] == _COLOURS
    found, first = None, (0, 0)
    for number, path in enumerate(paths):
        try:
            with open(plain_file(path), "rb") as file, Image.open(file, formats=("PNG", "JPEG")) as picture:
                size = picture.size
                if number == 0:
                    first = size
                    whole = (len(paths), size[1], size[0], *((_COLOURS,) if coloured else ()))
                    fits(whole)
                    found = np.empty(whole, np.float32)
                if size != first:
                    raise DataError.of(
                        f"{path} has {size[0]} x {size[1]} pixels, {paths[0].name} has {first[0]} x {first[1]}",
                        "pictures have to be of one size: scale or crop them",
                    )
                assert found is not None
                found[number] = _values(picture, coloured)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            if isinstance(error, FileNotFoundError | PermissionError):
                raise
            raise DataError.of(f"{path} is no picture that can be read: {error}") from None
    assert found is not None
    return found


def _values(picture: Any, coloured: bool) -> Array:
    """Values in [0, 1] of a picture; grey ones of 16 bits keep them."""
    if picture.mode.startswith("I") and not coloured:
        return np.asarray(picture, np.float32) / np.float32(65535)
    return np.asarray(picture.convert("RGB" if coloured else "L"), np.float32) / np.float32(255)
