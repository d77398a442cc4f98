"""What a training has to say of itself at its end: facts that stand in its reports, so that a run that is opened again says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from energydsl.learning import stopping
from energydsl.learning.mixing import last_unmixed
from energydsl.learning.run import Row


def remarks(config: Mapping[str, Any], history: Sequence[Row]) -> tuple[str, ...]:
    """Why it ended early, that its chains have not mixed, and that pairs of them have not met."""
    found = stopping.ended(config, history), *last_unmixed(history), _last_unmet(config, history)
    return tuple(sentence for sentence in found if sentence)


def _last_unmet(config: Mapping[str, Any], history: Sequence[Row]) -> str:
    """The sentence that pairs of chains were given up, at the last report; empty where none was."""
    share = history[-1].get("unmet") if history else None
    if not share:
        return ""
    most = config["method"]["max_sweeps"]
    return (
        f"{share:.2g} of the pairs of chains had not met after {most} sweeps, at the last report: the gradient is then biased. "
        "Give them more max_sweeps, or take pcd"
    )
