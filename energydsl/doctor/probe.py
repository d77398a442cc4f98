"""A few lines of Python in a process of their own, so that a library that crashes or hangs takes nothing with it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

# Seconds; to compile the kernels of a backend for the first time takes a minute on a slow machine.
PATIENCE = 300.0


@dataclass(frozen=True)
class Outcome:
    """said: what the lines printed last, as JSON; why: how they failed, empty where they did not."""

    said: Any = None
    why: str = ""


def probe(lines: str) -> Outcome:
    """What the lines print, with the paths of this process."""
    code = f"import sys\nsys.path[:] = {sys.path!r}\n{lines}"
    command = [sys.executable, "-P", "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return Outcome(why=f"no answer within {PATIENCE:.0f} s")
    if done.returncode < 0:
        return Outcome(why=f"the process was ended by signal {-done.returncode}")
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.strip()]
        return Outcome(why=told[-1].strip() if told else f"exit status {done.returncode}")
    lines_out = done.stdout.splitlines()
    return Outcome(json.loads(lines_out[-1]) if lines_out else None)
