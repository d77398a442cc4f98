"""`energydsl augment FILE`: the model with auxiliary units, as text."""

from __future__ import annotations

import click

from energydsl.api import augment
from energydsl.cli.common import json_option, overrides, overrides_options, print_json, read_source
from energydsl.cli.completing import model_files


@click.command("augment", short_help="Print a model with auxiliary units for its functions of several units.")
@click.argument("file", shell_complete=model_files)
@click.option(
    "--term",
    "terms",
    multiple=True,
    metavar="NAME",
    help="Augment this energy term; may be repeated. By default, all in which a rule is known.",
)
@overrides_options
@json_option
def command(file: str, terms: tuple[str, ...], dims: dict[str, int], consts: dict[str, float], as_json: bool) -> None:
    """Print the model in FILE with a hidden layer for each form that is a sum over auxiliary units."""
    text = augment(read_source(file), overrides(file, dims, consts), terms).source.text
    if as_json:
        print_json({"ok": True, "text": text})
    else:
        click.echo(text, nl=False)
