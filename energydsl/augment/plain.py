"""`augment` and `marginalise` written out: a module of declarations and energies alone, as if it had been written so."""

from __future__ import annotations

from energydsl.augment.expand import augmented
from energydsl.model.resolve import Overrides
from energydsl.syntax import tree


def plain(module: tree.Module, overrides: Overrides) -> tree.Module:
    """A module without statements that change it. Raises `ModelError` (E0201, E0202, E0320, E0321)."""
    return augmented(module)
