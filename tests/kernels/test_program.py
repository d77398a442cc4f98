"""The kernel program: matrix products are found, and a program whose axes do not fit is refused before it is printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import energydsl as ed
from energydsl.derive.directed.network import derivations
from energydsl.kernels import KernelProgram, lower, select, verify
from energydsl.kernels.program import BATCH, Access, Contract, Kernel, Matmul, Section, Step
from energydsl.kernels.select import product_of
from energydsl.kernels.verify import InvalidProgram
from tests.conftest import zoo

RBM = "visible v[4] : binary\nhidden h[3] : binary\nparam W[4, 3], b[4]\nenergy = - v @ W @ h - b @ v"


def program(text: str = RBM) -> KernelProgram:
    return select(lower(ed.loads(text).derived))


def test_every_program_of_the_zoo_fits(zoo_path: Path) -> None:
    for _, derived in derivations(zoo(zoo_path).derived):
        lowered = lower(derived)
        assert verify(lowered) is lowered
        verify(select(lowered))


def test_fields_and_gradients_of_an_rbm_are_products() -> None:
    found = program()
    for layer in found.layers.values():
        assert isinstance(layer.fields[0].sections[0].product, Matmul)
        assert layer.affine is not None
    coupling, bias = found.gradients["W"], found.gradients["b"]
    assert coupling.onto
    assert bias.onto
    assert coupling.sections[0].product is not None
    assert coupling.sections[0].product.weighted


X, P, ROW = (Access("x", "v", (BATCH, "i")), Access("p", "W", ("i", "j")), Access("row", "row", (BATCH,)))
PRODUCTS = {
    "state times matrix": (X, P, (BATCH, "j"), False, False),
    "matrix times state": (P, X, (BATCH, "j"), False, False),
    "over chains": (X, Access("x", "h", (BATCH, "j")), ("i", "j"), True, False),
    "by the other axis": (X, Access("p", "W", ("j", "i")), (BATCH, "j"), False, True),
    "over chains, with weights": (X, ROW, ("i",), True, False),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_how_arrays_lie(name: str) -> None:
    left, right, letters, left_turned, right_turned = PRODUCTS[name]
    found = product_of("t0", left, right, letters)
    assert found is not None
    assert (found.left.transposed, found.right.transposed) == (left_turned, right_turned)
    assert found.fits(letters)


@pytest.mark.parametrize(
    ("left", "right", "letters"),
    [
        (X, Access("p", "b", ("i",)), (BATCH, "i")),
        (X, Access("x", "u", (BATCH, "i")), (BATCH,)),
        (Access("x", "v", (BATCH, "i", "k", "j")), Access("p", "w", ("i", "j")), (BATCH, "k")),
    ],
    ids=["entry by entry", "chain by chain", "would need a copy"],
)
def test_what_is_no_matrix_product(left: Access, right: Access, letters: tuple[str, ...]) -> None:
    assert product_of("t0", left, right, letters) is None


# --- programs that do not fit


def field(change: Callable[[Kernel], Kernel]) -> Callable[[KernelProgram], KernelProgram]:
    def broken(found: KernelProgram) -> KernelProgram:
        layer = found.layers["h"]
        fields = (change(layer.fields[0]), *layer.fields[1:])
        return replace(found, layers={**found.layers, "h": replace(layer, fields=fields)})

    return broken


def first(change: Callable[[Section], Section]) -> Callable[[KernelProgram], KernelProgram]:
    return field(lambda kernel: replace(kernel, sections=(change(kernel.sections[0]), *kernel.sections[1:])))


def last(change: Callable[[Matmul], Step]) -> Callable[[KernelProgram], KernelProgram]:
    def of(section: Section) -> Section:
        step = section.steps[-1]
        assert isinstance(step, Matmul)
        return replace(section, steps=(*section.steps[:-1], change(step)))

    return first(of)


BROKEN: dict[str, tuple[Callable[[KernelProgram], KernelProgram], str]] = {
    "shape": (field(lambda k: replace(k, shape=(5,))), "has shape"),
    "no size": (first(lambda s: replace(s, sizes={})), "has no size"),
    "wrong size": (first(lambda s: replace(s, sizes=dict.fromkeys(s.sizes, (0, 9)))), "has shape"),
    "result of nothing": (first(lambda s: replace(s, steps=())), "read before it is made"),
    "axes of the result": (first(lambda s: replace(s, result=Access("local", "t0", (BATCH,)))), "has the axes"),
    "transposed": (last(lambda m: replace(m, right=replace(m.right, transposed=not m.right.transposed))), "lies as"),
    "summed over others": (last(lambda m: replace(m, right=replace(m.right, summed=("k",)))), "lies as"),
    "axis lost": (last(lambda m: replace(m, letters=(BATCH,))), "has the axes"),
    "weights without chains": (last(lambda m: replace(m, weighted=True)), "row weights"),
    "axis from nowhere": (last(lambda m: Contract(m.out, m.left.access, m.right.access, ("q",))), "has the axes"),
    "written where it does not fit": (
        last(lambda m: Contract(m.out, m.left.access, m.right.access, m.letters)),
        "cannot be written",
    ),
    "unknown source": (last(lambda m: replace(m, left=replace(m.left, access=Access("z", "v", X.letters)))), "source"),
    "draw of other fields": (
        lambda p: replace(p, layers={n: replace(x, draw=replace(x.draw, etas=("eta2",))) for n, x in p.layers.items()}),
        "natural parameters",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_program_that_does_not_fit_is_refused(name: str) -> None:
    change, words = BROKEN[name]
    with pytest.raises(InvalidProgram, match=words):
        verify(change(program()))
