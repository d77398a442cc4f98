"""What is found of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "broken"]
Part = Literal["libraries", "backends", "extras", "devices", "threads", "caches", "mpi"]


@dataclass(frozen=True)
class Finding:
    """state: "ok", "missing" (not there, which may be meant), or "broken" (there, but it does not work). help: the way out."""

    part: Part
    name: str
    state: State
    detail: str = ""
    help: str = ""
