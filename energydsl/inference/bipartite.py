"""Models whose layers of bits or spins meet one another in pairs, and not themselves: RBMs and deep ones, for other libraries.

E(x) = offset + sum_a linear_a' x_a + sum_{a < b} x_a' weight_ab x_b, layers flattened
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from energydsl.api import Model, zoo
from energydsl.backends.interface import Array
from energydsl.diagnostics import ArgumentError, EnergyError, NotApplicable, a_kind
from energydsl.domains import DOMAINS
from energydsl.inference.binary_quadratic import as_quadratic
from energydsl.learning.run import Run
from energydsl.learning.sampling import as_run
from energydsl.model.records import Layer
from energydsl.program import Program


@dataclass(frozen=True)
class Bipartite:
    """layers: by name. linear: by layer, (units,). weights: by pair of layers in their order, (units of one, units of the other)."""

    layers: Mapping[str, Layer]
    linear: Mapping[str, Array]
    weights: Mapping[tuple[str, str], Array]

    def joined(self, name: str) -> dict[str, Array]:
        """The layers that a layer meets, and their weights, (units of the other, units of this)."""
        found = {b: w.T for (a, b), w in self.weights.items() if a == name}
        return found | {a: w for (a, b), w in self.weights.items() if b == name}


def bipartite(run: Run | Program, params: Mapping[str, Any] | None = None) -> Bipartite:
    """The layers of a model and what joins them. Raises `NotApplicable` where units of one layer meet, or not in pairs."""
    run = as_run(run, params, 0)
    layers, found = run.program.model.random_layers(), as_quadratic(run)
    ends = np.cumsum([a.size for a in layers.values()])
    first = dict(zip(layers, (ends - [a.size for a in layers.values()]).tolist(), strict=True))
    names, sides = list(layers), np.searchsorted(ends, found.pairs, side="right")
    within = np.flatnonzero(sides[:, 0] == sides[:, 1])
    if len(within):
        raise NotApplicable(
            f"units of `{names[sides[within[0], 0]]}` meet one another: the layer is not drawn as a whole"
        )
    weights = {}
    for one, other in np.unique(sides, axis=0).tolist():
        a, b = names[one], names[other]
        rows = (sides == (one, other)).all(axis=1)
        matrix = np.zeros((layers[a].size, layers[b].size))
        matrix[found.pairs[rows, 0] - first[a], found.pairs[rows, 1] - first[b]] = found.weights[rows]
        weights[a, b] = matrix
    linear = {n: found.linear[k : k + layers[n].size] for n, k in first.items()}
    return Bipartite(layers, linear, weights)


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


def write_onnx(path: Path, run: Run | Program, params: Mapping[str, Any] | None = None) -> None:
    """The conditional means of every layer as one ONNX graph, in float32. Raises `NotApplicable`, `EnergyError`, `OSError`.

    Inputs are the layers, (rows, units) each, flattened; an output `mean_h` is the mean of the units of `h` given all other layers.
    """
    try:
        import onnx
    except ImportError:
        raise EnergyError('ONNX files need onnx: pip install "energydsl[onnx]"') from None
    found, helper = bipartite(run, params), onnx.helper
    # What stands inside has names that no layer can have.
    names = {n: f"/{k}" for k, n in enumerate(found.layers)}
    outside = [of for n in found.layers for of in (_ascii(n), f"mean_{_ascii(n)}")]
    if twice := next((n for n in outside if outside.count(n) > 1), ""):
        raise NotApplicable(f"two arrays of the graph would be called `{twice}`: give the layers other names")
    constants: dict[str, Array] = {}
    nodes, inputs, outputs = [], [], []
    for name, layer in found.layers.items():
        own, joined = names[name], found.joined(name)
        constants[f"{own}/field"] = -found.linear[name]
        total = f"{own}/field"
        for other, weights in joined.items():
            product = f"{own}{names[other]}"
            constants[f"{product}/W"] = -weights
            nodes.append(helper.make_node("MatMul", [_ascii(other), f"{product}/W"], [product]))
            nodes.append(helper.make_node("Add", [total, product], [f"{product}/sum"]))
            total = f"{product}/sum"
        spins = not DOMAINS[layer.domain.name].grey
        nodes.append(helper.make_node("Tanh" if spins else "Sigmoid", [total], [f"mean_{_ascii(name)}"]))
        rows: list[Any] = ["rows", layer.size] if joined else [layer.size]
        outputs.append(helper.make_tensor_value_info(f"mean_{_ascii(name)}", onnx.TensorProto.FLOAT, rows))
        inputs.append(helper.make_tensor_value_info(_ascii(name), onnx.TensorProto.FLOAT, ["rows", layer.size]))
    known = [onnx.numpy_helper.from_array(a.astype(np.float32), n) for n, a in constants.items()]
    graph = helper.make_graph(nodes, "conditionals", inputs, outputs, known)
    model = helper.make_model(
        graph, producer_name="energydsl", opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _ascii(name: str) -> str:
    """A name for the graph; letters that are not of ASCII by their numbers."""
    return "".join(c if c.isascii() else f"u{ord(c):x}" for c in name)
