"""Exchanges between devices by NCCL, through CuPy: no copy over the host. This has not yet run on devices.

Only sends and receives are NCCL's; the order of sums is that of every team (`ranks/mpi.py`), which its own reductions do not keep.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from typing import Any

import numpy as np

from energydsl.ranks.team import Team

# NCCL's numbers of types.
_TYPES = {"float32": 7, "float64": 8}


def exchange_of(team: Team) -> Callable[[Any, Any, int], None] | None:
    """Send an array of a device to a rank and receive one from it, on the current stream.

    None where a rank has no NCCL, or two of them have the same device, which NCCL does not take.
    """
    import cupy

    try:
        from cupy.cuda import nccl
    except ImportError:
        nccl = None
    if team.most(int(nccl is None or not nccl.available)):
        return None
    device = f"{socket.gethostname()} {cupy.cuda.Device().pci_bus_id}"
    devices = team.gathered(np.frombuffer(hashlib.sha256(device.encode()).digest(), np.uint8)[None])
    if len(np.unique(devices, axis=0)) < team.size:
        return None
    comm = nccl.NcclCommunicator(team.size, tuple(team.told(lambda: list(nccl.get_unique_id()))), team.rank)

    def exchange(give: Any, take: Any, other: int) -> None:
        stream = cupy.cuda.get_current_stream().ptr
        nccl.groupStart()
        comm.send(give.data.ptr, give.size, _TYPES[give.dtype.name], other, stream)
        comm.recv(take.data.ptr, take.size, _TYPES[take.dtype.name], other, stream)
        nccl.groupEnd()

    return exchange
