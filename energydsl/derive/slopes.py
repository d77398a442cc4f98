"""dE/dx for every layer: by each entry of it, as if these were real numbers, all others held.

What gradient-based samplers follow. A finite layer is folded in the canonical energy (x^2 = x on binary units, x^2 = 1 on spins),
so that the energy is a line in each unit that stands in no function of several: its slope is then the difference exactly.
"""

from __future__ import annotations

from energydsl.derive.records import Slope
from energydsl.energy.formula import Derivative, Equation, Symbol
from energydsl.energy.notation import Letters, sum_formula
from energydsl.energy.rules import Rules
from energydsl.energy.targets import Contribution, by_layer, merge, output
from energydsl.energy.terms import Energy
from energydsl.model.indices import Index
from energydsl.model.records import Layer, Resolved


def slope(model: Resolved, energy: Energy, layer: Layer) -> Slope:
    """dE/dx of a layer, in the shape that it has in the energy."""
    rules, letters = Rules(model), Letters(model)
    parts: list[Contribution] = []
    for number, term in enumerate(energy.terms):
        if layer.name in term.monomial.layers():
            parts += by_layer(term.label, term.monomial, layer.name, layer.energy_shape, number, rules)
    merged = merge(parts, rules)
    names = letters.target(layer.name)[: len(layer.energy_shape)]
    outputs = {output(k): name for k, name in enumerate(names)}
    total = sum_formula([(p.monomial, outputs if p.solved else {}) for p in merged], letters, layer.name)
    symbol = Symbol(layer.name, tuple(map(Index.of, names)), "layer")
    return Slope(layer.name, merged, Equation(Derivative(symbol), total))
