"""The last updates of a training in shards, made again in one process and compared bit for bit with what all ranks found."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from energydsl.diagnostics import EnergyError
from energydsl.learning.loop import Loop

# How many updates are made again, at most.
RERUN = 20


def repeated(loop: Loop, alone: Callable[[], Loop]) -> int:
    """How many updates were made again; 0 where none is remembered. alone: the same training before its first update, on no other rank.

    Raises `EnergyError` where an array is another.
    """
    before = loop.remembered
    if before is None:
        return 0
    after = loop.learner.arrays(loop.state)

    def found() -> int:
        again = alone()
        again.learner.restore(again.state, before.arrays, before.random)
        again.progress = before.progress
        now, updates = again.progress, 0
        with again.learner.engine.single_threaded_blas(), np.errstate(all="ignore"):
            for rows, weights in again.batches.epoch(now.epoch, now.position):
                if now.update == loop.progress.update:
                    break
                again.update(rows, weights)
                updates += 1
        for name, array in again.learner.arrays(again.state).items():
            if array.tobytes() != after[name].tobytes():
                raise EnergyError(
                    f"the last {updates} updates, made again in one process, give another `{name}`: "
                    f"{np.count_nonzero(array != after[name])} of its {array.size} numbers differ. Ranks on machines of different "
                    "makes, or with other libraries, round differently"
                )
        return updates

    return int(loop.team.told(found))
