"""The array program as text: one line a step, axes after the bar."""

from __future__ import annotations

from energydsl.kernels.program import Access, Contract, Kernel, KernelProgram, Section


def show_program(program: KernelProgram) -> str:
    """All kernels of a program."""
    lines: list[str] = []
    for layer in program.layers.values():
        for kernel in (*layer.fields, *layer.unit_fields):
            one = " of one unit" if kernel in layer.unit_fields else ""
            lines += _kernel(kernel, f"{kernel.name}[{layer.layer}]{one}")
    lines += _kernel(program.energy, "energy")
    for name, kernel in program.gradients.items():
        lines += _kernel(kernel, f"gradient[{name}]")
    return "\n".join(lines)


def _kernel(kernel: Kernel, title: str) -> list[str]:
    lines = [f"{title} = {kernel.equation}"]
    for section in kernel.sections:
        lines += [f"  {line}" for line in _section(section)]
    return lines


def _section(section: Section) -> list[str]:
    lines = []
    for step in section.steps:
        if isinstance(step, Contract):
            right = f" * {_access(step.right)}" if step.right else ""
            lines.append(f"{step.out} = {_access(step.left)}{right} | {' '.join(step.letters)}")
            continue
        lines += [f"{line}" for inner in step.sections for line in _section(inner)]
        lines.append(f"{step.out} = {step.function or 'sum'}(...) | {' '.join(step.letters)}")
    result = _access(section.result) if section.result else "1"
    where = "" if section.target is None else f" at [{', '.join(i.show() for i in section.target)}]"
    return [*lines, f"+= {section.coefficient:g} * {result}{where}   {section.label} {section.origin}".rstrip()]


def _access(access: Access) -> str:
    if access.predicate is not None:
        left, right = (", ".join(i.show() for i in side) for side in (access.predicate.left, access.predicate.right))
        return f"[{left} {access.predicate.kind} {right}]"
    power = "" if access.exponent == 1 else f"^{access.exponent:g}"
    at = " ".join(access.letters) if access.indices is None else "@ " + ", ".join(i.show() for i in access.indices)
    return f"{access.name}[{at}]{power}"
