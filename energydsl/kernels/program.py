"""The array program: straight-line kernels over named axes.

What it can say, and all it can say:

    Access    read an array: a layer x, a parameter p, a const c, the values of a unit, row weights, a mask, a table of
              numbers made of indices, an earlier value; whole, or gathered at index expressions; raised to a power
    Define    a new value: a function of a sum of products (coefficients such as 1 / sqrt(1 + a))
    Contract  the product of two values, summed over the axes nothing later needs; or a sum of one value
    Matmul    a contraction of two arrays that are matrices as they lie in memory
    Section   a chain of contractions whose result, times a number and a term weight, is added to an output,
              aligned by axes or scattered at computed places; or whose last product is written straight into it
    Draw      the units of a layer from their natural parameters and uniform numbers
    Moments   the conditional mean of every unit of a layer and, where it is a statistic, of its square
    Scan      the units of a layer drawn one after the other, each from its own natural parameters; and what the inner
              forms that hold it change by
    Block     the units of a layer drawn a colour at a time: the terms of several units, and where its units stand in them

An axis is a letter with a size; BATCH is the axis of chains. A kernel is a list of sections that add up. `lower` makes
contractions, `select` turns those that are matrix products into `Matmul`, `verify` checks shapes and axes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from energydsl.derive.records import Schedule
from energydsl.domains import Family
from energydsl.domains.scalar import Scalar
from energydsl.energy.terms import Monomial, Predicate
from energydsl.functions import FUNCTIONS
from energydsl.model.indices import Index

BATCH = "B"

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Access:
    """An array and the axes it has after indexing.

    numbers: the one factor that a table of numbers holds, over its loops, and where; 0 elsewhere.
    """

    source: str
    name: str
    letters: tuple[str, ...]
    indices: tuple[Index, ...] | None = None
    flat: bool = False
    exponent: float = 1.0
    predicate: Predicate | None = None
    numbers: Monomial | None = None


@dataclass(frozen=True)
class Define:
    """`out = function(sum of sections)`, over `letters`; function "" is the identity.

    An aggregate is a function of all entries of its sections, over the axes that they have beyond `letters`.
    """

    out: str
    function: str
    sections: tuple[Section, ...]
    letters: tuple[str, ...]

    @property
    def aggregate(self) -> bool:
        """Whether its function is one of all entries of its sections, not of their sum."""
        return FUNCTIONS[self.function].aggregate


@dataclass(frozen=True)
class Contract:
    """`out = left * right`, summed over every axis that is not in `letters`; right is None for a plain sum."""

    out: str
    left: Access
    right: Access | None
    letters: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """An array as a matrix, without a copy: the axes that the product keeps, and those that it sums over.

    As they lie in memory, one group comes after the other. transposed: whether the matrix has them the other way round.
    """

    access: Access
    free: tuple[str, ...]
    summed: tuple[str, ...]
    transposed: bool


@dataclass(frozen=True)
class Matmul:
    """`out = left @ right`, over the free axes of both, then in the order of `letters`.

    weighted: whether the axis of chains, which is summed over, is multiplied by the row weights.
    """

    out: str
    left: Matrix
    right: Matrix
    letters: tuple[str, ...]
    weighted: bool = False

    @property
    def order(self) -> tuple[str, ...]:
        """The axes of the product as it is made."""
        return self.left.free + self.right.free

    @property
    def flat(self) -> bool:
        """Whether the product is a matrix or vector with the axes of the result, and needs no other shape."""
        return len(self.left.free) <= 1 and len(self.right.free) <= 1

    def fits(self, letters: tuple[str, ...]) -> bool:
        """Whether it can be written into an array with these axes, seen as a matrix."""
        return self.order == self.letters == letters and (self.flat or len(self.left.free) == 1)


Step = Define | Contract | Matmul


@dataclass(frozen=True)
class Section:
    """One monomial of an output: steps, result, factor, term weight, and where it goes.

    target: None where the axes of the result are those of the output; else the index expressions it is scattered at.
    direct: whether its last step is a `Matmul` that is written, or added, straight into the output.
    """

    label: str
    coefficient: float
    steps: tuple[Step, ...]
    result: Access | None
    sizes: Mapping[str, tuple[int, int]]
    target: tuple[Index, ...] | None
    flat: bool
    layers: tuple[str, ...]
    origin: str
    direct: bool = False

    @property
    def letters(self) -> tuple[str, ...]:
        """The axes of the result."""
        return self.result.letters if self.result else ()

    @property
    def product(self) -> Matmul | None:
        """Its last step, where that is a matrix product and the result."""
        last = self.steps[-1] if self.steps else None
        here = isinstance(last, Matmul) and self.result is not None and self.result.name == last.out
        return last if here and isinstance(last, Matmul) else None

    @property
    def batched(self) -> bool:
        """Whether the result varies with the chains."""
        return self.result is not None and BATCH in self.result.letters


@dataclass(frozen=True)
class Kernel:
    """One output: its axes after BATCH (where it has that), shape, and the sections that add up to it.

    held: whether the output is an array over chains that is kept from call to call. onto: whether the output, a gradient, can
    be added onto the parameter itself as it is made. plain: whether beta and weights leave it as it is.
    """

    name: str
    equation: str
    letters: tuple[str, ...]
    shape: tuple[int, ...]
    sections: tuple[Section, ...]
    held: bool = False
    onto: bool = False
    plain: bool = False

    @property
    def batched(self) -> bool:
        """Whether the output varies with the chains."""
        return any(s.batched for s in self.sections)

    @property
    def label(self) -> str | None:
        """The energy term of all sections, where they have but one."""
        labels = {s.label for s in self.sections}
        return next(iter(labels)) if len(labels) == 1 else None


@dataclass(frozen=True)
class Draw:
    """The units of a layer from natural parameters and uniform numbers u.

    formula: in eta1, eta2 and u. overwritten: those of them that are arrays over chains and units of their own.
    """

    layer: str
    etas: tuple[str, ...]
    formula: Scalar
    overwritten: frozenset[str]


@dataclass(frozen=True)
class Moments:
    """The conditional mean of every unit and, where it is a statistic, that of its square: formulas in eta1 and eta2."""

    layer: str
    etas: tuple[str, ...]
    mean: Scalar
    variance: Scalar | None


@dataclass(frozen=True)
class FormTerm:
    """coefficient * weight * the sum of `change` over all entries of some forms: a term in the field of a unit of two values.

    change: a formula in m0, m1, ... (the forms without the unit), d0, d1, ... (what they gain by 1 of it) and a0, a1, ...
    forms: their names. arrays: the a, over the axes of the forms.
    """

    label: str
    coefficient: float
    change: Scalar
    forms: tuple[str, ...]
    arrays: tuple[Section, ...]


@dataclass(frozen=True)
class Window:
    """What entries of a form gain by 1 of a unit, where each is met by few units.

    section: over the axes of the form and more. unit: where the unit stands, at each of its places (flat: one index over all
    axes). predicates: where it stands at all.
    """

    section: Section
    unit: tuple[Index, ...]
    flat: bool
    predicates: tuple[Predicate, ...]


@dataclass(frozen=True)
class FormScan:
    """A scan that needs nothing of the terms of several units but running forms.

    points: the two values of a unit. slopes: d of each form, sections over the axes of the layer and of the form; or, where the
    units of a form are at computed places, windows of all forms.
    """

    points: tuple[float, float]
    terms: tuple[FormTerm, ...]
    slopes: Mapping[str, tuple[Section, ...]]
    windows: Mapping[str, tuple[Window, ...]]

    @property
    def forms(self) -> tuple[str, ...]:
        """The names of its forms."""
        return tuple(self.windows or self.slopes)


@dataclass(frozen=True)
class Scan:
    """The units of a layer of this shape in turn: the fields of one unit, at the letters `site`, and its draw.

    changes: what each form that holds the unit changes by when it takes the value "new". running: the same by running forms
    alone, where the units have two values and the rest of their fields does not couple them.
    """

    layer: str
    shape: tuple[int, ...]
    fields: tuple[Kernel, ...]
    site: tuple[str, ...]
    formula: Scalar
    changes: tuple[Kernel, ...] = ()
    running: FormScan | None = None


@dataclass(frozen=True)
class Standing:
    """Units at the places of some loops and of others inside, all with sizes: an entry of a layer, and where it counts."""

    sizes: Mapping[str, tuple[int, int]]
    unit: tuple[Index, ...]
    flat: bool
    predicates: tuple[Predicate, ...]


@dataclass(frozen=True)
class BlockTerm:
    """A term of several units at every place of those of its loops that its units depend on: over BATCH and their letters."""

    kernel: Kernel
    standing: tuple[Standing, ...]


@dataclass(frozen=True)
class BlockForm:
    """An inner form that holds a layer. standing: its units, where it is a sum over single ones with numbers; else none.

    extent: of the form, 1 along axes that its units do not depend on.
    """

    extent: tuple[int, ...]
    standing: tuple[Standing, ...]


@dataclass(frozen=True)
class Block:
    """The units of a layer a colour at a time, no two of which functions of several units hold together.

    points: the values of a unit; none where it has states. reads: the layers and inputs that the forms read. running: the same
    one by one, by windows of running forms alone, where there is such a scan.
    """

    points: tuple[float, ...]
    reads: tuple[str, ...]
    terms: tuple[BlockTerm, ...]
    forms: Mapping[str, BlockForm]
    running: FormScan | None = None


@dataclass(frozen=True)
class Affine:
    """A field that is scale * (a sum of matrix products) + what is the same for all chains, all of one energy term.

    Its last product can be left to the kernel that draws.
    """

    label: str
    products: tuple[Section, ...]
    constant: tuple[Section, ...]

    @property
    def straight(self) -> bool:
        """Whether its products take layers as they stand in a state, and else what parameters alone give."""
        return all(section.product is not None and _straight(section) for section in self.products)


def scaled_layer(step: Step) -> tuple[Access, Access] | None:
    """A whole layer as it stands in a state, and what the same units of all chains are multiplied by, where a step is that."""
    if not isinstance(step, Contract) or step.right is None:
        return None
    for layer, factor in ((step.left, step.right), (step.right, step.left)):
        if _stands(layer) and layer.letters == step.letters and set(factor.letters) <= set(step.letters) - {BATCH}:
            return layer, factor
    return None


def _stands(access: Access) -> bool:
    """Whether an access is a layer as it stands in a state."""
    return access.source == "x" and access.indices is None and access.exponent == 1.0


def _straight(section: Section) -> bool:
    """Whether the last step of a product takes layers as they stand in a state, scaled perhaps, and all else is the same for all chains."""
    *before, product = section.steps
    assert isinstance(product, Matmul)
    sides = (product.left.access, product.right.access)
    scaled = {step.out for step in before if scaled_layer(step)}
    return all(BATCH not in step.letters or step.out in scaled for step in before) and all(
        _stands(a) or a.name in scaled for a in sides if BATCH in a.letters
    )


@dataclass(frozen=True)
class LayerKernels:
    """What is done with the units of a layer: fields, one kernel a statistic, draws, moments.

    low, high: the bounds of its units. fields: none where there is no conditional; of a layer that inner forms hold but the part
    without them, and the rest is found for one unit at a time or for a block. scan: where its units are drawn one by one. block:
    where inner forms hold them, and they are drawn colour by colour. coloured: whether they are drawn so. formulas: of every
    unit, by name, in eta1 and eta2. affine: eta1, where it is of that form.
    """

    layer: str
    family: Family
    low: float
    high: float
    shape: tuple[int, ...]
    energy_shape: tuple[int, ...]
    field_shape: tuple[int, ...]
    fields: tuple[Kernel, ...]
    draw: Draw
    moments: Moments
    scan: Scan | None
    block: Block | None
    coloured: bool
    formulas: Mapping[str, Scalar]
    equation: str
    origin: str
    affine: Affine | None = None

    @property
    def states(self) -> int:
        """How many natural parameters a unit has, one for each value; 0 where it has one a statistic."""
        return self.field_shape[-1] if self.field_shape != self.shape else 0

    @property
    def straight(self) -> bool:
        """Whether a draw of the whole layer is products of whole layers with parameters and a function of the result."""
        if self.affine is None or self.family.density or self.coloured or self.holds_forms:
            return False
        return self.affine.straight and not any(kernel.batched for kernel in self.fields[1:])

    @property
    def by_unit(self) -> bool:
        """Whether inner forms hold its units, so that natural parameters are found for one unit at a time."""
        return self.scan is not None and bool(self.scan.changes)

    @property
    def holds_forms(self) -> bool:
        """Whether inner forms hold its units."""
        return self.by_unit or self.block is not None

    @property
    def etas(self) -> tuple[str, ...]:
        """The names of its natural parameters."""
        return self.draw.etas


@dataclass(frozen=True)
class KernelProgram:
    """All kernels of a model, and the data that they stand on.

    gradients: dE/dparam by parameter, summed over chains. slopes: dE/dx by layer, one for each chain.
    shapes: of parameters, layers, inputs and forms as they stand in the energy. forms: inner forms, which a scan keeps beside
    the state. consts: by name. edges: of each graph, two unit
    numbers an edge. colours: of the units of coloured layers. schedules: Gibbs blocks, "free" and with data "clamped".
    """

    name: str
    labels: tuple[str, ...]
    layers: Mapping[str, LayerKernels]
    energy: Kernel
    gradients: Mapping[str, Kernel]
    forms: Mapping[str, Kernel]
    slopes: Mapping[str, Kernel]
    shapes: Mapping[str, tuple[int, ...]]
    consts: Mapping[str, float]
    edges: Mapping[str, Integers] = field(compare=False)
    colours: Mapping[str, Integers] = field(compare=False)
    schedules: Mapping[str, Schedule] = field(compare=False)

    def kernels(self) -> Iterator[Kernel]:
        """Every kernel."""
        for layer in self.layers.values():
            yield from layer.fields
            yield from (*layer.scan.fields, *layer.scan.changes) if layer.scan else ()
            yield from (term.kernel for term in layer.block.terms) if layer.block else ()
        yield from self.forms.values()
        yield self.energy
        yield from self.gradients.values()
        yield from self.slopes.values()
