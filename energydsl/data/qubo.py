"""QUBO: a dictionary from pairs of labels to biases over bits; as a file, JSON {"offset": number, "qubo": [[label, label, bias], ...]}."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path

import numpy as np

from energydsl.data.quadratic import Quadratic, as_label, finite, quadratic, read_json
from energydsl.diagnostics import DataError

Qubo = dict[tuple[Hashable, Hashable], float]


def of_qubo(biases: Mapping[tuple[Hashable, Hashable], float], offset: float = 0.0) -> Quadratic:
    """The function of a dictionary."""
    return quadratic(False, offset, biases)


def as_qubo(found: Quadratic) -> tuple[Qubo, float]:
    """Biases by pairs of labels, and the offset; spins become bits, s = 2 x - 1."""
    linear, weights, offset = found.linear.copy(), found.weights, found.offset
    if found.spins:
        first, second = found.pairs.T
        offset += float(weights.sum() - linear.sum())
        linear *= 2.0
        np.subtract.at(linear, first, 2.0 * weights)
        np.subtract.at(linear, second, 2.0 * weights)
        weights = 4.0 * weights
    biases: Qubo = {(a, a): bias for a, bias in zip(found.labels, linear.tolist(), strict=True)}
    for (i, k), bias in zip(found.pairs.tolist(), weights.tolist(), strict=True):
        biases[found.labels[i], found.labels[k]] = bias
    return biases, offset


def read(path: Path) -> Quadratic:
    """The function of a file. Raises `DataError`."""
    found = read_json(path)
    if not (isinstance(found, dict) and isinstance(found.get("qubo"), list)):
        raise DataError.of(f'{path} is no QUBO: {{"offset": 0, "qubo": [["a", "b", -0.5]]}} is one')
    biases: Qubo = {}
    for number, row in enumerate(found["qubo"], 1):
        if not (isinstance(row, list) and len(row) == 3 and isinstance(row[2], int | float)):
            raise DataError.of(f"entry {number} of the qubo in {path} is not two labels and a bias")
        pair = as_label(row[0]), as_label(row[1])
        biases[pair] = biases.get(pair, 0.0) + finite(row[2], f"the bias of entry {number} in {path}")
    offset = found.get("offset", 0.0)
    if not isinstance(offset, int | float):
        raise DataError.of(f"the offset in {path} is no number")
    return of_qubo(biases, offset)


def write(path: Path, found: Quadratic) -> None:
    """The dictionary as JSON. Raises `OSError`."""
    biases, offset = as_qubo(found)
    rows = [[a, b, bias] for (a, b), bias in biases.items()]
    path.write_text(json.dumps({"offset": offset, "qubo": rows}, ensure_ascii=False) + "\n", encoding="utf-8")
