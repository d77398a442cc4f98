"""Inner forms that a scan keeps beside the state are those of the state it leaves.

u(x after) = u(x before) + sum over units of (T(after) - T(before)) du/dT
"""

from __future__ import annotations

from collections.abc import Iterator

from energydsl.random import Rng
from energydsl.verification.case import Case
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest

_TOLERANCE = 1e-11
_SWEEPS = 3


def forms(case: Case) -> Iterator[Check]:
    """The forms after a few sweeps, against those made anew, relative to the largest of them."""
    engine = case.engine
    kernels, settings = engine.kernels, engine.settings(**case.scalars)
    params = {n: engine.device(a) for n, a in case.params.items()}
    plain = {n: engine.xp.array(engine.device(a)) for n, a in case.x.items()}
    running = kernels.with_forms(params, plain, settings, engine.workspace)
    names = [n for n in running if n not in plain]
    if not names:
        return
    rng = Rng(case.seed)
    for _ in range(_SWEEPS):
        rng.next()
        for part in engine.parts():
            kernels.update(part, params, running, settings, rng, engine.workspace)
    after = {n: running[n] for n in plain}
    anew = kernels.with_forms(params, after, settings, engine.workspace)
    size = max(1.0, *(largest(case.host(anew[n])) for n in names))
    error = max(largest(case.host(running[n]) - case.host(anew[n])) for n in names)
    yield Check("running forms = forms made anew", error / size, _TOLERANCE)
