"""What is chosen between equal ways to compute: by what pays at the sizes of a model, or by what was chosen for it at others."""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.derive import Derived
from energydsl.kernels.dense import dense, dense_graphs
from energydsl.kernels.lower import ALWAYS, CHEAPER, NEVER, lower
from energydsl.kernels.program import KernelProgram
from energydsl.kernels.select import select
from energydsl.kernels.verify import verify


@dataclass(frozen=True)
class Choices:
    """factored: whether products of sums stay such. dense: the graphs whose sums run over pairs of nodes; None: where that pays."""

    factored: str = CHEAPER
    dense: frozenset[str] | None = None


def kernels_of(derived: Derived, choices: Choices | None = None) -> KernelProgram:
    """The kernels of a derived model, ready to be printed."""
    choices = choices or Choices()
    return verify(select(dense(lower(derived, choices.factored), choices.dense)))


def choices_of(derived: Derived) -> Choices:
    """What is chosen for a model at its own sizes."""
    lowered = lower(derived)
    factored = ALWAYS if lowered != lower(derived, NEVER) else NEVER
    return Choices(factored, dense_graphs(dense(lowered)))
