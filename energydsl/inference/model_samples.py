"""Samples of the model, where walks back along a path begin: exact where they can be had, else ends of long chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from energydsl.annealing.path import Array, Path, Progress
from energydsl.backends.interface import Arrays, Settings
from energydsl.inference.ais import Ladder
from energydsl.program.exact_samples import exact_samples, listable
from energydsl.program.states import random_state
from energydsl.random import Rng
from energydsl.ranks import in_shards

# Sweeps between looks at the clock.
_AT_ONCE = 50
# So many standard errors between two means of the energy are no chance.
_TELLING = 4.0


@dataclass(frozen=True)
class ModelSamples:
    """Samples for each row of the inputs, by layer, (rows * chains, *layer), those of a row next to one another.

    exact: whether they are exact and independent. starts: of the chains of a row, which ones began where, by the name of the
    place. doubts: why the chains may not have reached the model, each a sentence; empty where nothing shows it.
    """

    state: Arrays
    exact: bool
    starts: Mapping[str, slice]
    doubts: tuple[str, ...] = ()


def model_samples(
    ladder: Ladder, chains: int, sweeps: int, own: Arrays, rng: Rng, progress: Progress | None = None
) -> ModelSamples:
    """`chains` samples of the model at the end of a path, for each row of its inputs.

    Exact ones by a sampler that draws all layers jointly, or by a list of states; else after `sweeps` sweeps, half of them from
    random states and half from the model's own chains where there are such (`own`, by layer).
    """
    path, program = ladder.path, ladder.path.program
    settings = path.settings(1.0)
    whole = {"exact samples": slice(0, chains)}
    if not path.moves[0].exact and listable(program):
        x = exact_samples(program, path.params, settings, ladder.inputs, chains, rng)
        return ModelSamples(x, True, whole)
    count = ladder.rows * chains
    x = random_state(program, count, rng, ladder.held(chains))
    if path.moves[0].exact:
        path.moves[0].sweep(path.params, x, settings, rng)
        return ModelSamples(x, True, whole)
    starts = {"random states": slice(0, chains)}
    random = [n for n in program.model.random_layers() if len(own.get(n, ()))]
    if random and not ladder.inputs:
        half = chains // 2
        starts = {"random states": slice(0, half), "the chains of the run": slice(half, chains)}
        for name in random:
            values = np.concatenate(
                [program.host(x[name])[:half], own[name][np.arange(chains - half) % len(own[name])]]
            )
            program.kernels.load(x[name], values)

    def swept(part: slice, progress: Progress | None) -> Arrays:
        own = {n: a[part] for n, a in x.items()}
        energies = {f"energy/{share}": _run(path, own, settings, rng, sweeps, share, progress) for share in (0, 1)}
        return energies | {f"state/{n}": program.host(a) for n, a in own.items()}

    found = in_shards(ladder.shards, rng, count, swept, progress)
    for name in x:
        program.kernels.load(x[name], found[f"state/{name}"])
    by_row = [found[f"energy/{share}"].reshape(ladder.rows, chains) for share in (0, 1)]
    return ModelSamples(x, False, starts, tuple(_doubts(by_row, starts)))


def _run(
    path: Path, x: Arrays, settings: Settings, rng: Rng, sweeps: int, half: int, progress: Progress | None
) -> Array:
    """One half of the sweeps; the energies after it, (chains,), layers summed out as on the path."""
    program, steps = path.program, -(-sweeps // 2)
    for done in range(0, steps, _AT_ONCE):
        path.move(1.0).sweep(path.params, x, settings, rng, min(_AT_ONCE, steps - done))
        if progress is not None:
            progress((half * steps + done) / (2 * steps))
    return -program.host(program.log_weights(path.params, x, settings, path.out)).astype(np.float64)


def _doubts(energies: Sequence[Array], starts: Mapping[str, slice]) -> list[str]:
    """What shows that chains are still on their way: energies at half the time and at the end, (rows, chains) each."""
    before, after = energies
    found = []
    for name, chains in starts.items():
        drift, error = _difference(after[:, chains], before[:, chains])
        if abs(drift) > _TELLING * error:
            found.append(
                f"chains from {name} are still on their way: over the last half of their sweeps their mean energy moved by "
                f"{drift:.3g} +- {error:.2g}"
            )
    if len(starts) > 1:
        (one, other), (a, b) = starts, starts.values()
        gap, error = _difference(after[:, a], after[:, b])
        if abs(gap) > _TELLING * error:
            found.append(
                f"chains from {one} and from {other} have not met: their mean energies differ by {gap:.3g} +- {error:.2g}"
            )
    return found


def _difference(a: Array, b: Array) -> tuple[float, float]:
    """Of the means over chains, averaged over rows, and its standard error."""
    variance = sum(e.var(axis=1, ddof=1) / e.shape[1] for e in (a, b)) / len(a) ** 2
    return float((a.mean(axis=1) - b.mean(axis=1)).mean()), float(np.sqrt(variance.sum()))
