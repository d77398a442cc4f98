"""One command on several ranks: rank 0 alone speaks, and whoever fails ends them all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from typing import Any, Literal

import click

from energydsl.diagnostics import EnergyError
from energydsl.ranks import ALONE, launched, world

# Commands whose work is shared; any other would be done once by every rank.
SHARED = ("train", "eval", "sample")

shards_option = click.option(
    "--shards",
    type=click.IntRange(min=1),
    metavar="N",
    help="Pieces, a power of two, into which rows and chains are cut for MPI ranks to share; results are the same for any number of these.  "
    "[default: 8 or the most that fit, under mpiexec]",
)


def shards_of_option(shards: int | None) -> int | Literal["auto"] | None:
    """What `--shards` says: where nothing is said, "auto" for several ranks."""
    return "auto" if shards is None and launched() else shards


@contextmanager
def one_voice() -> Iterator[None]:
    """Nothing of what other ranks than the first print is seen, and none waits for one that has ended early."""
    try:
        team = world()
    except EnergyError:  # which the command will say
        team = ALONE
    with open(os.devnull, "w") as nowhere:
        both = (nullcontext(), nullcontext()) if team.first else (redirect_stdout(nowhere), redirect_stderr(nowhere))
        with both[0], both[1]:
            try:
                yield
            except SystemExit as end:
                if end.code:
                    team.stop("stopped", end.code if isinstance(end.code, int) else 1)
                raise


def together(command: str, run: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
    """Run a command on all ranks; none ends before the others have, or have failed. Raises `Stopped` where another rank failed."""
    team = world()
    if team.size > 1 and command not in SHARED:
        raise EnergyError(
            f"{command} is not shared by several ranks, each of which would do all of it: run it without mpiexec. "
            f"{', '.join(SHARED)} are"
        )
    with team.together():
        run(*args, **kwargs)
        team.most(0)
