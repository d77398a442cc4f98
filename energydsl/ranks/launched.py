"""Whether this process is one of several, and the team that they are."""

from __future__ import annotations

import os
from functools import cache

from energydsl.diagnostics import EnergyError
from energydsl.ranks.team import ALONE, Team

# What launchers of MPI tell each process of how many there are.
_SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "PMIX_SIZE")
# Slurm's own launcher says it so, but starts scripts that are none of MPI's the same way.
_SLURM = "SLURM_NTASKS", "PMIX_RANK"


def launched() -> bool:
    """Whether a launcher of MPI has started several processes."""
    sizes = [os.environ.get(name, "") for name in _SIZES]
    if all(name in os.environ for name in _SLURM):
        sizes.append(os.environ[_SLURM[0]])
    return any(size.isdecimal() and int(size) > 1 for size in sizes)


@cache
def world() -> Team:
    """All processes that were started together; a team of one where there is no other. Raises `EnergyError` without mpi4py."""
    if not launched():
        return ALONE
    try:
        from energydsl.ranks.mpi import everybody
    except ImportError as error:
        raise EnergyError(
            f'several processes were started together, which needs mpi4py ({error}): pip install "energydsl[mpi]", or '
            "pip install mpi4py beside an MPI of the site"
        ) from None
    return everybody()
