"""The conditional means of layers as an ONNX graph.

mean of x_a given the others = f(-(linear_a + sum_b weight_ab' x_b)), f as the domain has it: sigmoid, tanh, softmax, or division by twice the square
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from energydsl.backends.interface import Array
from energydsl.diagnostics import EnergyError, NotApplicable
from energydsl.domains import DOMAINS
from energydsl.inference.bipartite import Bipartite, bipartite
from energydsl.learning.run import Run
from energydsl.model.records import Layer
from energydsl.program import Program

# Nodes as (operation, inputs, output, attributes).
Node = tuple[str, list[str], str, dict[str, Any]]


def write_onnx(path: Path, run: Run | Program, params: Any = None) -> None:
    """The conditional means of every layer as one ONNX graph, in float32. Raises `NotApplicable`, `EnergyError`, `OSError`.

    Inputs are the layers, (rows, entries) each, flattened, one-hot for units with states; an output `mean_h` is the mean of `h` given all other layers.
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
    nodes: list[Node] = []
    inputs, outputs = [], []
    for name, layer in found.layers.items():
        own, joined = names[name], found.joined(name)
        constants[f"{own}/field"] = -found.linear[name]
        total = f"{own}/field"
        for other, weights in joined.items():
            product = f"{own}{names[other]}"
            constants[f"{product}/W"] = -weights
            nodes.append(("MatMul", [_ascii(other), f"{product}/W"], product, {}))
            nodes.append(("Add", [total, product], f"{product}/sum", {}))
            total = f"{product}/sum"
        size = len(found.linear[name])
        rows: list[Any] = ["rows", size] if joined else [size]
        nodes += _mean(found, layer, total, own, [-1, size] if joined else [size], constants)
        outputs.append(helper.make_tensor_value_info(f"mean_{_ascii(name)}", onnx.TensorProto.FLOAT, rows))
        inputs.append(helper.make_tensor_value_info(_ascii(name), onnx.TensorProto.FLOAT, ["rows", size]))
    known = [
        onnx.numpy_helper.from_array(a.astype(np.int64 if a.dtype.kind == "i" else np.float32), n)
        for n, a in constants.items()
    ]
    made = [helper.make_node(kind, given, [out], **more) for kind, given, out, more in nodes]
    graph = helper.make_graph(made, "conditionals", inputs, outputs, known)
    model = helper.make_model(
        graph, producer_name="energydsl", opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _mean(
    found: Bipartite, layer: Layer, total: str, own: str, shape: list[int], constants: dict[str, Array]
) -> list[Node]:
    """The mean of a layer from its field. Raises `NotApplicable` for a domain whose mean has no such form."""
    domain, out, square = DOMAINS[layer.domain.name], f"mean_{_ascii(layer.name)}", found.square[layer.name]
    if domain.one_hot:
        constants[f"{own}/units"], constants[f"{own}/flat"] = (
            np.array([-1, layer.size, layer.energy_shape[-1]]),
            np.array(shape),
        )
        return [
            ("Reshape", [total, f"{own}/units"], f"{own}/states", {}),
            ("Softmax", [f"{own}/states"], f"{own}/softmax", {"axis": -1}),
            ("Reshape", [f"{own}/softmax", f"{own}/flat"], out, {}),
        ]
    if domain.two_valued:
        return [("Sigmoid" if domain.grey else "Tanh", [total], out, {})]
    if domain.finite or domain.bounds(layer.domain.arguments) != (-np.inf, np.inf):
        raise NotApplicable(
            f"`{layer.name}` is {layer.domain}: ONNX graphs have the means of bits, spins, states and real numbers"
        )
    if (square <= 0).any():
        raise NotApplicable(f"`{layer.name}` has units without a square of their own, whose mean is no sum of products")
    constants[f"{own}/variance"] = 0.5 / square
    return [("Mul", [total, f"{own}/variance"], out, {})]


def _ascii(name: str) -> str:
    """A name for the graph; letters that are not of ASCII by their numbers."""
    return "".join(c if c.isascii() else f"u{ord(c):x}" for c in name)
