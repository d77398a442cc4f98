"""Parameters that set the scale of units: steps in units of their curvature, and a floor under what they follow.

Where a positive parameter s stands in the natural parameter -c s^e of the power |x|^p that holds a unit (sigma of
(x - b)^2 / (2 sigma^2): p = 2, e = -2), -log p has at its least the curvature e^2 / p a unit in log s, whatever s is: so a step
in log s by the gradient over that curvature is as good for small scales as for large ones.

A unit that never varies would take its scale to 0. So the data of a layer with learned precisions count as known to within f
only: their squares are x^2 + f^2 on average. f is 1 % of the unit's standard deviation; and units that hardly vary get as much as makes
their variance that of 3 % of the layer's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl import weighted
from energydsl.data.sources import Data
from energydsl.derive import Derived
from energydsl.derive.records import Conditional, Field
from energydsl.domains import DOMAINS
from energydsl.energy.terms import At, entries
from energydsl.learning.optimizer.record import Scale
from energydsl.model.records import Resolved
from energydsl.program import Engine

Array = NDArray[Any]
_OWN, _OF_LAYER = 0.01, 0.03


def unbounded(model: Resolved) -> bool:
    """Whether a visible layer has units without bounds: real, positive or count."""
    domains = [DOMAINS[model.layers[n].domain.name] for n in model.by_role("visible")]
    return any(not d.finite and not d.bounded for d in domains)


def scales(derived: Derived) -> dict[str, Scale]:
    """The parameters that set the scale of units, and how, by name."""
    found: dict[str, Scale] = {}
    for layer, conditional in derived.conditionals.items():
        power = conditional.distribution.confining_power
        for part in _holding(conditional).parts if power else ():
            met = [a for f, _ in part.monomial.factors for a in entries(f) if a.kind not in ("const", "index")]
            for atom, exponent in part.monomial.factors:
                param = derived.model.params.get(atom.name) if isinstance(atom, At) and met == [atom] else None
                if param is not None and "positive" in param.constraints:
                    units = derived.model.layers[layer].size / math.prod(param.shape)
                    before = found.get(param.name, Scale(exponent, 0.0)).curvature
                    found[param.name] = Scale(exponent, before + units * exponent**2 / power)
    return found


def _holding(conditional: Conditional) -> Field:
    """The natural parameter of the power that holds a unit."""
    family = conditional.distribution
    number = family.density.confining[0] if family.density else family.powers.index(family.confining_power)
    return conditional.fields[number]


def floors(program: Engine, data: Mapping[str, Array], weights: Array | None = None) -> dict[str, Array]:
    """f^2 of every unit of the visible layers whose precisions are learned, by layer. weights: (rows,) of the data."""
    found = {}
    for name in _with_learned_precisions(program):
        variance, least = _spread(program.host(data[name]), weights)
        found[name] = np.maximum(_OWN**2 * variance, least - variance)
    return found


def described(program: Engine, data: Data) -> list[str]:
    """What is to be said of units that hardly vary, a sentence a layer."""
    said = []
    for name in _with_learned_precisions(program):
        variance, least = _spread(data.filled(0).arrays[name], data.weights)
        few = np.count_nonzero(variance < least)
        if few:
            said.append(
                f"{few} of {variance.size} units of `{name}` hardly vary in the data: their scale is kept above "
                f"{math.sqrt(least):.2g}, {_OF_LAYER:.0%} of the layer's standard deviation"
            )
    return said


def _spread(rows: Array, weights: Array | None) -> tuple[Array, float]:
    """The variance of every unit, and the least that counts."""
    variance = weighted.variance(rows, weights)
    return variance, _OF_LAYER**2 * (float(variance.mean()) or 1.0)


def _with_learned_precisions(program: Engine) -> list[str]:
    """The visible layers of Normal units, whole or truncated, whose squares stand with parameters that are learned."""
    params, found = program.model.params, []
    for name in program.model.by_role("visible"):
        conditional = program.derived.conditionals.get(name)
        if conditional and conditional.distribution.powers == (1, 2) and not conditional.distribution.density:
            atoms = (a for p in _holding(conditional).parts for f, _ in p.monomial.factors for a in entries(f))
            names = [a.name for a in atoms if a.kind == "param"]
            found += [name] if any("frozen" not in params[n].constraints for n in names) else []
    return found
