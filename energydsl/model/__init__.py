"""Tree to resolved model: `resolve`."""

from energydsl.model.resolve import resolve as resolve
