"""Expressions of the tree -> typed expressions: names bound, shapes checked, index ranges inferred.

Errors are collected and the guilty part becomes None, so that what is independent of it is still checked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from energydsl.diagnostics import Diagnostic, Note, Span, suggestion
from energydsl.functions import WRITTEN
from energydsl.model import expressions as ex
from energydsl.model.constants import DiagnosticError, Dims, evaluate
from energydsl.model.indices import Index, wrapped
from energydsl.model.records import Const, Graph, Layer, Param
from energydsl.syntax import tree


@dataclass
class Cell:
    """A binder while its sum is being read: where it is used, and what range that implies."""

    name: str
    span: Span
    graph: Graph | None = None
    of: str = ""
    low: int | None = None
    high: int | None = None
    sizes: list[tuple[int, Span]] = field(default_factory=list)
    used: bool = False


@dataclass
class Scope:
    """The names an expression may use, and the problems found so far; shared by all statements of a file."""

    dims: Dims
    layers: Mapping[str, Layer]
    params: Mapping[str, Param]
    consts: Mapping[str, Const]
    graphs: Mapping[str, Graph]
    broken: set[str]
    problems: list[Diagnostic] = field(default_factory=list)
    used: dict[str, Span] = field(default_factory=dict)
    lets: dict[str, ex.Expression | None] = field(default_factory=dict)

    def known(self) -> list[str]:
        """All names in scope."""
        return [*self.layers, *self.params, *self.consts, *self.lets, *self.dims.entries]


def type_expression(node: tree.Expr, scope: Scope) -> ex.Expression | None:
    """The typed expression of `node`, or None where problems were added to `scope`."""
    typer = _Typer(scope)
    typed = typer.run(node)
    if typed is None:
        return None
    typer.check_pending()
    if typed.levels > ex.MAX_LEVELS:
        help = "a sum or a product may be as long as you like; it is nesting that has an end"
        scope.problems.append(
            Diagnostic("E0101", "this is nested too deep, abbreviations written out", node.span, help)
        )
        return None
    return typed


class _Typer:
    def __init__(self, scope: Scope):
        self.scope = scope
        self.stack: list[Cell] = []
        self.pending: list[tuple[Index, int, Span]] = []
        self.ranges: dict[str, tuple[int, int]] = {}

    def run(self, node: tree.Expr) -> ex.Expression | None:
        try:
            return self._dispatch(node)
        except DiagnosticError as problem:
            self.scope.problems.append(problem.diagnostic)
            return None

    def _dispatch(self, node: tree.Expr) -> ex.Expression | None:
        match node:
            case tree.Number(text=text):
                return ex.Constant((), node.span, float(text))
            case tree.Name():
                return self._name(node)
            case tree.Call():
                return self._call(node)
            case tree.Subscript():
                return self._subscript(node)
            case tree.Reduce():
                return self._reduce(node)
            case tree.Sum() | tree.Product():
                return self._chain(node)
            case tree.Negate(operand=operand):
                inner = self.run(operand)
                return inner and ex.Negated(inner.shape, node.span, inner)
            case tree.Power():
                return self._power(node)
            case tree.Transpose(operand=operand):
                return self._transpose(node, self.run(operand))
            case tree.Modulo():
                raise DiagnosticError("E0101", "`%` stands only in subscripts", node.span)
        raise DiagnosticError("E0212", "this stands only in the options of a generator", node.span)

    def _name(self, node: tree.Name) -> ex.Expression | None:
        name, scope = node.id, self.scope
        if any(cell.name == name for cell in self.stack):
            return ex.IndexValue((), node.span, self._named_index(node))
        scope.used.setdefault(name, node.span)
        if name in scope.layers:
            layer = scope.layers[name]
            return ex.Reference(layer.energy_shape, node.span, "input" if layer.role == "input" else "layer", name)
        if name in scope.params:
            return ex.Reference(scope.params[name].shape, node.span, "param", name)
        if name in scope.consts:
            return ex.Reference((), node.span, "const", name)
        if name in scope.dims.entries:
            return ex.Constant((), node.span, float(scope.dims.lookup(node)), name)
        if name in scope.lets:
            return scope.lets[name]
        if name in scope.dims.known:
            return ex.Constant((), node.span, scope.dims.known[name], name)
        if name in scope.broken:
            return None
        if name in scope.graphs:
            raise DiagnosticError(
                "E0201", f"`{name}` is a graph, not a value", node.span, f"sum over its edges: (i, k) in {name}"
            )
        raise DiagnosticError("E0201", f"unknown name `{name}`", node.span, suggestion(name, scope.known()))

    def _call(self, node: tree.Call) -> ex.Expression | None:
        name = node.function.id
        if name != "sum" and name not in WRITTEN:
            help = suggestion(name, WRITTEN) or f"functions: {', '.join(WRITTEN)}, sum"
            raise DiagnosticError("E0212", f"unknown function `{name}`", node.function.span, help)
        if len(node.arguments) != 1 or node.arguments[0][0]:
            raise DiagnosticError("E0212", f"`{name}` takes one argument", node.span)
        operand = self.run(node.arguments[0][1])
        if operand is None:
            return None
        if name == "sum":
            return ex.Totalled((), node.span, operand)
        return ex.Applied(operand.shape, node.span, name, operand)

    def _chain(self, node: tree.Sum | tree.Product) -> ex.Expression | None:
        """A sum, or a product from left to right: runs of elementwise operators between contractions."""
        run = array = self.run(node.head)
        rest: list[Operand] = []
        contractions = 0
        for sign, part in node.tail:
            operand = self.run(part)
            if run is None or array is None or operand is None:
                run = None
                continue
            try:
                if sign == "@":
                    contractions += 1
                    run, rest = _contracted(_folded(run, rest), operand, contractions), []
                    array = run
                else:
                    _check_operand(sign, array, operand)
                    rest.append((sign, operand))
                    array = array if array.shape else operand
            except DiagnosticError as problem:
                self.scope.problems.append(problem.diagnostic)
                run = None
        return run and replace(_folded(run, rest), span=node.span)

    def _power(self, node: tree.Power) -> ex.Expression | None:
        base = self.run(node.base)
        try:
            exponent = float(evaluate(node.exponent, self.scope.dims.lookup))
        except DiagnosticError:
            return self._exponential(node, base)
        if abs(exponent) > 64:
            raise DiagnosticError("E0212", "an exponent lies between -64 and 64", node.exponent.span)
        return base and ex.Raised(base.shape, node.span, base, exponent)

    def _exponential(self, node: tree.Power, base: ex.Expression | None) -> ex.Expression | None:
        """2^n as exp(n log 2): a positive number raised to what is none."""
        exponent = self.run(node.exponent)
        if base is None or exponent is None:
            return None
        if not (isinstance(base, ex.Constant) and base.value > 0):
            raise DiagnosticError("E0212", "an exponent is a number", node.exponent.span, "use exp and log")
        log = ex.Constant((), node.base.span, math.log(base.value))
        product = ex.Multiplied(exponent.shape, node.span, log, exponent)
        return ex.Applied(exponent.shape, node.span, "exp", product)

    @staticmethod
    def _transpose(node: tree.Transpose, operand: ex.Expression | None) -> ex.Expression | None:
        if operand is None:
            return None
        if len(operand.shape) != 2:
            help = "a vector needs no transpose: `a @ b` is its inner product" if len(operand.shape) == 1 else ""
            raise DiagnosticError(
                "E0209", f"`'` transposes a matrix, this has shape {shown(operand.shape)}", node.span, help
            )
        return ex.Transposed(operand.shape[::-1], node.span, operand)

    # --- subscripts and sums

    def _index(self, node: tree.Expr) -> Index:
        """A subscript as an index; binders in it are marked as used."""
        match node:
            case tree.Number(text=text):
                if "." in text or "e" in text.lower():
                    raise DiagnosticError("E0208", f"subscript {text} is not an integer", node.span)
                return Index(constant=int(text))
            case tree.Name():
                return self._named_index(node)
            case tree.Negate(operand=operand):
                return self._index(operand) * -1
            case tree.Sum(head=head, tail=tail):
                total = self._index(head)
                for sign, operand in tail:
                    total = total + self._index(operand) * (1 if sign == "+" else -1)
                return total
            case tree.Product(head=head, tail=tail):
                return self._index_product(node.span, head, tail)
            case tree.Modulo(left=left, modulus=modulus):
                return wrapped(self._index(left), self.scope.dims.size(modulus, "a modulus"))
        raise DiagnosticError("E0208", "a subscript is made of indices, integers, + - * and %", node.span)

    def _named_index(self, node: tree.Name) -> Index:
        """A binder in scope, or a dim."""
        for cell in self.stack:
            if cell.name == node.id:
                cell.used = True
                return Index.of(node.id)
        if node.id in self.scope.dims.entries:
            return Index(constant=int(self.scope.dims.lookup(node)))
        if node.id in self.scope.known():
            raise DiagnosticError("E0208", f"`{node.id}` is not an index", node.span)
        raise DiagnosticError("E0205", f"index `{node.id}` is free", node.span, f"bind it: sum[{node.id}] ...")

    def _index_product(self, span: Span, head: tree.Expr, tail: tuple[tuple[str, tree.Expr], ...]) -> Index:
        if any(sign != "*" for sign, _ in tail):
            return Index(constant=self.scope.dims.integer(tree.Product(span, head, tail), "a subscript"))
        total = self._index(head)
        for _, node in tail:
            factor = self._index(node)
            if total.terms and factor.terms:
                raise DiagnosticError("E0208", "a subscript has no products of indices", span)
            total = total * factor.constant if not factor.terms else factor * total.constant
        return total

    def _subscript(self, node: tree.Subscript) -> ex.Expression | None:
        base_name = node.base.id if isinstance(node.base, tree.Name) else ""
        base = self.run(node.base)
        indices: list[Index] = []
        failed = base is None
        for index in node.indices:
            try:
                indices.append(self._index(index))
            except DiagnosticError as problem:
                self.scope.problems.append(problem.diagnostic)
                failed = True
        if failed or base is None:
            return None
        param = self.scope.params.get(base_name)
        if param is not None and param.graph is not None and not self.scope.graphs[param.graph].hyper:
            return self._edge_element(node, param, indices)
        layer = self.scope.layers.get(base_name)
        shape, joined = base.shape, 0
        if layer is not None and self._edge_cell(indices[0]):
            joined = len(shape) - len(indices) + 1
        flat = 1 < joined <= len(layer.shape) if layer is not None else False
        if flat:
            shape = (math.prod(shape[:joined]), *shape[joined:])
        if len(indices) != len(shape):
            declared = self.scope.layers.get(base_name) or param
            notes = (Note(f"`{base_name}` is declared here", declared.span),) if declared else ()
            raise DiagnosticError(
                "E0208", f"{len(indices)} subscripts for shape {shown(base.shape)}", node.span, notes=notes
            )
        for subscript, size, place in zip(indices, shape, node.indices, strict=True):
            self._constrain(subscript, size, place.span)
        if flat and layer is not None:
            indices = _flattened(indices, shape, len(layer.shape) - joined + 1)
        return ex.Element((), node.span, base, tuple(indices), flat)

    def _cell(self, index: Index) -> Cell | None:
        return next((c for c in self.stack if c.name == index.plain), None)

    def _edge_cell(self, index: Index) -> Cell | None:
        cell = self._cell(index)
        return cell if cell is not None and cell.graph is not None else None

    def _constrain(self, index: Index, size: int, span: Span) -> None:
        cell = self._cell(index)
        if cell is None or cell.low is not None:
            self.pending.append((index, size, span))
        elif cell.graph is None:
            cell.sizes.append((size, span))
        elif cell.graph.nodes != size:
            graph = cell.graph
            notes = (Note(f"`{graph.name}` is declared here", graph.span),)
            from_one = graph.edges and graph.nodes == size + 1 and not any(0 in pair for pair in graph.edges)
            help = "no edge meets unit 0: are the units numbered from 1? Number them from 0" if from_one else ""
            raise DiagnosticError(
                "E0214", f"graph `{graph.name}` has {graph.nodes} units, this axis {size}", span, help, notes
            )

    def _edge_element(self, node: tree.Subscript, param: Param, indices: list[Index]) -> ex.Expression:
        cells = [self._edge_cell(i) for i in indices[:2]]
        fits = all(c is not None and c.graph and c.graph.name == param.graph for c in cells)
        if not fits or len(indices) != len(param.shape) + 1 or indices[0] == indices[1]:
            one = "values for each edge" if param.shape[1:] else "one value an edge"
            further = "".join(f", {'abcdfgh'[n % 7]}" for n in range(len(param.shape) - 1))
            raise DiagnosticError(
                "E0208",
                f"`{param.name}` has {one} of `{param.graph}`",
                node.span,
                f"subscript it by the two ends of an edge{' and its other axes' if further else ''}: "
                f"sum[(i, k) in {param.graph}{further}] {param.name}[i, k{further}]",
            )
        for subscript, size, place in zip(indices[2:], param.shape[1:], node.indices[2:], strict=True):
            self._constrain(subscript, size, place.span)
        left, right = (c.name for c in cells if c is not None)
        return ex.EdgeElement((), node.span, param.name, str(param.graph), left, right, tuple(indices[2:]))

    def _reduce(self, node: tree.Reduce) -> ex.Expression | None:
        cells: list[list[Cell]] = []
        failed = False
        depth = len(self.stack)
        for binder in node.binders:
            try:
                cells.append(self._open(binder))
            except DiagnosticError as problem:
                self.scope.problems.append(problem.diagnostic)
                failed = True
                opened = [Cell(n.id, n.span, low=0, high=1, used=True) for n in binder.names]
                self.stack += opened
                cells.append(opened)
        body = self.run(node.body)
        binders: list[ex.AnyBinder] = []
        for binder, group in zip(node.binders, cells, strict=True):
            try:
                binders += self._close(binder, group, body is not None, node.operator)
            except DiagnosticError as problem:
                self.scope.problems.append(problem.diagnostic)
                failed = True
        del self.stack[depth:]
        if body is None or failed:
            if not self.stack:
                self.pending.clear()
            return None
        if body.shape:
            raise DiagnosticError(
                "E0209", f"the body of a sum is a scalar, this has shape {shown(body.shape)}", node.body.span
            )
        if not self.stack:
            self.check_pending()
        if node.operator == "sum":
            return ex.Summed((), node.span, tuple(binders), body)
        edges = next(
            (
                b
                for b, known in zip(node.binders, binders, strict=False)
                if not isinstance(known, ex.Range | ex.Members)
            ),
            None,
        )
        if edges is not None:
            help = "a product runs over an index, or over the units of one hyperedge: prod[i in c]"
            raise DiagnosticError("E0310", "a product over all edges of a graph", edges.span, help)
        return ex.ProductOver((), node.span, tuple(binders), body)

    def _open(self, binder: tree.Binder) -> list[Cell]:
        for name in binder.names:
            other = next((c for c in self.stack if c.name == name.id), None)
            if other is not None:
                note = (Note("it is bound here already", other.span),)
                raise DiagnosticError(
                    "E0206", f"index `{name.id}` is bound twice", name.span, "take another letter", note
                )
            if name.id in self.scope.known() or name.id in self.scope.graphs:
                raise DiagnosticError(
                    "E0206", f"index `{name.id}` hides a declared name", name.span, "take another letter"
                )
        opened = [Cell(n.id, n.span) for n in binder.names]
        for number, cell in enumerate(opened):
            if any(cell.name == other.name for other in opened[:number]):
                raise DiagnosticError("E0206", f"index `{cell.name}` is bound twice", cell.span)
        if binder.graph is not None and len(opened) == 1:
            self._open_member(binder, opened[0])
        elif binder.graph is not None:
            self._open_edge(binder, opened, binder.graph)
        if binder.bounds:
            values = [self.scope.dims.integer(b, "a bound") for b in binder.bounds]
            low, high = (0, values[0]) if len(values) == 1 else (values[0], values[1])
            if high <= low:
                raise DiagnosticError("E0207", f"range({low}, {high}) is empty", binder.span)
            opened[0].low, opened[0].high = low, high
        self.stack += opened
        return opened

    def _open_edge(self, binder: tree.Binder, opened: list[Cell], name: tree.Name) -> None:
        """`(i, k) in G`, the two ends of an edge."""
        graph = self.scope.graphs.get(name.id)
        self.scope.used.setdefault(name.id, name.span)
        if graph is None:
            if name.id in self.scope.broken:
                raise DiagnosticError("E0201", f"graph `{name.id}` is at fault itself", name.span)
            help = suggestion(name.id, self.scope.graphs)
            raise DiagnosticError("E0201", f"unknown graph `{name.id}`", name.span, help)
        if graph.hyper:
            help = f"c in {graph.name}, and then prod[i in c] or sum[i in c]"
            raise DiagnosticError("E0208", f"`{graph.name}` has hyperedges, not pairs", binder.span, help)
        for cell in opened:
            cell.graph = graph

    def _open_member(self, binder: tree.Binder, cell: Cell) -> None:
        """`c in H`, a hyperedge, or `i in c`, a unit of one."""
        assert binder.graph is not None
        name = binder.graph
        whole = next((c for c in self.stack if c.name == name.id), None)
        if whole is not None:
            whole.used = True
            graph = self.scope.graphs.get(whole.of)
            if graph is None:
                raise DiagnosticError(
                    "E0208", f"`{name.id}` is no hyperedge", name.span, "bind it by one: sum[c in H] prod[i in c] ..."
                )
            cell.graph = graph
            return
        graph = self.scope.graphs.get(name.id)
        self.scope.used.setdefault(name.id, name.span)
        if graph is None:
            if name.id in self.scope.broken:
                raise DiagnosticError("E0201", f"graph `{name.id}` is at fault itself", name.span)
            known = [*(n for n, g in self.scope.graphs.items() if g.hyper), *(c.name for c in self.stack if c.of)]
            help = suggestion(name.id, known) or f"`{cell.name} in range(n)`, or a graph of hyperedges"
            raise DiagnosticError("E0201", f"unknown graph of hyperedges `{name.id}`", name.span, help)
        if not graph.hyper:
            help = f"both ends of an edge are bound: (i, k) in {graph.name}"
            raise DiagnosticError("E0208", f"`{graph.name}` has edges, not hyperedges", binder.span, help)
        cell.of, cell.low, cell.high = graph.name, 0, graph.edge_count

    def _close(self, binder: tree.Binder, group: list[Cell], complete: bool, operator: str) -> list[ex.AnyBinder]:
        for cell in group:
            if not cell.used and complete:
                does = "multiply by" if operator == "sum" else "raise to the power of"
                help = f"{does} the size of the range instead" if not binder.graph else ""
                raise DiagnosticError("E0206", f"index `{cell.name}` is not used", cell.span, help)
        if binder.graph is not None and len(group) == 1:
            cell, graph = group[0], group[0].graph
            self.ranges[cell.name] = (0, graph.nodes) if graph else (cell.low or 0, cell.high or 1)
            if graph is not None:
                return [ex.Members(cell.name, binder.graph.id, graph.name)]
            return [ex.Hyperedges(cell.name, cell.of)]
        if binder.graph is not None:
            left, right = group
            nodes = left.graph.nodes if left.graph else 1
            self.ranges[left.name] = self.ranges[right.name] = (0, nodes)
            return [ex.Edges(left.name, right.name, binder.graph.id)]
        if binder.orders:
            sizes = [size for cell in group for size in cell.sizes]
            for cell in group:
                cell.sizes = sizes
        for cell in group:
            self._infer(cell, complete)
        ranges = [ex.Range(c.name, c.low or 0, c.high if c.high is not None else 1) for c in group]
        for cell in group:
            self.ranges[cell.name] = (cell.low or 0, cell.high or 1)
        for number, order in enumerate(binder.orders):
            ranges[number + 1] = replace(ranges[number + 1], above=ranges[number].name, strict=order == "<")
        return list(ranges)

    @staticmethod
    def _infer(cell: Cell, complete: bool) -> None:
        if cell.low is not None:
            return
        if not cell.sizes:
            if complete:
                help = f"give it: {cell.name} in range(n)"
                raise DiagnosticError("E0204", f"the range of index `{cell.name}` is not known", cell.span, help)
            return
        size, first = cell.sizes[0]
        for other, span in cell.sizes[1:]:
            if other != size:
                note = (Note(f"here it runs over {size}", first),)
                raise DiagnosticError("E0204", f"index `{cell.name}` runs over {other} here", span, notes=note)
        cell.low, cell.high = 0, size

    def check_pending(self) -> None:
        pending, self.pending = self.pending, []
        for index, size, span in pending:
            low, high = index.bounds(self.ranges, lambda name: self.scope.graphs[name].nodes)
            if low < 0 or high >= size:
                wrap = "" if "%" in span.text or not index.terms else f"wrap it: ({span.text}) % {size}, or "
                self.scope.problems.append(
                    Diagnostic(
                        "E0207",
                        f"this subscript runs from {low} to {high}, its axis from 0 to {size - 1}",
                        span,
                        f"{wrap}bound the index: in range(...)" if index.terms else "",
                    )
                )


def _flattened(indices: list[Index], shape: ex.Shape, units: int) -> list[Index]:
    """One index over all units in place of the first `units` indices, those of axes of this shape."""
    flat = Index()
    for index, size in zip(indices[:units], shape, strict=False):
        flat = flat * size + index
    return [flat, *indices[units:]]


def shown(shape: ex.Shape) -> str:
    """A shape as it is written in messages."""
    return "(" + ", ".join(map(str, shape)) + ")" if shape else "of a scalar"


Operand = tuple[str, ex.Expression]
# Contractions in one product: each opens a loop.
MAX_CONTRACTIONS = 24


def _folded(first: ex.Expression, rest: Sequence[Operand]) -> ex.Expression:
    """`first + a - b ...` or `first * a / b ...`, halved again and again: its depth is the logarithm of its length."""
    if not rest:
        return first
    half = len(rest) // 2
    (sign, head), tail = rest[half], rest[half + 1 :]
    left = _folded(first, rest[:half])
    if sign == "-":
        head = ex.Negated(head.shape, head.span, head)
    if sign == "/" and not tail:
        return _joined(ex.Divided, left, head)
    if sign == "/":
        head = ex.Divided(head.shape, head.span, ex.Constant((), head.span, 1.0), head)
    return _joined(ex.Added if sign in "+-" else ex.Multiplied, left, _folded(head, tail))


def _joined(
    kind: type[ex.Added | ex.Multiplied | ex.Divided], left: ex.Expression, right: ex.Expression
) -> ex.Expression:
    return kind(left.shape or right.shape, left.span.to(right.span), left, right)


def _check_operand(sign: str, array: ex.Expression, operand: ex.Expression) -> None:
    """Shapes are equal, or one side is a scalar; `array` is what stands before, the first that is no scalar."""
    if array.shape and operand.shape and array.shape != operand.shape:
        help = "shapes are equal, or one side is a scalar"
        if sign == "*" and _contracts(array.shape, operand.shape):
            help = f"`*` multiplies entry by entry; `@` contracts: {array.span.text} @ {operand.span.text}"
        raise _mismatch(sign, array, operand, help)
    if sign == "/" and isinstance(operand, ex.Constant) and operand.value == 0:
        raise DiagnosticError("E0212", "division by zero", operand.span)


def _contracted(left: ex.Expression, right: ex.Expression, number: int) -> ex.Expression:
    if number > MAX_CONTRACTIONS:
        raise DiagnosticError("E0310", f"a product has at most {MAX_CONTRACTIONS} contractions", right.span)
    a, b = left.shape, right.shape
    if not (1 <= len(a) <= 2 and 1 <= len(b) <= 2):
        help = "use `*` with a scalar" if not a or not b else _index_form(left, right)
        raise _mismatch("@", left, right, help)
    if not _contracts(a, b):
        flipped = len(b) == 2 and a[-1] == b[1]
        raise _mismatch("@", left, right, f"transpose it: {right.span.text}'" if flipped else "")
    return ex.Contracted(a[:-1] + b[1:], left.span.to(right.span), left, right)


def _index_form(left: ex.Expression, right: ex.Expression) -> str:
    """The contraction of the last axis with the first as an index sum, letters filled in."""
    count = len(left.shape) + len(right.shape) - 1
    if count > 14 or left.shape[-1] != right.shape[0]:
        return "it contracts vectors and matrices; for more axes there is the index form: sum[...]"
    letters = "ijklmnpqrstuvw"[:count]
    at = len(left.shape) - 1
    shown = []
    for side, own in ((left, letters[: at + 1]), (right, letters[at:])):
        simple = side.span.text.replace("_", "a").isalnum() or side.span.text.startswith("(")
        shown.append(f"{side.span.text if simple else f'({side.span.text})'}[{', '.join(own)}]")
    index = letters[at : at + 1]
    return f"`@` contracts vectors and matrices; the index form takes any axes: sum[{index}] {'*'.join(shown)}"


def _contracts(a: ex.Shape, b: ex.Shape) -> bool:
    return 1 <= len(a) <= 2 and 1 <= len(b) <= 2 and a[-1] == b[0]


def _mismatch(sign: str, left: ex.Expression, right: ex.Expression, help: str) -> DiagnosticError:
    notes = (
        Note(f"left of `{sign}`: shape {shown(left.shape)}", left.span),
        Note(f"right of `{sign}`: shape {shown(right.shape)}", right.span),
    )
    return DiagnosticError(
        "E0209", f"shapes {shown(left.shape)} and {shown(right.shape)} do not match", right.span, help, notes
    )
