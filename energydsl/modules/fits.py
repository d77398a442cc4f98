"""Whether layers are like those they are bound to, once all sizes are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from energydsl.diagnostics import Diagnostic, Note
from energydsl.model.constants import KNOWN, DiagnosticError, Dims, evaluate
from energydsl.model.typing import shown
from energydsl.modules.flat import LAYERS, Fit, declared
from energydsl.syntax import tree

Kind = tuple[str, tuple[float, ...]]


def misfits(
    fits: tuple[Fit, ...], statements: tuple[tree.Statement, ...], sizes: Mapping[str, int]
) -> Iterator[Diagnostic]:
    """Layers of another shape (E0508) or domain (E0509) than those they are bound to; sizes: set from outside."""
    here = declared(statements)
    known = {n: v for n, v in KNOWN.items() if n not in here}
    dims = Dims({n: e for n, (k, e) in here.items() if k == "dim"}, sizes, known)
    for fit in fits:
        keyword, entry = here.get(fit.layer.id, ("", fit.entry))
        if keyword not in LAYERS:
            continue
        try:
            shape, shape_here = _shape(fit.entry, dims), _shape(entry, dims)
            kind, kind_here = _domain(fit.entry, dims), _domain(entry, dims)
        except DiagnosticError:  # a size that is at fault itself is reported with its declaration
            continue
        file = fit.entry.span.source.short
        notes = (Note(f"`{fit.name}` of {file}", fit.entry.span), Note(f"`{fit.layer.id}`", entry.span))
        if shape != shape_here:
            message = f"`{fit.name}` of {file} has shape {shown(shape)}, and `{fit.layer.id}` has {shown(shape_here)}"
            yield Diagnostic("E0508", message, fit.at.span, _way_out(fit, shape, shape_here), notes)
        if kind != kind_here:
            message = f"`{fit.name}` of {file} is {_written(kind)}, and `{fit.layer.id}` is {_written(kind_here)}"
            help = "an energy is that of units of one domain: declare the same"
            yield Diagnostic("E0509", message, fit.at.span, help, notes)
        elif (letters := _letters(fit.entry)) and (letters_here := _letters(entry)) and letters != letters_here:
            message = f'`{fit.name}` of {file} has the letters "{letters}", and `{fit.layer.id}` has "{letters_here}"'
            yield Diagnostic(
                "E0509",
                message,
                fit.at.span,
                "a state is one letter: declare the same letters in the same order",
                notes,
            )


def _shape(entry: tree.Entry, dims: Dims) -> tuple[int, ...]:
    return tuple(dims.size(a, "an axis") for a in entry.axes)


def _domain(entry: tree.Entry, dims: Dims) -> Kind:
    assert entry.domain is not None
    return entry.domain.name.id, tuple(float(evaluate(a, dims.lookup)) for a in entry.domain.arguments)


def _letters(entry: tree.Entry) -> str:
    """The letters of the states of a layer, if it declares some."""
    return entry.value.value if isinstance(entry.value, tree.String) else ""


def _written(kind: Kind) -> str:
    name, arguments = kind
    return f"{name}[{', '.join(f'{a:.17g}' for a in arguments)}]" if arguments else name


def _way_out(fit: Fit, shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """The dims to bind, where the axes that differ are dims."""
    if len(shape) != len(wanted):
        return "bind a layer with as many axes"
    pairs = [(axis, size) for axis, size, own in zip(fit.axes, wanted, shape, strict=True) if size != own]
    if all(axis.isidentifier() for axis, _ in pairs):
        return f"bind its sizes: ({', '.join(f'{axis} = {size}' for axis, size in dict(pairs).items())})"
    return "bind the dims of the file in parentheses so that the shapes are equal"
