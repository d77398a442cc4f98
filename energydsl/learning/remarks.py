"""What a training has to say of itself at its end: facts that stand in its reports, so that a run that is opened again says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from energydsl.learning import stopping
from energydsl.learning.mixing import last_unmixed
from energydsl.learning.run import Row


def remarks(config: Mapping[str, Any], history: Sequence[Row]) -> tuple[str, ...]:
    """Why it ended early, and what its chains leave in doubt."""
    ended = stopping.ended(config, history)
    return (*([ended] if ended else []), *doubts(config, history))


def doubts(config: Mapping[str, Any], history: Sequence[Row]) -> tuple[str, ...]:
    """That chains have not mixed, or that pairs of them have not met."""
    unmet = _last_unmet(config["method"], history)
    return (*last_unmixed(history), *([unmet] if unmet else []))


def _last_unmet(method: Mapping[str, Any], history: Sequence[Row]) -> str:
    """The sentence at the last report that pairs of chains were given up; empty where none was."""
    share = history[-1].get("unmet") if history else None
    if not share or "max_sweeps" not in method:
        return ""
    return (
        f"{share:.2g} of the pairs of chains had not met after {method['max_sweeps']} sweeps, at the last report: the gradient is then "
        "biased. Give them more max_sweeps, or take pcd"
    )
