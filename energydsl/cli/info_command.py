"""`energydsl info RUN`: what was run, on what, with which result."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from energydsl.cli.common import json_option, print_json


@click.command("info")
@click.argument("run")
@json_option
def command(run: str, as_json: bool) -> None:
    """Describe a run folder."""
    from energydsl.learning.loop import open_run
    from energydsl.learning.methods import METHODS
    from energydsl.learning.optimizers import OPTIMIZERS

    opened = open_run(run)
    params = {n: list(a.shape) for n, a in opened.params.items()}
    last = opened.history[-1] if opened.history else {}
    facts: dict[str, Any] = {
        "ok": True,
        "run": str(opened.path),
        "config": opened.config,
        "parameters": params,
        "updates": opened.updates,
        "seconds": opened.seconds,
        "finished": opened.finished,
        "last": last,
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
            f"first: greedy, {', '.join(map(str, stages['epochs']))} epochs a stage, lr {stages['optimizer']['lr']}"
        )
    for what, known in (("method", METHODS), ("optimizer", OPTIMIZERS)):
        name = config[what]["name"]
        usual = asdict(known[name]())
        settings = [
            f"{k} {v}" for k, v in config[what].items() if k in ("k", "chains", "lr") or v != usual.get(k, name)
        ]
        click.echo(f"{what}: {name} ({', '.join(settings)})")
    click.echo(f"parameters: {', '.join(f'{n}{shape}' for n, shape in params.items())}")
    state = "finished" if opened.finished else "not finished: --resume goes on"
    click.echo(f"{opened.updates} updates, {config['epochs']} epochs of {config['batch']} rows a batch, {state}")
    for key, value in last.items():
        if key not in ("epoch", "update") and value is not None:
            click.echo(f"  {key.replace('_', ' ')}: {value:.5g}")
