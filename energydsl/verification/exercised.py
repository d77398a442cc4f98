"""What of a model made a difference to which check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from energydsl.derive import Derived
from energydsl.energy.canonical import additive
from energydsl.verification.case import Case
from energydsl.verification.checks import differences, energies
from energydsl.verification.records import Check, Exercised
from energydsl.verification.rounding import largest

# A term below this is none.
_NOTHING = 1e-9


def exercised(case: Case, full: Derived, checks: Sequence[Check]) -> Iterator[Exercised]:
    """Each term of the energy that holds units, and each parameter in it, with the checks it made a difference to.

    A difference is more than rounding at the energies met. full: what was derived at the model's own sizes.
    """
    yield from _terms(case, full)
    for name, gradient in full.gradients.items():
        if gradient.parts:
            yield Exercised("parameter", name, tuple(c.name for c in checks if name in c.parameters))


def _terms(case: Case, full: Derived) -> Iterator[Exercised]:
    alive = {span for t in full.energy.terms if t.monomial.layers() for span in t.spans}
    for term in case.model.energies:
        for _, part in additive(term.expression, 1.0):
            if part.span not in alive:
                continue
            value = case.oracle.value(part, case.params, case.x)
            made = (
                (energies.NAME, largest(value), energies.TOLERANCE),
                (differences.NAME, float(np.ptp(value)), differences.TOLERANCE),
            )
            known = tuple(check for check, size, allowed in made if size > max(_NOTHING, allowed * case.scale))
            yield Exercised("term", part.span.text, known)
