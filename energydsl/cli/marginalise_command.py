"""`energydsl marginalise FILE`: the model with hidden layers summed out, as text."""

from __future__ import annotations

import click

from energydsl.cli.common import json_option, overrides_options, print_json, read_model
from energydsl.cli.completing import model_files


@click.command("marginalise", short_help="Print a model with hidden layers summed out.")
@click.argument("file", shell_complete=model_files)
@click.option(
    "--layer", "layers", multiple=True, required=True, metavar="NAME", help="Sum out this layer; may be repeated."
)
@overrides_options
@json_option
def command(file: str, layers: tuple[str, ...], dims: dict[str, int], consts: dict[str, float], as_json: bool) -> None:
    """Print the model in FILE without some of its hidden layers: the energy that is left has the same distribution."""
    text = read_model(file, dims, consts, as_json).marginalise(*layers).source.text
    if as_json:
        print_json({"ok": True, "text": text})
    else:
        click.echo(text, nl=False)
