"""`energydsl retrospect RUN --data D`: whether a model was trained in equilibrium, by new samples of it."""

from __future__ import annotations

import click

from energydsl import defaults, progress
from energydsl.cli.common import (
    DataOptions,
    data_options,
    json_option,
    overrides_options,
    print_json,
    run_or_model,
)
from energydsl.cli.completing import run_folders


@click.command("retrospect", short_help="Tell whether a run was trained in equilibrium.")
@click.argument("run", shell_complete=run_folders)
@click.option(
    "--chains",
    type=click.IntRange(min=20),
    default=defaults.LOOKED_AT,
    show_default=True,
    help="Chains from random states, and through the ladder.",
)
@click.option(
    "--sweeps",
    type=click.IntRange(min=1),
    default=defaults.SAMPLE_SWEEPS,
    show_default=True,
    help="Sweeps of the oldest chains from random states.",
)
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True, help="Random seed.")
@data_options
@overrides_options
@json_option
def command(
    run: str,
    chains: int,
    sweeps: int,
    seed: int,
    data: DataOptions,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
) -> None:
    """Compare new samples of the model in folder RUN with data: chains from random states at every age, and renewed samples.

    Distances are of means of random projections of the visible units, their squares and products, in variances of the data, less what
    chance explains: 0 where samples fit.
    """
    from energydsl.inference.retrospect import Fit, retrospect

    opened = run_or_model(run, dims, consts, as_json)
    rows = data.load(opened)
    with progress.fractions("sampling", not as_json) as bar:
        found = retrospect(opened, rows, chains, sweeps, seed, bar)
    if as_json:
        print_json({"ok": True, **found.as_dict(), "warnings": list(opened.warnings)})
        return

    def line(what: str, fit: Fit) -> str:
        return f"{what:<34} {fit.distance:9.4f} +- {fit.error:.1g}"

    click.echo("samples                             distance from the data (estimates)")
    for look in found.looks:
        click.echo(line(f"from random states, {look.sweeps:,} sweep{'s'[: look.sweeps != 1]}", look))
    click.echo(line("renewed, from independent units", found.renewed))
    if found.own is not None:
        click.echo(line("chains of the training", found.own))
    if found.old:
        click.echo(f"{found.old:.1%} of the renewed samples are old: the ladder did not mix in 10,000 turns")
    for fault in found.faults:
        click.echo(f"trained out of equilibrium: {fault}")
    if found.sound:
        click.echo("nothing shows that the model was trained out of equilibrium")
