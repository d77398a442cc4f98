"""`energydsl eval RUN --data D`: log-likelihood, with error bars; of a FILE, where it has nothing to learn."""

from __future__ import annotations

from typing import Any

import click

from energydsl import defaults
from energydsl.cli.common import (
    data_of_run,
    data_of_run_options,
    json_option,
    overrides_options,
    print_json,
    progress,
    run_or_model,
)
from energydsl.cli.likelihoods import describe, keep


@click.command("eval")
@click.argument("run")
@click.option("--method", type=click.Choice(["auto", "exact", "ais"]), default="auto", show_default=True)
@click.option(
    "--betas", type=click.IntRange(min=1), default=defaults.TEMPERATURES, show_default=True, help="Temperatures of AIS."
)
@click.option("--chains", type=click.IntRange(min=2), default=defaults.ANNEALED_CHAINS, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True)
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
    """The mean log-likelihood of data under a run; RUN may be a model's file, where none of its parameters is learned."""
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
