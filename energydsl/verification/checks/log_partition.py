"""The log partition function is the log of the sum of exp(-beta E) over all states."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from energydsl.diagnostics import NotApplicable, TooLarge
from energydsl.verification.case import Listed
from energydsl.verification.integrals import exponent_rounding, log_integral
from energydsl.verification.records import Check


def log_partition(case: Listed) -> Iterator[Check]:
    """log Z, relative to its size from 1 on; nothing where either side is too large to be had."""
    given = {n: v[0] for n, v in case.inputs.items()}
    with contextlib.suppress(TooLarge, NotApplicable):
        log_z = float(case.program.log_partition(case.params, given, **case.scalars))
        wanted = float(log_integral(case, {}, list(case.units))[0])
        rounding = max(exponent_rounding(case, n) for n in case.units)
        yield Check("log partition = log of the sum", abs(log_z - wanted) / max(1.0, abs(wanted), rounding), 1e-9)
