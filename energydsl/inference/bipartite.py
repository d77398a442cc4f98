"""Models whose layers meet one another in pairs, and not themselves: RBMs and deep ones, for other libraries.

E(x) = offset + sum_a (linear_a' x_a + square_a' x_a^2) + sum_{a < b} x_a' weight_ab x_b, layers flattened, states of one-hot units too
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from energydsl.api import Model, zoo
from energydsl.backends.interface import Array
from energydsl.diagnostics import ArgumentError, EnergyError, NotApplicable, a_kind
from energydsl.domains import DOMAINS
from energydsl.energy.rules import Rules
from energydsl.energy.terms import At, Function, Monomial
from energydsl.energy.terms import entries as entries_of
from energydsl.graph.places import Places
from energydsl.learning.run import Run
from energydsl.learning.sampling import as_run
from energydsl.model.records import Layer
from energydsl.program import Program
from energydsl.program.coefficients import coefficients, polynomial
from energydsl.program.states import check_params


@dataclass(frozen=True)
class Bipartite:
    """layers: by name. linear, square: by layer, (entries,). weights: by pair of layers in their order, (entries of one, entries of the other)."""

    layers: Mapping[str, Layer]
    linear: Mapping[str, Array]
    square: Mapping[str, Array]
    weights: Mapping[tuple[str, str], Array]

    def joined(self, name: str) -> dict[str, Array]:
        """The layers that a layer meets, and their weights, (entries of the other, entries of this)."""
        found = {b: w.T for (a, b), w in self.weights.items() if a == name}
        return found | {a: w for (a, b), w in self.weights.items() if b == name}


def bipartite(run: Run | Program, params: Mapping[str, Any] | None = None) -> Bipartite:
    """The layers of a model and what joins them. Raises `NotApplicable` where units of one layer meet, or not in pairs."""
    run = as_run(run, params, 0)
    model, engine = run.program.model, run.program.engine.in_float64
    if engine.core is not engine:
        raise NotApplicable("the model has directed parts, whose units do not meet in pairs")
    layers, rules, p = model.random_layers(), Rules(model), check_params(engine, run.params)
    sizes = {n: math.prod(a.energy_shape) for n, a in layers.items()}
    powers = {1.0: {n: np.zeros(k) for n, k in sizes.items()}, 2.0: {n: np.zeros(k) for n, k in sizes.items()}}
    weights: dict[tuple[str, str], Array] = {}

    def entries(at: At, where: Places) -> Array:
        """The flat numbers of the entries that a unit stands for."""
        numbers = where.units(at, rules)
        one_hot = DOMAINS[layers[at.name].domain.name].one_hot
        return numbers * layers[at.name].energy_shape[-1] + where.value(at.indices[-1]) if one_hot else numbers

    for term in polynomial(engine.core):
        units = _units(term.monomial)
        for where, values in coefficients(engine.core, p, term.monomial):
            if len(units) == 1:
                (at, power), *_ = units
                np.add.at(powers[power][at.name], entries(at, where), values)
            elif units:
                (one, _), (other, _) = sorted(units, key=lambda u: list(layers).index(u[0].name))
                matrix = weights.setdefault((one.name, other.name), np.zeros((sizes[one.name], sizes[other.name])))
                np.add.at(matrix, (entries(one, where), entries(other, where)), values)
    return Bipartite(layers, powers[1.0], powers[2.0], weights)


def _units(monomial: Monomial) -> list[tuple[At, float]]:
    """The units of a term with their powers. Raises `NotApplicable` where they are not one of each of two layers, or a square."""
    units = [(a, e) for a, e in monomial.factors if isinstance(a, At) and a.kind == "layer"]
    apart = {a.name for f, _ in monomial.factors if isinstance(f, Function) for a in entries_of(f) if a.kind == "layer"}
    if monomial.joint_layers():
        return units  # what is wrong is said where its coefficients are asked for
    if apart:
        raise NotApplicable(f"`{min(apart)}` stands in a function, which is no sum over pairs")
    if len(units) > 2:
        raise NotApplicable(f"units meet {len(units)} at a time, not in pairs alone")
    if len(units) == 2 and units[0][0].name == units[1][0].name:
        raise NotApplicable(f"units of `{units[0][0].name}` meet one another: the layer is not drawn as a whole")
    odd = next((a.name for a, e in units if e not in (1.0, 2.0) or (e == 2.0 and len(units) == 2)), None)
    if odd is not None:
        raise NotApplicable(f"a power of `{odd}` stands in a term that is no square of a unit alone")
    return units


def _rbm(run: Run | Program, params: Mapping[str, Any] | None) -> tuple[Array, Array, Array]:
    """W, b and c of a restricted Boltzmann machine, E = -b'v - c'h - v'Wh."""
    found = bipartite(run, params)
    visible = [n for n, a in found.layers.items() if a.role == "visible"]
    hidden = [n for n, a in found.layers.items() if a.role == "hidden"]
    bits = all(DOMAINS[a.domain.name].grey for a in found.layers.values())
    if not (len(visible) == len(hidden) == 1 and bits):
        raise NotApplicable("an RBM has one visible and one hidden layer of bits")
    (v,), (h,) = visible, hidden
    none = np.zeros((found.layers[h].size, found.layers[v].size))
    return -found.joined(v).get(h, none).T, -found.linear[v], -found.linear[h]


def to_bernoulli_rbm(run: Run | Program, params: Mapping[str, Any] | None = None) -> Any:
    """A restricted Boltzmann machine of bits as scikit-learn's fitted `BernoulliRBM`; layers are flattened.

    run: or a program, with its params: arrays of the shapes declared, as (I, J). Raises `NotApplicable` for other models, with the
    reason, `EnergyError` where scikit-learn is missing.
    """
    library = _sklearn()
    W, b, c = _rbm(run, params)
    found = library.BernoulliRBM(n_components=len(c))
    found.components_, found.intercept_visible_, found.intercept_hidden_ = W.T.copy(), b.copy(), c.copy()
    found.h_samples_ = np.zeros((found.batch_size, len(c)))
    found.n_features_in_ = len(b)
    return found


def from_bernoulli_rbm(rbm: Any) -> tuple[Model, dict[str, Array]]:
    """The model of a fitted `BernoulliRBM` of scikit-learn, and its parameters: W (features, components), b, c.

    Raises `ArgumentError` for what is none or is not fitted, and `EnergyError` where scikit-learn is missing.

    >>> import numpy as np
    >>> from sklearn.neural_network import BernoulliRBM
    >>> import energydsl as ed
    >>> model, params = ed.from_bernoulli_rbm(BernoulliRBM(2, n_iter=1, random_state=0).fit(np.eye(3)))
    >>> model.params["W"].shape, params["W"].shape
    ((3, 2), (3, 2))
    """
    if not isinstance(rbm, _sklearn().BernoulliRBM):
        raise ArgumentError(f"from_bernoulli_rbm takes scikit-learn's BernoulliRBM, not {a_kind(rbm)}")
    if not hasattr(rbm, "components_"):
        raise ArgumentError("this BernoulliRBM was not fitted: it has no components_")
    J, I = rbm.components_.shape  # noqa: E741
    params = {"W": rbm.components_.T, "b": rbm.intercept_visible_, "c": rbm.intercept_hidden_}
    return zoo("rbm", dims={"I": I, "J": J}), {n: np.array(a) for n, a in params.items()}


def _sklearn() -> Any:
    try:
        from sklearn import neural_network
    except ImportError:
        raise EnergyError('BernoulliRBM needs scikit-learn: pip install "energydsl[sklearn]"') from None
    return neural_network


def to_torch(run: Run | Program, params: Mapping[str, Any] | None = None) -> Any:
    """A restricted Boltzmann machine of bits as a `torch.nn.Module` with parameters W, b and c; layers are flattened.

    `module(v)` is p(h = 1 | v), `module.visible(h)` is p(v = 1 | h), `module.free_energy(v)` is F(v), (rows,). Raises
    `NotApplicable` where the energy is none of such a machine, and `EnergyError` where PyTorch is missing. params: of a program, arrays
    of the shapes declared, as (I, J).
    """
    try:
        import torch
    except ImportError:
        raise EnergyError("to_torch needs PyTorch: pip install torch") from None

    class RBM(torch.nn.Module):  # type: ignore[misc]
        """E(v, h) = -b'v - c'h - v'Wh."""

        def __init__(self, W: Array, b: Array, c: Array):
            super().__init__()
            for name, array in (("W", W), ("b", b), ("c", c)):
                setattr(self, name, torch.nn.Parameter(torch.tensor(array, dtype=torch.get_default_dtype())))

        def forward(self, v: Any) -> Any:
            """Means of the hidden units, (rows, hidden)."""
            return torch.sigmoid(v @ self.W + self.c)

        def visible(self, h: Any) -> Any:
            """Means of the visible units, (rows, visible)."""
            return torch.sigmoid(h @ self.W.T + self.b)

        def free_energy(self, v: Any) -> Any:
            """-log of the sum over h of exp(-E), (rows,)."""
            return -v @ self.b - torch.nn.functional.softplus(v @ self.W + self.c).sum(dim=-1)

    return RBM(*_rbm(run, params))
