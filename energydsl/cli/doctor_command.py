"""`energydsl doctor`: what is installed here, and whether it works."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from itertools import groupby

import click

from energydsl.cli.common import Failed, json_option, print_json
from energydsl.diagnostics import Diagnostic
from energydsl.version import __version__


@click.command("doctor", short_help="Say what is installed here, and whether it works.")
@json_option
def command(as_json: bool) -> None:
    """Say which libraries, backends, extras, devices, threads, caches and MPI there are, and whether they work.

    Each is tried in a process of its own. Exit status 1 if something that is installed does not work.
    """
    from energydsl.doctor import examine

    about = {
        "energydsl": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
    }
    if not as_json:
        click.echo("energydsl {energydsl}, Python {python} ({executable}), {platform}".format(**about))
    found = examine()
    broken = [f for f in found if f.state == "broken"]
    if as_json:
        told = [Diagnostic("E0000", f"{f.name}: {f.detail}", None, f.help).as_dict() for f in broken]
        print_json({"ok": not broken, **about, "findings": [asdict(f) for f in found], "diagnostics": told})
    else:
        width = max(len(f.name) for f in found)
        for part, some in groupby(found, lambda f: f.part):
            click.echo(f"\n{part}")
            for f in some:
                click.echo(f"  {f.state:<8} {f.name:<{width}}  {f.detail}".rstrip())
                if f.help:
                    click.echo(f"  {'':<8} {'':<{width}}  {f.help}")
        click.echo(f"\n{len(broken)} of {len(found)} do not work" if broken else "\nall that is installed works")
    if broken:
        raise Failed
