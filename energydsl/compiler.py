"""The compiler: from text to a program of kernels, one function a stage, each from one frozen record to the next.

| stage     | function                  | record it makes  | what is true afterwards                                        |
|-----------|---------------------------|------------------|----------------------------------------------------------------|
| syntax    | `syntax.parse`            | `Module`         | the tree, one for one with the text, a span on every node      |
| syntax    | `modules.written_out`     | `Whole`          | no `import` and `use`: one file's statements, places in theirs |
| syntax    | `augment.plain`           | `Module`         | auxiliary units declared, layers summed out: only energies left |
| model     | `model.resolve`           | `Resolved`       | names bound, shapes and index ranges known                     |
| energy    | `energy.canonicalise`     | `Energy`         | an ordered sum of monomials; equal energies are equal records  |
| graph     | `graph.terms.term_graph`  | `TermGraph`      | who meets whom: layers and terms, a NetworkX graph             |
| derived   | `derive.derive`           | `Derived`        | conditionals, blocks, gradients, free energy, applicability    |
| kernels   | `kernels.lower`           | `KernelProgram`  | contractions over named axes in a cheap order                  |
| source    | a printer of `backends`   | text             | a readable module, the same bytes from run to run              |
| `Program` | a loader of `backends`    | callables        | parameters, clamps, beta and weights are arguments             |

`check` makes the first five and refuses what is wrong; `derive` makes `graph` and `derived` of what it let through; `generate`
makes the rest. A model with directed parts goes the same way as a product of models (`derive/directed`). `verify` proves
what was derived, on the same stages at small sizes. `explain --emit STAGE` prints any stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from energydsl import derive as _derive
from energydsl.augment.plain import augment, plain
from energydsl.derive import Derived
from energydsl.derive.directed.network import Factorisation, Network, derive_network, factorise, joint_energy
from energydsl.diagnostics import Diagnostic, ModelError, Source, in_order
from energydsl.energy import canonicalise
from energydsl.energy.rules import TooMuch
from energydsl.energy.terms import Energy
from energydsl.graph.terms import TermGraph, term_graph
from energydsl.model import resolve
from energydsl.model.records import Resolved
from energydsl.model.resolve import Overrides, allowed
from energydsl.modules import Whole, written_out
from energydsl.options import Backend, DType, Precision
from energydsl.syntax import parse, tree

if TYPE_CHECKING:
    from energydsl.program import Engine
    from energydsl.verification.records import Certificate


@dataclass(frozen=True)
class Checked:
    """A model that is refused for nothing: the stages `syntax`, `model` and `energy`.

    source, module: the text and its tree; where it imports files, those of one text that says the same alone. given, files: the text as
    it was given, and the files that it imports.
    energy: of all terms; with directed parts, of the joint distribution. factorisation: the parts, where some are directed.
    """

    source: Source
    given: Source
    files: Mapping[str, Source]
    overrides: Overrides
    module: tree.Module
    resolved: Resolved
    energy: Energy
    factorisation: Factorisation | None
    warnings: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Compiled(Checked):
    """A checked model with what follows from it: the stages `graph` and `derived`. All that a report or a program needs."""

    graph: TermGraph
    derived: Derived


def check(source: Source, overrides: Overrides) -> Checked:
    """Text to a checked model. Raises `ModelError` with all that it is refused for."""
    return check_module(parse(source), overrides)


def check_module(module: tree.Module, overrides: Overrides) -> Checked:
    """A module to a checked model. Raises `ModelError` with all that it is refused for."""
    whole = written_out(module, overrides)
    try:
        return _checked(whole, module.source, overrides)
    except ModelError as error:
        raise ModelError(_with_a_way_out(error.diagnostics, whole.module, overrides)) from None


def _with_a_way_out(found: Sequence[Diagnostic], module: tree.Module, overrides: Overrides) -> list[Diagnostic]:
    """Refusals of functions that auxiliary units would make fit say so."""
    if any(d.code == "E0310" for d in found):
        with suppress(ModelError):
            augmented = augment(module, (), overrides)
            _checked(Whole(augmented, augmented), augmented.source, overrides)
            more = "; with auxiliary units it fits: `energydsl augment`, or the statement `augment NAME`"
            return [replace(d, help=d.help + more) if d.code == "E0310" else d for d in found]
    return list(found)


def _checked(whole: Whole, given: Source, overrides: Overrides) -> Checked:
    resolved = resolve(plain(whole.module, overrides), overrides)
    energy, warnings = canonicalise(resolved)
    problems = [*whole.warnings, *resolved.warnings, *warnings]
    factorisation = None
    if resolved.directed:
        problems += _derive.check_directed(resolved, energy)
        _refuse(problems)
        factorisation, of_parts = factorise(resolved, overrides)
        problems += of_parts
        _refuse(problems)
        energy = joint_energy(resolved, factorisation)
    else:
        problems += _derive.check(resolved, energy)
    _refuse(problems)
    told = tuple(in_order(d for d in problems if not allowed(whole.module, d)))
    return Checked(
        whole.alone.source, given, whole.files, overrides, whole.alone, resolved, energy, factorisation, told
    )


def _refuse(problems: Iterable[Diagnostic]) -> None:
    errors = [d for d in problems if d.severity == "error"]
    if errors:
        raise ModelError(errors)


def derive(checked: Checked) -> Compiled:
    """What follows from a model. Raises `ModelError`: E0402 for a graph that was not given, E0310 for what outgrows any use."""
    graph = term_graph(checked.resolved, checked.energy)
    try:
        if checked.factorisation is not None:
            derived: Derived = derive_network(checked.resolved, checked.energy, checked.factorisation)
        else:
            derived = _derive.derive(checked.resolved, checked.energy)
    except TooMuch:
        message = "what follows from this energy has more terms than can be handled"
        raise ModelError([Diagnostic("E0310", message, checked.energy.terms[-1].spans[0])]) from None
    return Compiled(**vars(checked), graph=graph, derived=derived)


def generate(compiled: Compiled, backend: Backend, dtype: DType, precision: Precision) -> Engine:
    """The kernels of a model: lowered, printed and loaded for one backend. Raises `ModelError` (E0402)."""
    from energydsl.program.directed import Directed
    from energydsl.program.undirected import Undirected

    if isinstance(compiled.derived, Network):
        return Directed(compiled.derived, backend, dtype, precision)
    return Undirected(compiled.derived, backend, dtype, precision)


def verify(compiled: Compiled, seed: int, backend: Backend) -> Certificate:
    """The derivation certificate of a model, with the kernels of a backend."""
    from energydsl.verification.certificate import certify, certify_network
    from energydsl.verification.shrink import shrink

    small, overrides, listed = shrink(compiled.resolved.module, compiled.overrides)
    if not isinstance(compiled.derived, Network):
        return certify(compiled.derived, small, listed, seed, backend)
    parts, _ = factorise(small, overrides)
    network = derive_network(small, joint_energy(small, parts), parts)
    return certify_network(compiled.derived, network, listed, seed, backend)
