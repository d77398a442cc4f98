"""The centred gradient: that of the same energy written in units less their offsets (Melchior, Fischer & Wiskott 2016).

A coupling that multiplies a b has, in (a - m_a)(b - m_b), the gradient
    G_W' = G_W - G_a m_b - m_a G_b,     and the biases, in the energy as it was written,     G_a' = G_a - G_W' m_b.
Layers that share a bias and a coupling, as the copies in a greedy stage do, count as one, the sum of them.
It does not change when units are flipped, and lets deep machines learn without a greedy start (Montavon & Mueller 2012).
Offsets follow the mean of both phases, which they start at. All of it is read off the derived gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from energydsl.backends.interface import Arrays
from energydsl.derive.records import Gradient
from energydsl.diagnostics import NotApplicable
from energydsl.energy.targets import Contribution, output
from energydsl.energy.terms import At
from energydsl.program import Engine
from energydsl.program.gradients import projected

_RATE = 0.01

Layers = tuple[str, ...]


@dataclass(frozen=True)
class _Pair:
    """A coupling with one parameter a pair of entries: its first axes are those of each of `a`, its last those of `b`."""

    param: str
    factor: float
    a: Layers
    b: Layers


def biases(program: Engine, learned: list[str]) -> dict[Layers, tuple[str, float]]:
    """The parameter whose gradient is a multiple of some layers' sum, and the factor, by these layers."""
    found: dict[Layers, tuple[str, float]] = {}
    for name in learned:
        single = _factors(program.derived.gradients[name])
        if single is not None and len(single[1]) == 1:
            found.setdefault(single[1][0], (name, single[0]))
    return found


def centred_pairs(program: Engine, learned: list[str]) -> list[_Pair]:
    """The couplings that can be centred: of layers with biases."""
    known, factors = biases(program, learned), {n: _factors(program.derived.gradients[n]) for n in learned}
    found = [_Pair(n, f[0], *f[1]) for n, f in factors.items() if f is not None and len(f[1]) == 2]
    return [p for p in found if p.a in known and p.b in known]


class Centring:
    """The couplings and biases of a model that can be centred, and the offsets."""

    def __init__(self, program: Engine, learned: list[str]):
        self.program, self.biases = program, biases(program, learned)
        self.pairs = centred_pairs(program, learned)
        if not self.pairs:
            raise NotApplicable("no coupling of this model can be centred: it takes one parameter a pair, and biases")
        layers = dict.fromkeys(n for p in self.pairs for side in (p.a, p.b) for n in side)
        self.offsets: Arrays = {
            n: program.xp.zeros(program.model.layers[n].energy_shape, program.dtype) for n in layers
        }
        self.rate = program.xp.ones((), program.dtype)

    def at(self, update: int) -> None:
        """The first updates average all there was so far, so that offsets are never far from a mean that was met."""
        self.rate.fill(max(_RATE, 1.0 / (1 + update)))

    def follow(self, both: Arrays, batch: int) -> None:
        """Move the offsets towards the mean of both phases; rows before `batch` are the positive one."""
        for name, offset in self.offsets.items():
            x = both[name]
            offset += self.rate * (0.5 * (x[:batch].mean(axis=0) + x[batch:].mean(axis=0)) - offset)

    def apply(self, gradients: Arrays) -> Arrays:
        """The centred gradients of the plain ones."""
        found = {n: self.program.xp.array(g) for n, g in gradients.items()}
        for pair in self.pairs:
            (bias_a, factor_a), (bias_b, factor_b) = self.biases[pair.a], self.biases[pair.b]
            a, b = self._offset(pair.a), self._offset(pair.b)
            whole = found[pair.param].reshape(len(a), len(b))
            whole -= (pair.factor / factor_a) * (gradients[bias_a].reshape(-1, 1) * b)
            whole -= (pair.factor / factor_b) * (a[:, None] * gradients[bias_b].reshape(1, -1))
            found[pair.param] = projected(self.program, self.program.model.params[pair.param], found[pair.param])
            whole = found[pair.param].reshape(len(a), len(b))
            found[bias_a] -= (pair.factor / factor_a) * (whole * b).sum(axis=1).reshape(found[bias_a].shape)
            found[bias_b] -= (pair.factor / factor_b) * (whole * a[:, None]).sum(axis=0).reshape(found[bias_b].shape)
        return found

    def _offset(self, layers: Layers) -> Any:
        first, *others = (self.offsets[n].reshape(-1) for n in layers)
        return sum(others, first)


def _factors(gradient: Gradient) -> tuple[float, tuple[Layers, ...]] | None:
    """The factor and the layers of dE/dparam where it is one product of sums of whole layers, in the order of the axes.

    What no unit is in is the same in both phases, and does not count.
    """
    products = [_product(p) for p in gradient.parts if p.monomial.layers()]
    found = [p for p in products if p is not None]
    if not found or len(found) < len(products) or len({(factor, len(met)) for factor, met in found}) > 1:
        return None
    sides = tuple(tuple(dict.fromkeys(side)) for side in zip(*(met for _, met in found), strict=True))
    whole = set(product(*sides)) == {met for _, met in found}
    return (found[0][0], sides) if whole else None


def _product(part: Contribution) -> tuple[float, Layers] | None:
    """The factor and the layers of a part that is one product of whole layers in the order of the axes, else None."""
    if not part.solved:
        return None
    monomial = part.monomial
    units = [a for a, e in monomial.factors if isinstance(a, At) and a.kind == "layer" and e == 1.0]
    if len(units) != len(monomial.factors) or monomial.loops or monomial.predicates or any(a.flat for a in units):
        return None
    if len({a.name for a in units}) != len(units):
        return None
    units.sort(key=lambda a: min((str(i.plain) for i in a.indices), default=""))
    axes = [i.plain for a in units for i in a.indices]
    wanted = [output(k) for k in range(len(part.target))]
    return (monomial.coefficient, tuple(a.name for a in units)) if axes == wanted else None
