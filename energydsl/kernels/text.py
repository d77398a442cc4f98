"""The array program as text: one line a step, axes after the bar."""

from __future__ import annotations

from energydsl.kernels.program import Access, Contract, Define, Kernel, KernelProgram, Matmul, Matrix, Section, Spread


def show_program(program: KernelProgram) -> str:
    """All kernels of a program."""
    lines = [line for name, kernel in program.forms.items() for line in _kernel(kernel, name)]
    for layer in program.layers.values():
        for kernel in layer.fields:
            lines += _kernel(kernel, f"{kernel.name}[{layer.layer}]")
        for kernel in layer.scan.fields if layer.scan else ():
            lines += _kernel(kernel, f"{kernel.name}[{layer.layer}] of one unit")
        for kernel in layer.scan.changes if layer.scan else ():
            lines += _kernel(kernel, f"{kernel.name} after one unit of {layer.layer}")
        for term in layer.block.terms if layer.block else ():
            lines += _kernel(term.kernel, f"{term.kernel.name} of {layer.layer}, by its places")
        lines += _units(layer.layer, layer.draw.etas, layer.family.name, layer.scan is not None, layer.coloured)
    lines += _kernel(program.energy, "energy")
    for name, kernel in program.gradients.items():
        lines += _kernel(kernel, f"gradient[{name}]")
    for name, kernel in program.slopes.items():
        lines += _kernel(kernel, f"slope[{name}]")
    return "\n".join(lines)


def _units(layer: str, etas: tuple[str, ...], family: str, scanned: bool, coloured: bool) -> list[str]:
    fields = ", ".join(etas)
    how = "scan" if scanned else "draw by colour" if coloured else "draw"
    return [f"{layer} = {how} {family}({fields}; u)", f"moments[{layer}] = {family}({fields})"]


def _kernel(kernel: Kernel, title: str) -> list[str]:
    lines = [f"{title} = {kernel.equation}" if kernel.equation else f"{title} ="]
    for section in kernel.sections:
        lines += [f"  {line}" for line in _section(section)]
    return lines


def _section(section: Section) -> list[str]:
    lines = []
    for step in section.steps:
        match step:
            case Define():
                lines += [line for inner in step.sections for line in _section(inner)]
                lines.append(f"{step.out} = {step.function or 'sum'}(...) | {' '.join(step.letters)}")
            case Contract():
                right = f" * {_access(step.right)}" if step.right else ""
                lines.append(f"{step.out} = {_access(step.left)}{right} | {' '.join(step.letters)}")
            case Spread():
                values = _access(step.values) if step.values else "1"
                lines.append(f"{step.out} = {values} at the edges of {step.graph} | {' '.join(step.letters)}")
            case Matmul():
                weights = " weighted" if step.weighted else ""
                product = f"{_matrix(step.left)} @ {_matrix(step.right)}"
                lines.append(f"{step.out} = {product}{weights} | {' '.join(step.letters)}")
    result = _access(section.result) if section.result else "1"
    where = "" if section.target is None else f" at [{', '.join(i.show() for i in section.target)}]"
    into = " in place" if section.direct else ""
    return [*lines, f"+= {section.coefficient:g} * {result}{where}{into}   {section.label} {section.origin}".rstrip()]


def _matrix(matrix: Matrix) -> str:
    return f"{_access(matrix.access)}'" if matrix.transposed else _access(matrix.access)


def _access(access: Access) -> str:
    if access.predicate is not None:
        left, right = (", ".join(i.show() for i in side) for side in (access.predicate.left, access.predicate.right))
        return f"[{left} {access.predicate.kind} {right}]"
    if access.numbers is not None:
        return f"numbers[{' '.join(access.letters)}]"
    power = "" if access.exponent == 1 else f"^{access.exponent:g}"
    at = " ".join(access.letters) if access.indices is None else "@ " + ", ".join(i.show() for i in access.indices)
    return f"{access.name}[{at}]{power}"
