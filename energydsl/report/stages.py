"""Any stage of the compiler as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from energydsl.backends.registry import printed
from energydsl.compiler import Checked, Compiled
from energydsl.derive.directed.network import derivations
from energydsl.graph.terms import term_graph
from energydsl.kernels import kernels_of
from energydsl.kernels.text import show_program
from energydsl.report import explain
from energydsl.syntax.printer import print_module


def _syntax(model: Checked) -> str:
    return print_module(model.module).rstrip("\n")


def _model(model: Checked) -> str:
    resolved = model.resolved
    lines = [f"dim {n} = {v}" for n, v in resolved.dims.items()]
    lines += [f"const {n} = {c.value:g} {' & '.join(c.constraints)}".rstrip() for n, c in resolved.consts.items()]
    lines += [f"{a.role} {n}{list(a.shape)} : {a.declared}" for n, a in resolved.layers.items()]
    lines += [f"graph {n}: {g.kind}, {g.nodes} units, {g.edge_count} edges" for n, g in resolved.graphs.items()]
    for name, param in resolved.params.items():
        init = f"base_rate({param.init.layer})" if param.init.layer else param.init.kind
        values = ", ".join(f"{k} = {v:g}" for k, v in param.init.arguments.items())
        constraints = f" : {' & '.join(param.constraints)}" if param.constraints else ""
        lines.append(f"param {name}{list(param.shape)}{constraints} = {init}{f'({values})' if values else ''}")
    lines += [f"energy {e.name}: shape {e.expression.shape}" for e in resolved.energies]
    lines += [f"{d.keyword} {d.label}" for d in resolved.directed]
    return "\n".join(lines)


def _energy(model: Checked) -> str:
    return "\n".join(f"{text}   [{label}] {origin}" for label, text, origin in explain.terms(model))


def _graph(model: Checked) -> str:
    return "\n".join(f"{a} -- {b}" for a, b in term_graph(model.resolved, model.energy).edges)


def _kernels(model: Compiled) -> str:
    return "\n\n".join(
        f"# {name}\n{show_program(kernels_of(d))}" if name else show_program(kernels_of(d))
        for name, d in derivations(model.derived)
    )


def _source(model: Compiled) -> str:
    texts = ((name, printed(derived).text) for name, derived in derivations(model.derived))
    return "\n\n".join(f"# ===== {name}\n{text}" if name else text for name, text in texts)


# What a stage is shown from: a model that passed every check, or one from which everything was derived.
OF_CHECKED: Mapping[str, Callable[[Checked], str]] = MappingProxyType(
    {"syntax": _syntax, "model": _model, "energy": _energy, "graph": _graph}
)
OF_COMPILED: Mapping[str, Callable[[Compiled], str]] = MappingProxyType(
    {"derived": explain.as_text, "kernels": _kernels, "source": _source}
)
