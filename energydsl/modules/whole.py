"""`import` and `use` -> ordinary declarations and energies, as `energydsl explain FILE --emit syntax` prints them.

    use rbm(I = 100) as lower on v, h1
adds the energy of the file: its layers are those they are bound to, its dims and consts those in parentheses, and the name of
the use stands before every other name of it. No later stage knows of either statement. What is written out keeps its places in the
files; beside it stands one text that says the same alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from energydsl.diagnostics import Diagnostic, ModelError, Note, Source, Span, suggestion
from energydsl.model import layer_graph
from energydsl.model.resolve import Overrides
from energydsl.modules.bind import Bound, bind, check_names, check_roles
from energydsl.modules.files import LESS, MAX_DEPTH, File, Files, inside, refused
from energydsl.modules.fits import misfits
from energydsl.modules.flat import LAYERS, Fit, Flat, Section, declared, made, terms
from energydsl.modules.rename import Renaming
from energydsl.syntax import parse, print_module, tree
from energydsl.syntax.parser import MAX_BYTES
from energydsl.syntax.printer import print_expr, print_statement

# What reads a file beside that of the model.
_READERS = ("edges", "hyperedges", "file")


@dataclass(frozen=True)
class Whole:
    """A model of one or more files. module: its nodes know their places in the files. alone: the same as one text, with places in that.

    files: those that were imported, by their paths from the folder of the model.
    """

    module: tree.Module
    alone: tree.Module
    warnings: tuple[Diagnostic, ...] = ()
    files: Mapping[str, Source] = field(default_factory=dict)


def written_out(module: tree.Module, overrides: Overrides) -> Whole:
    """A module without `import` and `use`. Raises `ModelError` (E05xx, E0201, E0202, E0213, and what is wrong in a file)."""
    if not any(isinstance(s, tree.Import | tree.Use) for s in module.statements):
        return Whole(module, module)
    writing = _Writing(Files(overrides.folder, overrides.files))
    flat = writing.flat(module, PurePosixPath(), ())
    if found := list(misfits(flat.fits, flat.statements, overrides.dims)):
        raise ModelError(found)
    alone = _alone(module, flat)
    comments = tuple(c for section in flat.sections for c in section.comments)
    files = {str(path): file.module.source for path, file in writing.files.read.items()}
    return Whole(tree.Module(alone.source, flat.statements, comments), alone, tuple(writing.warnings), files)


def bindings(module: tree.Module, overrides: Overrides) -> tuple[dict[str, Flat], dict[Span, Bound]]:
    """What the files hold that a module imports, by the names it gives them, and what its uses bind, by their places; as far as that can be read."""
    writing, problems = _Writing(Files(overrides.folder)), list[Diagnostic]()
    imported = writing.imported(module, PurePosixPath(), (), problems)
    own = tuple(s for s in module.statements if not isinstance(s, tree.Import | tree.Use))
    uses, _, _ = _bound(module, declared(own), imported, problems)
    return {n: flat for n, flat in imported.items() if flat is not None}, uses


def _bound(
    module: tree.Module,
    here: Mapping[str, tuple[str, tree.Entry]],
    imported: Mapping[str, Flat | None],
    problems: list[Diagnostic],
) -> tuple[dict[Span, Bound], dict[str, tuple[str, tree.Entry]], int]:
    """What the uses of a file bind, the names declared with them, and the letters of all."""
    uses: dict[Span, Bound] = {}
    with_uses, size = dict(here), len(module.source.text)
    for use in (s for s in module.statements if isinstance(s, tree.Use)):
        if use.module.id not in imported:
            help = (
                suggestion(use.module.id, imported) or f'import it: import "{use.module.id}.energy" as {use.module.id}'
            )
            problems.append(Diagnostic("E0201", f"no file is imported as `{use.module.id}`", use.module.span, help))
        elif (used := imported[use.module.id]) is not None:
            uses[use.span] = bound = bind(use, used, with_uses, problems)
            size += bound.size
            if size > MAX_BYTES:
                message = "written out, this model is larger than 1 MiB"
                problems.append(Diagnostic("E0504", message, next(iter(uses)), LESS))
                break
            with_uses |= bound.declared
    return uses, with_uses, size


def _alone(module: tree.Module, flat: Flat) -> tree.Module:
    """The model as one text; the limits of a file are those of all its files together."""
    try:
        return parse(Source(module.source.name, _text(flat.sections)))
    except ModelError as error:
        at = next(s.span for s in module.statements if isinstance(s, tree.Import | tree.Use))
        message = f"written out, this model is refused: {error.diagnostics[0].message}"
        raise refused("E0504", message, at, LESS) from None


def _text(sections: Iterable[Section]) -> str:
    parts: list[str] = []
    for section in sections:
        heading = "".join(f"# {line}\n" for line in section.heading.splitlines())
        places = [n.span for n in (*section.statements, *section.comments)]
        body = print_module(tree.Module(places[0].source, section.statements, section.comments)) if places else ""
        parts.append(heading + body)
    return "\n".join(part for part in parts if part)


@dataclass(frozen=True)
class _Writing:
    """Files that were read, and what became of them: None where that is refused, and has been said."""

    files: Files
    flats: dict[PurePosixPath, Flat | None] = field(default_factory=dict)
    warnings: list[Diagnostic] = field(default_factory=list)

    def flat(self, module: tree.Module, beside: PurePosixPath, way: tuple[File, ...]) -> Flat:
        """A file with its uses written out. beside: its folder. way: the files that lead to it, itself last; none for the model itself."""
        problems: list[Diagnostic] = []
        imported = self.imported(module, beside, way, problems)
        own: tuple[tree.Statement, ...] = tuple(
            s for s in module.statements if not isinstance(s, tree.Import | tree.Use)
        )
        if way:
            own = tuple(self._with_paths(s, beside, problems) for s in own)
        here = declared(own)
        uses, with_uses, size = _bound(module, here, imported, problems)
        _refuse(problems)
        names = {n: e.name for n, (_, e) in here.items()} | {n.id: n for n in made(own)}
        names |= {
            e.name.id: e.name for _, e in declared(_expanded(module.source, own, with_uses, shared=True)).values()
        }
        roles = {n: k for n, (k, _) in with_uses.items()}
        for bound in uses.values():
            check_roles(bound, roles, problems)
        problems += check_names(uses.values(), names, terms(own))
        _refuse(problems)
        taken = {*names, *(new for b in uses.values() for new in b.new.values())}
        fits: list[Fit] = []
        sections: list[Section] = []
        for mark, section in _sections(module, own):
            if isinstance(mark, tree.Use):
                found, fitting = _instance(uses[mark.span], roles, taken, problems)
                sections += [Section(section.heading, (), ()), *found]
                fits += fitting
                section = replace(section, heading="")
            sections.append(section)
        if way:
            sections = _as_block(module.source, sections, problems)
        _refuse(problems)
        layers = tuple(e for k, e in here.values() if k in LAYERS)
        return Flat(module.source, tuple(sections), tuple(fits), size, layers)

    def imported(
        self, module: tree.Module, beside: PurePosixPath, way: tuple[File, ...], problems: list[Diagnostic]
    ) -> dict[str, Flat | None]:
        """The files that a file imports, by the names it gives them."""
        found: dict[str, Flat | None] = {}
        places: dict[str, tree.Import] = {}
        used = {s.module.id for s in module.statements if isinstance(s, tree.Use)}
        for statement in (s for s in module.statements if isinstance(s, tree.Import)):
            name = statement.name
            if name.id in places:
                note = Note("first imported here", places[name.id].span)
                problems.append(Diagnostic("E0202", f"two files are imported as `{name.id}`", name.span, "", (note,)))
                continue
            places[name.id] = statement
            if name.id not in used:
                message = f"{statement.file.value} is imported and not used"
                self.warnings.append(Diagnostic("W0408", message, statement.span, f"use it: use {name.id} on ..."))
            try:
                found[name.id] = self._of_file(statement, beside, way)
            except ModelError as error:
                problems += error.diagnostics
                found[name.id] = None
        return found

    def _of_file(self, statement: tree.Import, beside: PurePosixPath, way: tuple[File, ...]) -> Flat | None:
        file = self.files.open(statement.file, beside)
        if file.where in (f.where for f in way):
            circle = [str(f.path) for f in way[[f.where for f in way].index(file.where) :]]
            message = f"the files {' -> '.join([*circle, str(file.path)])} import one another"
            raise refused("E0503", message, statement.span, "take what both need into a file of its own")
        if len(way) == MAX_DEPTH:
            raise refused("E0504", f"files import one another more than {MAX_DEPTH} deep", statement.span, LESS)
        if file.path not in self.flats:
            self.flats[file.path] = None
            self.flats[file.path] = self.flat(file.module, file.path.parent, (*way, file))
        return self.flats[file.path]

    def _with_paths(
        self, statement: tree.Statement, beside: PurePosixPath, problems: list[Diagnostic]
    ) -> tree.Statement:
        """A statement whose files of edges and numbers are named from the folder of the model, which they do not leave."""
        if not isinstance(statement, tree.Declaration):
            return statement

        def named(value: Any) -> Any:
            if not isinstance(value, tree.String):
                return value
            try:
                return replace(value, value=str(inside(self.files.folder, value, beside)))
            except ModelError as error:
                problems.extend(error.diagnostics)
                return value

        entries = []
        for entry in statement.entries:
            call = entry.value
            if isinstance(call, tree.Call) and call.function.id in _READERS:
                call = replace(call, arguments=tuple((k, named(v)) for k, v in call.arguments))
            entries.append(replace(entry, value=call))
        return replace(statement, entries=tuple(entries))


def _refuse(problems: list[Diagnostic]) -> None:
    if problems:
        raise ModelError(problems)


def _sections(
    module: tree.Module, own: tuple[tree.Statement, ...]
) -> Iterator[tuple[tree.Import | tree.Use | None, Section]]:
    """The statements of a file from one `import` or `use` to the next, each with the one it follows.

    own: the others, as they are to stand. A comment on the lines of an `import` or `use` goes into the heading.
    """
    marks = [s for s in module.statements if isinstance(s, tree.Import | tree.Use)]
    starts = [m.span.start for m in marks]
    for place in range(len(marks) + 1):
        mark = marks[place - 1] if place else None
        statements = tuple(s for s in own if sum(start <= s.span.start for start in starts) == place)
        comments = [c for c in module.comments if sum(start <= c.span.start for start in starts) == place]
        if mark is None:
            yield None, Section("", statements, tuple(comments))
            continue
        last = module.source.locate(mark.span.end)[0]
        remarks = [c for c in comments if c.span.line <= last]
        yield mark, Section(print_statement(mark, remarks), statements, tuple(c for c in comments if c not in remarks))


def _expanded(
    source: Source,
    statements: tuple[tree.Statement, ...],
    known: Mapping[str, tuple[str, tree.Entry]],
    shared: bool = False,
) -> tuple[tree.Statement, ...]:
    """What `layers` statements stand for. shared: weights that they name are declared elsewhere, if anywhere."""
    params = {n for n, (k, _) in known.items() if k == "param"}
    if shared:
        hops = (h for s in statements if isinstance(s, tree.Layers) for chain in s.chains for h in chain.hops)
        params |= {h.weight.id for h in hops if h.weight}
    layers = {n: (k, e) for n, (k, e) in known.items() if k in LAYERS}
    return tuple(layer_graph.expand(tree.Module(source, statements, ()), layers, params))


def _as_block(source: Source, sections: list[Section], problems: list[Diagnostic]) -> list[Section]:
    """The sections of a file as they are used: without its title and schedule, its `layers` written out.

    A block is one term of an energy beside others, so the standard energy of its layers is its own, whatever else they are named in.
    """
    statements = tuple(s for section in sections for s in section.statements)
    known = declared(statements)
    layers = [s for s in statements if isinstance(s, tree.Layers)]
    for name in (n for s in layers for n in tree.names(s)):
        weights = (h.weight for s in layers for chain in s.chains for h in chain.hops)
        if known.get(name.id, ("",))[0] not in LAYERS and not any(w is name for w in weights):
            help = suggestion(name.id, [n for n, (k, _) in known.items() if k in LAYERS])
            problems.append(Diagnostic("E0201", f"unknown layer `{name.id}`", name.span, help))
    expanded = _expanded(source, statements, known)
    found = []
    for section in sections:
        kept: list[tree.Statement] = []
        for statement in section.statements:
            if isinstance(statement, tree.Layers) and statement is layers[0]:
                kept += expanded
            elif not isinstance(statement, tree.ModelName | tree.Schedule | tree.Layers):
                kept.append(statement)
        found.append(replace(section, statements=tuple(kept)))
    return found


def _kept(statement: tree.Statement, bound: Bound) -> tree.Statement | None:
    """A statement without declarations of what stands here already: layers that are bound, consts that are shared."""
    if not isinstance(statement, tree.Declaration):
        return statement
    here = {*bound.layers, *bound.shared}
    entries = tuple(e for e in statement.entries if e.name.id not in here)
    return replace(statement, entries=entries) if entries else None


def _valued(statement: tree.Statement, values: Mapping[str, tree.Expr]) -> tree.Statement:
    """A statement with the values that dims and consts are bound to; these are written in the names that hold here."""
    if not isinstance(statement, tree.Declaration):
        return statement
    return replace(
        statement, entries=tuple(replace(e, value=values.get(e.name.id, e.value)) for e in statement.entries)
    )


def _instance(
    bound: Bound, roles: Mapping[str, str], taken: set[str], problems: list[Diagnostic]
) -> tuple[list[Section], list[Fit]]:
    """The sections of a used file in the names of the file that uses it, and which layers are to be alike.

    roles: what each name here was declared by.
    """
    flat, names = bound.flat, bound.names
    there, here = declared(flat.statements), bound.layers
    absent = {n for n, layer in here.items() if roles[layer.id] != "visible"}
    values = {names[n]: value for n, value in bound.values.items()}
    written = {n.id for s in flat.statements for n in tree.names(s)}
    renaming = Renaming(names, written, bound.use.prefix, flat.source, bound.use.span, taken, absent, problems)
    sections = []
    for section in flat.sections:
        kept = (_kept(s, bound) for s in section.statements)
        statements = tuple(_valued(renaming.statement(s), values) for s in kept if s is not None)
        comments = tuple(replace(c, span=renaming.span(c.span)) for c in section.comments)
        sections.append(Section(section.heading, statements, comments))
    fits = [
        replace(
            fit,
            entry=renaming.entry(fit.entry),
            layer=tree.Name(renaming.span(fit.layer.span), names[fit.layer.id]),
            at=tree.Name(renaming.span(fit.at.span), fit.at.id),
        )
        for fit in flat.fits
    ]
    for name, layer in here.items():
        entry = there[name][1]
        axes = tuple(print_expr(a) for a in entry.axes)
        fits.append(Fit(renaming.entry(entry), axes, name, layer, layer))
    return sections, fits
