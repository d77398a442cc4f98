"""The one schema of a run's JSON: `config.json`, the meta data of checkpoints, and the entries of `evaluation.json`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from energydsl.diagnostics import ArgumentError
from energydsl.learning.methods import METHODS
from energydsl.learning.optimizer import OPTIMIZERS
from energydsl.options import BACKENDS, DTYPES, PRECISIONS, STOP_WHEN


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

    A default of None stands for a number that is chosen by the model, or a word; an empty one for pairs. The record itself has checked
    which.
    """
    if usual is None:
        return value is None or _is_number(value) or isinstance(value, str)
    if usual == ():
        return isinstance(value, list)
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
    "starts": Rule(lambda v: isinstance(v, dict) and all(map(_TEXT.holds, v.values())), "a SHA-256 by name", True),
    "backend": _one_of(BACKENDS[1:]),
    "dtype": _one_of(DTYPES),
    "precision": _one_of(PRECISIONS, optional=True),
    "data": {
        "name": _TEXT,
        "rows": _POSITIVE,
        "digest": _TEXT,
        "binarise": Rule(lambda v: v is None or isinstance(v, str), "a rule or null"),
        "weights": _DIGEST,
        "block": Rule(lambda v: _is_whole(v) and v > 0, "a whole number above 0", optional=True),
        "block_bytes": Rule(lambda v: _is_whole(v) and v > 0, "a whole number above 0", optional=True),
    },
    "method": _METHOD,
    "optimizer": _OPTIMIZER,
    "greedy": Rule(lambda v: not problem(v, _GREEDY), "epochs, method and optimizer", True),
    "epochs": _WHOLE,
    "batch": _POSITIVE,
    "validation": Rule(lambda v: _is_number(v) and 0 <= v < 1, "a fraction, at least 0 and below 1"),
    "seed": _WHOLE,
    "stop_when": _one_of(STOP_WHEN, optional=True),
    "shards": Rule(lambda v: _is_whole(v) and v > 1, "a whole number above 1", optional=True),
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
