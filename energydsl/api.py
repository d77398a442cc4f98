"""The driver: from text to a ready program, one function a stage.

| stage     | function                        | from -> to                                                        |
|-----------|---------------------------------|-------------------------------------------------------------------|
| syntax    | `syntax.parse`                  | `Source` -> `Module`, the tree, one for one with the text          |
| model     | `model.resolve`                 | `Module` -> `Resolved`: names bound, shapes and ranges known       |
| energy    | `energy.canonicalise`           | `Resolved` -> `Energy`: an ordered sum of monomials                |
| graph     | `graph.term_graph`              | `Energy` -> bipartite NetworkX graph of layers and terms           |
| derived   | `derive.derive`                 | `Energy` -> `Derived`: conditionals, blocks, gradients, free energy |
| kernels   | `kernels.lower`                 | `Derived` -> `KernelProgram`: contractions over named axes         |
| source    | `backends.numpy_printer`        | `KernelProgram` -> text of a module                                |
| `Program` | `program.Program`               | loads the text; parameters, clamps, beta, weights are arguments    |

Each stage is a function from one frozen record to the next; `explain --emit STAGE` prints any of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from energydsl import derive as _derive
from energydsl.backends.cupy import loader as cupy_backend
from energydsl.backends.numba import loader as numba_backend
from energydsl.derive.directed.network import Factorisation, Network, derive_network, factorise
from energydsl.derive.records import Conditional, FreeEnergy, Gradient, Schedule, Verdict
from energydsl.diagnostics import (
    ArgumentError,
    Diagnostic,
    EnergyError,
    ModelError,
    Source,
    in_order,
    one_of,
    suggestion,
    whole_number,
)
from energydsl.energy import canonicalise
from energydsl.energy.canonical import canonical_terms
from energydsl.energy.rules import TooMuch
from energydsl.model import resolve
from energydsl.model.graphs import from_pairs
from energydsl.model.records import EnergyTerm, Layer, Param, Resolved
from energydsl.model.resolve import Overrides, allowed
from energydsl.syntax.parser import decode, parse
from energydsl.syntax.resources import folder

if TYPE_CHECKING:
    from energydsl.graph.terms import TermGraph
    from energydsl.program.undirected import Program
    from energydsl.verification.records import Certificate

BACKENDS = ("auto", "numpy", "numba", "cupy")
# Parameters and units from which `auto` takes compiled kernels, and a device.
_COMPILED_FROM, _DEVICE_FROM = 256, 10_000
DTYPES = ("float32", "float64")
PRECISIONS = ("full", "tf32", "bf16x2", "bf16x3")
STAGES = ("syntax", "model", "energy", "graph", "derived", "kernels", "source")


class Model:
    """A checked model and everything that is derived from it, on demand."""

    def __init__(self, source: Source, overrides: Overrides):
        self.source = source
        self.overrides = overrides
        self.module = parse(source)
        self.resolved = resolve(self.module, overrides)
        self.energy, energy_warnings = canonicalise(self.resolved)
        self.factorisation: Factorisation | None = None
        found = [*self.resolved.warnings, *energy_warnings]
        if self.resolved.directed:
            found += _derive.check_directed(self.resolved, self.energy)
            if not any(d.severity == "error" for d in found):
                self.factorisation, problems = factorise(self.resolved, overrides)
                found += problems
                self.energy, _ = canonical_terms(self.resolved, _generative(self.resolved))
        else:
            found += _derive.check(self.resolved, self.energy)
        errors = [d for d in found if d.severity == "error"]
        if errors:
            raise ModelError(errors)
        self.warnings = tuple(in_order(d for d in found if not allowed(self.module, d)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as the text, the overrides, and graphs as they were read: it is derived again."""
        graphs = {n: g for n, g in self.resolved.graphs.items() if g.kind == "edges"}
        return Model, (self.source, replace(self.overrides, graphs=graphs, folder=None))

    def __repr__(self) -> str:
        return f"<energydsl model {self.name}: {', '.join(self.layers)}>"

    @property
    def name(self) -> str:
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
        from energydsl.graph.terms import term_graph

        return term_graph(self.resolved, self.energy)

    @cached_property
    def derived(self) -> _derive.Derived:
        """Everything derived. Raises `ModelError` (E0402, or E0310 where it outgrows any use)."""
        try:
            if self.factorisation is not None:
                return derive_network(self.resolved, self.energy, self.factorisation)
            return _derive.derive(self.resolved, self.energy)
        except TooMuch:
            message = "what follows from this energy has more terms than can be handled"
            raise ModelError([Diagnostic("E0310", message, self.energy.terms[-1].spans[0])]) from None

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
        """Gibbs blocks in order, with layers clamped; str() of a part: `h`, a colour `s:0`, or `x*` unit by unit."""
        names = frozenset([clamp] if isinstance(clamp, str) else clamp)
        for name in names:
            if name not in self.layers:
                raise ArgumentError(f"there is no layer `{name}` to clamp")
        return self.derived.schedule(names)

    def applicability(self) -> tuple[Verdict, ...]:
        """Which objectives and estimators fit this model, and for each that does not, why."""
        return self.derived.verdicts

    def explain(self, format: str = "text") -> Any:
        """What was derived: "text", "latex", or "json" (a dict)."""
        from energydsl.report import explain

        one_of("format", format, ("text", "latex", "json"))
        return getattr(explain, f"as_{format}")(self)

    def emit(self, stage: str) -> str:
        """Any stage of the compiler as text."""
        from energydsl.report.stages import show

        return show(self, stage)

    def compile(self, backend: str = "auto", dtype: str = "float32", precision: str = "full") -> Program:
        """A program of kernels. Raises `ModelError` (E0402) where it cannot be compiled.

        precision: of large float32 products on a GPU: "full"; "tf32", factors rounded to 11 bits; "bf16x2" and "bf16x3",
        factors as sums of two or three 8-bit numbers. `docs/performance.md` has their errors.
        """
        from energydsl.program.undirected import Program

        one_of("dtype", dtype, DTYPES)
        one_of("precision", precision, PRECISIONS)
        chosen = self._backend(backend)
        if precision != "full" and (chosen != "cupy" or dtype != "float32"):
            raise ArgumentError(f"precision {precision} is for float32 on the cupy backend, not {dtype} on {chosen}")
        if isinstance(self.derived, Network):
            from energydsl.program.directed import DirectedProgram

            program: Program = DirectedProgram(self.derived, chosen, dtype, precision)
        else:
            program = Program(self.derived, chosen, dtype, precision)
        program.origin = self
        return program

    def _backend(self, backend: str) -> str:
        """The backend that is meant. Raises `EnergyError` where it cannot be used here."""
        one_of("backend", backend, BACKENDS)
        if found := obstacle(backend):
            raise EnergyError(found)
        if backend != "auto":
            return backend
        if self._size >= _DEVICE_FROM and not cupy_backend.obstacle():
            return "cupy"
        return "numba" if self.worth_compiling and numba_backend.installed() else "numpy"

    @property
    def _size(self) -> int:
        return sum(math.prod(p.shape) for p in self.params.values()) + sum(x.size for x in self.layers.values())

    @property
    def worth_compiling(self) -> bool:
        """Whether `auto` takes compiled kernels for a model of this size, where there are any."""
        return self._size >= _COMPILED_FROM

    def verify(self, seed: int = 0, backend: str = "numpy") -> Certificate:
        """The derivation certificate of this model, with the kernels of a backend."""
        from energydsl.verification.certificate import certify, certify_network
        from energydsl.verification.shrink import shrink

        seed = whole_number("seed", seed)
        small, overrides, listed = shrink(self.module, self.overrides)
        if isinstance(self.derived, Network):
            parts, _ = factorise(small, overrides)
            energy, _ = canonical_terms(small, _generative(small))
            network = derive_network(small, energy, parts)
            return certify_network(self.derived, network, listed, seed, self._backend(backend))
        return certify(self.derived, small, listed, seed, self._backend(backend))


def _generative(model: Resolved) -> tuple[EnergyTerm, ...]:
    """The energies of the joint distribution: undirected ones, and conditional ones by what they say."""
    conditional = (
        EnergyTerm(f"{', '.join(d.targets)} | {', '.join(d.given)}", d.expression, d.span)
        for d in model.directed
        if d.keyword == "energy"
    )
    return (*model.energies, *conditional)


def obstacle(backend: str) -> str:
    """Why a backend cannot be used here, and the way out; empty where it can."""
    if backend == "cupy":
        return cupy_backend.obstacle()
    if backend == "numba" and not numba_backend.installed():
        return 'backend `numba` needs its packages: pip install "energydsl[numba]"'
    return ""


def load(
    path: str | Path,
    dims: Mapping[str, int] | None = None,
    consts: Mapping[str, float] | None = None,
    graphs: Mapping[str, Any] | None = None,
) -> Model:
    """The model of a file. Raises `ModelError` with all its diagnostics, `EnergyError` where it cannot be read."""
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
) -> Model:
    """The model of a string."""
    return Model(Source(name, text), _overrides(dims, consts, graphs, None))


def zoo(name: str, dims: Mapping[str, int] | None = None, consts: Mapping[str, float] | None = None) -> Model:
    """A model that comes with the package, by name: `zoo("rbm")`; `energydsl new` lists them.

    Raises `ArgumentError` for another name.
    """
    return loads(zoo_text(name), dims, consts, name=f"{name}.energy")


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


def check(source: Source, overrides: Overrides) -> list[Diagnostic]:
    """All diagnostics of a model, errors and warnings."""
    try:
        return list(Model(source, overrides).warnings)
    except ModelError as error:
        return list(error.diagnostics)


def _overrides(
    dims: Mapping[str, int] | None,
    consts: Mapping[str, float] | None,
    graphs: Mapping[str, Any] | None,
    folder: Path | None,
) -> Overrides:
    records = {}
    for name, graph in (graphs or {}).items():
        from energydsl.graph.edges import pairs_of

        pairs, nodes = pairs_of(graph, name)
        records[name] = from_pairs(name, pairs, nodes, None)
    sizes = {n: int(v) if v == int(v) else v for n, v in _numbers("dim", dims).items()}
    return Overrides(sizes, _numbers("const", consts), records, folder)


def _numbers(what: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is set from outside as Python's own numbers. Raises `ArgumentError` for what is none."""
    for name, value in (given or {}).items():
        if not (isinstance(value, Real) and math.isfinite(value)):
            raise ArgumentError(f"{what} `{name}` is set to {value!r}, which is no number")
    return {n: float(v) for n, v in (given or {}).items()}
