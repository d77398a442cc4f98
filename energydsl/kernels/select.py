"""`KernelProgram` -> `KernelProgram`: contractions that are matrix products become `Matmul`.

A contraction is one where its arrays, as they lie in memory, are matrices of kept and summed axes; that needs no copy, and
is what machines are fastest at. Here it is also decided which products are written straight into an output, which take the
row weights of a gradient with them, and which fields leave their last product to the kernel that draws.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from energydsl.kernels.program import (
    BATCH,
    Access,
    Affine,
    Contract,
    Define,
    Kernel,
    KernelProgram,
    LayerKernels,
    Matmul,
    Matrix,
    Section,
    Step,
)


def select(program: KernelProgram) -> KernelProgram:
    """The program with its matrix products found."""
    slopes = {n: replace(k, sections=tuple(map(_section, k.sections))) for n, k in program.slopes.items()}
    return replace(
        program,
        layers=MappingProxyType({n: _layer(layer) for n, layer in program.layers.items()}),
        forms=MappingProxyType(dict(zip(program.forms, _units(tuple(program.forms.values())), strict=True))),
        energy=replace(program.energy, sections=tuple(map(_section, program.energy.sections))),
        gradients=MappingProxyType({n: _gradient(kernel) for n, kernel in program.gradients.items()}),
        slopes=MappingProxyType(slopes),
    )


# --- products


def _section(section: Section) -> Section:
    """Every contraction that is a matrix product as one."""
    steps: list[Step] = []
    for step in section.steps:
        if isinstance(step, Define):
            steps.append(replace(step, sections=tuple(map(_section, step.sections))))
        elif isinstance(step, Contract):
            steps += _contraction(step)
        else:
            steps.append(step)
    return replace(section, steps=tuple(steps))


def _contraction(step: Contract) -> list[Step]:
    """A contraction as a matrix product, or as it is; axes of one side alone are summed before."""
    if step.right is None:
        return [step]
    before: list[Step] = []
    sides = []
    for name, access, other in (("left", step.left, step.right), ("right", step.right, step.left)):
        needed = {*step.letters, *other.letters}
        letters = tuple(x for x in access.letters if x in needed)
        if letters != access.letters:
            before.append(Contract(f"{step.out}_{name}", access, None, letters))
            access = Access("local", f"{step.out}_{name}", letters)
        sides.append(access)
    left, right = sides
    return [*before, product_of(step.out, left, right, step.letters) or replace(step, left=left, right=right)]


def product_of(out: str, left: Access, right: Access, letters: tuple[str, ...]) -> Matmul | None:
    """The contraction of two arrays as a matrix product; None where it is none, or would need a copy."""
    summed = tuple(x for x in left.letters if x in right.letters and x not in letters)
    both = any(x in right.letters and x in letters for x in left.letters)
    if not summed or both:
        return None
    if _free(left, summed) + _free(right, summed) != letters and _free(right, summed) + _free(left, summed) == letters:
        left, right = right, left
        summed = tuple(x for x in left.letters if x in summed)
    a, b = _matrix(left, summed, free_first=True), _matrix(right, summed, free_first=False)
    return None if a is None or b is None else Matmul(out, a, b, letters)


def _free(access: Access, summed: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(x for x in access.letters if x not in summed)


def _matrix(access: Access, summed: tuple[str, ...], free_first: bool) -> Matrix | None:
    """An array as a matrix whose rows are the free axes (free_first) or the summed ones; None where that needs a copy."""
    free = _free(access, summed)
    if access.letters == free + summed:
        return Matrix(access, free, summed, transposed=bool(free) and not free_first)
    if access.letters == summed + free:
        return Matrix(access, free, summed, transposed=bool(free) and free_first)
    return None


# --- fields


def _layer(layer: LayerKernels) -> LayerKernels:
    fields = tuple(map(_field, layer.fields))
    scan = layer.scan
    if scan is not None:
        scan = replace(scan, fields=_units(scan.fields), changes=_units(scan.changes))
    block = layer.block
    if block is not None:
        kernels = _units(tuple(term.kernel for term in block.terms))
        block = replace(block, terms=tuple(replace(t, kernel=k) for t, k in zip(block.terms, kernels, strict=True)))
    affine = _affine(fields[0]) if fields and not layer.holds_forms else None
    return replace(layer, fields=fields, scan=scan, block=block, affine=affine)


def _units(kernels: tuple[Kernel, ...]) -> tuple[Kernel, ...]:
    return tuple(replace(k, sections=tuple(map(_section, k.sections))) for k in kernels)


def _field(kernel: Kernel) -> Kernel:
    """A field whose products are written, and added, straight into it: the first, and others that have no factor."""
    sections = []
    for number, found in enumerate(map(_section, kernel.sections)):
        whole = kernel.held and found.target is None and found.batched
        plain = number == 0 or (found.coefficient == 1.0 and kernel.label is not None)
        sections.append(replace(found, direct=whole and plain and _fits(found, (BATCH, *kernel.letters))))
    return replace(kernel, sections=tuple(sections))


def _fits(section: Section, letters: tuple[str, ...]) -> bool:
    """Whether a section ends in a product that can be written into an array with these axes."""
    product = section.product
    return product is not None and product.fits(letters)


def _affine(kernel: Kernel) -> Affine | None:
    """eta1 as scale * (products) + base; None where it is not of that kind."""
    batched = tuple(s for s in kernel.sections if s.batched)
    if not batched or not kernel.letters or kernel.label is None:
        return None
    if any(s.coefficient != 1.0 for s in batched) or any(s.target is not None for s in kernel.sections):
        return None
    if not all(_fits(s, (BATCH, *kernel.letters)) for s in batched):
        return None
    return Affine(kernel.label, batched, tuple(s for s in kernel.sections if not s.batched))


# --- gradients


def _gradient(kernel: Kernel) -> Kernel:
    """A gradient whose first product begins it; `onto` where that is all, and reads no parameter."""
    sections = [_section(s) for s in kernel.sections]
    if sections and sections[0].target is None:
        light = _section(_without_row(kernel.sections[0]))
        product = light.product
        if product is not None and product.fits(kernel.letters):
            folded = light.steps != sections[0].steps
            steps = (*light.steps[:-1], replace(product, weighted=folded))
            sections[0] = replace(light, steps=steps, direct=True)
    onto = len(sections) == 1 and sections[0].direct and _reads_no_parameter(kernel.sections[0])
    return replace(kernel, sections=tuple(sections), onto=onto)


def _reads_no_parameter(section: Section) -> bool:
    steps = [s for s in section.steps if isinstance(s, Contract)]
    read = [a for s in steps for a in (s.left, s.right) if a is not None]
    return len(steps) == len(section.steps) and all(a.source != "p" for a in read)


def _without_row(section: Section) -> Section:
    """A section whose last product sums over chains, its row weights left to that product; else as it is."""
    if len(section.steps) < 2:
        return section
    *steps, scaled, last = section.steps
    if not (isinstance(scaled, Contract) and isinstance(last, Contract) and last.right and scaled.right):
        return section
    plain = [a for a in (scaled.left, scaled.right) if a.source != "row"]
    summed = (set(last.left.letters) | set(last.right.letters)) - set(last.letters)
    if len(plain) != 1 or set(plain[0].letters) != set(scaled.letters) or summed != {BATCH}:
        return section

    def put(access: Access) -> Access:
        return plain[0] if access.name == scaled.out and access.source == "local" else access

    return replace(section, steps=(*steps, replace(last, left=put(last.left), right=put(last.right))))
