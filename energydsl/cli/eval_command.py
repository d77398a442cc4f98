"""`energydsl eval RUN --data D`: log-likelihood, with error bars; of a model file too, where it has nothing to learn."""

from __future__ import annotations

from typing import Any

import click

from energydsl.cli.common import (
    data_of_run,
    data_of_run_options,
    json_option,
    overrides_options,
    print_json,
    progress,
    run_or_model,
)
from energydsl.cli.train_command import describe, keep
from energydsl.learning import defaults
from energydsl.options import ESTIMATORS


@click.command("eval", short_help="Compute the log-likelihood of data under a run.")
@click.argument("run")
@click.option(
    "--method",
    type=click.Choice(ESTIMATORS),
    default="auto",
    show_default=True,
    help="An exact sum, annealed importance sampling (AIS), or the exact sum where it is feasible.",
)
@click.option(
    "--betas",
    type=click.IntRange(min=1),
    default=defaults.TEMPERATURES,
    show_default=True,
    help="Number of temperatures of AIS.",
)
@click.option(
    "--chains",
    type=click.IntRange(min=2),
    default=defaults.ANNEALED_CHAINS,
    show_default=True,
    help="Number of chains of AIS.",
)
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True, help="Random seed.")
@data_of_run_options
@overrides_options
@json_option
def command(
    run: str,
    sources: tuple[str, ...],
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
    **options: Any,
) -> None:
    """Compute the mean log-likelihood of data under the run in folder RUN, with its errors.

    RUN may also be a model file none of whose parameters is to be learned.
    """
    from energydsl.inference.evaluate import evaluate

    opened = run_or_model(run, dims, consts, as_json)
    data = data_of_run(opened, sources, options)
    with progress("evaluating", as_json) as bar:
        found = evaluate(
            opened, data, options["method"], options["betas"], options["chains"], options["seed"], progress=bar
        ).as_dict()
    used = ("method", "betas", "chains", "seed", "split")
    keep(opened, found, data, **{name: options[name] for name in used})
    if as_json:
        print_json({"ok": True, **found, "warnings": list(opened.warnings)})
    else:
        click.echo(describe(found, data.name))
