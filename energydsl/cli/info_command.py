"""`energydsl info RUN`: what was run, on what, with which result."""

from __future__ import annotations

from typing import Any

import click

from energydsl.cli.common import json_option, print_json


@click.command("info")
@click.argument("run")
@json_option
def command(run: str, as_json: bool) -> None:
    """Describe a run folder."""
    from energydsl.learning.loop import open_run

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
    for what in ("method", "optimizer"):
        settings = ", ".join(f"{k} {v}" for k, v in config[what].items() if k != "name")
        click.echo(f"{what}: {config[what]['name']} ({settings})")
    click.echo(f"parameters: {', '.join(f'{n}{shape}' for n, shape in params.items())}")
    state = "finished" if opened.finished else "not finished: --resume goes on"
    click.echo(f"{opened.updates} updates, {config['epochs']} epochs of {config['batch']} rows a batch, {state}")
    for key, value in last.items():
        if key not in ("epoch", "update") and value is not None:
            click.echo(f"  {key.replace('_', ' ')}: {value:.5g}")
