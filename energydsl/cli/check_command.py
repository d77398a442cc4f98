"""`energydsl check FILE...`: all diagnostics."""

from __future__ import annotations

from typing import Any

import click

from energydsl.api import check
from energydsl.cli.common import Failed, json_option, overrides, overrides_options, paint, print_json, read_source
from energydsl.cli.completing import model_files
from energydsl.diagnostics import Diagnostic, EnergyError


@click.command("check", short_help="Report all errors and warnings in model files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=model_files)
@overrides_options
@json_option
def command(files: tuple[str, ...], dims: dict[str, int], consts: dict[str, float], as_json: bool) -> None:
    """Report all errors and warnings in model files; `-` reads standard input."""
    found: list[dict[str, Any]] = []
    failed = False
    for file in files:
        diagnostics = _diagnostics(file, dims, consts)
        errors = sum(d.severity == "error" for d in diagnostics)
        failed |= errors > 0
        found += [d.as_dict() | ({} if _elsewhere(d) else {"file": file}) for d in diagnostics]
        if not as_json:
            for diagnostic in diagnostics:
                click.echo(diagnostic.render(paint) + "\n", err=True)
            warnings = len(diagnostics) - errors
            state = f"{errors} error{'s' * (errors != 1)}" if errors else "ok"
            click.echo(f"{file}: {state}" + (f", {warnings} warning{'s' * (warnings != 1)}" if warnings else ""))
    if as_json:
        print_json({"ok": not failed, "diagnostics": found})
    if failed:
        raise Failed


def _elsewhere(found: Diagnostic) -> bool:
    """Whether the place is in a file that is imported."""
    return found.span is not None and found.span.source.used is not None


def _diagnostics(file: str, dims: dict[str, int], consts: dict[str, float]) -> list[Diagnostic]:
    try:
        return check(read_source(file), overrides(file, dims, consts))
    except EnergyError as error:
        return list(error.diagnostics)
