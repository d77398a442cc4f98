"""Models for Python: `load`, `loads` and `zoo` make a `Model`, which asks the compiler for what follows from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from energydsl import compiler, defaults
from energydsl.augment import plain
from energydsl.backends.choice import chosen, worth_compiling
from energydsl.derive import Derived
from energydsl.derive.directed.network import Factorisation
from energydsl.derive.records import Conditional, FreeEnergy, Gradient, Schedule, Verdict
from energydsl.diagnostics import (
    ArgumentError,
    Diagnostic,
    EnergyError,
    ModelError,
    Source,
    one_of,
    suggestion,
    whole_number,
)
from energydsl.energy.terms import Energy
from energydsl.graph.edges import pairs_of
from energydsl.graph.terms import TermGraph, term_graph
from energydsl.model.graphs import from_pairs
from energydsl.model.records import Layer, Param, Resolved
from energydsl.model.resolve import Overrides
from energydsl.modules import written_out
from energydsl.options import DTYPES, FORMATS, PRECISIONS, STAGES, Backend, DType, Format, Precision, Stage
from energydsl.syntax import parse, print_module, tree
from energydsl.syntax.parser import decode
from energydsl.syntax.resources import folder

if TYPE_CHECKING:
    from energydsl.program import Program
    from energydsl.verification.records import Certificate


class Model:
    """A checked model and everything that is derived from it, on demand."""

    def __init__(self, source: Source, overrides: Overrides):
        self.checked = compiler.check(source, overrides)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as the text, the overrides, and graphs and initial values as they were read: it is derived again."""
        graphs = {n: g for n, g in self.resolved.graphs.items() if g.kind in ("edges", "hyperedges")}
        return Model, (self.source, replace(self.overrides, graphs=graphs, starts=self.resolved.starts, folder=None))

    def __repr__(self) -> str:
        return f"<energydsl model {self.name}: {', '.join(self.layers)}>"

    def _repr_html_(self) -> str:
        from energydsl.report.model_page import short

        return short(self.compiled)

    @cached_property
    def compiled(self) -> compiler.Compiled:
        """The record of all that was derived. Raises `ModelError` (E0402, or E0310 where it outgrows any use)."""
        return compiler.derive(self.checked)

    @property
    def source(self) -> Source:
        """The text; of a model that imports files, one that says the same alone."""
        return self.checked.source

    @property
    def overrides(self) -> Overrides:
        """The dims, consts and graphs that were set from outside."""
        return self.checked.overrides

    @property
    def module(self) -> tree.Module:
        """The tree of the text."""
        return self.checked.module

    @property
    def resolved(self) -> Resolved:
        """The model with every name bound and every shape known."""
        return self.checked.resolved

    @property
    def energy(self) -> Energy:
        """The canonical energy; with directed parts, that of the joint distribution."""
        return self.checked.energy

    @property
    def factorisation(self) -> Factorisation | None:
        """The parts of a model with directed parts."""
        return self.checked.factorisation

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What the model is warned for, in the order of the text."""
        return self.checked.warnings

    @property
    def derived(self) -> Derived:
        """Everything derived. Raises `ModelError` (E0402, or E0310 where it outgrows any use)."""
        return self.compiled.derived

    @property
    def name(self) -> str:
        """The name in the `model` statement, `model` where there is none."""
        return self.resolved.name

    @property
    def layers(self) -> Mapping[str, Layer]:
        """Layers by name: role, domain, shape (without the axis of states)."""
        return self.resolved.layers

    @property
    def params(self) -> Mapping[str, Param]:
        """Parameters by name: shape, constraints, initialiser."""
        return self.resolved.params

    @cached_property
    def graph(self) -> TermGraph:
        """Bipartite graph of layers and energy terms."""
        return term_graph(self.resolved, self.energy)

    @property
    def conditionals(self) -> Mapping[str, Conditional]:
        """p(layer | all others) by layer: family, natural parameters, provenance; str() is the formula."""
        return self.derived.conditionals

    @property
    def gradients(self) -> Mapping[str, Gradient]:
        """dE/dparam by parameter, as sufficient statistics."""
        return self.derived.gradients

    @property
    def free_energy(self) -> FreeEnergy:
        """Which layers are summed out, and the expression."""
        return self.derived.free_energy

    def schedule(self, clamp: Iterable[str] = ()) -> Schedule:
        """Gibbs blocks in order, with layers clamped; str() of a part: `h`, a colour `s:0`, or `x*` unit by unit.

        Raises `ArgumentError` for a layer that there is not.
        """
        names = frozenset([clamp] if isinstance(clamp, str) else clamp)
        for name in names:
            if name not in self.layers:
                raise ArgumentError(f"there is no layer `{name}` to clamp")
        return self.derived.schedule(names)

    def applicability(self) -> tuple[Verdict, ...]:
        """Which objectives, estimators and samplers fit this model, and for each that does not, why."""
        from energydsl.program import samplers

        return samplers.what_fits(self.derived)

    @overload
    def explain(self, format: Literal["text", "latex"] = "text") -> str: ...

    @overload
    def explain(self, format: Literal["json"]) -> dict[str, Any]: ...

    def explain(self, format: Format = "text") -> str | dict[str, Any]:
        """What was derived: "text", "latex", or "json" (a dict)."""
        from energydsl.report import explain

        one_of("format", format, FORMATS)
        if format == "json":
            return explain.as_json(self.compiled)
        return (explain.as_latex if format == "latex" else explain.as_text)(self.compiled)

    def emit(self, stage: Stage) -> str:
        """Any stage of the compiler as text. Raises `ArgumentError` for an unknown stage."""
        from energydsl.report import stages

        one_of("stage", stage, STAGES)
        if stage in stages.OF_CHECKED:
            return stages.OF_CHECKED[stage](self.checked)
        return stages.OF_COMPILED[stage](self.compiled)

    def compile(
        self,
        backend: Backend = defaults.BACKEND,
        dtype: DType = defaults.DTYPE,
        precision: Precision = defaults.PRECISION,
    ) -> Program:
        """A program of kernels.

        backend: "auto" takes "cupy" or "numba" where they are installed and the model is large enough, else "numpy". dtype: of
        parameters, states and results. precision: of large float32 products on a GPU: "full"; "tf32", factors rounded to 11
        bits; "bf16x2" and "bf16x3", factors as sums of two or three 8-bit numbers (`docs/performance.md` has their errors).
        Raises `ArgumentError` for another word, `EnergyError` where the backend cannot be used here, and `ModelError` (E0402)
        where a graph was not given.

        >>> import energydsl as ed
        >>> program = ed.zoo("rbm").compile("numpy", "float64")
        >>> program.backend, program.dtype.name
        ('numpy', 'float64')
        """
        from energydsl.program import Program

        one_of("dtype", dtype, DTYPES)
        one_of("precision", precision, PRECISIONS)
        backend = chosen(backend, self._size)
        if precision != "full" and (backend != "cupy" or dtype != "float32"):
            raise ArgumentError(f"precision {precision} is for float32 on the cupy backend, not {dtype} on {backend}")
        return Program(compiler.generate(self.compiled, backend, dtype, precision), self)

    @property
    def _size(self) -> int:
        """Entries of all parameters and units of all layers."""
        return sum(math.prod(p.shape) for p in self.params.values()) + sum(x.size for x in self.layers.values())

    @property
    def worth_compiling(self) -> bool:
        """Whether `auto` takes compiled kernels for a model of this size, where there are any."""
        return worth_compiling(self._size)

    def augment(self, *terms: str) -> Model:
        """The model with auxiliary units: of the energy terms named, or of all in which a rule is known.

        The text of the new model has a hidden layer for each form, and no `augment`. Raises `ArgumentError` for a name
        that no term has, and `ModelError` (E0320) where no rule fits.

        >>> import energydsl as ed
        >>> model = ed.loads("visible v[3] : binary param W[3, 2] energy = - sum(softplus(v @ W))").augment()
        >>> print(model.source.text, end="")
        visible v[3] : binary
        param W[3, 2]
        hidden z[2] : binary
        energy = - sum(z * (v @ W))
        """
        return augment(self.source, self.overrides, terms)

    def marginalise(self, *layers: str) -> Model:
        """The model with hidden layers summed out: an energy of the others, with the same distribution of them at beta = 1.

        Raises `ArgumentError` for a layer that there is not, and `ModelError` (E0321) where no closed form is known, with the reason.

        >>> import energydsl as ed
        >>> model = ed.loads("visible v[3] : binary hidden h[2] : binary param W[3, 2] energy = - v @ W @ h")
        >>> print(model.marginalise("h").source.text, end="")
        visible v[3] : binary
        param   W[3, 2]
        energy = - sum[i] softplus(sum[j] v[j]*W[j, i])
        """
        _all_known("layer", layers, self.layers)
        names = tuple(tree.Name(self.layers[n].span, n) for n in layers)
        asked = (tree.Marginalise(names[0].span, names),) if names else ()
        module = replace(self.module, statements=(*self.module.statements, *asked))
        return Model(_text_of(plain.plain(module, self.overrides)), self.overrides)

    def verify(self, seed: int = defaults.SEED, backend: Backend = defaults.PRINTED_BACKEND) -> Certificate:
        """The derivation certificate of this model, with the kernels of a backend."""
        return compiler.verify(self.compiled, whole_number("seed", seed), chosen(backend, self._size))


def load(
    path: str | Path,
    dims: Mapping[str, int] | None = None,
    consts: Mapping[str, float] | None = None,
    graphs: Mapping[str, Any] | None = None,
) -> Model:
    """The model in a file.

    dims: sizes by name, in place of those in the file; consts: constants likewise. graphs: NetworkX graphs by name, for
    `graph G[n]`. Raises `ModelError` with all diagnostics of the text, `ArgumentError` for names
    and values of these that are none, and `EnergyError` where the file cannot be read.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnergyError(f"cannot read {path}: {error.strerror}") from None
    return Model(decode(data, str(path)), _overrides(dims, consts, graphs, path.parent))


def loads(
    text: str,
    dims: Mapping[str, int] | None = None,
    consts: Mapping[str, float] | None = None,
    graphs: Mapping[str, Any] | None = None,
    name: str = "model.energy",
    folder: str | Path | None = None,
) -> Model:
    """The model in a string. Arguments and errors are those of `load`; diagnostics show `name` for the file.

    Raises `ModelError` with all diagnostics of the text, and `ArgumentError` for dims, consts and graphs that are none.

    folder: where the files are that it imports, and those that it reads edges and numbers from.

    >>> import energydsl as ed
    >>> model = ed.loads("visible v[3] : binary hidden h[2] : binary param W[3, 2] energy = - v @ W @ h")
    >>> print(model.conditionals["h"])
    p(h_j = 1 | v) = sigmoid(sum_i v_i W_ij)
    >>> print(model.gradients["W"])
    dE/dW_ij = -v_i h_j
    """
    return Model(Source(name, text), _overrides(dims, consts, graphs, None if folder is None else Path(folder)))


def zoo(name: str, dims: Mapping[str, int] | None = None, consts: Mapping[str, float] | None = None) -> Model:
    """A model that comes with the package, by name: `zoo("rbm")`; `energydsl new` lists them.

    Raises `ArgumentError` for another name.

    >>> import energydsl as ed
    >>> ed.zoo("rbm", dims={"J": 64}).layers["h"].shape
    (64,)
    """
    here = folder("models")
    return loads(zoo_text(name), dims, consts, name=f"{name}.energy", folder=here if isinstance(here, Path) else None)


def zoo_names() -> list[str]:
    """The names that `zoo` knows."""
    return sorted(f.name.removesuffix(".energy") for f in folder("models").iterdir() if f.name.endswith(".energy"))


def zoo_text(name: str) -> str:
    """The file of a model of the zoo. Raises `ArgumentError` for another name."""
    known = zoo_names()
    if name not in known:
        help = suggestion(name, known) or f"there are {', '.join(known)}"
        raise ArgumentError(f"there is no model `{name}` in the zoo: {help}")
    return (folder("models") / f"{name}.energy").read_text(encoding="utf-8")


def zoo_imports(name: str) -> dict[str, str]:
    """The files that a model of the zoo imports, and those that these import, by their names. Raises `ArgumentError` for another name."""
    found = {f"{name}.energy": zoo_text(name)}
    for file in (todo := list(found)):
        statements = parse(Source(file, found[file])).statements
        for other in (s.file.value for s in statements if isinstance(s, tree.Import) and s.file.value not in found):
            found[other] = zoo_text(other.removesuffix(".energy"))
            todo.append(other)
    del found[f"{name}.energy"]
    return found


def augment(source: Source, overrides: Overrides, terms: Iterable[str] = ()) -> Model:
    """`Model.augment` of a text, which may be refused without its auxiliary units."""
    module = written_out(parse(source), overrides).alone
    known = {s.name.id: s.name for s in module.statements if isinstance(s, tree.Energy) and s.name}
    terms = tuple(terms)
    _all_known("energy term", terms, known)
    return Model(_text_of(plain.augment(module, [known[n] for n in terms], overrides)), overrides)


def _text_of(module: tree.Module) -> Source:
    return Source(module.source.name, print_module(module))


def check(source: Source, overrides: Overrides) -> list[Diagnostic]:
    """All diagnostics of a model, errors and warnings."""
    try:
        return list(compiler.check(source, overrides).warnings)
    except ModelError as error:
        return list(error.diagnostics)


def _all_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = tuple(known)
    for name in names:
        if name not in known:
            help = suggestion(name, known) or f"there are {', '.join(known) or 'none'}"
            raise ArgumentError(f"there is no {what} `{name}`: {help}")


def _overrides(
    dims: Mapping[str, int] | None,
    consts: Mapping[str, float] | None,
    graphs: Mapping[str, Any] | None,
    folder: Path | None,
) -> Overrides:
    records = {}
    for name, graph in (graphs or {}).items():
        pairs, nodes = pairs_of(graph, name)
        records[name] = from_pairs(name, pairs, nodes, None)
    sizes = {n: int(v) if v == int(v) else v for n, v in _numbers("dim", dims).items()}
    return Overrides(sizes, _numbers("const", consts), records, folder)


def _numbers(what: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is set from outside as Python's own numbers. Raises `ArgumentError` for what is none."""
    for name, value in (given or {}).items():
        if not (isinstance(value, Real) and math.isfinite(value)):
            raise ArgumentError(f"{what} `{name}` is set to {value!r}, which is not a number")
    return {n: float(v) for n, v in (given or {}).items()}
