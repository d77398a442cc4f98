"""`energydsl predict RUN --data D --layer y`: a visible layer given the others, error rate and confusion matrix."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

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
from energydsl.diagnostics import EnergyError

if TYPE_CHECKING:
    from energydsl.inference.predict import Prediction

_SHOWN = 20


@click.command("predict", short_help="Predict a visible layer from the others.")
@click.argument("run", shell_complete=run_folders)
@click.option("--layer", metavar="LAYER", required=True, help="The visible layer to predict from the others.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the probabilities of every row into a .csv file.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=defaults.SEED,
    show_default=True,
    help="Seed of the draws from grey values.",
)
@data_options
@overrides_options
@json_option
def command(
    run: str,
    layer: str,
    out: Path | None,
    seed: int,
    data: DataOptions,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
) -> None:
    """Predict LAYER from the other visible layers in every row of data; print the error rate and confusion matrix.

    RUN is the folder of a run. It may also be a model file none of whose parameters is to be learned.
    """
    from energydsl.inference.predict import predict

    opened = run_or_model(run, dims, consts, as_json)
    rows = data.load(opened)
    with progress.fractions("predicting", not as_json) as bar:
        found = predict(opened, rows, layer, seed, bar)
    if out is not None:
        _write(out, found)
    result = {
        "layer": layer,
        "method": found.method,
        "labels": dict.fromkeys(("error_rate", "mean_log_probability"), found.exactness),
        "n": len(found.truth),
        "error_rate": found.error_rate,
        "error_rate_std": found.error_rate_std,
        "mean_log_probability": found.mean_log_probability,
        "mean_log_probability_std": found.mean_log_probability_std,
        "states": found.states.tolist(),
        "confusion": found.confusion.tolist(),
        "warnings": list(opened.warnings),
    }
    if as_json:
        print_json({"ok": True, **result})
        return
    click.echo(
        f"error {100 * found.error_rate:.2f} %{_error(found.error_rate_std, 100)} of {len(found.truth)} {rows.name} rows  "
        f"({found.method}{'' if found.exactness == 'exact' else ', an estimate'}; mean log p(true state) {found.mean_log_probability:.3f}"
        f"{_error(found.mean_log_probability_std)} nats; +- is the standard error over the rows)"
    )
    if len(found.states) <= _SHOWN:
        click.echo(_table(found))


def _error(std: float | None, scale: float = 1.0) -> str:
    return "" if std is None else f" +- {scale * std:.2g}"


def _names(found: Prediction) -> list[str]:
    return [" ".join(f"{v:g}" for v in state) for state in found.states]


def _table(found: Prediction) -> str:
    """True states down, predicted ones across."""
    names = _names(found)
    width = max(len(str(found.confusion.max())), *map(len, names)) + 1
    lines = [f"\ntrue {found.layer} down, predicted across"]
    lead = max(map(len, names))
    lines.append(" " * lead + "".join(n.rjust(width) for n in names))
    for name, row in zip(names, found.confusion, strict=True):
        lines.append(name.rjust(lead) + "".join((str(n) if n else ".").rjust(width) for n in row))
    return "\n".join(lines)


def _write(path: Path, found: Prediction) -> None:
    try:
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["true", "predicted", *(f"p({name})" for name in _names(found))])
            names = _names(found)
            for truth, guess, row in zip(found.truth, found.predicted, found.probabilities, strict=True):
                writer.writerow([names[truth], names[guess], *(f"{p:.6g}" for p in row)])
    except OSError as error:
        raise EnergyError(f"cannot write {path}: {error.strerror}") from None
