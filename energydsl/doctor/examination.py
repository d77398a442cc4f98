"""All that is looked at, several things at once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from energydsl.doctor import libraries, machine, places
from energydsl.doctor.record import Finding


def examine() -> list[Finding]:
    """Everything that is found, by parts. Raises nothing for what does not work: that is a finding."""
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        tried = {name: pool.submit(machine.try_backend, name) for name in machine.backends()}
        needed = [pool.submit(libraries.library, *given) for given in libraries.needed()]
        extras = [pool.submit(libraries.library, *given) for given in libraries.extras()]
        mpi = pool.submit(machine.mpi)
        return [
            *(one.result() for one in needed),
            *(machine.backend(name, one.result()) for name, one in tried.items()),
            *(one.result() for one in extras),
            *machine.devices(),
            *machine.threads(tried["numba"].result()),
            *places.caches(),
            *mpi.result(),
        ]
