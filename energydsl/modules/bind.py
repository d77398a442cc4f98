"""What a `use` binds: dims and consts of the file by name, its layers in the order of declaration or by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from energydsl.diagnostics import Diagnostic, Note, suggestion
from energydsl.modules.flat import LAYERS, Flat, declared, made, terms
from energydsl.syntax import tree

Declared = Mapping[str, tuple[str, tree.Entry]]


@dataclass(frozen=True)
class Bound:
    """A use and what it binds.

    layers: of the file, to layers here. shared: consts of the file that are consts here. values: of its other dims and consts.
    """

    use: tree.Use
    flat: Flat
    layers: Mapping[str, tree.Name]
    shared: Mapping[str, str]
    values: Mapping[str, tree.Expr]

    @property
    def names(self) -> dict[str, str]:
        """What the names of the file become."""
        return {**self.new, **{n: layer.id for n, layer in self.layers.items()}, **self.shared}

    @property
    def new(self) -> dict[str, str]:
        """The names of the file that are declared here, with the name of the use before them."""
        statements = self.flat.statements
        own = [*declared(statements), *(n.id for n in made(statements))]
        prefix = self.use.prefix.id
        return {n: f"{prefix}_{n}" for n in own if n not in self.layers and n not in self.shared}

    @property
    def declared(self) -> dict[str, tuple[str, tree.Entry]]:
        """Those of them that have a declaration in the file: the keyword and the entry there, by the name here."""
        known = declared(self.flat.statements)
        return {name: known[n] for n, name in self.new.items() if n in known}

    @property
    def size(self) -> int:
        """Letters of the file as it is written out here, at most: every name gets that of the use."""
        return self.flat.size + self.flat.names * (len(self.use.prefix.id) + 1)

    @property
    def labels(self) -> list[str]:
        """The energy terms that come with it."""
        prefix = self.use.prefix.id
        return [prefix, *(f"{prefix}_{n}" for n in terms(self.flat.statements))]


def bind(use: tree.Use, flat: Flat, here: Declared, problems: list[Diagnostic]) -> Bound:
    """What a use binds, as far as it can be; what is wrong with it is added to the problems (E0213, E0505, E0506, E0507, E0511)."""
    there = declared(flat.statements)
    values: dict[str, tree.Expr] = {}
    for name, value in use.arguments:
        if there.get(name.id, ("",))[0] not in ("dim", "const"):
            problems.append(_not_there(name, ("dim", "const"), there, flat))
        elif name.id in values:
            problems.append(_twice(name, values[name.id]))
        else:
            values[name.id] = value
    for name_there, (keyword, entry) in there.items():
        if keyword == "dim" and entry.value is None and name_there not in values:
            message = f"dim `{name_there}` of {flat.source.short} has no value"
            help = f"bind it: {use.module.id}({name_there} = ...)"
            problems.append(Diagnostic("E0507", message, use.span, help, (_declared_here(entry),)))
    shared = {
        n: v.id
        for n, v in values.items()
        if isinstance(v, tree.Name) and there[n][0] == here.get(v.id, ("",))[0] == "const"
    }
    for name_there, name_here in shared.items():
        problems += _constraints(values[name_there], there[name_there][1], here[name_here][1])
    own = {n: v for n, v in values.items() if n not in shared}
    return Bound(use, flat, _layers(use, flat, there, problems), shared, own)


def _constraints(at: tree.Expr, there: tree.Entry, here: tree.Entry) -> Iterable[Diagnostic]:
    """A const that stands for one of the file keeps the constraints of that one."""
    kept = {c.id for c in here.constraints}
    kept |= {"nonnegative"} if "positive" in kept else set()
    for constraint in there.constraints:
        if constraint.id not in kept:
            message = f"`{there.name.id}` is {constraint.id}, and `{here.name.id}` need not be"
            help = f"declare it so: const {here.name.id} : {constraint.id} = ..."
            yield Diagnostic("E0213", message, at.span, help, (_declared_here(there),))


def _layers(use: tree.Use, flat: Flat, there: Declared, problems: list[Diagnostic]) -> dict[str, tree.Name]:
    found: dict[str, tree.Name] = {}
    before_this = len(problems)
    summed = {n.id: n for s in flat.statements if isinstance(s, tree.Marginalise) for n in s.layers}
    in_order = [e.name.id for e in flat.layers if e.name.id not in summed]
    for place, (name, layer) in enumerate(use.layers):
        wanted = name.id if name else in_order[place] if place < len(in_order) else ""
        before = next((n for n, x in found.items() if x.id == layer.id), None)
        if not wanted:
            message = f"{flat.source.short} has {_count(len(in_order), 'layer')} to bind, and this is one more"
            problems.append(Diagnostic("E0505", message, layer.span, _listed("layers", in_order)))
            break
        elif name and wanted in summed:
            message = f"`{wanted}` is summed out in {flat.source.short}"
            note = Note("summed out here", summed[wanted].span)
            problems.append(Diagnostic("E0511", message, name.span, "bind the others", (note,)))
        elif name and there.get(wanted, ("",))[0] not in LAYERS:
            problems.append(_not_there(name, LAYERS, there, flat))
        elif wanted in found:
            problems.append(_twice(name or layer, found[wanted], wanted))
        elif before is not None:
            message = f"`{layer.id}` is bound to both `{before}` and `{wanted}` of {flat.source.short}"
            note = Note("bound here already", found[before].span)
            problems.append(Diagnostic("E0506", message, layer.span, "declare a layer for each of them", (note,)))
        else:
            found[wanted] = layer
    if len(problems) == before_this:
        for name_there, (keyword, entry) in there.items():
            if keyword in ("visible", "input") and name_there not in found:
                message = f"{keyword} layer `{name_there}` of {flat.source.short} is bound to no layer"
                help = (
                    f"bind it: use {use.module.id} on {name_there} = ...; hidden layers alone may be left to the file"
                )
                problems.append(Diagnostic("E0507", message, use.span, help, (_declared_here(entry),)))
    return found


def check_roles(bound: Bound, here: Mapping[str, str], problems: list[Diagnostic]) -> None:
    """Layers are bound to layers, and an input to an input: it has no probability, and what has one is none.

    here: what each name was declared by. Which of the others are visible, and so clamped to data, is for this file to say.
    """
    there = declared(bound.flat.statements)
    for name, layer in bound.layers.items():
        role, role_here = there[name][0], here.get(layer.id)
        if role_here is None:
            help = suggestion(layer.id, [n for n, k in here.items() if k in LAYERS])
            problems.append(Diagnostic("E0201", f"unknown layer `{layer.id}`", layer.span, help))
        elif role_here not in LAYERS:
            problems.append(Diagnostic("E0201", f"`{layer.id}` is a {role_here}, not a layer", layer.span))
        elif (role == "input") != (role_here == "input"):
            message = (
                f"`{name}` of {bound.flat.source.short} is {_a(role)} layer, and `{layer.id}` is {_a(role_here)} layer"
            )
            help = (
                "an input has no probability of its own: bind it to an input, and any other layer to one that is none"
            )
            problems.append(Diagnostic("E0511", message, layer.span, help, (_declared_here(there[name][1]),)))


def check_names(
    uses: Iterable[Bound], here: Mapping[str, tree.Name], labels: Mapping[str, tree.Name]
) -> list[Diagnostic]:
    """Names that come with a use and stand for something else already (E0510). here: of declarations; labels: of energy terms."""
    found: list[Diagnostic] = []
    prefixes: dict[str, tree.Name] = {}
    owners, owners_of_labels = dict(here), dict(labels)
    for bound in uses:
        prefix = bound.use.prefix
        if prefix.id in prefixes:
            note = Note("the other one", prefixes[prefix.id].span)
            help = f"give it a name of its own: use {bound.use.module.id} as NAME"
            found.append(Diagnostic("E0510", f"two uses are called `{prefix.id}`", prefix.span, help, (note,)))
            continue
        prefixes[prefix.id] = prefix
        for what, names, known in (("", bound.new.values(), owners), ("energy term ", bound.labels, owners_of_labels)):
            for name in names:
                if name in known:
                    message = f"{what}`{name}` comes with this use, and is declared already"
                    help = f"give the use another name: use {bound.use.module.id} as NAME"
                    note = Note("declared here", known[name].span)
                    found.append(Diagnostic("E0510", message, prefix.span, help, (note,)))
                known[name] = prefix
    return found


def _not_there(name: tree.Name, keywords: tuple[str, ...], there: Declared, flat: Flat) -> Diagnostic:
    known = [n for n, (k, _) in there.items() if k in keywords]
    what = "layer" if keywords == LAYERS else "dim or const"
    is_one = there.get(name.id, ("",))[0]
    help = suggestion(name.id, known) or _listed("layers" if keywords == LAYERS else "dims and consts", known)
    if is_one in LAYERS:
        help = f"layers are bound behind `on`: on {name.id} = ..."
    elif is_one in ("dim", "const"):
        help = f"dims and consts are bound in parentheses: ({name.id} = ...)"
    elif is_one:
        help = f"a {is_one} comes with the file, and cannot be bound"
    return Diagnostic("E0505", f"{flat.source.short} has no {what} `{name.id}`", name.span, help)


def _listed(what: str, names: Iterable[str]) -> str:
    return f"its {what} are {', '.join(names) or 'none'}"


def _twice(name: tree.Name, first: tree.Node, wanted: str = "") -> Diagnostic:
    note = Note("bound here already", first.span)
    return Diagnostic("E0506", f"`{wanted or name.id}` is bound twice", name.span, "leave one of the two out", (note,))


def _declared_here(entry: tree.Entry) -> Note:
    return Note("declared here", entry.span)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _a(role: str) -> str:
    return f"{'an' if role == 'input' else 'a'} {role}"
