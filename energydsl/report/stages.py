"""Any stage of the compiler as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from energydsl.derive.directed.network import derivations
from energydsl.diagnostics import ArgumentError
from energydsl.report import explain
from energydsl.syntax.printer import print_module

if TYPE_CHECKING:
    from energydsl.api import Model


def show(model: Model, stage: str) -> str:
    """The record of a stage as text. Raises `ArgumentError` for an unknown stage."""
    from energydsl.api import STAGES

    if stage not in STAGES:
        raise ArgumentError(f"stages: {', '.join(STAGES)}")
    makers = {
        "syntax": _syntax,
        "model": _model,
        "energy": _energy,
        "graph": _graph,
        "derived": lambda m: str(explain.as_text(m)),
        "kernels": _kernels,
        "source": _source,
    }
    return makers[stage](model)


def _syntax(model: Model) -> str:
    return print_module(model.module).rstrip("\n")


def _model(model: Model) -> str:
    resolved = model.resolved
    lines = [f"dim {n} = {v}" for n, v in resolved.dims.items()]
    lines += [f"const {n} = {c.value:g} {' & '.join(c.constraints)}".rstrip() for n, c in resolved.consts.items()]
    lines += [f"{a.role} {n}{list(a.shape)} : {a.domain}" for n, a in resolved.layers.items()]
    lines += [f"graph {n}: {g.kind}, {g.nodes} units, {g.edge_count} edges" for n, g in resolved.graphs.items()]
    for name, param in resolved.params.items():
        init = f"base_rate({param.init.layer})" if param.init.layer else param.init.kind
        values = ", ".join(f"{k} = {v:g}" for k, v in param.init.arguments.items())
        constraints = f" : {' & '.join(param.constraints)}" if param.constraints else ""
        lines.append(f"param {name}{list(param.shape)}{constraints} = {init}{f'({values})' if values else ''}")
    lines += [f"energy {e.name}: shape {e.expression.shape}" for e in resolved.energies]
    lines += [f"{d.keyword} {', '.join(d.targets)} | {', '.join(d.given)}" for d in resolved.directed]
    return "\n".join(lines)


def _energy(model: Model) -> str:
    return "\n".join(f"{text}   [{label}] {origin}" for label, text, origin in explain.terms(model))


def _graph(model: Model) -> str:
    return "\n".join(f"{a} -- {b}" for a, b in model.graph.edges)


def _kernels(model: Model) -> str:
    from energydsl.kernels import lower, select
    from energydsl.kernels.text import show_program

    return "\n\n".join(
        f"# {name}\n{show_program(select(lower(d)))}" if name else show_program(select(lower(d)))
        for name, d in derivations(model.derived)
    )


def _source(model: Model) -> str:
    from energydsl.backends.registry import printed

    texts = ((name, printed(derived).text) for name, derived in derivations(model.derived))
    return "\n\n".join(f"# ===== {name}\n{text}" if name else text for name, text in texts)
