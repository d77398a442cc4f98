"""What a training has to say of itself at its end: facts that stand in its reports, so that a run that is opened again says the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from energydsl.learning import stopping
from energydsl.learning.mixing import last_unmixed
from energydsl.learning.run import Row


def remarks(config: Mapping[str, Any], history: Sequence[Row]) -> tuple[str, ...]:
    """Why it ended early, and that its chains have not mixed."""
    ended = stopping.ended(config, history)
    return (*([ended] if ended else []), *last_unmixed(history))
