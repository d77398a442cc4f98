"""Texts that travel with the package: the grammar and the zoo of models."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path


def folder(name: str) -> Traversable:
    """`grammar` or `models`: in the wheel, or in the checkout that this package is part of."""
    packaged = resources.files("energydsl") / name
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2] / name
