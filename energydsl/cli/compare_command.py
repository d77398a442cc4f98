"""`energydsl compare A B ... --data D`: variants trained under one budget, and a table of what they reached."""

from __future__ import annotations

import contextlib
import csv
import math
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from energydsl import progress
from energydsl.api import Model
from energydsl.cli.common import Number, compiled, json_option, print_json, read_source
from energydsl.cli.completing import model_files
from energydsl.cli.likelihoods import keep
from energydsl.cli.training_options import greedy_of, method_of, optimizer_of, training_options
from energydsl.diagnostics import EnergyError
from energydsl.modules import written_out
from energydsl.report.comparison import Trained, Variant, base_outcome, outcome, overrides, ranked, table, variants
from energydsl.syntax import parse

if TYPE_CHECKING:
    from energydsl.inference.evaluate import Evaluation
    from energydsl.learning.run import Run


def _grid(kind: Callable[[str], Number]) -> Callable[..., dict[str, list[Number]]]:
    """Options NAME=VALUE,VALUE,..."""

    def parse(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, list[Number]]:
        found: dict[str, list[Number]] = {}
        for text in values:
            name, _, listed = text.partition("=")
            numbers: list[Number] = []
            with contextlib.suppress(ValueError):
                numbers = list(dict.fromkeys(kind(number) for number in listed.split(",")))
            if not name.strip() or not numbers or not all(math.isfinite(n) for n in numbers):
                wanted = "NAME=INTEGER,..., e.g. J=64,256" if kind is int else "NAME=REAL,..., e.g. t=0.5,1"
                raise click.BadParameter(f"expected {wanted}, not `{text}`")
            found[name.strip()] = numbers
        return found

    return parse


@click.command("compare", short_help="Train several models on the same data and compare them.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", shell_complete=model_files)
@click.option(
    "-D",
    "--dim",
    "dims",
    multiple=True,
    metavar="NAME=INTEGER,...",
    callback=_grid(int),
    help="Values of a dim to try, e.g. J=64,256.",
)
@click.option(
    "-c",
    "--const",
    "consts",
    multiple=True,
    metavar="NAME=REAL,...",
    callback=_grid(float),
    help="Values of a const to try, e.g. t=0.5,1.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many seeds to train with: --seed, --seed + 1, and so on.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/comparison"),
    show_default=True,
    help="Folder for the runs, the table and the curves; runs that are there already are resumed.",
)
@training_options
@json_option
def command(
    files: tuple[str, ...],
    sources: tuple[str, ...],
    dims: dict[str, list[int]],
    consts: dict[str, list[float]],
    seeds: int,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Train every FILE, with every combination of the values of -D and -c, on the same data with the same settings.

    Prints a table of the results and draws the curves of all of them in one picture.
    """
    from energydsl.report.curves import overlaid
    from energydsl.report.figures import available

    texts = {file: read_source(file) for file in dict.fromkeys(files)}
    first = {name: values[0] for name, values in dims.items()}
    modules = {f: written_out(parse(text), overrides(Variant(f, f, first, {}))).alone for f, text in texts.items()}
    chosen = variants(modules, dims, consts)
    models = {v.name: Model(texts[v.file], overrides(v)) for v in chosen}
    for model in models.values():
        model.derived  # noqa: B018  every model is refused before the first is trained
    outcomes, histories, judged, bases = [], {}, {}, {}
    for variant in chosen:
        numbers = range(options["seed"], options["seed"] + seeds)
        found = [_one(variant, models[variant.name], sources, seed, out, as_json, options) for seed in numbers]
        runs, judged[variant.name], bases[variant.name], errors = (list(each) for each in zip(*found, strict=True))
        outcomes.append(outcome(variant.name, [_trained(run) for run in runs], judged[variant.name], errors))
        histories[variant.name] = [run.history for run in runs]
    seen = {v.name: ", ".join(models[v.name].resolved.by_role("visible")) for v in chosen}
    several = len(set(seen.values())) > 1
    least: dict[str, dict[str, Any]] = {}
    for name, layers in seen.items():
        if all(bases[name]):
            title = f"independent units ({layers})" if several else "independent units"
            least.setdefault(title, base_outcome(title, bases[name]))
    base_rows = list(least.values())
    outcomes = ranked(outcomes, judged, bases)
    rows = [o.as_dict() for o in outcomes]
    _write(out / "comparison.csv", rows)
    picture = overlaid(out / "curves.png", outcomes, histories) if available() else None
    if as_json:
        # What a variant's exactness does not say.
        labels = dict.fromkeys(("reconstruction_error", "error_rate", "behind", "gain", "independent"), "estimate")
        labels |= {"independent": "exact", "low": "bound from below", "high": "bound from above"}
        print_json({"ok": True, "out": str(out), "variants": rows, "baselines": base_rows, "labels": labels})
        return
    click.echo(table(outcomes, base_rows))
    click.echo(
        "+- is the standard error from the sampling of log Z and from the seeds. Differences are taken row by row; "
        "none is shown where it is below two standard errors"
    )
    if any(o.bound or o.exactness not in ("exact", None) for o in outcomes):
        click.echo(
            ">=: a bound from below; (exact): exact; all other likelihoods, and reconstruction errors, are estimates"
        )
    if any(o.agree is False for o in outcomes):
        click.echo(
            "?: the two sides of log Z do not agree, so do not quote this figure; energydsl eval says why, and --betas narrows the gap"
        )
    elif any(
        o.agree is None and o.effective is not None and o.chains and o.effective < 0.2 * o.chains for o in outcomes
    ):
        click.echo(
            "?: few chains carry this estimate, so it may be too high; for a more precise estimate (slower) run "
            "energydsl eval with more --betas"
        )
    if any(o.agree is not None for o in outcomes):
        click.echo(
            "[ , ]: both sides of log Z; variants are ranked by the lower one, and where such bars overlap no difference is shown"
        )
    if several:
        shown = "; ".join(f"{name}: {layers}" for name, layers in seen.items())
        click.echo(f"these are probabilities of different layers, which cannot be compared with one another ({shown})")
    click.echo(f"table: {out / 'comparison.csv'}" + (f", curves: {picture}" if picture else ""))


def _one(
    variant: Variant,
    model: Model,
    sources: tuple[str, ...],
    seed: int,
    out: Path,
    as_json: bool,
    options: dict[str, Any],
) -> tuple[Run, Evaluation | None, Evaluation | None, float | None]:
    """One run, begun or resumed; its evaluation on rows it has not seen, and that of independent units; the error rate of labels."""
    from energydsl.data import load_data
    from energydsl.inference.evaluate import baseline, evaluate_in_steps
    from energydsl.inference.predict import predict
    from energydsl.learning.interrupt import heeded
    from energydsl.learning.rows import held_out
    from energydsl.learning.train import train

    rule = options["binarise"]
    given = options["split"], rule, options["key"], options["impute"], options["weights"]
    data = load_data(model.resolved, sources, *given, options["unknown"], options["bin_ms"]).counted()
    program = compiled(model, as_json, options["backend"], options["dtype"], options["precision"])
    first = data.rows(slice(0, min(options["batch"], len(data))))
    # What is loaded and compiled at a first update is no variant's own.
    with contextlib.suppress(EnergyError):
        train(
            program,
            first,
            method_of(model.resolved, options),
            optimizer_of(model.resolved, options),
            1,
            batch=len(first),
            validation=0.0,
        )
    folder = out / re.sub(r"[^\w.=-]+", "_", variant.name) / f"seed-{seed}"
    if not as_json:
        click.echo(f"{variant.name}, seed {seed}", err=True)
    with heeded(), progress.epochs(options["epochs"], not as_json) as report:
        run = train(
            program,
            data,
            method_of(model.resolved, options),
            optimizer_of(model.resolved, options),
            options["epochs"],
            folder,
            seed,
            batch=options["batch"],
            validation=options["validation"],
            resume=any(folder.rglob("config.json")),
            report=report,
            greedy=greedy_of(options),
            stop_when=options["stop_when"],
        )
    if not run.finished:
        click.echo(f"stopped and saved in {folder}. Run the same command again to resume", err=True)
        sys.exit(128 + run.signal)
    what, rows = held_out(data, run.config, model.resolved, sources, options["key"])
    labels = [n for n in model.resolved.by_role("visible") if model.layers[n].is_label]
    wrong = predict(run, rows, labels[0]).error_rate if len(labels) == 1 else None
    found = least = None
    try:
        least = baseline(run, rows)
        with progress.fractions("evaluating", not as_json) as bar:
            found, betas = evaluate_in_steps(run, rows, progress=bar)
    except EnergyError as error:
        click.echo(f"{variant.name}: no log-likelihood: {error}", err=True)
    else:
        keep(run, {"on": what, **found.as_dict(), "parameters": run.evaluated}, rows, betas=betas)
    return run, found, least, wrong


def _trained(run: Run) -> Trained:
    """What a run took and reached, for the table."""
    learned = [p for p in run.program.model.params.values() if "frozen" not in p.constraints]
    entries = sum(math.prod(p.shape) for p in learned)
    return Trained(entries, run.updates, run.seconds, run.history[-1]["reconstruction_error"])


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None
