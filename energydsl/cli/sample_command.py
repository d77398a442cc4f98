"""`energydsl sample RUN`: draws; of a model file too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from energydsl import defaults, progress
from energydsl.cli.common import json_option, print_json, writing
from energydsl.cli.completing import runs_or_models
from energydsl.cli.targets import held_layers, lettered, target_options
from energydsl.cli.together import shards_of_option, shards_option
from energydsl.data import alignments, writers
from energydsl.diagnostics import EnergyError
from energydsl.options import SAMPLERS, SamplerName
from energydsl.ranks import asked_for, world

if TYPE_CHECKING:
    from energydsl.learning.run import Run


@click.command("sample", short_help="Draw samples from a run or a model file.")
@click.argument("run", metavar="RUN|FILE", shell_complete=runs_or_models)
@click.option(
    "-n",
    "count",
    type=click.IntRange(min=1),
    help=f"Number of samples.  [default: one for each row of a clamped file, else {defaults.SAMPLES}]",
)
@click.option(
    "--steps",
    type=click.IntRange(min=0),
    default=defaults.SAMPLE_SWEEPS,
    show_default=True,
    help="Number of sweeps.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=1),
    default=defaults.DRAWS,
    show_default=True,
    help="Number of draws kept of each chain; several tell whether chains mix.",
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=defaults.SWEEPS,
    show_default=True,
    help="Number of sweeps from draw to draw.",
)
@click.option(
    "--sampler",
    type=click.Choice(SAMPLERS),
    default=defaults.SAMPLER,
    show_default=True,
    help="How chains are moved; explain says which fit.",
)
@click.option(
    "--clamp",
    multiple=True,
    metavar="LAYER=VALUE",
    help="Hold a layer at a value, y=3, or at the rows of a file, v=file.npy.",
)
@click.option(
    "-o",
    "out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the samples of all layers into an .npz file; of the layer whose states have letters into a .fasta file.",
)
@click.option(
    "--image",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the samples of the visible layer into a .png file.",
)
@click.option("--seed", type=click.IntRange(min=0), default=defaults.SEED, show_default=True, help="Random seed.")
@shards_option
@target_options
@json_option
def command(
    opened: Callable[[int, bool], Run],
    count: int | None,
    steps: int,
    draws: int,
    every: int,
    sampler: SamplerName,
    clamp: tuple[str, ...],
    out: Path | None,
    image: Path | None,
    seed: int,
    shards: int | None,
    as_json: bool,
) -> None:
    """Run chains and keep their last states as samples, or the last --draws of each.

    With the folder of a RUN the chains start from its persistent chains. With a model FILE they start from random states,
    and the parameters are as they are initialised, or those of --params.
    """
    from energydsl.learning.mixing import columns, described, unmixed
    from energydsl.learning.sampling import chains, rows_of, visible_series

    run, held = opened(seed, as_json), held_layers(clamp)
    _writable(out, image, as_json)
    sequences = lettered(run, out)
    if image is not None:
        from energydsl.report.sheets import pictured

        if pictured(run.program.model) is None:
            raise EnergyError("no visible layer has the shape of an image")
    count = count or rows_of(run, held) or defaults.SAMPLES
    with progress.fractions("sampling", not as_json) as bar:
        drawn = chains(run, count, steps, held, seed, bar, sampler, draws, every, asked_for(shards_of_option(shards)))
    if not world().first:
        return
    arrays = drawn.samples(run)
    mixed = columns(drawn.energies | visible_series(run, drawn), every) if arrays.several else {}
    doubt = unmixed(mixed)
    written = []
    if out is not None:
        with writing(out):
            if sequences is None:
                writers.npz(str(out), arrays)
            else:
                texts = alignments.as_texts(sequences, arrays[sequences.name])
                alignments.write_fasta(out, [f"sample {k + 1}" for k in range(len(texts))], texts)
        written.append(str(out))
    if image is not None:
        from energydsl.learning.pictures import sheet_of
        from energydsl.report.sheets import write

        sheet = sheet_of(run, drawn.last, held)
        assert sheet is not None
        write(image, sheet)
        written.append(str(image))
    if as_json:
        facts = {n: {"shape": list(a.shape), "mean": float(a.mean())} for n, a in arrays.items()}
        print_json(
            {
                "ok": True,
                "n": count,
                "steps": steps,
                "draws": draws,
                "mixing": mixed,
                "labels": {"mean": "estimate", "mixing": "estimate"},
                "layers": facts,
                "written": written,
                "warnings": [*run.warnings, *([doubt] if doubt else [])],
            }
        )
        return
    for name, array in arrays.items():
        click.echo(f"{name}: {array.shape}, mean {array.mean():.4f}")
    for line in described(mixed):
        click.echo(line)
    if doubt:
        click.echo(f"warning: {doubt}", err=True)
    for path in written:
        click.echo(f"written: {path}")


def _writable(out: Path | None, image: Path | None, as_json: bool) -> None:
    """Said before chains run: that nothing will be kept, or that it cannot be."""
    for path in (out, image):
        if path is not None and not path.parent.is_dir():
            raise EnergyError(f"cannot write {path}: there is no folder {path.parent}")
    if out is None and image is None and not as_json:
        click.echo("nothing will be written: -o s.npz keeps the samples, --image s.png draws them", err=True)
