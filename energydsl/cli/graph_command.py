"""`energydsl graph FILE`: the layer graph, coloured by Gibbs block."""

from __future__ import annotations

from pathlib import Path

import click

from energydsl.cli.common import json_option, overrides_options, print_json, read_model
from energydsl.cli.completing import model_files


@click.command("graph", short_help="Show which layers each term couples, and the Gibbs blocks.")
@click.argument("file", shell_complete=model_files)
@click.option(
    "-o", "out", type=click.Path(dir_okay=False, path_type=Path), help="Draw the graph into a file: .svg, .png or .pdf."
)
@overrides_options
@json_option
def command(file: str, out: Path | None, dims: dict[str, int], consts: dict[str, float], as_json: bool) -> None:
    """Show which layers each term of the energy in FILE couples, and the Gibbs blocks."""
    model = read_model(file, dims, consts, as_json)
    blocks = [[str(part) for part in block] for block in model.schedule()]
    if out is not None:
        from energydsl.report.layer_graph import draw_graph

        draw_graph(out, model.compiled)
    if as_json:
        nodes = [{"name": n, **data} for n, data in model.graph.nodes(data=True)]
        print_json({"ok": True, "nodes": nodes, "edges": [list(e) for e in model.graph.edges], "blocks": blocks})
        return
    for number, block in enumerate(blocks):
        click.echo(f"block {number + 1}: {', '.join(block)}")
    for node, data in model.graph.nodes(data=True):
        if data["kind"] == "term":
            text = " ".join(data["text"].split())
            click.echo(f"{' -- '.join(model.graph.neighbors(node)) or '(constant)'}   [{data['label']}] {text}")
    if out is not None:
        click.echo(f"drawn: {out}")
