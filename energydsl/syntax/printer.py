"""`Module` -> text, the inverse of the parser: the formatter, and whatever else shows source.

Parentheses are written where the tree needs them and nowhere else. Comments stay with the statement, and inside it with
the entry or the additive term, that they follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from energydsl.syntax import tree

WIDTH = 100

# Binding strength, loosest first; an operand weaker than its place is put in parentheses.
_SUM, _PRODUCT, _UNARY, _POWER, _POSTFIX = range(5)


def print_expr(node: tree.Expr) -> str:
    """One expression on one line."""
    match node:
        case tree.Number() | tree.Name() | tree.Boolean() | tree.String():
            return _word(node)
        case tree.Call(function=function, arguments=arguments):
            shown = [f"{k} = {print_expr(a)}" if k else print_expr(a) for k, a in arguments]
            return f"{function.id}({', '.join(shown)})"
        case tree.Subscript(base=base, indices=indices):
            return f"{_at(base, _POSTFIX)}[{_comma(indices)}]"
        case tree.Transpose(operand=operand):
            return f"{_at(operand, _POSTFIX)}'"
        case tree.Power(base=base, exponent=exponent):
            return f"{_at(base, _POSTFIX)}^{_at(exponent, _UNARY)}"
        case tree.Negate(operand=operand):
            return f"-{print_expr(operand) if _open_ended(operand) else _at(operand, _UNARY)}"
        case tree.Modulo(left=left, modulus=modulus):
            shown_left = left.id if isinstance(left, tree.Name) else f"({print_expr(left)})"
            return f"{shown_left} % {_at(modulus, _POSTFIX)}"
        case tree.Reduce(binders=binders, body=body, operator=operator):
            return f"{operator}[{', '.join(map(_binder, binders))}] {_at(body, _PRODUCT)}"
        case tree.Product():
            return _product(node)
        case tree.Sum():
            return " ".join(_terms(node))
    raise AssertionError(node)


def _word(node: tree.Number | tree.Name | tree.Boolean | tree.String) -> str:
    match node:
        case tree.Number(text=text):
            return text
        case tree.Name(id=id):
            return id
        case tree.Boolean(value=value):
            return "true" if value else "false"
        case tree.String(value=value):
            return f'"{value}"'


def _at(node: tree.Expr, place: int) -> str:
    text = print_expr(node)
    fits = _strength(node) >= place and not (place > _PRODUCT and _open_ended(node))
    return text if fits else f"({text})"


def _strength(node: tree.Expr) -> int:
    match node:
        case tree.Sum():
            return _SUM
        case tree.Product() | tree.Reduce():
            return _PRODUCT
        case tree.Negate(operand=operand):
            return _PRODUCT if _open_ended(operand) else _UNARY
        case tree.Modulo():
            return _UNARY
        case tree.Power():
            return _POWER
        case _:
            return _POSTFIX


def _open_ended(node: tree.Expr) -> bool:
    """An index sum, perhaps negated, swallows every factor that follows it."""
    return isinstance(node, tree.Reduce) or (isinstance(node, tree.Negate) and _open_ended(node.operand))


def _product(node: tree.Product) -> str:
    parts = [_at(node.head, _UNARY)]
    for place, (sign, operand) in enumerate(node.tail):
        last = place == len(node.tail) - 1
        shown = print_expr(operand) if last and _open_ended(operand) else _at(operand, _UNARY)
        tight = sign == "*" and isinstance(operand, tree.Subscript) and _ends_in_subscript(node, place)
        parts.append(f"{sign}{shown}" if tight else f" {sign} {shown}")
    return "".join(parts)


def _ends_in_subscript(node: tree.Product, place: int) -> bool:
    before = node.tail[place - 1][1] if place else node.head
    return isinstance(before, tree.Subscript)


def _terms(node: tree.Expr) -> list[str]:
    """The additive terms, each with its sign."""
    if not isinstance(node, tree.Sum):
        return [_leading(node)]
    return [_leading(node.head), *(f"{sign} {_at(operand, _PRODUCT)}" for sign, operand in node.tail)]


def _leading(node: tree.Expr) -> str:
    """The first term; a leading minus stands apart, as the signs that follow do."""
    text = _at(node, _PRODUCT)
    return f"- {text[1:]}" if text.startswith("-") and not text.startswith("--") else text


def _comma(nodes: Sequence[tree.Expr]) -> str:
    return ", ".join(map(print_expr, nodes))


def _binder(binder: tree.Binder) -> str:
    first = binder.names[0].id
    if binder.orders:
        return first + "".join(f" {o} {n.id}" for o, n in zip(binder.orders, binder.names[1:], strict=True))
    if binder.graph is not None and len(binder.names) == 1:
        return f"{first} in {binder.graph.id}"
    if binder.graph is not None:
        return f"({first}, {binder.names[1].id}) in {binder.graph.id}"
    return f"{first} in range({_comma(binder.bounds)})" if binder.bounds else first


# --- statements --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """How wide the columns of a paragraph are."""

    keyword: int = 0
    layer: int = 0


def _segments(statement: tree.Statement, layout: _Layout) -> tuple[str, list[tuple[int, str]]]:
    """What a statement begins with, and its breakable parts with the offsets where they were written."""
    match statement:
        case tree.ModelName(name=name):
            return "model ", [(name.span.start, name.id)]
        case tree.Declaration(keyword=keyword, entries=entries):
            shown = [_entry(e, layout.layer if len(entries) == 1 else 0) for e in entries]
            return f"{keyword:<{layout.keyword}} ", _separated([e.span.start for e in entries], shown)
        case tree.Energy(keyword=keyword, name=name, targets=targets, given=given, value=value):
            head = f" {name.id}" if name else ""
            if targets:
                head = f" {', '.join(t.id for t in targets)} | {', '.join(g.id for g in given)}"
            starts = [value.span.start]
            if isinstance(value, tree.Sum):
                starts = [value.head.span.start, *(operand.span.start for _, operand in value.tail)]
            return f"{keyword}{head} = ", list(zip(starts, _terms(value), strict=True))
        case tree.Schedule(blocks=blocks):
            shown = [f"({', '.join(n.id + '*' * parts for n, parts in block)})" for block in blocks]
            return "schedule ", _separated([block[0][0].span.start for block in blocks], shown)
        case tree.Layers(chains=chains):
            return "layers ", _separated([c.span.start for c in chains], [_chain(c) for c in chains])
        case tree.Augment(terms=terms):
            named = [n.id + (f" ({', '.join(z.id for z in layers)})" if layers else "") for n, layers in terms]
            return "augment ", _separated([n.span.start for n, _ in terms], named)
        case tree.Import(file=file, name=name):
            return "import ", [(file.span.start, f"{_word(file)} as {name.id}")]
        case tree.Use():
            return "use ", _use(statement)
        case tree.Marginalise(layers=layers):
            return "marginalise ", _separated([n.span.start for n in layers], [n.id for n in layers])
    raise AssertionError(statement)


def _use(use: tree.Use) -> list[tuple[int, str]]:
    """The parts of a `use`: its head, broken at arguments, and then its layers."""
    pairs = [(name.span.start, f"{name.id} = {print_expr(value)}") for name, value in use.arguments]
    words = [f"{use.module.id}(" if pairs else use.module.id]
    starts = [use.module.span.start, *(start for start, _ in pairs[1:])]
    if pairs:
        words[0] += pairs[0][1]
        words = [f"{word}," for word in (words + [text for _, text in pairs[1:]])]
        words[-1] = words[-1][:-1] + ")"
    words[-1] += f" as {use.name.id}" if use.name else ""
    bound = [
        ((name or layer).span.start, f"{name.id} = {layer.id}" if name else layer.id) for name, layer in use.layers
    ]
    if bound:
        words[-1] += f" on {bound[0][1]}"
        words = [*words, *(text for _, text in bound[1:])]
        first = len(words) - len(bound)
        words = [f"{w}," if first <= k < len(words) - 1 else w for k, w in enumerate(words)]
    return list(zip(starts + [start for start, _ in bound[1:]], words, strict=True))


def _separated(starts: list[int], shown: list[str]) -> list[tuple[int, str]]:
    return list(zip(starts, [f"{s}," for s in shown[:-1]] + shown[-1:], strict=True))


def _entry(entry: tree.Entry, width: int) -> str:
    text = entry.name.id + (f"[{_comma(entry.axes)}]" if entry.axes else "")
    if entry.domain is not None:
        domain = entry.domain
        text = f"{text:<{width}} : {domain.name.id}" + (f"[{_comma(domain.arguments)}]" if domain.arguments else "")
    if entry.constraints:
        text += f" : {' & '.join(c.id for c in entry.constraints)}"
    return text + (f" = {print_expr(entry.value)}" if entry.value is not None else "")


def _chain(chain: tree.Chain) -> str:
    hops = (f" {h.link} {h.layer.id}" + (f" ({h.weight.id})" if h.weight else "") for h in chain.hops)
    return chain.start.id + "".join(hops)


def print_statement(
    statement: tree.Statement, comments: Sequence[tree.Comment] = (), layout: _Layout | None = None
) -> str:
    """One statement, broken at its entries or terms where it is long or where comments stand inside."""
    head, segments = _segments(statement, layout or _Layout())
    remarks: list[list[str]] = [[] for _ in segments]
    for comment in comments:
        place = sum(start <= comment.span.start for start, _ in segments[1:])
        remarks[place].append(_comment(comment))
    one_line = head + " ".join(text for _, text in segments)
    if not any(remarks[:-1]) and len(one_line) <= WIDTH:
        lines = [one_line + "".join(f"  {r}" for r in remarks[-1][:1])]
    else:
        indent = " " * len(head)
        lines = []
        for place, (_, text) in enumerate(segments):
            begin = head if place == 0 else indent
            lines.append(begin + text + "".join(f"  {r}" for r in remarks[place][:1]))
            if place < len(segments) - 1:
                lines += [indent + r for r in remarks[place][1:]]
    return "\n".join(lines + remarks[-1][1:])


def _comment(comment: tree.Comment) -> str:
    return f"# {comment.text}".rstrip()


def print_module(module: tree.Module) -> str:
    """The whole file, formatted; `parse(print_module(m)) == m`, and printing twice changes nothing."""
    module = replace(module, statements=tuple(s for s in module.statements if not isinstance(s, tree.Augmented)))
    leading, attached = _assign(module)
    paragraphs = _paragraphs(module, leading)
    lines: list[str] = []
    for index, statement in enumerate(module.statements):
        for comment in leading[index]:
            lines += [""] * (bool(lines) and _gap(comment.span.source.text, comment.span.start))
            lines.append(_comment(comment))
        lines += [""] * (bool(lines) and _gap(statement.span.source.text, statement.span.start))
        lines.append(print_statement(statement, attached[index], paragraphs[index]))
    for comment in leading[-1]:
        lines += [""] * (bool(lines) and _gap(comment.span.source.text, comment.span.start))
        lines.append(_comment(comment))
    return "\n".join(lines) + "\n" if lines else ""


def _assign(module: tree.Module) -> tuple[list[list[tree.Comment]], list[list[tree.Comment]]]:
    """Comments that stand before each statement (and after the last), and those that belong to one."""
    locate = module.source.locate
    leading: list[list[tree.Comment]] = [[] for _ in range(len(module.statements) + 1)]
    attached: list[list[tree.Comment]] = [[] for _ in module.statements]
    for comment in module.comments:
        place = sum(s.span.start <= comment.span.start for s in module.statements)
        inside = place and locate(comment.span.start)[0] <= locate(module.statements[place - 1].span.end)[0]
        (attached[place - 1] if inside else leading[place]).append(comment)
    return leading, attached


def _gap(text: str, start: int) -> bool:
    """Whether a blank line stands before the line of `start`."""
    before = text[:start].split("\n")
    return len(before) > 1 and not before[-2].strip() and not before[-1].strip()


def _paragraphs(module: tree.Module, leading: list[list[tree.Comment]]) -> list[_Layout]:
    """Column widths, shared by declarations that stand together."""
    groups: list[list[int]] = []
    for index, statement in enumerate(module.statements):
        apart = leading[index] or _gap(statement.span.source.text, statement.span.start)
        if not groups or apart:
            groups.append([])
        groups[-1].append(index)
    layouts = [_Layout()] * len(module.statements)
    for group in groups:
        declared = [s for s in (module.statements[i] for i in group) if isinstance(s, tree.Declaration)]
        singles = [d.entries[0] for d in declared if len(d.entries) == 1 and d.entries[0].domain]
        layout = _Layout(
            max((len(d.keyword) for d in declared), default=0),
            max((len(e.name.id + (f"[{_comma(e.axes)}]" if e.axes else "")) for e in singles), default=0),
        )
        for index in group:
            layouts[index] = layout
    return layouts
