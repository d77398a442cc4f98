"""Conditions on loops: what cannot hold together, and what follows from the rest."""

from __future__ import annotations

import itertools

import pytest

import energydsl as ed
from energydsl.energy.order import contradictory, reduced
from energydsl.energy.terms import Predicate
from energydsl.model.indices import Index

SIGNS = {"<": "less", "=": "equal", "!": "differ"}


def predicates(text: str) -> list[Predicate]:
    return [Predicate(SIGNS[p[1]], (Index.of(p[0]),), (Index.of(p[2]),)) for p in text.split()]


def satisfied(text: str, values: dict[str, int]) -> bool:
    tests = {"<": int.__lt__, "=": int.__eq__, "!": int.__ne__}
    return all(tests[p[1]](values[p[0]], values[p[2]]) for p in text.split())


TABLE = ["i<k k<i", "i<i", "i<j j<k k<i", "i=k i<k", "i=j j=k i!k", "i!i", "i<j j<k", "i<j i<k j<k", "i<j i!j",
         "i<j j<k i!k", "i!j j!k", "i=j j<k", "i<k j<k", "i<j j<k k<l i<l i!l", "i<k i<k"]  # fmt: skip


@pytest.mark.parametrize("text", TABLE)
def test_against_all_values(text: str) -> None:
    names = sorted({c for c in text if c.isalpha()})
    values = [dict(zip(names, v, strict=True)) for v in itertools.product(range(4), repeat=len(names))]
    found = predicates(text)
    assert contradictory(found) == (not any(satisfied(text, v) for v in values))
    left = " ".join(
        f"{p.left[0].plain}{'<=!'[list(SIGNS.values()).index(p.kind)]}{p.right[0].plain}" for p in reduced(found)
    )
    if not contradictory(found):
        assert all(satisfied(left, v) == satisfied(text, v) for v in values)


def test_what_follows_is_left_out() -> None:
    assert reduced(predicates("i<j i<k j<k i!k")) == predicates("i<j j<k")


CUBE = "visible s[5] : {}\nparam h[5]\nenergy = - h @ s - 0.01 * sum[i, j, k] s[i]*s[j]*s[k]"


@pytest.mark.parametrize("domain", ["binary", "spin", "integer[0, 3]"])
def test_a_cube_has_no_empty_sum(domain: str) -> None:
    model = ed.loads(CUBE.format(domain))
    assert not any(contradictory(t.monomial.predicates) for t in model.energy.terms)
    assert model.verify().ok


def test_a_cube_of_bits_is_printed_once_and_reduced() -> None:
    text = ed.loads(CUBE.format("binary")).explain()
    assert text.count("sum_{i < j} 0.06 s_i s_j") == 2  # the energy, and F = E
    assert "sum_{i < j < k} 0.06 s_i s_j s_k" in text
