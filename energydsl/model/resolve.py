"""`Module` -> `Resolved`: declarations, `layers` expanded, energies typed, schedule bound."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from energydsl.diagnostics import DataError, Diagnostic, ModelError, Note, Source, Span, suggestion
from energydsl.domains import DOMAINS
from energydsl.functions import WRITTEN
from energydsl.model import expressions as ex
from energydsl.model import graphs as graph_sizes
from energydsl.model import in_order, layer_graph, records, starts
from energydsl.model.alphabet import letters_of
from energydsl.model.constants import (
    KNOWN,
    DiagnosticError,
    Dims,
    Numbers,
    Real,
    cycle_problem,
    dependency_order,
    evaluate,
)
from energydsl.model.constraints import check
from energydsl.model.typing import Scope, shown, type_expression
from energydsl.syntax import tree
from energydsl.syntax.printer import print_expr

ROLES = ("visible", "hidden", "input")
# Distributions that parameters begin at, with the default of each of their numbers.
DISTRIBUTIONS = {
    "normal": {"mean": 0.0, "sd": 1.0},
    "uniform": {"low": 0.0, "high": 1.0},
    "rademacher": {"scale": 1.0},
}
INITIALISERS = (*DISTRIBUTIONS, "base_rate", "file")
MAX_UNITS = 1 << 40
# NumPy's arrays have 32; one is for rows, one for states.
MAX_AXES = 30


@dataclass(frozen=True)
class Overrides:
    """What the user set from outside: sizes, constants, graphs, and where files are found.

    starts: initial values of parameters, as they were read from their files before. files: those that the model imports, by their
    paths from its folder, where they were read before.
    """

    dims: Mapping[str, int]
    consts: Mapping[str, float]
    graphs: Mapping[str, Any]
    folder: Path | None = None
    starts: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Source] = field(default_factory=dict)


def resolve(module: tree.Module, overrides: Overrides | None = None) -> records.Resolved:
    """The resolved model. Raises `ModelError` with all independent problems (E01xx, E02xx, E0302, E0303, E0402)."""
    return _Resolver(module, overrides or Overrides({}, {}, {})).run()


class _Resolver:
    def __init__(self, module: tree.Module, overrides: Overrides):
        self.module = module
        self.overrides = overrides
        self.problems: list[Diagnostic] = []
        self.entries: dict[str, tuple[str, tree.Entry]] = {}
        self.broken: set[str] = set()

    def run(self) -> records.Resolved:
        self._collect(s for s in self.module.statements if isinstance(s, tree.Declaration))
        expanded = layer_graph.expand(
            self.module,
            {n: (k, e) for n, (k, e) in self.entries.items() if k in ROLES},
            set(self._of("param")),
        )
        self._collect(s for s in expanded if isinstance(s, tree.Declaration))
        self._check_overrides()
        known = {n: v for n, v in KNOWN.items() if n not in self.entries}
        self.dims = Dims(self._of("dim"), self.overrides.dims, known)
        self.consts = Numbers("consts", self._of("const"), self.overrides.consts, self._outside_consts)
        for name, problem in self.dims.problems.items():
            self._note(name, problem)
        consts = self._all("const", self._const)
        layers = self._all(ROLES, self._layer)
        graphs = self._all("graph", self._graph)
        self.graphs, self.layers = graphs, layers
        params = self._all("param", self._param)
        self.scope = Scope(self.dims, layers, params, consts, graphs, self.broken, self.problems)
        self._lets()
        self.energies = [s for s in (*self.module.statements, *expanded) if isinstance(s, tree.Energy)]
        energies, directed = self._energies([*self.module.statements, *expanded])
        schedule, schedule_span = self._schedule()
        self._check_layer_statements()
        if not self.problems and not energies and not directed:
            self.problems.append(_no_energy(self.module))
        if self.problems:
            raise ModelError(self.problems)
        first = self.module.statements[0]
        return records.Resolved(
            name=first.name.id if isinstance(first, tree.ModelName) else "model",
            dims=MappingProxyType({n: int(v) for n, v in self.dims.values.items()}),
            layers=MappingProxyType(layers),
            params=MappingProxyType(params),
            consts=MappingProxyType(consts),
            graphs=MappingProxyType(graphs),
            energies=tuple(energies),
            directed=tuple(directed),
            schedule=schedule,
            expanded=tuple(expanded),
            module=self.module,
            warnings=tuple(self._unused(layers, params)),
            schedule_span=schedule_span,
            auxiliaries=tuple(self._auxiliaries()),
        )

    # --- names

    def _collect(self, declarations: Iterable[tree.Declaration]) -> None:
        for statement in declarations:
            for entry in statement.entries:
                name = entry.name.id
                if name in WRITTEN or name == "range":
                    what = "`range`" if name == "range" else f"`{name}` is a function and"
                    message = f"{what} cannot be a name"
                    self.problems.append(Diagnostic("E0102", message, entry.name.span, "choose another name"))
                if name in self.entries:
                    note = Note("first declared here", self.entries[name][1].name.span)
                    self.problems.append(
                        Diagnostic("E0202", f"`{name}` is declared twice", entry.name.span, "", (note,))
                    )
                    continue
                self.entries[name] = (statement.keyword, entry)

    def _of(self, keyword: str) -> dict[str, tree.Entry]:
        return {n: e for n, (k, e) in self.entries.items() if k == keyword}

    def _try(self, name: str, build: Any) -> Any:
        try:
            return build()
        except DiagnosticError as problem:
            self._note(name, problem)
            return None

    def _note(self, name: str, problem: DiagnosticError) -> None:
        self.broken.add(name)
        if problem.diagnostic not in self.problems:
            self.problems.append(problem.diagnostic)

    def _all(self, keywords: str | tuple[str, ...], build: Any) -> dict[str, Any]:
        wanted = (keywords,) if isinstance(keywords, str) else keywords
        made = {n: self._try(n, lambda k=k, e=e: build(k, e)) for n, (k, e) in self.entries.items() if k in wanted}
        return {n: record for n, record in made.items() if record is not None}

    def _check_overrides(self) -> None:
        for what, given, declared in (
            ("dim", self.overrides.dims, self._of("dim")),
            ("const", self.overrides.consts, self._of("const")),
            ("graph", self.overrides.graphs, self._of("graph")),
        ):
            for name in given:
                if name not in declared:
                    help = suggestion(name, declared)
                    self.problems.append(Diagnostic("E0201", f"there is no {what} `{name}` to set", None, help))

    # --- declarations

    def _outside_consts(self, name: tree.Name) -> Real:
        """What a number may mention beside consts: dims."""
        if name.id in self.dims.entries or name.id in self.dims.known:
            return self.dims.lookup(name)
        known = [*self._of("const"), *self.dims.entries]
        raise DiagnosticError("E0201", f"unknown constant `{name.id}`", name.span, suggestion(name.id, known))

    def _const(self, _: str, entry: tree.Entry) -> records.Const:
        name = entry.name.id
        assert entry.value is not None
        value = float(self.consts.lookup(entry.name))
        constraints = _constraints(entry, records.CONST_CONSTRAINTS, "a const")
        _check_value(value, constraints, entry.value.span)
        return records.Const(name, value, constraints, entry.span)

    def _layer(self, role: str, entry: tree.Entry) -> records.Layer:
        assert entry.domain is not None
        shape = self._shape(entry)
        spec = self._domain(entry.domain)
        axes = tuple(map(print_expr, entry.axes))
        layer = records.Layer(
            entry.name.id, role, spec, shape, axes, entry.span, letters_of(entry, spec, self.overrides.dims)
        )
        if layer.size > MAX_UNITS:
            raise DiagnosticError("E0211", f"layer `{layer.name}` has more than 2^40 units", entry.span)
        return layer

    def _shape(self, entry: tree.Entry) -> tuple[int, ...]:
        if len(entry.axes) > MAX_AXES:
            raise DiagnosticError(
                "E0211", f"`{entry.name.id}` has {len(entry.axes)} axes, more than {MAX_AXES}", entry.name.span
            )
        return tuple(self.dims.size(a, "an axis") for a in entry.axes)

    def _domain(self, domain: tree.Domain) -> records.DomainSpec:
        name = domain.name.id
        known = DOMAINS.get(name)
        if known is None:
            help = suggestion(name, DOMAINS) or f"domains: {', '.join(DOMAINS)}"
            raise DiagnosticError("E0212", f"unknown domain `{name}`", domain.name.span, help)
        if len(domain.arguments) != len(known.arguments):
            wanted = {0: "no arguments", 1: f"one: {name}[K]", 2: f"two: {name}[a, b]"}[len(known.arguments)]
            raise DiagnosticError("E0212", f"domain `{name}` takes {wanted}", domain.span)
        pairs = zip(known.arguments, domain.arguments, strict=True)
        arguments = tuple(self._domain_argument(kind, node) for kind, node in pairs)
        if problem := known.problem(arguments):
            raise DiagnosticError("E0212", problem, domain.span)
        return records.DomainSpec(name, arguments)

    def _domain_argument(self, kind: str, node: tree.Expr) -> float:
        if kind == "size":
            return self.dims.size(node, "the number of states")
        return self.dims.integer(node, "a bound") if kind == "whole" else self._bound(node)

    def _bound(self, node: tree.Expr) -> float:
        return float(evaluate(node, self.dims.lookup))

    def _graph(self, _: str, entry: tree.Entry) -> records.Graph:
        name = entry.name.id
        nodes = None
        if entry.axes:
            if len(entry.axes) != 1:
                raise DiagnosticError("E0208", "a graph has one size, its number of units", entry.span)
            nodes = self.dims.size(entry.axes[0], "the size of a graph")
        if name in self.overrides.graphs:
            given = self.overrides.graphs[name]
            called = entry.value.function.id if isinstance(entry.value, tree.Call) else ""
            if given.hyper or called == "hyperedges":
                return graph_sizes.hypergraph(name, given.edges, nodes or given.nodes, entry.span)
            return graph_sizes.from_pairs(name, given.edges, nodes or given.nodes, entry.span)
        if entry.value is None:
            if nodes is None:
                raise DiagnosticError("E0212", f"graph `{name}` has neither a size nor a generator", entry.span)
            return records.Graph(name, "absent", nodes, 0, span=entry.span)
        graph = graph_sizes.generated(name, entry.value, self.dims, self.overrides.folder)
        if len(graph.sizes) > MAX_AXES:
            raise DiagnosticError("E0211", f"a grid of {len(graph.sizes)} axes, more than {MAX_AXES}", entry.value.span)
        if nodes is not None and nodes != graph.nodes:
            if graph.hyper and nodes > graph.nodes:
                return graph_sizes.hypergraph(name, graph.edges, nodes, entry.span)
            if graph.kind == "edges" and nodes > graph.nodes:
                return graph_sizes.from_pairs(name, graph.edges, nodes, entry.span)
            raise DiagnosticError(
                "E0214", f"graph `{name}` is declared with {nodes} units but has {graph.nodes}", entry.span
            )
        return graph

    def _param(self, _: str, entry: tree.Entry) -> records.Param:
        shape, graph = self._param_shape(entry)
        constraints = _constraints(entry, records.CONSTRAINTS, "a parameter")
        for constraint in ("symmetric", "zero_diagonal"):
            if constraint in constraints and (len(shape) != 2 or shape[0] != shape[1] or graph):
                name = next(c for c in entry.constraints if c.id == constraint)
                raise DiagnosticError(
                    "E0213", f"`{constraint}` needs a square matrix, this has shape {shown(shape)}", name.span
                )
        if "positive" in constraints and "zero_diagonal" in constraints:
            raise DiagnosticError("E0213", "a zero diagonal is not positive", entry.span)
        init = self._initialiser(entry, shape, constraints)
        axes = tuple(map(print_expr, entry.axes))
        param = records.Param(entry.name.id, shape, axes, constraints, init, graph, entry.span)
        return replace(param, init=self._from_file(entry, param)) if init.kind == "file" else param

    def _from_file(self, entry: tree.Entry, param: records.Param) -> records.Initialiser:
        """The values of a file, which must keep the constraints. Raises `DiagnosticError` (E0402, E0403)."""
        assert isinstance(entry.value, tree.Call)
        values = self.overrides.starts.get(param.name)
        if values is None or np.shape(values) != param.shape:
            graph = self.graphs[param.graph] if param.graph and len(param.shape) == 1 else None
            values = starts.read(entry.value, param.name, param.shape, graph, self.overrides.folder)
        try:
            check({param.name: param}, {param.name: values}, np, np.asarray)
        except DataError as problem:
            raise DiagnosticError("E0403", problem.diagnostics[0].message, entry.value.span) from None
        return records.Initialiser("file", values=values)

    def _param_shape(self, entry: tree.Entry) -> tuple[tuple[int, ...], str | None]:
        axes = entry.axes
        if axes and self._is_graph(axes[0]):
            assert isinstance(axes[0], tree.Name)
            graph = self.graphs.get(axes[0].id)
            if graph is None:
                raise DiagnosticError("E0201", f"graph `{axes[0].id}` is at fault itself", axes[0].span)
            shape = (graph.edge_count, *self._shape(replace(entry, axes=axes[1:])))
            _check_size(entry, shape)
            return shape, graph.name
        for axis in axes[1:]:
            if self._is_graph(axis):
                raise DiagnosticError(
                    "E0211", "a graph is the first axis of a parameter", axis.span, "one value an edge, then other axes"
                )
        shape = self._shape(entry)
        _check_size(entry, shape)
        return shape, None

    def _is_graph(self, axis: tree.Expr) -> bool:
        return isinstance(axis, tree.Name) and self.entries.get(axis.id, ("",))[0] == "graph"

    def _initialiser(
        self, entry: tree.Entry, shape: tuple[int, ...], constraints: tuple[str, ...]
    ) -> records.Initialiser:
        node = entry.value
        if node is None:
            if "positive" in constraints:
                help = f"give it one: {entry.name.id} : positive = 1"
                raise DiagnosticError("E0213", "zero, the default initialiser, is not positive", entry.span, help)
            return records.Initialiser("number", MappingProxyType({"value": 0.0}))
        if not isinstance(node, tree.Call) or node.function.id in WRITTEN:
            value = float(evaluate(node, self.consts.lookup))
            _check_value(value, constraints, node.span)
            return records.Initialiser("number", MappingProxyType({"value": value}))
        kind = node.function.id
        if kind == "base_rate":
            return self._base_rate(node, shape)
        if kind == "file":
            return records.Initialiser(kind)
        if kind not in DISTRIBUTIONS:
            help = suggestion(kind, INITIALISERS) or f"initialisers: a number, {', '.join(INITIALISERS)}"
            raise DiagnosticError("E0212", f"unknown initialiser `{kind}`", node.function.span, help)
        values = dict(DISTRIBUTIONS[kind])
        for key, value_node in node.arguments:
            if not key:
                example = " ".join(f"{k} = ...," for k in values).rstrip(",")
                raise DiagnosticError(
                    "E0212", f"the numbers of `{kind}` are named", value_node.span, f"{kind}({example})"
                )
            if key not in values:
                raise DiagnosticError("E0212", f"`{kind}` has no `{key}`", value_node.span, suggestion(key, values))
            values[key] = float(evaluate(value_node, self.consts.lookup))
        if (
            values.get("sd", 0.0) < 0
            or values.get("scale", 0.0) < 0
            or values.get("low", 0.0) > values.get("high", 1.0)
        ):
            raise DiagnosticError("E0212", f"the numbers of `{kind}` are not in order", node.span)
        return records.Initialiser(kind, MappingProxyType(values))

    def _base_rate(self, node: tree.Call, shape: tuple[int, ...]) -> records.Initialiser:
        if len(node.arguments) != 1 or node.arguments[0][0] or not isinstance(node.arguments[0][1], tree.Name):
            raise DiagnosticError("E0212", "`base_rate` takes the name of a visible layer", node.span)
        name = node.arguments[0][1]
        layer = self.layers.get(name.id)
        if layer is None:
            if name.id in self.broken:
                raise DiagnosticError("E0201", f"layer `{name.id}` is at fault itself", name.span)
            help = suggestion(name.id, self.layers)
            raise DiagnosticError("E0201", f"unknown layer `{name.id}`", name.span, help)
        if layer.role != "visible":
            raise DiagnosticError("E0212", f"`{name.id}` has no data to take a base rate from", name.span)
        if layer.energy_shape != shape:
            notes = (Note(f"`{layer.name}` has shape {shown(layer.energy_shape)}", layer.span),)
            raise DiagnosticError("E0209", f"the base rate does not fit shape {shown(shape)}", name.span, "", notes)
        return records.Initialiser("base_rate", layer=name.id)

    # --- energies and schedule

    def _lets(self) -> None:
        """Types every abbreviation, those that others mention first."""
        lets = self._of("let")
        order, cycles = dependency_order(lets)
        self.scope.lets = dict.fromkeys(lets)
        closed = set()
        for names, mention in cycles:
            problem = cycle_problem("abbreviations", names, mention.span)
            self.problems.append(problem.diagnostic)
            closed.update(names)
        for name in order:
            value = lets[name].value
            if name not in closed and value is not None:
                self.scope.lets[name] = type_expression(value, self.scope)

    def _energies(self, statements: list[tree.Statement]) -> tuple[list[records.EnergyTerm], list[records.Directed]]:
        terms: list[records.EnergyTerm] = []
        directed: list[records.Directed] = []
        for statement in statements:
            if not isinstance(statement, tree.Energy):
                continue
            expression = type_expression(statement.value, self.scope)
            names_fit = self._check_layer_names(statement)
            if expression is None or not names_fit:
                continue
            if expression.shape:
                self.problems.append(
                    Diagnostic(
                        "E0210",
                        f"an energy is a scalar, this has shape {shown(expression.shape)}",
                        _array_in(expression).span,
                        "add its entries up: sum(...); `@` contracts: b @ v, v @ W @ h",
                    )
                )
            elif statement.targets:
                part = self._in_order(statement, expression)
                if part is not None:
                    directed.append(part)
            else:
                name = statement.name.id if statement.name else "energy"
                terms.append(records.EnergyTerm(name, expression, statement.span))
        return terms, directed

    def _in_order(self, statement: tree.Energy, expression: ex.Expression) -> records.Directed | None:
        """A directed part; where its target is given itself, with a copy in the place of what comes before each unit."""
        targets, given = (tuple(n.id for n in names) for names in (statement.targets, statement.given))
        part = records.Directed(statement.keyword, targets, given, expression, statement.value, statement.span)
        itself = [n for n in statement.given if n.id in targets]
        if not itself:
            return part
        if len(targets) > 1:
            message = f"`{itself[0].id}` is given itself, and is drawn together with another layer"
            self.problems.append(Diagnostic("E0303", message, itself[0].span, "give each layer an energy of its own"))
            return None
        layer = self.layers[targets[0]]
        value = tree.inlined(statement.value, self._lets_of(layer.name))
        copy = in_order.copy_name(layer.name, {*self.entries, *(n.id for n in tree.names(value))})
        value = in_order.with_copy(value, expression, layer, copy, lambda graph: self.graphs[graph].nodes)
        known = {**self.layers, copy: replace(layer, name=copy, role="input")}
        with_copy = type_expression(value, replace(self.scope, layers=known))
        if with_copy is None:
            return None
        others = tuple(n for n in given if n != layer.name)
        return replace(part, given=others, expression=with_copy, value=value, copy=copy)

    def _lets_of(self, layer: str) -> dict[str, tree.Expr]:
        """The abbreviations that hold units of a layer, others written out or not."""
        lets = {n: e.value for n, e in self._of("let").items() if e.value is not None}
        found: dict[str, tree.Expr] = {}
        for name in dependency_order(self._of("let"))[0]:
            if {n.id for n in tree.names(lets[name])} & {layer, *found}:
                found[name] = lets[name]
        return found

    def _auxiliaries(self) -> Iterator[records.Auxiliary]:
        """What augmentations did: both sides are typed as the energies themselves were."""
        for statement in self.module.statements:
            if isinstance(statement, tree.Augmented):
                before, after = (type_expression(n, self.scope) for n in (statement.before, statement.after))
                if before is not None and after is not None:
                    layers = tuple((name.id, constant) for name, constant in statement.layers)
                    yield records.Auxiliary(layers, before, after)

    def _check_layer_names(self, statement: tree.Energy) -> bool:
        fine = True
        for name in (*statement.targets, *statement.given):
            self.scope.used.setdefault(name.id, name.span)
            if name.id not in self.layers and name.id not in self.broken:
                help = suggestion(name.id, self.layers)
                self.problems.append(Diagnostic("E0201", f"unknown layer `{name.id}`", name.span, help))
                fine = False
            elif name in statement.targets and name.id in self.layers and self.layers[name.id].role == "input":
                self.problems.append(Diagnostic("E0303", f"`{name.id}` is an input: it has no probability", name.span))
                fine = False
        return fine and not self.broken

    def _check_layer_statements(self) -> None:
        for statement in self.module.statements:
            if not isinstance(statement, tree.Layers):
                continue
            for chain in statement.chains:
                for name in (chain.start, *(h.layer for h in chain.hops)):
                    self.scope.used.setdefault(name.id, name.span)
                    if name.id not in self.layers and name.id not in self.broken:
                        help = suggestion(name.id, self.layers)
                        self.problems.append(Diagnostic("E0201", f"unknown layer `{name.id}`", name.span, help))

    def _schedule(self) -> tuple[tuple[records.ScheduleBlock, ...], Span | None]:
        statements = [s for s in self.module.statements if isinstance(s, tree.Schedule)]
        if not statements:
            return (), None
        for other in statements[1:]:
            note = Note("the first stands here", statements[0].span)
            self.problems.append(Diagnostic("E0202", "a second schedule", other.span, "", (note,)))
        seen: dict[str, Span] = {}
        blocks = []
        for block in statements[0].blocks:
            for name, _ in block:
                self._check_scheduled(name, seen)
            parts = tuple((name.id, by_parts) for name, by_parts in block)
            blocks.append(records.ScheduleBlock(parts, block[0][0].span.to(block[-1][0].span)))
        drawn = {n.id for s in self.energies if s.keyword == "energy" for n in s.targets}
        for scheduled in sorted(seen.keys() & drawn):
            message = f"`{scheduled}` is drawn given its parents, and is in no block"
            help = "schedule the layers of the undirected part"
            self.problems.append(Diagnostic("E0302", message, seen[scheduled], help))
        missing = [n for n, x in self.layers.items() if x.role != "input" and n not in seen and n not in drawn]
        if missing:
            names = ", ".join(f"`{n}`" for n in missing)
            self.problems.append(Diagnostic("E0302", f"the schedule misses {names}", statements[0].span))
        return tuple(blocks), statements[0].span

    def _check_scheduled(self, name: tree.Name, seen: dict[str, Span]) -> None:
        layer = self.layers.get(name.id)
        if name.id in self.broken:
            return
        if layer is None:
            help = suggestion(name.id, self.layers)
            self.problems.append(Diagnostic("E0201", f"unknown layer `{name.id}`", name.span, help))
        elif layer.role == "input":
            self.problems.append(Diagnostic("E0302", f"`{name.id}` is an input, never sampled", name.span))
        elif name.id in seen:
            note = Note("it stands here already", seen[name.id])
            self.problems.append(Diagnostic("E0302", f"the schedule repeats `{name.id}`", name.span, "", (note,)))
        seen.setdefault(name.id, name.span)

    def _unused(self, layers: Mapping[str, records.Layer], params: Mapping[str, records.Param]) -> Iterable[Diagnostic]:
        for name in [*params, *layers]:
            if name not in self.scope.used:
                code, what = ("W0401", "parameter") if name in params else ("W0403", "layer")
                yield Diagnostic(code, f"{what} `{name}` is not used", self.entries[name][1].name.span)


def allowed(module: tree.Module, diagnostic: Diagnostic) -> bool:
    """Whether a comment `# allow: W0402` on the line of a warning silences it."""
    if diagnostic.severity != "warning" or diagnostic.span is None:
        return False
    for comment in module.comments:
        match = re.match(r"allow:\s*(.*)", comment.text)
        same = comment.span.source == diagnostic.span.source and comment.span.line == diagnostic.span.line
        if match and same and diagnostic.code in re.split(r"[\s,]+", match[1]):
            return True
    return False


def _constraints(entry: tree.Entry, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    for name in entry.constraints:
        if name.id not in known:
            help = suggestion(name.id, known) or f"constraints of {what}: {', '.join(known)}"
            raise DiagnosticError("E0212", f"`{name.id}` is no constraint of {what}", name.span, help)
    written = {c.id for c in entry.constraints}
    return tuple(c for c in records.CONSTRAINTS if c in written)


def _check_size(entry: tree.Entry, shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MAX_UNITS:
        raise DiagnosticError("E0211", f"parameter `{entry.name.id}` has more than 2^40 entries", entry.span)


def _check_value(value: float, constraints: tuple[str, ...], span: Span) -> None:
    if "positive" in constraints and not value > 0:
        raise DiagnosticError("E0213", f"{value:g} is not positive", span)
    if "nonnegative" in constraints and not value >= 0:
        raise DiagnosticError("E0213", f"{value:g} is negative", span)


def _array_in(node: ex.Expression) -> ex.Expression:
    """The first additive term that is no scalar."""
    while isinstance(node, ex.Added):
        node = node.left if node.left.shape else node.right
    return node


def _no_energy(module: tree.Module) -> Diagnostic:
    source = module.statements[0].span.source if module.statements else module.source
    end = len(source.text.rstrip())
    return Diagnostic(
        "E0101",
        "this file has no energy",
        Span(source, max(0, end - 1), max(1, end)),
        "write `energy = ...` or `layers a -- b`",
    )
