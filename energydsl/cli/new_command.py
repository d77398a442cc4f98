"""`energydsl new [NAME]`: a model of the zoo as a file to start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from energydsl.api import zoo_imports, zoo_names, zoo_text
from energydsl.cli.common import json_option, print_json, read_source
from energydsl.cli.completing import zoo_models
from energydsl.diagnostics import EnergyError


@click.command("new", short_help="Write a model of the zoo into a file, or list them.")
@click.argument("name", required=False, shell_complete=zoo_models)
@click.option(
    "-o",
    "out",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="File to write; `-` prints the model.  [default: NAME.energy]",
)
@json_option
def command(name: str | None, out: str | None, as_json: bool) -> None:
    """Write the model NAME of the zoo into a file to start from; without a NAME, list the models.

    Files that it imports are written beside it, where they are not there already.
    """
    if name is None:
        _list(as_json)
        return
    text = zoo_text(name)
    path = Path(out or f"{name}.energy")
    beside: list[str] = []
    if out != "-":
        beside = _write_all(path, text, zoo_imports(name))
    if as_json:
        shown = None if out == "-" else str(path)
        print_json({"ok": True, "model": name, "out": shown, "text": text, "imports": beside})
    elif out == "-":
        click.echo(text, nl=False)
    else:
        for file in beside:
            click.echo(f"{file}: written, as {path} imports it")
        click.echo(f"{path}: written; `energydsl explain {path}` prints what follows from it")


def _list(as_json: bool) -> None:
    about = {name: zoo_text(name).partition("\n")[0].removeprefix("#").strip() for name in zoo_names()}
    if as_json:
        print_json({"ok": True, "models": [{"name": n, "about": what} for n, what in about.items()]})
        return
    width = max(map(len, about))
    for name, what in about.items():
        click.echo(f"{name:<{width}}  {what}")


def _write_all(path: Path, text: str, imports: Mapping[str, str]) -> list[str]:
    """Write a model and what it imports; the files that were written beside it. Raises `EnergyError` before anything is lost."""
    others = {path.with_name(file): found for file, found in imports.items()}
    there = {file for file in others if file.exists()}
    for file in there:
        if read_source(str(file)).text != others[file]:
            raise EnergyError(
                f"{file} already exists, and is not the file that {path.name} imports; choose another folder with -o"
            )
    _write(path, text)
    for file in others.keys() - there:
        _write(file, others[file])
    return sorted(str(file) for file in others.keys() - there)


def _write(path: Path, text: str) -> None:
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise EnergyError(f"{path} already exists; choose another file with -o") from None
    except OSError as error:
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None
