"""What the shell completes: model files, run folders, data and models of the zoo; names of options and their words click knows itself.

A folder stands for what is in it where it is the only one that fits, so that a shell never ends a word behind its slash.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Items = list[CompletionItem]
_DATASETS = ("digits", "digits:8", "bars-and-stripes:4")
_DATA = (".npy", ".npz", ".csv", ".parquet", ".zarr", ".gz")


def model_files(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Files with the text of a model."""
    return _items(_paths(incomplete, _is_model))


def run_folders(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Folders of runs."""
    return _items(_paths(incomplete, _is_run))


def runs_or_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Either."""
    return _items(_paths(incomplete, lambda path: _is_run(path) or _is_model(path)))


def data_sources(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Names of data sets, and files that data are read from."""
    names = [name for name in _DATASETS if name.startswith(incomplete)]
    return _items([*names, *_paths(incomplete, lambda path: path.suffix in _DATA)])


def zoo_models(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Names of the zoo."""
    from energydsl.api import zoo_names

    return _items([name for name in zoo_names() if name.startswith(incomplete)])


def doc_pages(ctx: click.Context, param: click.Parameter, incomplete: str) -> Items:
    """Pages of the documentation."""
    from energydsl.cli.site import pages

    return _items([name for name in pages() if name.startswith(incomplete)])


def _is_model(path: Path) -> bool:
    return path.suffix == ".energy" and path.is_file()


def _is_run(path: Path) -> bool:
    return all((path / name).is_file() for name in ("config.json", "model.energy"))


def _items(words: list[str]) -> Items:
    return [CompletionItem(word) for word in words if word.isprintable()]


def _paths(incomplete: str, wanted: Callable[[Path], bool]) -> list[str]:
    """Paths that begin so and are wanted, and folders that may hold some."""
    lead, start = incomplete[: incomplete.rfind("/") + 1], incomplete[incomplete.rfind("/") + 1 :]
    base = Path(lead or ".").expanduser()
    try:
        names = sorted(name for name in os.listdir(base) if name.startswith(start))
    except OSError:
        return []
    shown = [name for name in names if start or not name.startswith(".")]
    found = [lead + name for name in shown if wanted(base / name)]
    folders = [f"{lead}{name}/" for name in shown if (base / name).is_dir() and lead + name not in found]
    if not found and len(folders) == 1:
        return _paths(folders[0], wanted)
    return [*found, *folders]
