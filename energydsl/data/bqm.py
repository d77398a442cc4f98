"""Binary quadratic models of dimod, as objects and as files. Needs dimod."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from energydsl.data.quadratic import Quadratic
from energydsl.diagnostics import ArgumentError, DataError, EnergyError, a_kind
from energydsl.files import plain_file

_LARGEST = 1 << 31


def _dimod() -> Any:
    try:
        import dimod
    except ImportError:
        raise EnergyError('binary quadratic models need dimod: pip install "energydsl[dimod]"') from None
    return dimod


def of_bqm(bqm: Any) -> Quadratic:
    """The function of a `dimod.BinaryQuadraticModel`, its variables in their order. Raises `ArgumentError`, `DataError`."""
    dimod = _dimod()
    if not isinstance(bqm, dimod.BinaryQuadraticModel):
        raise ArgumentError(f"from_bqm takes a dimod.BinaryQuadraticModel, not {a_kind(bqm)}")
    if not bqm.num_variables:
        raise DataError.of("the binary quadratic model has no variables")
    vectors = bqm.to_numpy_vectors(variable_order=list(bqm.variables))
    first, second = np.asarray(vectors.quadratic.row_indices), np.asarray(vectors.quadratic.col_indices)
    pairs = np.sort(np.stack([first, second], axis=1).astype(np.int64), axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    weights, linear = np.asarray(vectors.quadratic.biases, float)[order], np.asarray(vectors.linear_biases, float)
    if not all(np.isfinite(part).all() for part in (weights, linear, bqm.offset)):
        raise DataError.of("a bias of the binary quadratic model is no finite number")
    return Quadratic(bqm.vartype.name == "SPIN", tuple(bqm.variables), float(bqm.offset), linear, pairs[order], weights)


def as_bqm(found: Quadratic) -> Any:
    """The `dimod.BinaryQuadraticModel` of a function, in float64."""
    dimod = _dimod()
    bqm = dimod.BinaryQuadraticModel(found.vartype)
    bqm.add_linear_from(zip(found.labels, found.linear.tolist(), strict=True))
    named = ((found.labels[i], found.labels[k]) for i, k in found.pairs.tolist())
    bqm.add_quadratic_from((a, b, bias) for (a, b), bias in zip(named, found.weights.tolist(), strict=True))
    bqm.offset = found.offset
    return bqm


def read(path: Path) -> Quadratic:
    """The function of a file that dimod wrote. Raises `DataError`."""
    dimod = _dimod()
    if plain_file(path).stat().st_size > _LARGEST:
        raise DataError.of(f"{path} is larger than {_LARGEST >> 20} MB")
    try:
        with open(path, "rb") as file:
            if file.read(8) != b"DIMODBQM":
                raise DataError.of(f"{path} is no file of a binary quadratic model of dimod")
            file.seek(0)
            bqm = dimod.BinaryQuadraticModel.from_file(file)
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        EOFError,
        OverflowError,
        RuntimeError,
        struct.error,
        zipfile.BadZipFile,
    ):
        raise DataError.of(f"{path} is a damaged file of a binary quadratic model") from None
    return of_bqm(bqm)


def write(path: Path, found: Quadratic) -> None:
    """A file that dimod reads. Raises `OSError`."""
    with open(path, "wb") as file, as_bqm(found).to_file() as written:
        file.write(written.read())
