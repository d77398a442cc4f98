"""`%load_ext energydsl`: cells that are models.

    %%energy rbm -D J=64
    visible v[784] : binary
    ...

defines `rbm` as a model, whose files are in the working directory. Errors are shown as on a terminal, with the line and a caret.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from energydsl.api import Model, loads
from energydsl.diagnostics import ArgumentError, ModelError, render_all

Number = TypeVar("Number", int, float)


class CellError(ModelError):
    """What is at fault in a cell; a notebook shows the diagnostics alone, and no traceback."""

    def _render_traceback_(self) -> list[str]:
        return str(self).split("\n")


class _Words(argparse.ArgumentParser):
    """Reads the line of a cell; what it cannot read is an error of its own, as everything is."""

    def error(self, message: str) -> NoReturn:
        """Raises `ArgumentError`."""
        raise ArgumentError(f"{message}. Write %%energy NAME [-D NAME=INTEGER] [-c NAME=REAL]")


def cell_model(line: str, cell: str) -> tuple[str, Model]:
    """The name and the model of a cell. Raises `CellError` for a fault, `ArgumentError` for a line that cannot be read."""
    parser = _Words(prog="%%energy", add_help=False)
    parser.add_argument("name")
    parser.add_argument("-D", "--dim", action="append", default=[], type=_pair(int))
    parser.add_argument("-c", "--const", action="append", default=[], type=_pair(float))
    try:
        given = parser.parse_args(shlex.split(line))
    except ValueError as error:  # a quotation mark that stands alone
        raise ArgumentError(str(error)) from None
    if not given.name.isidentifier():
        raise ArgumentError(f"`{given.name}` cannot be the name of a model: letters, digits and _")
    try:
        return given.name, loads(cell, dict(given.dim), dict(given.const), name=given.name, folder=Path.cwd())
    except ModelError as error:
        raise CellError(error.diagnostics) from None


def _pair(kind: Callable[[str], Number]) -> Callable[[str], tuple[str, Number]]:
    def read(text: str) -> tuple[str, Number]:
        name, _, value = text.partition("=")
        return name, kind(value)

    return read


def load(shell: Any) -> None:
    """Make `%%energy` known to a shell of IPython."""

    def energy(line: str, cell: str) -> None:
        try:
            name, model = cell_model(line, cell)
        except ArgumentError as error:
            raise CellError(error.diagnostics) from None
        if model.warnings:
            sys.stderr.write(f"{render_all(model.warnings)}\n")
        shell.push({name: model})

    shell.register_magic_function(energy, magic_kind="cell", magic_name="energy")
