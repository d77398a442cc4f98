"""The centred gradient: that of the same energy written in units less their offsets (Melchior, Fischer & Wiskott 2016).

A coupling that multiplies a b has, in (a - m_a)(b - m_b), the gradient
    G_W' = G_W - G_a m_b - m_a G_b,     and the biases, in the energy as it was written,     G_a' = G_a - G_W' m_b.
Layers that share a bias and a coupling, as the copies in a greedy stage do, count as one, the sum of them.
It does not change when units are flipped, and lets deep machines learn without a greedy start (Montavon & Mueller 2012).
Offsets follow the mean of both phases, which they start at. All of it is read off the derived gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

from energydsl.backends.interface import Array, Arrays
from energydsl.derive.records import Gradient
from energydsl.diagnostics import NotApplicable
from energydsl.energy.targets import Contribution, output
from energydsl.energy.terms import At
from energydsl.program import Engine
from energydsl.program.gradients import projected

_RATE = 0.01

Layers = tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A coupling with one parameter a pair of entries: its first axes are those of each of `a`, its last those of `b`."""

    param: str
    factor: float
    a: Layers
    b: Layers


def biases(engine: Engine, learned: list[str]) -> dict[Layers, tuple[str, float]]:
    """The parameter whose gradient is a multiple of some layers' sum, and the factor, by these layers."""
    found: dict[Layers, tuple[str, float]] = {}
    for name in learned:
        single = _factors(engine.derived.gradients[name])
        if single is not None and len(single[1]) == 1:
            found.setdefault(single[1][0], (name, single[0]))
    return found


def coupling_pairs(engine: Engine, learned: list[str]) -> list[Pair]:
    """The couplings with one parameter for each pair of entries of two layers, or of sums of some."""
    factors = {n: _factors(engine.derived.gradients[n]) for n in learned}
    return [Pair(n, f[0], *f[1]) for n, f in factors.items() if f is not None and len(f[1]) == 2]


def centred_pairs(engine: Engine, learned: list[str]) -> list[Pair]:
    """The couplings that can be centred: of layers with biases."""
    known = biases(engine, learned)
    return [p for p in coupling_pairs(engine, learned) if p.a in known and p.b in known]


@dataclass
class Offsets:
    """What centring overwrites. values: by layer, shape (*layer). rate: the share of the way to the mean that a step takes."""

    values: Arrays
    rate: Any


@dataclass(frozen=True)
class Centring:
    """The couplings and biases of a model that can be centred. biases: (parameter, factor) by the layers it multiplies."""

    engine: Engine
    pairs: tuple[Pair, ...]
    biases: Mapping[Layers, tuple[str, float]]

    @classmethod
    def of(cls, engine: Engine, learned: list[str], carried: bool = False) -> Centring:
        """Of the parameters that are learned. Raises `NotApplicable` where there is no coupling to centre.

        carried: whether biases are moved by more than gradients, so that they must be free to have any value.
        """
        params = engine.model.params
        free = [n for n in learned if not (carried and params[n].constraints)]
        known = biases(engine, free)
        pairs = [p for p in centred_pairs(engine, learned) if p.a in known and p.b in known]
        if not pairs:
            raise NotApplicable("no coupling of this model can be centred: it takes one parameter a pair, and biases")
        return cls(engine, tuple(pairs), known)

    def init(self) -> Offsets:
        """Offsets at zero, on the device."""
        engine = self.engine
        layers = dict.fromkeys(n for p in self.pairs for side in (p.a, p.b) for n in side)
        zeros = {n: engine.xp.zeros(engine.model.layers[n].energy_shape, engine.dtype) for n in layers}
        return Offsets(zeros, engine.xp.ones((), engine.dtype))

    @staticmethod
    def at(offsets: Offsets, update: int) -> None:
        """The first updates average all there was so far, so that offsets are never far from a mean that was met."""
        offsets.rate.fill(max(_RATE, 1.0 / (1 + update)))

    @staticmethod
    def follow(offsets: Offsets, middle: Callable[[str], Array]) -> None:
        """Move the offsets towards the mean of both phases, which `middle` gives by layer."""
        for name, offset in offsets.values.items():
            offset += offsets.rate * (middle(name) - offset)

    def turned(self, offsets: Offsets, gradients: Arrays) -> Arrays:
        """The gradients, of what there is of them, in the parameters of the centred energy: G_W', and those of the biases as they are."""
        params = self.engine.model.params
        found = {n: self.engine.xp.array(g) for n, g in gradients.items()}
        for pair in (p for p in self.pairs if p.param in found):
            (bias_a, factor_a), (bias_b, factor_b) = self.biases[pair.a], self.biases[pair.b]
            a, b = _offset(offsets, pair.a), _offset(offsets, pair.b)
            whole = found[pair.param].reshape(len(a), len(b))
            whole -= (pair.factor / factor_a) * (gradients[bias_a].reshape(-1, 1) * b)
            whole -= (pair.factor / factor_b) * (a[:, None] * gradients[bias_b].reshape(1, -1))
            found[pair.param] = projected(self.engine.xp, params[pair.param], found[pair.param])
        return found

    def apply(self, offsets: Offsets, gradients: Arrays) -> Arrays:
        """The centred gradients of the plain ones, of the parameters as they are."""
        found = self.turned(offsets, gradients)
        for pair in self.pairs:
            self._back(offsets, pair, found[pair.param], found)
        return found

    def carry(self, offsets: Offsets, before: Arrays, params: Arrays) -> None:
        """Steps were taken in the parameters of the centred energy: put the biases where these are in the energy as it was written."""
        for pair in self.pairs:
            self._back(offsets, pair, params[pair.param] - before[pair.param], params)

    def _back(self, offsets: Offsets, pair: Pair, change: Array, biases: Arrays) -> None:
        """Take from the biases what a change of a coupling is worth to them, in place."""
        (bias_a, factor_a), (bias_b, factor_b) = self.biases[pair.a], self.biases[pair.b]
        a, b = _offset(offsets, pair.a), _offset(offsets, pair.b)
        whole = change.reshape(len(a), len(b))
        biases[bias_a] -= (pair.factor / factor_a) * (whole * b).sum(axis=1).reshape(biases[bias_a].shape)
        biases[bias_b] -= (pair.factor / factor_b) * (whole * a[:, None]).sum(axis=0).reshape(biases[bias_b].shape)


def _offset(offsets: Offsets, layers: Layers) -> Any:
    first, *others = (offsets.values[n].reshape(-1) for n in layers)
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
