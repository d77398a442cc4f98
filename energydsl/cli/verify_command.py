"""`energydsl verify FILE`: the derivation certificate."""

from __future__ import annotations

import sys

import click

from energydsl.backends.choice import BACKENDS
from energydsl.cli.common import FAULT, INTERNAL, json_option, overrides_options, print_json, read_model


@click.command("verify")
@click.argument("file")
@click.option("--seed", default=0, show_default=True, help="Of the random parameters and states.")
@click.option("--backend", type=click.Choice(BACKENDS[1:]), default="numpy", show_default=True, help="Whose kernels.")
@overrides_options
@json_option
def command(file: str, seed: int, backend: str, dims: dict[str, int], consts: dict[str, float], as_json: bool) -> None:
    """Prove what was derived from FILE against enumeration, on the model with its sizes shrunk."""
    certificate = read_model(file, dims, consts, as_json).verify(seed, backend)
    if as_json:
        print_json(dict(certificate.as_dict()))
    else:
        click.echo(str(certificate))
    if not certificate.ok:
        sys.exit(FAULT if certificate.right else INTERNAL)
