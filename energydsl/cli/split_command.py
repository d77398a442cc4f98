"""`energydsl split FILE`: an alignment into one for training and one for testing, which have no sequences in common that are alike."""

from __future__ import annotations

from pathlib import Path

import click

from energydsl import defaults
from energydsl.cli.common import json_option, print_json, writing
from energydsl.diagnostics import DataError


@click.command("split", short_help="Split an alignment, clusters as a whole.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for train.fasta and test.fasta.",
)
@click.option(
    "--test",
    "share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=defaults.TESTED,
    show_default=True,
    help="Share of the sequences for testing, at most.",
)
@click.option(
    "--identity",
    type=click.FloatRange(0, 1, min_open=True),
    default=defaults.IDENTITY,
    show_default=True,
    help="Sequences are alike where this share of their columns is equal.",
)
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True, help="Random seed.")
@json_option
def command(file: Path, out: Path, share: float, identity: float, seed: int, as_json: bool) -> None:
    """Split an alignment in FASTA or Stockholm so that no sequence for testing is like one for training.

    Sequences that a chain of like ones joins stay together (single linkage).
    """
    from energydsl.data import alignments
    from energydsl.data.identity import split

    if file.suffix not in alignments.SUFFIXES:
        raise DataError.of(f"{file} is no alignment: {', '.join(alignments.SUFFIXES)} are")
    try:
        whole = alignments.read(file)
    except OSError as error:
        raise DataError.of(f"cannot read {file}: {error.strerror or error}") from None
    parts = dict(zip(("train", "test"), split(whole.letters, share, identity, seed), strict=True))
    written = []
    for name, rows in parts.items():
        path = out / f"{name}.fasta"
        with writing(out):
            out.mkdir(exist_ok=True)
            part = whole.rows(rows)
            alignments.write_fasta(path, list(part.names), part.texts())
        written.append(str(path))
    counts = {name: len(rows) for name, rows in parts.items()}
    if as_json:
        print_json({"ok": True, **counts, "written": written})
        return
    for shown, count in zip(written, counts.values(), strict=True):
        click.echo(f"written: {shown}, {count} sequences")
