"""`config.json` of a run: what is in it, what may differ when a run resumes, and how it is read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from energydsl import defaults
from energydsl.backends.interface import Array
from energydsl.data.sources import Data
from energydsl.data.streamed import KNOWN_ROWS, Streamed, held_blocks, pass_of
from energydsl.diagnostics import ArgumentError, one_of
from energydsl.graph.edges import edges_of
from energydsl.learning import files
from energydsl.learning.greedy import Greedy
from energydsl.learning.methods import Method
from energydsl.learning.optimizer import Optimizer
from energydsl.learning.schema import SCHEMA, problem
from energydsl.model.records import Resolved
from energydsl.options import STOP_WHEN, StopWhen
from energydsl.program import Engine
from energydsl.version import __version__

FILE = "config.json"
# Graphs that the text alone does not fix: from outside, or drawn by a version of NetworkX.
_KEPT_GRAPHS = ("edges", "hyperedges", "random_regular")
# Settings that came after folders were first written, and their defaults.
_LATER: Mapping[str, Any] = {
    "sampler": defaults.SAMPLER,
    "l1": (),
    "l2": (),
    "group": (),
    "average": None,
    "max_kl": None,
    "lag": None,
}
# What may be another when a run is gone on with: the version, and base rates to the last digit.
_FREE = ("energydsl", "base", "starts")
# Told apart by what they hold, not by their digests alone.
_COMPARED_APART = ("text", "graphs")


def config_of(
    program: Engine,
    data: Data | Streamed,
    method: Method,
    optimizer: Optimizer,
    epochs: int,
    batch: int,
    validation: float | None,
    seed: int,
    greedy: Greedy | None = None,
    stop_when: StopWhen | None = None,
    shards: int = 1,
    digest: str | None = None,
) -> dict[str, Any]:
    """Everything a run depends on, as JSON has it. digest: of the data, where it is known, or is to be filled in."""
    validation, model = held_fraction(data, validation), program.model
    config: dict[str, Any] = {
        "energydsl": __version__,
        "model": model.name,
        "text": files.digest(model.module.source.text),
        "dims": dict(model.dims),
        "consts": {n: c.value for n, c in model.consts.items()},
        "graphs": {n: _graph_facts(model, n, edges) for n, edges in kept_graphs(model).items()},
        "backend": program.backend,
        "dtype": program.dtype.name,
        "precision": program.precision,
        "data": {
            "name": data.name,
            "rows": len(data),
            "digest": data.digest() if digest is None else digest,
            "binarise": data.binarise,
        },
        "method": named(method),
        "optimizer": named(optimizer),
        "epochs": epochs,
        "batch": batch,
        "validation": validation,
        "seed": seed,
    }
    if isinstance(data, Streamed):
        config["data"] |= {"block": data.block, "block_bytes": data.block_bytes}
    elif data.weights is not None:
        config["data"]["weights"] = files.digest(data.weights)
    if stop_when is not None:
        config["stop_when"] = one_of("stop_when", stop_when, STOP_WHEN)
        if int(len(data) * validation) < 2:
            raise ArgumentError(
                f"the {stop_when} is that of rows held out, of which there must be 2 or more: validation=0.1"
            )
    if shards > 1:
        config["shards"] = shards
    if greedy is not None:
        config["greedy"] = {
            "epochs": list(greedy.epochs),
            "method": named(greedy.method),
            "optimizer": named(greedy.optimizer),
        }
    plain: dict[str, Any] = _plain(config)
    return plain


def kept_graphs(model: Resolved) -> dict[str, Array]:
    """The edges of the graphs that a run keeps."""
    return {n: edges_of(g) for n, g in model.graphs.items() if g.kind in _KEPT_GRAPHS}


def _graph_facts(model: Resolved, name: str, edges: Array) -> dict[str, Any]:
    return {"nodes": model.graphs[name].nodes, "edges": len(edges), "digest": files.digest(edges)}


def named(record: Method | Optimizer) -> dict[str, Any]:
    """A record by its name and settings; defaults that came later are not named, as they were not in folders from before."""
    settings = {n: v for n, v in asdict(record).items() if n not in _LATER or v != _LATER[n]}
    return {"name": record.name, **settings}


def _plain(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def fingerprint(config: Mapping[str, Any]) -> str:
    """A digest of all that a run may not be gone on with otherwise."""
    return files.digest(json.dumps({k: v for k, v in config.items() if k not in _FREE}, sort_keys=True))


def updates_an_epoch(config: Mapping[str, Any]) -> int:
    """Whole batches of the rows that are not held out."""
    data, fraction = config["data"], config["validation"]
    block = data.get("block")
    if block is not None:
        count = data["rows"] // block - held_blocks(data["rows"], block, fraction)
        return pass_of(count, block, data["block_bytes"], config["batch"], config.get("shards", 1)).batches
    rows = data["rows"] - int(data["rows"] * fraction)
    return int(rows // min(config["batch"], rows))


def held_fraction(data: Data | Streamed, validation: float | None) -> float:
    """The fraction of rows that is held out; of streamed ones, which are then in memory, not many. Raises `ArgumentError`."""
    rows = len(data)
    if validation is None:
        validation = defaults.VALIDATION if rows >= defaults.TELLING_ROWS else 0.0
        if isinstance(data, Streamed):
            validation = min(validation, KNOWN_ROWS / rows)
    if not 0 <= validation < 1:
        raise ArgumentError("validation is a fraction, at least 0 and below 1")
    return validation


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What was and is otherwise, but for the model's text and graphs."""
    skipped = (*_FREE, *_COMPARED_APART)
    named = [k for k in {**now, **before} if k not in skipped]
    return [_difference(k, before.get(k), now.get(k)) for k in named if now.get(k) != before.get(k)]


def _difference(name: str, before: Any, now: Any) -> str:
    """What a setting was and is; of one of many parts, those that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [k for k in {**before, **now} if before.get(k) != now.get(k)]
        return "; ".join(_difference(f"{name} {k}", before.get(k), now.get(k)) for k in parts)
    return f"{name}: {before} then, {now} now"


def read(folder: Path) -> dict[str, Any]:
    """The config of a run. Raises `DataError` (E0403)."""
    path = folder / FILE
    if not folder.exists():
        raise files.invalid(f"there is no {folder}")
    if not path.exists():
        raise files.invalid(f"{folder} is not a run folder: it has no {FILE}")
    config = files.parsed(files.read_text(path), path)
    if found := problem(config, SCHEMA):
        raise files.invalid(f"{path}: {found}", "it is written by `train` and not to be edited")
    checked: dict[str, Any] = config
    return checked
