"""Exchanges between devices by NCCL, through CuPy: no copy over the host. This has not yet run on devices.

Only sends and receives are NCCL's; the order of sums is that of every team (`ranks/mpi.py`), which its own reductions do not keep.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from energydsl.ranks.team import Team

_TYPES = {"float32": 7, "float64": 8}


def exchange_of(team: Team) -> Callable[[Any, Any, int], None] | None:
    """Send an array of a device to a rank and receive one from it, on the current stream; None where a rank has no NCCL."""
    try:
        import cupy
        from cupy.cuda import nccl
    except ImportError:
        nccl = None
    # Two ranks on one device are nothing that NCCL takes.
    here = nccl is not None and nccl.available and cupy.cuda.runtime.getDeviceCount() > 0
    if team.most(int(not here)):
        return None
    name = team.told(lambda: json.loads(json.dumps(list(nccl.get_unique_id()))))
    comm = nccl.NcclCommunicator(team.size, tuple(name), team.rank)

    def exchange(give: Any, take: Any, other: int) -> None:
        stream = cupy.cuda.get_current_stream().ptr
        nccl.groupStart()
        comm.send(give.data.ptr, give.size, _TYPES[give.dtype.name], other, stream)
        comm.recv(take.data.ptr, take.size, _TYPES[take.dtype.name], other, stream)
        nccl.groupEnd()

    return exchange
