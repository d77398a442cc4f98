"""`energydsl info RUN`: what was run, on what, with which result."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from energydsl.cli.common import json_option, print_json
from energydsl.cli.completing import run_folders
from energydsl.inference.told import describe


@click.command("info", short_help="Describe a run: its model, data, settings and results.")
@click.argument("run", shell_complete=run_folders)
@json_option
def command(run: str, as_json: bool) -> None:
    """Describe the run in a folder: its model, data, settings and results."""
    from energydsl.learning.evaluations import read_evaluations
    from energydsl.learning.labels import of_row
    from energydsl.learning.methods import METHODS
    from energydsl.learning.optimizer import OPTIMIZERS
    from energydsl.learning.remarks import doubts
    from energydsl.learning.run_folder import open_run

    opened = open_run(run)
    params = {n: list(a.shape) for n, a in opened.params.items()}
    assert opened.path is not None
    last = opened.history[-1] if opened.history else {}
    labels = of_row(opened.program.engine, last)
    evaluations = latest_of_each_kind(read_evaluations(opened.path))
    facts = {
        "ok": True,
        "run": str(opened.path),
        "config": opened.config,
        "parameters": params,
        "updates": opened.updates,
        "seconds": opened.seconds,
        "finished": opened.finished,
        "last": last,
        "labels": labels,
        "evaluations": evaluations,
        "warnings": list(opened.warnings),
    }
    if as_json:
        print_json(facts)
        return
    config = opened.config
    click.echo(f"{config['model']}, energydsl {config['energydsl']}, {config['backend']} {config['dtype']}")
    click.echo(f"sizes: {', '.join(f'{k} = {v}' for k, v in config['dims'].items()) or 'as written'}")
    data = config["data"]
    click.echo(
        f"data: {data['name']}, {data['rows']} rows" + (f", binarise {data['binarise']}" if data["binarise"] else "")
    )
    if "greedy" in config:
        stages = config["greedy"]
        click.echo(
            f"greedy start: {', '.join(map(str, stages['epochs']))} epochs a stage, lr {stages['optimizer']['lr']}"
        )
    for what, known in (("method", METHODS), ("optimizer", OPTIMIZERS)):
        name = config[what]["name"]
        usual = asdict(known[name]())
        settings = [
            f"{k} {v}" for k, v in config[what].items() if k in ("k", "chains", "lr") or v != usual.get(k, name)
        ]
        click.echo(f"{what}: {name} ({', '.join(settings)})")
    click.echo(f"parameters: {', '.join(f'{n}{shape}' for n, shape in params.items())}")
    state = "finished" if opened.finished else "not finished: `energydsl train` with --resume continues it"
    click.echo(f"{opened.updates} updates, {config['epochs']} epochs of {config['batch']} rows a batch, {state}")
    for key, value in last.items():
        if key not in ("epoch", "update", "log_likelihood_bound") and value is not None:
            click.echo(f"  {key.replace('_', ' ')}: {value:.5g}" + (f"  ({labels[key]})" if key in labels else ""))
    for doubt in doubts(config, opened.history):
        click.echo(f"warning: {doubt}")
    for entry in evaluations:
        click.echo(f"{_described(entry)}\n  {entry['date']}, at update {entry['updates']}")


def latest_of_each_kind(evaluations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last evaluation by each method on each data, in the order in which they were made."""
    found: dict[str, dict[str, Any]] = {}
    for entry in evaluations:
        kind = (entry["method"], entry.get("bound"), entry["data"]["name"], entry["data"]["rows"])
        found.pop(str(kind), None)
        found[str(kind)] = entry
    return list(found.values())


def _described(entry: dict[str, Any]) -> str:
    """An evaluation in one line, as it was printed when it was made."""
    name, part = entry["data"]["name"], entry.get("on")
    try:
        return describe(entry, f"{part} {name}" if part else name)
    except (KeyError, TypeError, ValueError):
        return f"log-likelihood of {entry['data']['rows']} {name} rows: {entry['log_likelihood']:.3f} nats a row"
