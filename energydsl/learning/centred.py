"""The centred gradient: that of the same energy written in units less their offsets (Melchior, Fischer & Wiskott 2016).

A coupling that multiplies a b has, in (a - m_a)(b - m_b), the gradient
    G_W' = G_W - G_a m_b - m_a G_b,     and the biases, in the energy as it was written,     G_a' = G_a - G_W' m_b.
It does not change when units are flipped, and lets deep machines learn without a greedy start (Montavon & Mueller 2012).
Offsets follow the mean of both phases. All of it is read off the derived gradients.
"""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.derive.records import Gradient
from energydsl.diagnostics import NotApplicable
from energydsl.energy.targets import output
from energydsl.energy.terms import At
from energydsl.program import Arrays, Program

_RATE = 0.01


@dataclass(frozen=True)
class _Pair:
    """A coupling of two layers with one parameter a pair of entries: its first axes are those of `a`, its last those of `b`."""

    param: str
    factor: float
    a: str
    b: str


class Centring:
    """The couplings and biases of a model that can be centred, and the offsets."""

    def __init__(self, program: Program, learned: list[str]):
        derived, self.program = program.derived, program
        singles = {n: _factors(g) for n, g in derived.gradients.items() if n in learned}
        self.biases: dict[str, tuple[str, float]] = {}
        for name, found in singles.items():
            if found is not None and len(found[1]) == 1:
                self.biases.setdefault(found[1][0], (name, found[0]))
        self.pairs = [
            _Pair(name, found[0], *found[1])
            for name, found in singles.items()
            if found is not None and len(found[1]) == 2
        ]
        self.pairs = [p for p in self.pairs if p.a in self.biases and p.b in self.biases]
        if not self.pairs:
            raise NotApplicable("no coupling of this model can be centred: it takes one parameter a pair, and biases")
        layers = {n for p in self.pairs for n in (p.a, p.b)}
        self.offsets: Arrays = {
            n: program.xp.full(program.model.layers[n].energy_shape, program.neutral_mean(n), program.dtype)
            for n in layers
        }

    def follow(self, both: Arrays, batch: int) -> None:
        """Move the offsets towards the mean of both phases; rows before `batch` are the positive one."""
        for name, offset in self.offsets.items():
            x = both[name]
            offset *= 1.0 - _RATE
            offset += (0.5 * _RATE) * (x[:batch].mean(axis=0) + x[batch:].mean(axis=0))

    def apply(self, gradients: Arrays) -> Arrays:
        """The centred gradients of the plain ones."""
        found = {n: self.program.xp.array(g) for n, g in gradients.items()}
        for pair in self.pairs:
            (bias_a, factor_a), (bias_b, factor_b) = self.biases[pair.a], self.biases[pair.b]
            a, b = (self.offsets[n].reshape(-1) for n in (pair.a, pair.b))
            whole = found[pair.param].reshape(len(a), len(b))
            whole -= (pair.factor / factor_a) * (gradients[bias_a].reshape(-1, 1) * b)
            whole -= (pair.factor / factor_b) * (a[:, None] * gradients[bias_b].reshape(1, -1))
            found[bias_a] -= (pair.factor / factor_a) * (whole * b).sum(axis=1).reshape(found[bias_a].shape)
            found[bias_b] -= (pair.factor / factor_b) * (whole * a[:, None]).sum(axis=0).reshape(found[bias_b].shape)
        return found


def _factors(gradient: Gradient) -> tuple[float, tuple[str, ...]] | None:
    """The factor and the layers of dE/dparam where it is one product of whole layers in the order of the axes, else None."""
    if len(gradient.parts) != 1 or not gradient.parts[0].solved:
        return None
    monomial = gradient.parts[0].monomial
    units = [a for a, e in monomial.factors if isinstance(a, At) and a.kind == "layer" and e == 1.0]
    if len(units) != len(monomial.factors) or monomial.loops or monomial.predicates or any(a.flat for a in units):
        return None
    if len({a.name for a in units}) != len(units):
        return None
    units.sort(key=lambda a: min((str(i.plain) for i in a.indices), default=""))
    axes = [i.plain for a in units for i in a.indices]
    wanted = [output(k) for k in range(len(gradient.parts[0].target))]
    return (monomial.coefficient, tuple(a.name for a in units)) if axes == wanted else None
