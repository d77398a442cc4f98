"""Resolved model to canonical energy: `canonicalise`."""

from energydsl.energy.canonical import canonicalise as canonicalise
