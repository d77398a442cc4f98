"""`energydsl eval RUN --data D`: log-likelihood, with error bars; of a model file too, where it has nothing to learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

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
from energydsl.cli.likelihoods import keep, write_rows
from energydsl.cli.together import shards_of_option, shards_option
from energydsl.diagnostics import EnergyError
from energydsl.inference.told import describe
from energydsl.options import ESTIMATORS, SAMPLERS, Estimator, SamplerName
from energydsl.ranks import world


@click.command("eval", short_help="Compute the log-likelihood of data under a run.")
@click.argument("run", shell_complete=run_folders)
@click.option(
    "--method",
    type=click.Choice(ESTIMATORS),
    default="auto",
    show_default=True,
    help="auto: an exact sum where it is feasible, else both sides by annealing. ais: log Z from below; reverse-ais: from above; "
    "bar: Bennett's ratio between both; tempering: by a ladder of models that exchange states; raise: by annealing back from each row, with --chains chains a row.",
)
@click.option(
    "--betas",
    type=click.IntRange(min=1),
    default=defaults.TEMPERATURES,
    show_default=True,
    help="Number of temperatures of annealing.",
)
@click.option(
    "--chains",
    type=click.IntRange(min=2),
    default=defaults.ANNEALED_CHAINS,
    show_default=True,
    help="Number of chains of annealing, each way.",
)
@click.option(
    "--sampler",
    type=click.Choice(SAMPLERS),
    default=defaults.SAMPLER,
    show_default=True,
    help="How chains of annealing are moved; explain says which fit.",
)
@click.option(
    "--from",
    "first",
    metavar="OTHER_RUN",
    shell_complete=run_folders,
    help="Begin annealing at another run, whose log Z is known, in place of independent units; the two share a layer.",
)
@click.option("--last", is_flag=True, help="Of a run that keeps averages of the parameters, evaluate the last ones.")
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True, help="Random seed.")
@click.option(
    "--rows",
    "rows_out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the log-likelihood of each row to a .csv file.",
)
@shards_option
@data_options
@overrides_options
@json_option
def command(
    run: str,
    method: Estimator,
    betas: int,
    chains: int,
    sampler: SamplerName,
    first: str | None,
    last: bool,
    seed: int,
    rows_out: Path | None,
    shards: int | None,
    data: DataOptions,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
) -> None:
    """Compute the mean log-likelihood of data under the run in folder RUN, with its errors.

    RUN may also be a model file none of whose parameters is to be learned.
    """
    from energydsl.inference.evaluate import evaluate
    from energydsl.learning.run_folder import open_run

    if rows_out is not None and not rows_out.parent.is_dir():
        raise EnergyError(f"cannot write {rows_out}: there is no folder {rows_out.parent}")
    opened = run_or_model(run, dims, consts, as_json)
    if last and opened.last:
        opened = replace(opened, params=opened.last, last={}, kept=-1)
    start = None if first is None else open_run(first)
    rows = data.load(opened)
    with progress.fractions("evaluating", not as_json) as bar:
        evaluated = evaluate(
            opened, rows, method, betas, chains, seed, None, bar, sampler, None, start, shards_of_option(shards)
        )
    if not world().first:
        return
    if rows_out is not None:
        assert evaluated.rows is not None
        write_rows(rows_out, evaluated.rows)
    found = evaluated.as_dict() | {"parameters": opened.evaluated}
    begun = {} if first is None else {"from": first}
    keep(opened, found, rows, method=method, betas=betas, chains=chains, seed=seed, split=data.split, **begun)
    if as_json:
        print_json({"ok": True, **found, "warnings": list(opened.warnings)})
    else:
        click.echo(describe(found, rows.name))
