"""`energydsl train FILE --data D --out RUN`: trains, reports, draws, evaluates."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from energydsl import progress
from energydsl.api import Model
from energydsl.cli.common import compiled, json_option, overrides_options, print_json, read_model, status_of
from energydsl.cli.completing import model_files, run_folders
from energydsl.cli.likelihoods import keep
from energydsl.cli.together import shards_of_option, shards_option
from energydsl.cli.training_options import greedy_of, method_of, optimizer_of, training_options
from energydsl.diagnostics import ArgumentError, EnergyError
from energydsl.inference.told import describe
from energydsl.ranks import world

if TYPE_CHECKING:
    from energydsl.data.sources import Data
    from energydsl.data.streamed import Streamed
    from energydsl.learning.run import Run


@click.command("train", short_help="Fit the parameters to data, and write a run folder.")
@click.argument("file", shell_complete=model_files)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder.  [default: runs/MODEL]")
@training_options
@click.option("--evaluate/--no-evaluate", default=True, help="Log-likelihood of held-out rows at the end.")
@click.option(
    "--evaluate-every",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also estimate the log-likelihood of some held-out rows every N epochs.",
)
@click.option(
    "--start", metavar="RUN", shell_complete=run_folders, help="Begin with the parameters and chains of a finished run."
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of --out.")
@click.option(
    "--streamed",
    is_flag=True,
    help="Leave the data in their files (.npy, .parquet, .zarr), of which only a part is ever in memory.",
)
@shards_option
@click.option(
    "--checked", is_flag=True, help="Make the last updates again in one process, and compare them bit for bit."
)
@overrides_options
@json_option
def command(
    file: str,
    sources: tuple[str, ...],
    out: Path | None,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
    **options: Any,
) -> None:
    """Fit the parameters of FILE to data, and write a run folder.

    Ctrl-C saves the run; the same command with --resume goes on from there.
    """
    from energydsl.inference.monitors import Likelihood
    from energydsl.learning import stopping
    from energydsl.learning.interrupt import heeded
    from energydsl.learning.optimizer import scales
    from energydsl.learning.remarks import doubts
    from energydsl.learning.rows import in_memory
    from energydsl.learning.run_folder import open_run
    from energydsl.learning.train import train

    if options["stop_when"] == "likelihood" and not options["evaluate_every"]:
        raise ArgumentError(
            "--stop-when likelihood goes by the log-likelihood of held-out rows on the way: say how often with --evaluate-every N"
        )
    model = read_model(file, dims, consts, as_json)
    program = compiled(model, as_json, options["backend"], options["dtype"], options["precision"])
    data = _loaded(model, sources, options)
    method, optimizer = method_of(model.resolved, options), optimizer_of(model.resolved, options)
    for sentence in scales.described(program.engine, in_memory(data, options["seed"])):
        click.echo(f"note: {sentence}", err=True)
    folder = out or Path("runs") / model.name
    with heeded(), progress.epochs(options["epochs"], not as_json) as report:
        run = train(
            program,
            data,
            method,
            optimizer,
            options["epochs"],
            folder,
            options["seed"],
            batch=options["batch"],
            validation=options["validation"],
            resume=options["resume"],
            report=report,
            greedy=greedy_of(options),
            stop_when=options["stop_when"],
            start=open_run(options["start"]) if options["start"] else None,
            monitor=Likelihood(lambda why: click.echo(f"no log-likelihood: {why}", err=True))
            if options["evaluate_every"]
            else None,
            monitor_every=options["evaluate_every"] or 1,
            shards=shards_of_option(options["shards"]),
            checked=options["checked"],
        )
    result: dict[str, Any] = {
        "ok": run.finished,
        "run": str(folder),
        "epochs": run.history[-1]["epoch"],
        "seconds": round(run.seconds, 3),
        "updates": run.updates,
        "warnings": list(run.warnings),
    }
    if not run.finished:
        _interrupted(result, as_json, folder, run.signal)
    result |= {"varying": _varying(run), "labels": {"varying": "estimate"}}
    if options["checked"]:
        result["repeated"] = run.repeated
        click.echo(_repeated(run), err=True)
    pictures = _draw(run) if world().first else []
    if ended := stopping.ended(run.config, run.history):
        click.echo(f"note: {ended}", err=True)
    for doubt in doubts(run.config, run.history):
        click.echo(f"warning: {doubt}", err=True)
    if not as_json:
        click.echo(f"{run.updates} updates in {run.seconds:.1f} s, in {folder}")
        for path in pictures:
            click.echo(f"drawn: {path}")
    if options["evaluate"]:
        result["evaluation"] = _evaluate(run, data, model, sources, options, as_json)
    if as_json:
        print_json(result)


def _loaded(model: Model, sources: tuple[str, ...], options: dict[str, Any]) -> Data | Streamed:
    """The data, in memory or not."""
    from energydsl.data import load_data, load_streamed

    if not options["streamed"]:
        named = (options[name] for name in ("split", "binarise", "key", "impute", "weights", "unknown"))
        return load_data(model.resolved, sources, *named)
    for name in ("key", "impute", "weights"):
        if options[name]:
            raise ArgumentError(
                f"--{name} does not go with --streamed, whose rows are read as they are and all count alike"
            )
    return load_streamed(model.resolved, sources, options["binarise"])


def _repeated(run: Run) -> str:
    """What was made again."""
    if not run.repeated:
        return "note: no update was made again: the run had no whole epoch since it was begun or resumed"
    return f"checked: the last {run.repeated} updates, made again in one process, gave the same bits"


def _varying(run: Run) -> dict[str, float]:
    """The share of each layer's latents that differ from row to row of the data; a warning where most do not."""
    from energydsl.learning.monitor import varying

    found = varying(run)
    for name in (n for n, share in found.items() if share < 0.5):
        click.echo(
            f"warning: {1 - found[name]:.0%} of the units of `{name}` were the same for all rows of data looked at: "
            "they may do nothing. A lower --lr keeps more of them.",
            err=True,
        )
    return found


def _interrupted(result: dict[str, Any], as_json: bool, folder: Path, number: int) -> None:
    message = (
        f"stopped at update {result['updates']} and saved. Go on with the same command and --resume (--out {folder})"
    )
    with suppress(OSError):  # after SIGHUP there is nobody to tell
        if as_json:
            print_json({**result, "diagnostics": [], "message": message})
        click.echo(message, err=True)
    sys.exit(128 + number)


def _draw(run: Run) -> list[Path]:
    """The pictures of a run, or a remark why there are none: training is done, and its evaluation is still to come."""
    from energydsl.learning.pictures import draw_run
    from energydsl.report.figures import available

    if not available():
        click.echo('no pictures: pip install "energydsl[plots]" draws samples, filters and curves', err=True)
    assert run.path is not None
    odd = next((p for p in run.path.glob("*.png") if not p.is_file()), None)
    if odd is not None:
        click.echo(f"no pictures: {odd} is not a plain file", err=True)
        return []
    try:
        return draw_run(run)
    except (EnergyError, OSError) as error:
        click.echo(f"no pictures: {error}", err=True)
        return []


def _evaluate(
    run: Run, data: Data | Streamed, model: Model, sources: tuple[str, ...], options: dict[str, Any], as_json: bool
) -> dict[str, Any] | None:
    """Log-likelihood of the test split where the source has one, else of the held-out rows, else of the data."""
    from energydsl.inference.evaluate import evaluate_in_steps
    from energydsl.learning.rows import held_out

    what, rows = held_out(data, run.config, model.resolved, sources, options["key"])
    try:
        with progress.fractions("evaluating", not as_json) as bar:
            found, betas = evaluate_in_steps(run, rows, bar, shards_of_option(options["shards"]))
    except EnergyError as error:
        click.echo(f"no log-likelihood: {error}", err=True)
        return None
    except KeyboardInterrupt as error:
        click.echo(f"not evaluated; the run is whole in {run.path}: energydsl eval does it", err=True)
        sys.exit(status_of(error))
    result = {"on": what, **found.as_dict(), "parameters": run.evaluated}
    if world().first:
        keep(run, result, rows, betas=betas)
    if not as_json:
        click.echo(describe(result, what))
    return result
