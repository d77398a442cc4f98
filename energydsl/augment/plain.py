"""`augment` and `marginalise` written out: a module of declarations and energies alone, as if it had been written so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from energydsl.augment.expand import augment_terms, augmented
from energydsl.augment.marginalise import marginalised
from energydsl.model.resolve import Overrides, resolve
from energydsl.syntax import tree


def plain(module: tree.Module, overrides: Overrides) -> tree.Module:
    """A module without statements that change it. Raises `ModelError` (E0201, E0202, E0320, E0321, and problems of its own)."""
    if not any(isinstance(s, tree.Augment | tree.Marginalise) for s in module.statements):
        return module
    _check(module, overrides)
    module = augmented(module)
    wanted = [name for s in module.statements if isinstance(s, tree.Marginalise) for name in s.layers]
    module = without(module, tree.Marginalise)
    for name in wanted:
        module = marginalised(module, name, overrides)
    return module


def augment(module: tree.Module, terms: Iterable[tree.Name], overrides: Overrides) -> tree.Module:
    """`augment_terms` of a module that need not be accepted without. Raises `ModelError`: its own problems, E0201, E0320."""
    _check(module, overrides)
    return augment_terms(module, terms)


def _check(module: tree.Module, overrides: Overrides) -> None:
    """What is wrong with the declarations and names is said first; then expressions have shapes, and abbreviations an end."""
    resolve(without(module, tree.Augment | tree.Marginalise | tree.Schedule), overrides)


def without(module: tree.Module, kinds: Any) -> tree.Module:
    """A module without statements of some kinds."""
    return replace(module, statements=tuple(s for s in module.statements if not isinstance(s, kinds)))
