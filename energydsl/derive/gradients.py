"""dE/dparam for every parameter, as sufficient statistics.

The gradient of the mean log-likelihood is -<dE/dparam>_data + <dE/dparam>_model (Ackley, Hinton & Sejnowski 1985, eq. 7).
"""

from __future__ import annotations

from energydsl.derive.records import Gradient
from energydsl.energy.formula import Derivative, Equation, Symbol
from energydsl.energy.notation import Letters, sum_formula
from energydsl.energy.rules import Rules
from energydsl.energy.targets import Contribution, by_param, merge, output
from energydsl.energy.terms import At, Energy, entries
from energydsl.model.indices import Index
from energydsl.model.records import Param, Resolved


def gradient(model: Resolved, energy: Energy, param: Param) -> Gradient:
    """dE/dparam before it is projected on what the constraints admit."""
    rules = Rules(model)
    parts: list[Contribution] = []
    for number, term in enumerate(energy.terms):
        parts += by_param(term.label, term.monomial, param.name, param.shape, number, rules)
    merged = merge(parts, rules)
    return Gradient(param.name, merged, _formula(param, merged, Letters(model)))


def _formula(param: Param, parts: tuple[Contribution, ...], letters: Letters) -> Equation:
    names = _axis_letters(param, parts, letters)
    outputs = {output(k): name for k, name in enumerate(names)}
    if param.graph and "o0" in outputs:
        names = ["i", "k", *names[1:]]
        for place in range(2, len(names)):
            names[place] = next(c for c in (names[place], *"abcdfgh") if c not in names[:place])
        outputs = {"o0": names[0], "o0.0": names[0], "o0.1": names[1]}
        outputs |= {output(k): name for k, name in enumerate(names[1:]) if k}
    total = sum_formula([(p.monomial, outputs if p.solved else {}) for p in parts], letters)
    return Equation(Derivative(Symbol(param.name, tuple(map(Index.of, names)), "param")), total)


def _axis_letters(param: Param, parts: tuple[Contribution, ...], letters: Letters) -> list[str]:
    """The letter of each axis: that of a layer axis indexed alike, else the next free."""
    found: list[str] = []
    for position in range(len(param.shape)):
        wanted = "i"
        for part in parts:
            for factor, _ in part.monomial.factors:
                for atom in entries(factor):
                    wanted = _letter(atom, position, letters) or wanted
        while wanted in found:
            wanted = chr(ord(wanted) + 1)
        found.append(wanted)
    return found


def _letter(atom: At, position: int, letters: Letters) -> str | None:
    if atom.kind not in ("layer", "input") or atom.flat:
        return None
    for axis, index in enumerate(atom.indices):
        if index.plain == output(position):
            return letters.of_axis.get((atom.name, axis))
    return None


def couplings(energy: Energy) -> frozenset[str]:
    """Parameters that multiply two units or more (inputs count): the weights, as opposed to the biases."""
    found = set()
    for term in energy.terms:
        atoms = [a for f, _ in term.monomial.factors for a in entries(f)]
        if sum(a.kind in ("layer", "input") for a in atoms) >= 2:
            found |= {a.name for a in atoms if a.kind == "param"}
    return frozenset(found)
