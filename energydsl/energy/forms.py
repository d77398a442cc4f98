"""Inner forms: the affine sums of units that stand inside functions, u_j = c_j + sum_i v_i W_ij. Equal forms are one form.

A form is affine in the statistics of every single unit, so that it changes by a difference as one unit does. Kernels that
visit the units of a layer one by one keep the forms beside the state and add these differences.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from energydsl.energy.rules import Rules, collect
from energydsl.energy.terms import At, Atom, Energy, Function, Loop, Monomial, atom_binders, is_joint, replace_in_atom
from energydsl.functions import FUNCTIONS
from energydsl.model.indices import Index

# Beyond so many axes their orders are not all tried.
_AXES = 3


@dataclass(frozen=True)
class Form:
    """u[f0, f1, ...]: a sum of monomials with these axes, each from 0 on."""

    name: str
    axes: tuple[Loop, ...]
    polynomial: tuple[Monomial, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return tuple(loop.high for loop in self.axes)


def affine(function: Function) -> tuple[tuple[Monomial, ...], tuple[Monomial, ...]]:
    """The argument of a function in two: the form that stands in it, and all else. No form without a unit."""
    argument = function.argument
    nested = {m for m in argument if any(is_joint(a) for a, _ in m.factors)}
    plain = tuple(m for m in argument if m not in nested)
    if FUNCTIONS[function.function].aggregate or not any(m.layers() for m in plain):
        return (), argument
    return plain, tuple(m for m in argument if m in nested)


def holds_forms(atom: Atom) -> bool:
    """Whether forms stand in an atom: several units do, or it is one of those that an aggregate lists."""
    return isinstance(atom, Function) and (atom.joint or (atom.function == "" and bool(atom.layers)))


class Forms:
    """The forms of an energy, and the names that their entries have."""

    def __init__(self, energy: Energy, rules: Rules):
        self.rules = rules
        self._found: dict[tuple[tuple[Loop, ...], tuple[Monomial, ...]], Form] = {}
        for term in energy.terms:
            self._walk((term.monomial,), {})

    @property
    def all(self) -> tuple[Form, ...]:
        """All forms, in the order in which they stand in the energy."""
        return tuple(self._found.values())

    def _walk(self, monomials: Iterable[Monomial], around: Mapping[str, Loop]) -> None:
        for monomial in monomials:
            loops = {**around, **{loop.name: loop for loop in monomial.loops}}
            for atom, _ in monomial.factors:
                if isinstance(atom, Function) and holds_forms(atom):
                    form, nested = affine(atom)
                    if form:
                        self.entry(form, loops)
                    self._walk(nested, loops)

    def entry(self, polynomial: tuple[Monomial, ...], around: Mapping[str, Loop]) -> At:
        """The entry of the form that a polynomial is; `around`: the loops of the binders that are free in it."""
        free = list(atom_binders(Function("", polynomial)))
        orders = itertools.permutations(free) if len(free) <= _AXES else [tuple(free)]
        axes, key = min(
            (self._numbered(polynomial, order, around) for order in orders), key=lambda found: repr(found[1])
        )
        if key not in self._found:
            self._found[key] = Form(f"form {len(self._found) + 1}", *key)
        indices = (Index.of(n) + Index(constant=-around[n].low) for n in axes)
        return At("form", self._found[key].name, tuple(indices))

    def _numbered(
        self, polynomial: tuple[Monomial, ...], order: tuple[str, ...], around: Mapping[str, Loop]
    ) -> tuple[tuple[str, ...], tuple[tuple[Loop, ...], tuple[Monomial, ...]]]:
        """A polynomial with its free binders numbered in an order."""
        axes = tuple(Loop(f"f{k}", 0, around[n].high - around[n].low, around[n].graph) for k, n in enumerate(order))
        mapping = {n: Index.of(axis.name) + Index(constant=around[n].low) for n, axis in zip(order, axes, strict=True)}
        renamed = replace_in_atom(Function("", polynomial), mapping)
        assert isinstance(renamed, Function)
        return order, (axes, tuple(collect(renamed.argument, self.rules)))
