"""Training that has left the finite numbers: where, and what is the likely cause."""

from __future__ import annotations

from collections.abc import Iterator

from energydsl.derive import Derived
from energydsl.diagnostics import TrainingError
from energydsl.domains import DOMAINS


class Diverged(Exception):
    """A parameter or its gradient is not finite any more; what: "it" or "its gradient"."""

    def __init__(self, param: str, what: str):
        super().__init__(f"{param}: {what}")
        self.param, self.what = param, what


def explained(derived: Derived, error: Diverged, update: int, lr: float | None, checkpoint: str) -> TrainingError:
    """The error for the user. lr: the learning rate. checkpoint: the name of the last good one, or nothing."""
    cause = next(_improper(derived), f"the learning rate {lr:g} is probably too large")
    return TrainingError(
        f"training stopped at update {update}: parameter `{error.param}`: {error.what} is no longer a finite number. "
        f"Likely cause: {cause}." + (f" The last good checkpoint is {checkpoint}." if checkpoint else "")
    )


def _improper(derived: Derived) -> Iterator[str]:
    """Layers whose joint density need not exist for all parameters (W0405)."""
    for name, layer in derived.model.random_layers().items():
        infinite = not DOMAINS[layer.domain.name].finite
        conditional = derived.conditionals.get(name)
        if infinite and conditional and conditional.coupled_by is not None:
            yield f"units of `{name}` are coupled, and the energy is unbounded below for these parameters"
