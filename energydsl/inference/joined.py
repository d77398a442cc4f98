"""Two models that share layers as one, whose energy is a mixture of theirs: what an annealing from one to the other runs on.

    E_t = (1 - t) E_first + t E_second
is the energy of one text, that of both, with other names for all of the first but the layers they share, and with weights 1 - t
and t of the energy terms. So conditionals, blocks and free energies along the whole path are derived like those of any model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from energydsl import compiler
from energydsl.backends.interface import Arrays
from energydsl.derive.directed.split import without_initialiser
from energydsl.diagnostics import ModelError, NotApplicable
from energydsl.model.records import Resolved
from energydsl.model.resolve import Overrides
from energydsl.program.engine import CoreEngine
from energydsl.syntax import tree


@dataclass(frozen=True)
class Joined:
    """engine: of both models. params: of both, by their names in it. names: those of the layers of the first model in it, by its own.

    first_alone, second_alone: layers that only one of the two has. fading: the energy terms of the first; all others grow.
    """

    engine: CoreEngine
    params: Arrays
    names: Mapping[str, str]
    first_alone: tuple[str, ...]
    second_alone: tuple[str, ...]
    fading: frozenset[str]

    def weights(self, t: float) -> dict[str, float]:
        """The weights of the energy terms at a point of the path."""
        return {n: 1.0 - t if n in self.fading else t for n in self.engine.model.labels}


def joined(first: CoreEngine, first_params: Arrays, second: CoreEngine, second_params: Arrays) -> Joined:
    """One engine, of the backend of the second. Raises `NotApplicable` where no path leads from one model to the other."""
    old, new = first.model, second.model
    for engine in (first, second):
        _check(engine)
    shared = [n for n in old.layers if n in new.layers and _alike(old, new, n)]
    if not shared:
        raise NotApplicable(
            "no path leads from one model to the other: they share no layer, of one name, shape and domain, that is random in both"
        )
    declared = [e.name.id for m in (old, new) for _, e in _entries(m)]
    renamed: dict[str, str] = {}
    for _, entry in _entries(old):
        name = entry.name.id
        if name not in shared:
            renamed[name] = _fresh(f"first_{name}", {*declared, *renamed.values()})
    fading, growing = _energies(old, "fading", declared), _energies(new, "growing", declared)
    changed: Mapping[str, tree.Expr] = {n: tree.Name(old.module.statements[0].span, m) for n, m in renamed.items()}
    statements = [
        *tree.inlined(tuple(_declarations(old, shared)), changed),
        *_declarations(new, ()),
        *tree.inlined(tuple(fading), changed),
        *growing,
    ]
    graphs = {renamed[n]: g for n, g in _given(old).items()} | _given(new)
    try:
        checked = compiler.check_module(
            tree.Module(new.module.source, tuple(statements), ()), Overrides({}, {}, graphs)
        )
        found = compiler.generate(compiler.derive(checked), second.backend, second.dtype.name, second.precision).core  # type: ignore[arg-type]
    except ModelError as error:
        raise NotApplicable(f"no path leads from one model to the other: {error.diagnostics[0].message}") from None
    return Joined(
        found,
        {renamed[n]: a for n, a in first_params.items()} | dict(second_params),
        {n: renamed.get(n, n) for n in old.layers},
        tuple(renamed[n] for n in old.layers if n in renamed),
        tuple(n for n in new.layers if n not in shared),
        frozenset(s.name.id for s in fading if s.name is not None),
    )


def _check(engine: CoreEngine) -> None:
    """Raises `NotApplicable` for what no path between two models is made of."""
    model = engine.model
    if model.by_role("input"):
        raise NotApplicable("no path between two runs: a model with inputs has a log Z for each row of them")
    for name, family in engine.derived.families.items():
        if family.factorial_base or family.density or name not in engine.derived.conditionals:
            raise NotApplicable(
                f"no path between two runs: the energy of `{name}` has a part that no temperature scales, or no conditional in closed form"
            )


def _alike(old: Resolved, new: Resolved, name: str) -> bool:
    """Whether a layer is the same in both."""
    a, b = old.layers[name], new.layers[name]
    return a.shape == b.shape and a.domain == b.domain


def _fresh(name: str, taken: set[str]) -> str:
    """A name that is not taken."""
    while name in taken:
        name += "_"
    return name


def _statements(model: Resolved) -> tuple[tree.Statement, ...]:
    return (*model.module.statements, *model.expanded)


def _entries(model: Resolved) -> Iterator[tuple[str, tree.Entry]]:
    """All that a model declares, with its keyword."""
    for statement in _statements(model):
        if isinstance(statement, tree.Declaration):
            for entry in statement.entries:
                yield statement.keyword, entry


def _declarations(model: Resolved, left_out: Iterable[str]) -> Iterator[tree.Declaration]:
    """Declarations with sizes and constants that are in force, and no initialisers."""
    for keyword, entry in _entries(model):
        name, kept = entry.name.id, entry
        if name in left_out:
            continue
        if keyword == "param":
            kept = without_initialiser(entry)
        elif keyword in ("dim", "const"):
            value = model.dims[name] if keyword == "dim" else model.consts[name].value
            kept = replace(entry, value=_number(entry, value))
        yield tree.Declaration(entry.span, keyword, (kept,))


def _number(entry: tree.Entry, value: float) -> tree.Expr:
    found = tree.Number(entry.span, repr(abs(value)))
    return tree.Negate(entry.span, found) if value < 0 else found


def _energies(model: Resolved, stem: str, taken: Iterable[str]) -> list[tree.Energy]:
    """The energies of a model, each by a name of its own."""
    found = [s for s in _statements(model) if isinstance(s, tree.Energy)]
    return [
        replace(s, name=tree.Name(s.span, _fresh(f"{stem}_{number}", set(taken)))) for number, s in enumerate(found)
    ]


def _given(model: Resolved) -> dict[str, object]:
    """The graphs that the text alone does not make."""
    return {n: g for n, g in model.graphs.items() if g.kind in ("edges", "hyperedges")}
