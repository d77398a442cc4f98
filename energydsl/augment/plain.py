"""`augment` and `marginalise` written out: a module of declarations and energies alone, as if it had been written so."""

from __future__ import annotations

from dataclasses import replace

from energydsl.augment.expand import augmented
from energydsl.augment.marginalise import marginalised
from energydsl.model.resolve import Overrides
from energydsl.syntax import tree


def plain(module: tree.Module, overrides: Overrides) -> tree.Module:
    """A module without statements that change it. Raises `ModelError` (E0201, E0202, E0320, E0321)."""
    module = augmented(module)
    wanted = [name for s in module.statements if isinstance(s, tree.Marginalise) for name in s.layers]
    if wanted:
        module = replace(module, statements=tuple(s for s in module.statements if not isinstance(s, tree.Marginalise)))
    for name in wanted:
        module = marginalised(module, name, overrides)
    return module
