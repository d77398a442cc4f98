"""Shapes and axes of every kernel, checked between lowering and printing.

What is wrong here is a fault of the compiler, not of a model: so it is an `InvalidProgram`, which says where.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from energydsl.kernels.program import (
    BATCH,
    Access,
    Contract,
    Define,
    Kernel,
    KernelProgram,
    LayerKernels,
    Matmul,
    Section,
    Spread,
)

_BATCHED = ("x", "new", "row")
_SOURCES = (*_BATCHED, "p", "c", "support", "mask", "numbers", "local")


class InvalidProgram(AssertionError):
    """A kernel program that no printer may get: the kernel, the step, and what is wrong with it."""


def verify(program: KernelProgram) -> KernelProgram:
    """The program itself. Raises `InvalidProgram` where a kernel's axes do not fit."""
    for layer in program.layers.values():
        _layer(layer)
    for kernel in program.kernels():
        batch = kernel not in program.gradients.values()
        for section in kernel.sections:
            _Check(program, kernel, batch).section(section)
    return program


def _layer(layer: LayerKernels) -> None:
    for kernel in layer.fields:
        if kernel.shape != layer.field_shape or len(kernel.letters) != len(kernel.shape):
            raise InvalidProgram(f"{kernel.name} of `{layer.layer}` has shape {kernel.shape}, not {layer.field_shape}")
    for what in (layer.draw, layer.moments) if layer.fields else ():
        if what.etas != layer.etas:
            raise InvalidProgram(f"`{layer.layer}` has the natural parameters {layer.etas}, not {what.etas}")
    if layer.scan is not None and len(layer.scan.site) != len(layer.shape):
        raise InvalidProgram(f"a unit of `{layer.layer}` has {len(layer.shape)} indices")


class _Check:
    """The sections of one kernel; batch: whether its output has an axis of chains."""

    def __init__(self, program: KernelProgram, kernel: Kernel, batch: bool):
        self.program, self.kernel, self.batch = program, kernel, batch

    def fail(self, message: str) -> InvalidProgram:
        return InvalidProgram(f"{self.kernel.name}: {message}")

    def section(self, section: Section) -> None:
        """Steps, result, and where it goes."""
        self.body(section, {})
        letters = set(section.letters)
        if section.target is None:
            own = {BATCH, *self.kernel.letters} if self.batch else set(self.kernel.letters)
            if not letters <= own:
                raise self.fail(f"a section has the axes {section.letters}, the output {self.kernel.letters}")
        else:
            aimed = {b for i in section.target for b in i.binders()}
            if not letters <= aimed | {BATCH}:
                raise self.fail(f"a section with the axes {section.letters} is scattered over {sorted(aimed)}")
        if section.direct:
            output = (BATCH, *self.kernel.letters) if self.batch else self.kernel.letters
            if section.product is None or not section.product.fits(output):
                raise self.fail(f"the last step of a section cannot be written into {output}")

    def body(self, section: Section, outer: Mapping[str, tuple[str, ...]]) -> None:
        """Every step reads what is there, and has the axes it says."""
        known = dict(outer)
        for step in section.steps:
            match step:
                case Define():
                    for inner in step.sections:
                        self.body(inner, known)
                        if not step.aggregate and not set(inner.letters) <= set(step.letters):
                            raise self.fail(f"{step.out} has the axes {step.letters}, a part of it {inner.letters}")
                case Contract():
                    self.reads((a for a in (step.left, step.right) if a is not None), section, known)
                    read = {*step.left.letters, *(step.right.letters if step.right else ())}
                    if not set(step.letters) <= read or len(set(step.letters)) != len(step.letters):
                        raise self.fail(f"{step.out} has the axes {step.letters}, its factors {sorted(read)}")
                case Spread():
                    self.spread(step, section, known)
                case Matmul():
                    self.matmul(step, section, known)
            known[step.out] = step.letters
        if section.result is not None:
            self.reads((section.result,), section, known)

    def spread(self, step: Spread, section: Section, known: Mapping[str, tuple[str, ...]]) -> None:
        """Values of all edges, and both nodes in their place."""
        values = (step.edge,) if step.values is None else step.values.letters
        self.reads(() if step.values is None else (step.values,), section, known)
        if section.sizes.get(step.edge) != (0, len(self.program.edges[step.graph])):
            raise self.fail(f"{step.out} is made of {step.edge}, which is not every edge of {step.graph}")
        if sorted(step.letters) != sorted({*values, *step.nodes} - {step.edge}) or step.edge not in values:
            raise self.fail(f"{step.out} has the axes {step.letters}, its values {values}")

    def matmul(self, step: Matmul, section: Section, known: Mapping[str, tuple[str, ...]]) -> None:
        """Both are matrices as they lie in memory, over the same summed axes."""
        self.reads((step.left.access, step.right.access), section, known)
        for matrix, free_first in ((step.left, True), (step.right, False)):
            lies = matrix.free + matrix.summed if free_first != matrix.transposed else matrix.summed + matrix.free
            if matrix.access.letters != lies:
                raise self.fail(f"{step.out}: {matrix.access.name} lies as {matrix.access.letters}, not {lies}")
        if step.left.summed != step.right.summed or not step.left.summed:
            raise self.fail(f"{step.out} sums over {step.left.summed} and {step.right.summed}")
        if sorted(step.order) != sorted(step.letters) or len(set(step.letters)) != len(step.letters):
            raise self.fail(f"{step.out} has the axes {step.letters}, its product {step.order}")
        if step.weighted and step.left.summed != (BATCH,):
            raise self.fail(f"{step.out} has row weights, and sums over {step.left.summed}")

    def reads(self, accesses: Iterable[Access], section: Section, known: Mapping[str, tuple[str, ...]]) -> None:
        """Arrays that are there, with the axes that they have."""
        for access in accesses:
            if access.source not in _SOURCES:
                raise self.fail(f"there is no source {access.source}")
            for letter in access.letters:
                if letter != BATCH and letter not in section.sizes:
                    raise self.fail(f"the axis {letter} of {access.name} has no size")
            if access.source == "local":
                if access.name not in known:
                    raise self.fail(f"{access.name} is read before it is made")
                if access.indices is None and access.letters != known[access.name]:
                    raise self.fail(f"{access.name} has the axes {known[access.name]}, not {access.letters}")
            elif access.indices is None and access.source in ("x", "p"):
                self.whole(access, section)

    def whole(self, access: Access, section: Section) -> None:
        """A whole array has the sizes of its axes."""
        sizes = tuple(section.sizes[x][1] - section.sizes[x][0] for x in access.letters if x != BATCH)
        if sizes != self.program.shapes[access.name]:
            raise self.fail(f"`{access.name}` has shape {self.program.shapes[access.name]}, its axes {sizes}")
        if (BATCH in access.letters) != (access.source in _BATCHED):
            raise self.fail(f"`{access.name}` has the axes {access.letters}")
