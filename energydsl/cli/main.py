"""`energydsl`: the group of subcommands."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

import energydsl

COMMANDS = (
    "new",
    "check",
    "explain",
    "fmt",
    "graph",
    "compile",
    "verify",
    "train",
    "compare",
    "eval",
    "predict",
    "sample",
    "info",
)


class _Lazy(click.Group):
    """Loads a subcommand when it is asked for, so that `--help` and `check` start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"energydsl.cli.{cmd_name}_command").command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(energydsl.__version__, prog_name="energydsl")
def cli() -> None:
    """Write one energy; compile, verify, train, sample and evaluate what follows from it."""


def main(**options: Any) -> None:
    """Entry point of the console script."""
    cli(prog_name="energydsl", **options)
