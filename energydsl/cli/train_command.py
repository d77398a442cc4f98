"""`energydsl train FILE --data D --out RUN`: trains, reports, draws, evaluates."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from energydsl.api import Model
from energydsl.backends.choice import BACKENDS, DTYPES, PRECISIONS
from energydsl.cli.common import (
    Function,
    compiled,
    json_option,
    overrides_options,
    print_json,
    progress,
    read_model,
    status_of,
)
from energydsl.diagnostics import ArgumentError, EnergyError
from energydsl.learning import defaults, scales
from energydsl.learning.choice import chosen_optimizer, default_method, default_optimizer
from energydsl.learning.greedy import Greedy
from energydsl.learning.methods import CD, METHODS, POSITIVE, Method
from energydsl.learning.optimizers import OPTIMIZERS, SCHEDULES, SGD, Optimizer

_SGD, _ADAM = (defaults.RATES[name] for name in ("sgd", "adam"))
_TRAINING = (
    click.option(
        "--data",
        "sources",
        multiple=True,
        required=True,
        metavar="D",
        help="digits, bars-and-stripes:4, a file or folder; LAYER=D for several layers.",
    ),
    click.option(
        "--method",
        type=click.Choice(list(METHODS)),
        default=None,
        help="[default: pcd; cd with input layers; wake-sleep with arrows]",
    ),
    click.option(
        "--k",
        type=click.IntRange(min=1),
        help=f"Gibbs sweeps an update.  [default: {defaults.SWEEPS}; mcmc {defaults.BURN_IN}]",
    ),
    click.option(
        "--positive",
        type=click.Choice(POSITIVE),
        default=defaults.POSITIVE,
        show_default=True,
        help="How latents are found given data.",
    ),
    click.option(
        "--latent-sweeps",
        type=click.IntRange(min=1),
        default=defaults.LATENT_SWEEPS,
        show_default=True,
        help="Sweeps or iterations over them.",
    ),
    click.option("--impute", is_flag=True, help="Draw missing entries (NaN) of the data given the known ones."),
    click.option("--centred", is_flag=True, help="Follow the centred gradient."),
    click.option("--predict", metavar="LAYER", help="Fit p(LAYER | the other visible layers), as for labels."),
    click.option(
        "--generative",
        type=click.FloatRange(min=0),
        help=f"Weight of the joint likelihood beside --predict; 0: discriminative.  [default: {defaults.GENERATIVE}]",
    ),
    click.option(
        "--greedy",
        metavar="N[,N...]",
        help="Train layer by layer first, this many epochs a stage (deep models).",
    ),
    click.option(
        "--greedy-lr",
        type=float,
        help=f"Learning rate of --greedy.  [default: {_SGD[0]}; real, positive and count data {_SGD[1]}]",
    ),
    click.option("--epochs", type=click.IntRange(min=0), default=defaults.EPOCHS, show_default=True),
    click.option(
        "--lr",
        type=float,
        help=f"Learning rate.  [default: sgd {_SGD[0]}, adam {_ADAM[0]}; "
        f"real, positive and count data: sgd {_SGD[1]}, adam {_ADAM[1]}]",
    ),
    click.option("--batch", type=click.IntRange(min=1), default=defaults.BATCH, show_default=True),
    click.option(
        "--chains",
        type=click.IntRange(min=0),
        help=f"Persistent chains.  [default: {defaults.CHAINS}; wake-sleep {defaults.DREAMS}, contrastive]",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True),
    click.option(
        "--optimizer",
        type=click.Choice(list(OPTIMIZERS)),
        help="[default: {}; {} for real, positive and count data]".format(*defaults.OPTIMIZERS),
    ),
    click.option(
        "--schedule",
        type=click.Choice(SCHEDULES),
        default=defaults.SCHEDULE,
        show_default=True,
        help="How the rate falls.",
    ),
    click.option("--momentum", type=float, default=defaults.MOMENTUM, show_default=True, help="Of sgd."),
    click.option("--weight-decay", type=float, default=defaults.WEIGHT_DECAY, show_default=True),
    click.option("--backend", type=click.Choice(BACKENDS), default=defaults.BACKEND, show_default=True),
    click.option("--dtype", type=click.Choice(DTYPES), default=defaults.DTYPE, show_default=True),
    click.option(
        "--precision",
        type=click.Choice(PRECISIONS),
        default=defaults.PRECISION,
        show_default=True,
        help="Products on a GPU.",
    ),
    click.option(
        "--binarise", metavar="RULE", help="threshold:0.5, sample or none, for grey values.  [digits: sample]"
    ),
    click.option("--split", type=click.Choice(["train", "test"]), default="train", show_default=True),
    click.option("--key", help="Array of an .npz."),
    click.option("--validation", type=float, help="Fraction held out.  [default: 0.1 from 100 rows on]"),
)


def training_options(function: Function) -> Function:
    """What `train` and `compare` have in common: data, method, optimiser, backend."""
    for option in reversed(_TRAINING):
        function = option(function)
    return function


@click.command("train")
@click.argument("file")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder.  [default: runs/MODEL]")
@training_options
@click.option("--evaluate/--no-evaluate", default=True, help="Log-likelihood of held-out rows at the end.")
@click.option(
    "--evaluate-every", type=click.IntRange(min=1), metavar="N", help="And of some held-out rows every N epochs."
)
@click.option("--start", metavar="RUN", help="Begin with the parameters and chains of a finished run.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of --out.")
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
    """Fit the parameters of FILE to data; Ctrl-C saves, --resume goes on."""
    from energydsl.data import load_data
    from energydsl.learning.interrupt import heeded
    from energydsl.learning.loop import train
    from energydsl.learning.run import open_run

    model = read_model(file, dims, consts, as_json)
    program = compiled(model, as_json, options["backend"], options["dtype"], options["precision"])
    data = load_data(
        model.resolved,
        sources,
        options["split"],
        options["binarise"],
        options["key"],
        options["impute"],
    )
    method, optimizer = method_of(model, options), optimizer_of(model, options)
    for sentence in scales.described(program.engine, data):
        click.echo(f"note: {sentence}", err=True)
    folder = out or Path("runs") / model.name
    with heeded(), reporting(as_json, options["epochs"]) as report:
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
            start=open_run(options["start"]) if options["start"] else None,
            judge=_judge() if options["evaluate_every"] else None,
            judge_every=options["evaluate_every"] or 1,
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
    result["varying"] = _varying(run)
    pictures = _draw(run)
    if not as_json:
        click.echo(f"{run.updates} updates in {run.seconds:.1f} s, in {folder}")
        for path in pictures:
            click.echo(f"drawn: {path}")
    if options["evaluate"]:
        result["evaluation"] = _evaluate(run, data, model, sources, options, as_json)
    if as_json:
        print_json(result)


def method_of(model: Model, options: dict[str, Any]) -> Method:
    name = options["method"] or default_method(model.resolved)
    values: dict[str, Any] = {n: options[n] for n in ("positive", "latent_sweeps", "centred", "impute", "generative")}
    if options["k"]:
        values["k"] = options["k"]
    if name != "cd" and options["chains"] is not None:
        values["chains"] = options["chains"]
    if options["predict"]:
        values["predict"] = options["predict"]
    elif options["generative"] is not None:
        raise ArgumentError("--generative is a weight beside --predict")
    return METHODS[name](**values)


def greedy_of(options: dict[str, Any]) -> Greedy | None:
    if not options["greedy"]:
        if options["greedy_lr"] is not None:
            raise ArgumentError("--greedy-lr belongs to --greedy")
        return None
    try:
        epochs = tuple(int(n) for n in options["greedy"].split(","))
    except ValueError:
        raise ArgumentError("--greedy takes whole numbers: --greedy 10,10,20") from None
    return Greedy(
        epochs, CD(centred=options["centred"]), SGD(lr=options["greedy_lr"], schedule=defaults.GREEDY_SCHEDULE)
    )


def optimizer_of(model: Model, options: dict[str, Any]) -> Optimizer:
    name = options["optimizer"] or default_optimizer(model.resolved)
    values = {n: options[n] for n in ("lr", "weight_decay", "schedule")}
    if name == "sgd":
        values["momentum"] = options["momentum"]
    elif options["momentum"]:
        raise ArgumentError(f"momentum belongs to sgd; {name} has its own")
    return chosen_optimizer(model.resolved, OPTIMIZERS[name](**values))


@contextmanager
def reporting(as_json: bool, epochs: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar with the latest figures on a terminal, a line now and then elsewhere."""
    if as_json:
        yield lambda row: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("starting", total=max(1, epochs))

            def show(row: dict[str, Any]) -> None:
                whole = row.get("epochs", epochs)
                bar.update(task, completed=row["epoch"], total=max(1, whole), description=_line(row, whole))

            yield show
    else:

        def report(row: dict[str, Any]) -> None:
            whole = row.get("epochs", epochs)
            if row["epoch"] % max(1, whole // 20) == 0 or row["epoch"] == whole:
                click.echo(_line(row, whole), err=True)

        yield report


def _line(row: dict[str, Any], epochs: int) -> str:
    stage = f"{row['stage']}  " if "stage" in row else ""
    text = f"{stage}epoch {row['epoch']}/{epochs}  {row['seconds']:.1f} s  reconstruction {row['reconstruction_error']:.4f}"
    gap, score = row.get("free_energy_gap"), row.get("log_likelihood")
    text += f"  free-energy gap {gap:+.2f}" if gap is not None and math.isfinite(gap) else ""
    return text + (f"  log-likelihood {score:.2f}" if score is not None else "")


def _judge() -> Callable[[Any, Any], dict[str, float]]:
    """The likelihood of rows under a run, or a remark, once, that there is none."""
    from energydsl.inference.evaluate import evaluate

    said: list[str] = []

    def judge(run: Any, rows: Any) -> dict[str, float]:
        try:
            found = evaluate(run, rows)
        except EnergyError as error:
            if not said:
                said.append(str(error))
                click.echo(f"no log-likelihood: {error}", err=True)
            return {}
        return {"log_likelihood": found.log_likelihood, "log_likelihood_std": found.log_likelihood_std}

    return judge


def _varying(run: Any) -> dict[str, float]:
    """The share of each layer's latents that differ from row to row of the data; a warning where most do not."""
    last = {k.removeprefix("varying_"): v for k, v in run.history[-1].items() if k.startswith("varying_")}
    found = {name: share for name, share in last.items() if share is not None}
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


def _draw(run: Any) -> list[Path]:
    """The pictures of a run, or a remark why there are none: training is done, and its evaluation is still to come."""
    from energydsl.learning.pictures import draw_run
    from energydsl.report.figures import available

    if not available():
        click.echo('no pictures: pip install "energydsl[plots]" draws samples, filters and curves', err=True)
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
    run: Any, data: Any, model: Model, sources: tuple[str, ...], options: dict[str, Any], as_json: bool
) -> dict[str, Any] | None:
    """Log-likelihood of the test split where the source has one, else of the held-out rows, else of the data."""
    from energydsl.inference.evaluate import evaluate
    from energydsl.learning.loop import held_out

    what, rows = held_out(data, run.config, model, sources, options["key"])
    try:
        with progress("evaluating", as_json) as bar:
            found = evaluate(run, rows, progress=bar)
    except EnergyError as error:
        click.echo(f"no log-likelihood: {error}", err=True)
        return None
    except KeyboardInterrupt as error:
        click.echo(f"not evaluated; the run is whole in {run.path}: energydsl eval does it", err=True)
        sys.exit(status_of(error))
    keep(run, {"on": what, **found.as_dict()}, rows, betas=defaults.TEMPERATURES)
    if not as_json:
        click.echo(describe(found.as_dict(), what))
    return {"on": what, **found.as_dict()}


def keep(run: Any, found: dict[str, Any], rows: Any, **settings: Any) -> None:
    """Keep an evaluation in the run's folder, where `info` finds it; a remark where that fails."""
    from energydsl.learning.run import keep_evaluation

    if why := keep_evaluation(run, found, rows, {**settings, "binarise": rows.binarise}):
        click.echo(f"this evaluation is not kept with the run: {why}", err=True)


def describe(result: dict[str, Any], what: str) -> str:
    """A log-likelihood in one line, every error of it by its name."""
    sign, exact = (">= ", "") if result["bound"] else ("", " (exact)" if result["method"] == "exact" else "")
    estimated = result["effective"] is not None
    errors = [
        f", +- {error:.2g} {name}"
        for error, name, known in (
            (result["rows_std"], "over the rows", result["rows_std"] is not None),
            (result["log_z_std"], "of log Z (sampling error)", estimated),
            (result["bound_std"], "over draws of recognition", result["bound_std"] > 0),
        )
        if known
    ]
    text = f"log-likelihood of {result['n']} {what} rows: {sign}{result['log_likelihood']:.3f} nats a row{exact}"
    text += "".join(errors)
    if estimated:
        text += f"  ({result['method']}, {result['effective']:.0f} effective chains, log Z {result['log_z']:.2f})"
    elif result["bound"]:
        text += f"  (a bound from below; log Z {result['log_z']:.2f} by enumeration)"
    if result["settled"] is not None:
        text += f"\nmean field settled on {100 * result['settled']:.2f} % of the rows"
    if estimated and result["effective"] < 0.2 * result["chains"]:
        text += (
            "\nfew chains carry this estimate, so it may flatter the model; more temperatures (--betas) make it firmer"
        )
    return text
