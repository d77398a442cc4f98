"""Quadratic functions of spins or bits, as files of the field have them, and the model that one is.

E(x) = offset + sum_i linear_i x_i + sum_{i < k} weight_ik x_i x_k
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.api import Model
from energydsl.diagnostics import DataError, Source
from energydsl.model.records import Graph
from energydsl.model.resolve import Overrides

Array = NDArray[Any]


@dataclass(frozen=True)
class Quadratic:
    """spins: whether variables are -1 or +1, else 0 or 1. labels: of the variables, in order; one of its own each.

    linear: (variables,). pairs: (pairs, 2), numbers i < k of variables, each pair once, in order. weights: (pairs,).
    """

    spins: bool
    labels: tuple[Hashable, ...]
    offset: float
    linear: Array
    pairs: Array
    weights: Array

    @property
    def vartype(self) -> str:
        """SPIN or BINARY."""
        return "SPIN" if self.spins else "BINARY"

    @property
    def numbered(self) -> bool:
        """Whether labels are 0, 1, 2, ..."""
        return self.labels == tuple(range(len(self.labels)))

    @property
    def params(self) -> dict[str, Array]:
        """The parameters of `model`."""
        return {"h": self.linear} | ({"J": self.weights} if len(self.pairs) else {})

    def model(self) -> Model:
        """The model of this energy, with parameters `h` and `J` and a constant `offset`, all known; its layer is `x`."""
        count = len(self.labels)
        edges = tuple(map(tuple, self.pairs.tolist()))
        graphs = {"G": Graph("G", "edges", count, len(edges), edges=edges)} if edges else {}
        return Model(Source("model.energy", self.text()), Overrides({}, {}, graphs, None))

    def text(self, name: str = "", files: str = "") -> str:
        """The model as text; files: what the names of the files of its edges and parameters begin with, where these are read."""

        def read(what: str, kind: str = "file") -> str:
            return f' = {kind}("{files}.{what}")' if files else ""

        count, joined = len(self.labels), len(self.pairs) > 0
        head = f"model {name}\n\n" if name else ""
        graph = f"graph   G[{count}]{read('edges.csv', 'edges')}\n" if joined else ""
        couplings = f", J[G] : frozen{read('J.npy')}" if joined else ""
        pairs = " + sum[(i, k) in G] J[i, k]*x[i]*x[k]" if joined else ""
        return (
            f"{head}const   offset = {self.offset!r}\n{graph}"
            f"visible x[{count}] : {'spin' if self.spins else 'binary'}\n"
            f"param   h[{count}] : frozen{read('h.npy')}{couplings}\n\n"
            f"energy = offset + h @ x{pairs}\n"
        )

    def write(self, path: Path) -> list[Path]:
        """The model file, its edges and parameters beside it, and labels where variables have some. Raises `OSError`."""
        stem = path.name.removesuffix(path.suffix)
        name = stem if re.fullmatch(r"[A-Za-z_]\w*", stem) else ""
        written = {path: self.text(name if name.isascii() else "", stem).encode()}
        if len(self.pairs):
            written[path.with_name(f"{stem}.edges.csv")] = "".join(
                f"{i},{k}\n" for i, k in self.pairs.tolist()
            ).encode()
        if not self.numbered:
            written[path.with_name(f"{stem}.labels.json")] = json.dumps(list(self.labels), ensure_ascii=False).encode()
        for file, text in written.items():
            file.write_bytes(text)
        arrays = {path.with_name(f"{stem}.{n}.npy"): a for n, a in self.params.items()}
        for file, array in arrays.items():
            np.save(file, array, allow_pickle=False)
        return [*written, *arrays]


def quadratic(
    spins: bool, offset: float, terms: Mapping[tuple[Hashable, Hashable], float], labels: tuple[Hashable, ...] = ()
) -> Quadratic:
    """From biases by pairs of labels: (a, a) is linear in a, (a, b) and (b, a) are of one pair. labels: an order of variables.

    Variables that are not among these follow as they are met, numbers in their order. Raises `DataError` for a bias that is no finite number.
    """
    met = dict.fromkeys(label for pair in terms for label in pair)
    rest = [label for label in met if label not in set(labels)]
    if all(isinstance(label, int) for label in rest):
        rest.sort(key=lambda label: label)  # type: ignore[arg-type,return-value]
    every = (*labels, *rest)
    if not every:
        raise DataError.of("there are no variables")
    number = {label: k for k, label in enumerate(every)}
    linear: Array = np.zeros(len(every))
    pairs: dict[tuple[int, int], float] = {}
    for (a, b), bias in terms.items():
        i, k = sorted((number[a], number[b]))
        if i == k:
            linear[i] = finite(linear[i] + finite(bias, f"the bias of {a!r} and {b!r}"), f"the bias of {a!r}")
        else:
            what = f"the bias of {a!r} and {b!r}"
            pairs[i, k] = finite(pairs.get((i, k), 0.0) + finite(bias, what), what)
    offset = finite(offset, "the offset")
    order = sorted(pairs)
    numbers = np.array(order, np.int64).reshape(-1, 2)
    return Quadratic(spins, every, float(offset), linear, numbers, np.array([pairs[p] for p in order], float))


def finite(value: Any, what: str) -> float:
    """A number. Raises `DataError` for one that is not finite, or too large to be one."""
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise DataError.of(f"{what} is {found:g}, which is no finite number")
    return found


def read_labels(path: Path) -> tuple[Hashable, ...]:
    """Labels as `Quadratic.write` writes them. Raises `DataError`."""
    found = read_json(path)
    if not isinstance(found, list):
        raise DataError.of(f"{path} is not a list of labels")
    return tuple(as_label(label) for label in found)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises `DataError`."""
    from energydsl.files import plain_file

    try:
        return json.loads(plain_file(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno} of " if isinstance(error, json.JSONDecodeError) else ""
        raise DataError.of(f"{where}{path}: not JSON in UTF-8") from None


def as_label(value: Any, depth: int = 8) -> Hashable:
    """A label from JSON: lists are tuples, so many inside one another. Raises `DataError`."""
    if isinstance(value, list) and depth:
        return tuple(as_label(v, depth - 1) for v in value)
    text = isinstance(value, str) and value.isprintable()
    if not (text or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))):
        shown = "a list of lists of lists" if isinstance(value, list) else ascii(value)
        raise DataError.of(f"{shown} is no label: labels are text, numbers or lists of them")
    found: Hashable = value
    return found
