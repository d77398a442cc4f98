"""`config.json` of a run: what is in it, and the one schema by which it is read. Meta data of checkpoints likewise."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from energydsl.backends.choice import BACKENDS, DTYPES, PRECISIONS
from energydsl.backends.interface import Array
from energydsl.data.sources import Data
from energydsl.diagnostics import ArgumentError
from energydsl.graph.edges import edges_of
from energydsl.learning import defaults, files
from energydsl.learning.greedy import Greedy
from energydsl.learning.methods import METHODS, Method
from energydsl.learning.optimizers import OPTIMIZERS, Optimizer
from energydsl.model.records import Resolved
from energydsl.program import Engine
from energydsl.version import __version__

FILE = "config.json"
# Graphs that the text alone does not fix: from outside, or drawn by a version of NetworkX.
_KEPT_GRAPHS = ("edges", "random_regular")
# What may be another when a run is gone on with: the version, and base rates to the last digit.
_FREE = ("energydsl", "base")
# Told apart by what they hold, not by their digests alone.
_COMPARED_APART = ("text", "graphs")


def config_of(
    program: Engine,
    data: Data,
    method: Method,
    optimizer: Optimizer,
    epochs: int,
    batch: int,
    validation: float | None,
    seed: int,
    greedy: Greedy | None = None,
) -> dict[str, Any]:
    """Everything a run depends on, as JSON has it."""
    if validation is None:
        validation = defaults.VALIDATION if len(data) >= defaults.TELLING_ROWS else 0.0
    if not 0 <= validation < 1:
        raise ArgumentError("validation is a fraction, at least 0 and below 1")
    model = program.model
    config = {
        "energydsl": __version__,
        "model": model.name,
        "text": files.digest(model.module.source.text),
        "dims": dict(model.dims),
        "consts": {n: c.value for n, c in model.consts.items()},
        "graphs": {n: _graph_facts(model, n, edges) for n, edges in kept_graphs(model).items()},
        "backend": program.backend,
        "dtype": program.dtype.name,
        "precision": program.precision,
        "data": {"name": data.name, "rows": len(data), "digest": data.digest(), "binarise": data.binarise},
        "method": _named(method),
        "optimizer": _named(optimizer),
        "epochs": epochs,
        "batch": batch,
        "validation": validation,
        "seed": seed,
    }
    if greedy is not None:
        config["greedy"] = {
            "epochs": list(greedy.epochs),
            "method": _named(greedy.method),
            "optimizer": _named(greedy.optimizer),
        }
    plain: dict[str, Any] = _plain(config)
    return plain


def kept_graphs(model: Resolved) -> dict[str, Array]:
    """The edges of the graphs that a run keeps."""
    return {n: edges_of(g) for n, g in model.graphs.items() if g.kind in _KEPT_GRAPHS}


def _graph_facts(model: Resolved, name: str, edges: Array) -> dict[str, Any]:
    return {"nodes": model.graphs[name].nodes, "edges": len(edges), "digest": files.digest(edges)}


def _named(record: Method | Optimizer) -> dict[str, Any]:
    return {"name": record.name, **asdict(record)}


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
    rows = config["data"]["rows"]
    rows -= int(rows * config["validation"])
    return int(rows // min(config["batch"], rows))


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What was and is otherwise, but for the model's text and graphs."""
    skipped = (*_FREE, *_COMPARED_APART)
    return [_difference(k, before.get(k), now[k]) for k in now if k not in skipped and now[k] != before.get(k)]


def _difference(name: str, before: Any, now: Any) -> str:
    """What a setting was and is; of one of many parts, those that differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [k for k in {**before, **now} if before.get(k) != now.get(k)]
        return "; ".join(_difference(f"{name} {k}", before.get(k), now.get(k)) for k in parts)
    return f"{name}: {before} then, {now} now"


# --- the schema


@dataclass(frozen=True)
class Rule:
    """What a value must be, in words too; an optional one came with a later version."""

    holds: Callable[[Any], bool]
    wanted: str
    optional: bool = False


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return type(value) is int and value >= 0


def _is_row(value: Any) -> bool:
    """A report: an epoch, an update, and figures, of which some need not be numbers."""
    return (
        isinstance(value, dict)
        and all(_is_whole(value.get(k)) for k in ("epoch", "update"))
        and all(v is None or type(v) in (int, float) for v in value.values())
    )


def _one_of(names: tuple[str, ...], optional: bool = False) -> Rule:
    return Rule(lambda v: isinstance(v, str) and v in names, f"one of {', '.join(names)}", optional)


def _map_of(holds: Callable[[Any], bool], wanted: str) -> Rule:
    return Rule(lambda v: isinstance(v, dict) and all(map(holds, v.values())), wanted)


def _made_by(kinds: Mapping[str, Callable[..., Any]]) -> Rule:
    """The name of a record and its fields."""

    def holds(value: Any) -> bool:
        if not isinstance(value, dict) or not isinstance(value.get("name"), str) or value["name"] not in kinds:
            return False
        given = {k: v for k, v in value.items() if k != "name"}
        try:
            usual = asdict(kinds[value["name"]]())
            kinds[value["name"]](**given)
        except (TypeError, ArgumentError):
            return False
        return all(_alike(v, usual[k]) for k, v in given.items())

    return Rule(holds, f"the settings of one of {', '.join(kinds)}")


def _alike(value: Any, usual: Any) -> bool:
    """Whether a value is of the type of a default; a whole number is a number, and 0 and 1 are truth values.

    A default of None stands for a number that is chosen by the model.
    """
    if usual is None:
        return value is None or _is_number(value)
    if type(usual) is float:
        return _is_number(value)
    return value in (0, 1) if type(usual) is bool else type(value) is type(usual)


_TEXT = Rule(lambda v: isinstance(v, str), "a text")
_DIGEST = Rule(_TEXT.holds, "a SHA-256", optional=True)
_WHOLE = Rule(_is_whole, "a whole number, not negative")
_POSITIVE = Rule(lambda v: _is_whole(v) and v > 0, "a whole number above 0")
_METHOD, _OPTIMIZER = _made_by(METHODS), _made_by(OPTIMIZERS)
_GRAPH = {"nodes": _WHOLE, "edges": _WHOLE, "digest": _TEXT}
_GREEDY = {
    "epochs": Rule(lambda v: isinstance(v, list) and bool(v) and all(map(_is_whole, v)), "a list of whole numbers"),
    "method": _METHOD,
    "optimizer": _OPTIMIZER,
}
SCHEMA: Mapping[str, Any] = {
    "energydsl": _TEXT,
    "model": _TEXT,
    "text": _DIGEST,
    "base": _DIGEST,
    "dims": _map_of(_is_whole, "sizes by name"),
    "consts": _map_of(_is_number, "numbers by name"),
    "graphs": Rule(
        lambda v: isinstance(v, dict) and all(not problem(g, _GRAPH) for g in v.values()), "graphs by name", True
    ),
    "backend": _one_of(BACKENDS[1:]),
    "dtype": _one_of(DTYPES),
    "precision": _one_of(PRECISIONS, optional=True),
    "data": {
        "name": _TEXT,
        "rows": _POSITIVE,
        "digest": _TEXT,
        "binarise": Rule(lambda v: v is None or isinstance(v, str), "a rule or null"),
    },
    "method": _METHOD,
    "optimizer": _OPTIMIZER,
    "greedy": Rule(lambda v: not problem(v, _GREEDY), "epochs, method and optimizer", True),
    "epochs": _WHOLE,
    "batch": _POSITIVE,
    "validation": Rule(lambda v: _is_number(v) and 0 <= v < 1, "a fraction, at least 0 and below 1"),
    "seed": _WHOLE,
}
META: Mapping[str, Any] = {
    "update": _WHOLE,
    "epoch": _WHOLE,
    "position": _WHOLE,
    "seconds": Rule(lambda v: _is_number(v) and v >= 0, "a number, not negative"),
    "rng": _TEXT,
    "config": _DIGEST,
    "row": Rule(_is_row, "the figures of the last report", optional=True),
}
EVALUATION: Mapping[str, Any] = {
    "date": _TEXT,
    "energydsl": _TEXT,
    "updates": _WHOLE,
    "data": {"name": _TEXT, "rows": _WHOLE},
    "settings": Rule(lambda v: isinstance(v, dict), "settings by name"),
    "method": _TEXT,
    "log_likelihood": Rule(_is_number, "a number"),
}


def problem(value: Any, schema: Mapping[str, Any], at: str = "") -> str:
    """The first entry that is not what it must be, and what was wanted; empty where all are."""
    if not isinstance(value, dict):
        return f"`{at}` is {value!r}, not entries by name" if at else "it holds no entries by name"
    for name, rule in schema.items():
        where = f"{at}.{name}" if at else name
        if isinstance(rule, Rule):
            if name not in value and not rule.optional:
                return f"`{where}` is missing: {rule.wanted} was expected"
            if name in value and not rule.holds(value[name]):
                return f"`{where}` is {_shown(value[name])}, not {rule.wanted}"
        elif found := problem(value.get(name), rule, where):
            return found
    return ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def read(folder: Path) -> dict[str, Any]:
    """The config of a run. Raises `DataError` (E0403)."""
    path = folder / FILE
    if not path.exists():
        raise files.invalid(f"{folder} is not a run folder: it has no {FILE}")
    config = files.parsed(files.read_text(path), path)
    if found := problem(config, SCHEMA):
        raise files.invalid(f"{path}: {found}", "it is written by `train` and not to be edited")
    checked: dict[str, Any] = config
    return checked
