"""`energydsl explain FILE`: what was derived; any stage of the compiler."""

from __future__ import annotations

import click

from energydsl.cli.common import json_option, overrides_options, print_json, read_model
from energydsl.cli.completing import model_files
from energydsl.options import STAGES, Stage
from energydsl.report.costs import as_text as cost_text
from energydsl.report.costs import costs


@click.command("explain", short_help="Print what was derived from the energy of a model.")
@click.argument("file", shell_complete=model_files)
@click.option("--latex", is_flag=True, help="Print the formulas as LaTeX.")
@click.option("--emit", "stage", type=click.Choice(STAGES), help="Print a stage of the compiler instead.")
@click.option(
    "--cost", is_flag=True, help="Print instead what a sweep and a gradient cost, and how many chains fit into memory."
)
@overrides_options
@json_option
def command(
    file: str,
    latex: bool,
    stage: Stage | None,
    cost: bool,
    dims: dict[str, int],
    consts: dict[str, float],
    as_json: bool,
) -> None:
    """Print what was derived from the energy in FILE: conditionals, Gibbs blocks, gradients, free energy."""
    model = read_model(file, dims, consts, as_json)
    if stage is not None:
        text = model.emit(stage)
        if as_json:
            print_json({"ok": True, "stage": stage, "text": text})
        else:
            click.echo(text)
    elif cost:
        found = costs(model.compiled)
        if as_json:
            print_json({"ok": True, **found})
        else:
            click.echo(cost_text(found))
    elif as_json:
        print_json(model.explain("json"))
    else:
        click.echo(model.explain("latex" if latex else "text"))
