"""`energydsl fmt FILE...`: formats, keeps every comment, refuses to write what would parse differently."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import click

from energydsl.cli.common import Failed, json_option, print_json, read_source
from energydsl.cli.completing import model_files
from energydsl.diagnostics import EnergyError
from energydsl.syntax.formatter import formatted


@click.command("fmt", short_help="Format model files and keep every comment.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=model_files)
@click.option("--check", is_flag=True, help="Change nothing; exit with status 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Change nothing; print what would change.")
@json_option
def command(files: tuple[str, ...], check: bool, diff: bool, as_json: bool) -> None:
    """Format model files in place and keep every comment; `-` formats standard input to standard output."""
    changed = []
    for file in files:
        source = read_source(file)
        text = formatted(source)
        if file == "-" and not (check or diff):
            if not as_json:
                click.echo(text, nl=False)
            continue
        if text == source.text:
            continue
        changed.append(file)
        if diff and not as_json:
            old, new = source.text.splitlines(keepends=True), text.splitlines(keepends=True)
            click.echo("".join(difflib.unified_diff(old, new, file, f"{file} (formatted)")), nl=False)
        if not (check or diff):
            _write(Path(file), text)
        if not as_json and not diff:
            click.echo(f"{file}: {'would be formatted' if check else 'formatted'}")
    failed = bool(changed) and (check or diff)
    if as_json:
        print_json({"ok": not failed, "changed": changed})
    if failed:
        raise Failed


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None
