"""The formatter, which refuses to write what would be read differently."""

from __future__ import annotations

from energydsl.diagnostics import EnergyError, Source
from energydsl.syntax.parser import parse
from energydsl.syntax.printer import print_module


def formatted(source: Source) -> str:
    """The formatted text. Raises `EnergyError` if it would not parse to the same model with the same comments."""
    module = parse(source)
    text = print_module(module)
    if parse(Source(source.name, text)) != module:
        raise EnergyError(f"{source.name} is left as it is: formatting it would change its meaning")
    return text
