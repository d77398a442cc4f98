"""`energydsl completion bash|zsh|fish`: what makes a shell complete commands, options, files and runs."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from energydsl.cli.common import json_option, print_json

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print what makes a shell complete the commands.")
@click.argument("shell", type=click.Choice(SHELLS))
@json_option
def command(shell: str, as_json: bool) -> None:
    """Print a script that makes SHELL complete commands, options, model files, run folders, data sets and methods.

    \b
    bash: eval "$(energydsl completion bash)" in ~/.bashrc
    zsh:  eval "$(energydsl completion zsh)" in ~/.zshrc, after compinit
    fish: energydsl completion fish > ~/.config/fish/completions/energydsl.fish
    """  # noqa: D301  a mark of click's, as a character
    kind = get_completion_class(shell)
    assert kind is not None
    root = click.get_current_context().find_root()
    script = kind(root.command, {}, "energydsl", "_ENERGYDSL_COMPLETE").source()
    if as_json:
        print_json({"ok": True, "shell": shell, "script": script})
    else:
        click.echo(script)
