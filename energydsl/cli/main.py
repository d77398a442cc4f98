"""`energydsl`: the group of subcommands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from energydsl.diagnostics import Diagnostic, suggestion
from energydsl.version import __version__

COMMANDS = (
    "new",
    "check",
    "explain",
    "fmt",
    "lsp",
    "augment",
    "marginalise",
    "graph",
    "compile",
    "verify",
    "train",
    "compare",
    "eval",
    "retrospect",
    "predict",
    "sample",
    "map",
    "contacts",
    "mutants",
    "split",
    "import",
    "export",
    "info",
    "report",
    "docs",
    "doctor",
    "completion",
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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            help = suggestion(name, COMMANDS) or f"there are {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command `{name}`: {help}")
        return super().resolve_command(ctx, args)

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        with _usage_errors("--json" in args):
            context = super().make_context(info_name, args, *rest, **extra)
        context.obj = "--json" in args
        return context

    def invoke(self, ctx: click.Context) -> Any:
        with _usage_errors(ctx.obj):
            return super().invoke(ctx)


class _UsageAsJson(click.ClickException):
    """A usage error, told on standard output as everything is with `--json`."""

    exit_code = click.UsageError.exit_code

    def show(self, file: Any = None) -> None:
        """The one JSON object."""
        from energydsl.cli.common import print_json

        print_json({"ok": False, "diagnostics": [Diagnostic("E0000", self.message, None).as_dict()]})


@contextmanager
def _usage_errors(as_json: bool) -> Iterator[None]:
    try:
        yield
    except click.UsageError as error:
        if not as_json:
            raise
        raise _UsageAsJson(error.format_message()) from None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="energydsl")
def cli() -> None:
    """Write one energy; compile, verify, train, sample and evaluate what follows from it."""


def main(**options: Any) -> None:
    """Entry point of the console script."""
    from energydsl.cli.together import one_voice

    with one_voice():
        cli(prog_name="energydsl", **options)
