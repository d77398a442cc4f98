"""`explain --cost`: the structure chosen for every kernel, its operations and bytes, and how many chains fit."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from typing import Any

from energydsl.compiler import Compiled
from energydsl.derive import Derived
from energydsl.derive.directed.network import derivations
from energydsl.kernels import lower
from energydsl.kernels.cost import Cost, KernelCost, cost_of
from energydsl.kernels.dense import dense
from energydsl.kernels.lower import NEVER
from energydsl.kernels.sparse import sparse_plan


def costs(model: Compiled) -> dict[str, Any]:
    """Costs as a dict: operations a chain, bytes (in float32), the largest number of chains for this machine's memory."""
    cost = _cost(model.derived)
    memory = _memory()
    return {
        "sweep": [asdict(k) for k in cost.sweep],
        "gradient": [asdict(k) for k in cost.gradient],
        "draws": cost.draws,
        "sweep_operations": sum(k.operations for k in cost.sweep),
        "gradient_operations": sum(k.operations for k in cost.gradient),
        "chain_bytes": cost.chain_bytes,
        "parameter_bytes": cost.parameter_bytes,
        "memory_bytes": memory,
        "most_chains": cost.most_chains(memory),
    }


def _cost(derived: Derived) -> Cost:
    """The cost of all parts of a model."""
    found = []
    for name, part in derivations(derived):
        program = lower(part)
        shapes = {n: p.shape for n, p in part.model.params.items()}
        cost = cost_of(dense(program), sparse_plan(program), shapes)
        wide = cost_of(lower(part, NEVER), None, shapes)
        found.append((f"{name} " if name else "", _beside(cost, wide)))
    return Cost(
        tuple(replace(k, name=name + k.name) for name, c in found for k in c.sweep),
        tuple(replace(k, name=name + k.name) for name, c in found for k in c.gradient),
        sum(c.draws for _, c in found),
        sum(c.chain_bytes for _, c in found),
        sum(c.parameter_bytes for _, c in found),
    )


def _beside(cost: Cost, wide: Cost) -> Cost:
    """The cost of kernels with what they would take multiplied out, where that is more."""

    def pairs(kept: tuple[KernelCost, ...], out: tuple[KernelCost, ...]) -> tuple[KernelCost, ...]:
        return tuple(replace(a, multiplied_out=max(a.operations, b.operations)) for a, b in zip(kept, out, strict=True))

    return replace(cost, sweep=pairs(cost.sweep, wide.sweep), gradient=pairs(cost.gradient, wide.gradient))


def _memory() -> int:
    """Bytes of main memory, or 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 8 << 30


def as_text(found: dict[str, Any]) -> str:
    """The costs as a table."""
    lines = ["One chain, float32:", ""]
    for title, key in (("a Gibbs sweep", "sweep"), ("a gradient", "gradient")):
        lines.append(f"{title}: {_short(found[f'{key}_operations'])} operations")
        width = max((len(k["name"]) for k in found[key]), default=0)
        for k in found[key]:
            read = f", reads {_size(k['parameter_bytes'])} of parameters" if k["parameter_bytes"] else ""
            kept = f", kept factored ({_short(k['multiplied_out'])} multiplied out)" * (
                k["multiplied_out"] > k["operations"]
            )
            lines.append(f"  {k['name']:<{width}}  {_short(k['operations']):>7}  {k['structure']}{kept}{read}")
        lines.append("")
    lines.append(f"units drawn a sweep   {found['draws']}")
    lines.append(f"memory for a chain    {_size(found['chain_bytes'])} (state and fields)")
    lines.append(f"parameters            {_size(found['parameter_bytes'])} (with gradient and one optimiser slot)")
    lines.append(f"chains that fit       {found['most_chains']} in this machine's {_size(found['memory_bytes'])}")
    return "\n".join(lines)


def _short(number: float) -> str:
    for unit in ("", "k", "M", "G"):
        if number < 1000:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.3g}T"


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:.3g} GiB"
