"""`energydsl verify FILE`: the derivation certificate."""

from __future__ import annotations

import sys

import click

from energydsl import defaults
from energydsl.cli.common import FAULT, INTERNAL, json_option, overrides_options, print_json, read_model
from energydsl.cli.completing import model_files
from energydsl.options import BACKENDS, Backend


@click.command("verify", short_help="Check what was derived against enumeration of all states.")
@click.argument("file", shell_complete=model_files)
@click.option("--seed", default=defaults.SEED, show_default=True, help="Seed of the random parameters and states.")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS[1:]),
    default=defaults.PRINTED_BACKEND,
    show_default=True,
    help="Backend whose kernels are checked.",
)
@overrides_options
@json_option
def command(
    file: str, seed: int, backend: Backend, dims: dict[str, int], consts: dict[str, float], as_json: bool
) -> None:
    """Check what was derived from FILE against enumeration of all states, on the model at smaller sizes."""
    certificate = read_model(file, dims, consts, as_json).verify(seed, backend)
    if as_json:
        print_json(dict(certificate.as_dict()))
    else:
        click.echo(str(certificate))
    if not certificate.ok:
        sys.exit(FAULT if certificate.right else INTERNAL)
