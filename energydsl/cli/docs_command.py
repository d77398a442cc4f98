"""`energydsl docs [PAGE]`: the documentation in a browser, without a network."""

from __future__ import annotations

import webbrowser

import click

from energydsl.cli.common import json_option, print_json
from energydsl.cli.completing import doc_pages


@click.command("docs", short_help="Open the documentation, which needs no network.")
@click.argument("page", default="index", shell_complete=doc_pages)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open it; or print its address only.")
@json_option
def command(page: str, browser: bool, as_json: bool) -> None:
    """Open the documentation in a browser, at PAGE if one is named: `tutorial`, `language`, `python`, or the code of an error.

    The first call builds the site from the pages that came with the package, which takes some seconds, and keeps it in the cache folder.
    """
    from energydsl.cli import site

    place = site.address(page)
    folder = site.kept()
    built = not folder.exists()
    if built:
        click.echo("building the pages, which takes some seconds the first time", err=True)
        site.build(folder)
    path, _, anchor = place.partition("#")
    address = (folder / path).as_uri() + (f"#{anchor}" if anchor else "")
    opened = browser and webbrowser.open(address)
    if as_json:
        print_json({"ok": True, "page": page, "address": address, "built": built, "opened": opened})
        return
    click.echo(address)
    if browser and not opened:
        click.echo("no browser could be opened: open this address yourself", err=True)
