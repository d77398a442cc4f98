"""`energydsl lsp`: the language server, which an editor starts."""

from __future__ import annotations

import click

from energydsl.cli.common import json_option
from energydsl.diagnostics import EnergyError


@click.command("lsp", short_help="Serve editors: diagnostics, hover, completion and more.")
@json_option
def command(as_json: bool) -> None:
    """Speak the Language Server Protocol over standard input and output; an editor starts this. docs/editor.md says how."""
    try:
        from energydsl.editor.server import serve
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise EnergyError('the language server needs pygls: pip install "energydsl[editor]"') from None
    serve()
