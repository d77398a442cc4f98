"""Steps bounded by a predicted divergence: KL(before || after) is about half the variance, under the model, of the change of the energy.

A step that is predicted to make more than the bound is shrunk by sqrt(bound / predicted), since the divergence of a small step grows with
its square.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from energydsl.backends.interface import Array, Arrays
from energydsl.learning.population import Population


def bound(
    population: Population, before: Arrays, params: Arrays, most: float, pulled: Callable[[str, Array], None]
) -> Any:
    """Shrink a step that was taken, in place; what was left of it, an array of one.

    before: the parameters that were stepped, by name. most: the bound in nats. pulled: told what was added to a parameter.
    """
    xp = population.engine.xp
    divergence = population.divergence(params | before, params)
    left = xp.sqrt(most / xp.maximum(divergence, most)).astype(population.engine.dtype)
    for name, old in before.items():
        back = (left - 1.0) * (params[name] - old)
        params[name] += back
        pulled(name, back)
    return left
