"""What the kernels of a model cost: the structure chosen for each, operations and bytes a chain."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from energydsl.domains.scalar import Op, Scalar
from energydsl.kernels.program import (
    BATCH,
    Access,
    Contract,
    Define,
    FormScan,
    Kernel,
    KernelProgram,
    LayerKernels,
    Matmul,
    Section,
    Spread,
    Step,
)
from energydsl.kernels.sparse import SparsePlan

_NUMBER = 4


@dataclass(frozen=True)
class KernelCost:
    """One kernel: its structure, multiplications and additions a chain, bytes of parameters it reads (for all chains).

    multiplied_out: what it would take if products of sums were multiplied out.
    """

    name: str
    structure: str
    operations: int
    parameter_bytes: int
    multiplied_out: int = 0


@dataclass(frozen=True)
class Cost:
    """Of a whole model, in float32.

    sweep: kernels of one Gibbs sweep; gradient: of one gradient. draws: units drawn a sweep and chain. chain_bytes:
    state, fields and forms of one chain; parameter_bytes: parameters, their gradient and one slot of an optimiser.
    """

    sweep: tuple[KernelCost, ...]
    gradient: tuple[KernelCost, ...]
    draws: int
    chain_bytes: int
    parameter_bytes: int

    def most_chains(self, memory: int) -> int:
        """The largest number of chains that fits in so many bytes."""
        return max(0, (memory - self.parameter_bytes) // max(1, self.chain_bytes))


def cost_of(program: KernelProgram, sparse: SparsePlan | None, params: Mapping[str, tuple[int, ...]]) -> Cost:
    """The cost of a lowered model; `sparse`: its plan where its sweeps run on a sparse matrix."""
    fields_of = ((n, k) for n, x in program.layers.items() for k in x.fields if k.sections or not x.holds_forms)
    sweep = tuple(_field(name, kernel, sparse, params) for name, kernel in fields_of)
    sweep += tuple(
        (_scan if x.by_unit else _block)(x, program, params) for x in program.layers.values() if x.holds_forms
    )
    sweep += tuple(_kernel(name, kernel, params) for name, kernel in program.forms.items())
    gradient = tuple(_kernel(f"dE/d{name}", kernel, params) for name, kernel in program.gradients.items())
    entries = sum(math.prod(x.energy_shape) for x in program.layers.values())
    draws = sum(math.prod(x.shape) for x in program.layers.values())
    fields = sum(math.prod(k.shape) for x in program.layers.values() for k in x.fields)
    fields += sum(math.prod(k.shape) for k in program.forms.values())
    parameters = sum(math.prod(shape) for shape in params.values())
    return Cost(sweep, gradient, draws, _NUMBER * (entries + fields), 3 * _NUMBER * parameters)


def _field(layer: str, kernel: Kernel, sparse: SparsePlan | None, params: Mapping[str, tuple[int, ...]]) -> KernelCost:
    plain = _kernel(f"{layer} {kernel.name}", kernel, params)
    if sparse is None or kernel.name != "eta1":
        return plain
    count = sum(len(e.target) for name, e in sparse.fields if name == layer)
    units = math.prod(kernel.shape)
    each = f"{count / max(1, units):.3g} entries a unit"
    mean = float((sparse.until[sparse.layers[layer]] - sparse.layers[layer]).mean())
    if mean <= 2.0:
        structure = f"sparse rows, chains innermost: {each}"
    else:
        kind = "convolution" if any(e.factors and e.factors[-1].at is not None for n, e in sparse.fields if n == layer) else "stencil"  # fmt: skip
        structure = f"{kind}, chains innermost: {each}, in runs of about {2 * mean:.0f}"
    return KernelCost(plain.name, structure, 2 * count, plain.parameter_bytes)


def _scan(layer: LayerKernels, program: KernelProgram, params: Mapping[str, tuple[int, ...]]) -> KernelCost:
    """A scan over running forms: what one unit takes, times the units."""
    scan = layer.scan
    assert scan is not None
    kernels = [_kernel("", kernel, params) for kernel in (*scan.fields, *scan.changes)]
    read, name = sum(k.parameter_bytes for k in kernels), f"{layer.layer} unit by unit"
    if scan.running is not None:
        return _running(name, layer, scan.running, program, read)
    operations = math.prod(layer.shape) * sum(k.operations for k in kernels)
    return KernelCost(name, "over running forms, all of them a unit", operations, read)


def _block(layer: LayerKernels, program: KernelProgram, params: Mapping[str, tuple[int, ...]]) -> KernelCost:
    """Blocks over running forms: every term at each value of a unit, times the colours."""
    block = layer.block
    assert block is not None
    colours = int(program.colours[layer.layer].max()) + 1
    terms = [_kernel("", term.kernel, params) for term in block.terms]
    forms = [_kernel("", program.forms[form], params) for form in block.forms]
    read = sum(k.parameter_bytes for k in (*terms, *forms))
    name = f"{layer.layer} in {colours} block{'s' if colours != 1 else ''}"
    if block.running is not None and block.running.windows:
        return _running(name, layer, block.running, program, read)
    made = sum(
        2 * math.prod(program.forms[name].shape) if form.standing else cost.operations
        for (name, form), cost in zip(block.forms.items(), forms, strict=True)
    )
    values = len(block.points) or layer.states
    operations = colours * values * (sum(k.operations for k in terms) + made)
    return KernelCost(name, "over running forms, all of them a block", operations, read)


def _running(name: str, layer: LayerKernels, scan: FormScan, program: KernelProgram, read: int) -> KernelCost:
    """Units over the entries of forms that they stand in."""
    units = math.prod(layer.shape)
    places = {form: _places(form, scan, units, program) for form in scan.forms}
    operations = sum(places[term.forms[0]] * _nodes(term.change) for term in scan.terms) + 2 * sum(places.values())
    kind = "windows of" if scan.windows else "dense,"
    each = sum(places.values()) / max(1, units)
    return KernelCost(name, f"over running forms, {kind} {each:.4g} entries a unit", operations, read)


def _places(form: str, scan: FormScan, units: int, program: KernelProgram) -> int:
    """How many entries of a form units stand in, all units together."""
    if not scan.windows:
        return units * math.prod(program.forms[form].shape)
    return sum(math.prod(high - low for low, high in w.section.sizes.values()) for w in scan.windows[form])


def _nodes(formula: Scalar) -> int:
    """The operations of a formula."""
    return 1 + sum(map(_nodes, formula.arguments)) if isinstance(formula, Op) else 0


def _kernel(name: str, kernel: Kernel, params: Mapping[str, tuple[int, ...]]) -> KernelCost:
    operations = sum(_operations(s.steps, s.sizes) for s in kernel.sections)
    kinds = list(dict.fromkeys(kind for s in kernel.sections if (kind := _structure(s))))
    read = {a.name for s in kernel.sections for a in _accesses(s.steps) if a.source == "p"}
    size = sum(math.prod(params[n]) for n in read)
    return KernelCost(name, " + ".join(kinds) or "constant", operations, _NUMBER * size)


def _accesses(steps: Iterable[Step]) -> list[Access]:
    return [a for step in steps if not isinstance(step, Define) for a in _factors(step)]


def _factors(step: Contract | Matmul | Spread) -> list[Access]:
    if isinstance(step, Spread):
        return [step.values] if step.values else []
    if isinstance(step, Matmul):
        return [step.left.access, step.right.access]
    return [step.left] if step.right is None else [step.left, step.right]


def _operations(steps: Iterable[Step], sizes: Mapping[str, tuple[int, int]]) -> int:
    total = 0
    for step in steps:
        if isinstance(step, Define):
            total += sum(_operations(s.steps, s.sizes) for s in step.sections)
            continue
        if isinstance(step, Spread):
            continue  # once for all chains
        letters = {x for a in _factors(step) for x in a.letters} - {BATCH}
        total += 2 * math.prod(sizes[x][1] - sizes[x][0] for x in letters)
    return total


def _structure(section: Section) -> str:
    """How a section that varies with the chains is computed by the plain kernels."""
    found = _accesses(section.steps)
    batched = any(BATCH in a.letters for a in found)
    if not batched:
        return ""
    if any(isinstance(step, Spread) for step in section.steps):
        return "matrix product over pairs of nodes"
    last = section.steps[-1]
    if isinstance(last, Contract) and last.left.source == "local" and last.left.indices is not None:
        return "matrix product over pairs of nodes, picked at the edges"
    if section.target is not None:
        return "gather and scatter over the grid"
    if any(a.indices is not None for a in found):
        return "gather over the grid"
    assert isinstance(last, Contract | Matmul)
    left, *others = _factors(last)
    if not others:
        return "sum over the layer"
    if "row" in (left.source, others[0].source):
        return "sum over chains"
    shared = set(left.letters) & set(others[0].letters) - set(last.letters)
    return "matrix product" if shared else "elementwise product"
