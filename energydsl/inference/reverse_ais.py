"""Annealed importance sampling in reverse: log Z from above, by walks from samples of the model back to the base.

The weights of such walks have the mean Z_base / Z (Burda, Grosse & Salakhutdinov 2015, section 2.2; Grosse & Salakhutdinov 2015),
so that minus the log of their mean is a stochastic upper bound of log Z, if the samples are those of the model.
"""

from __future__ import annotations

from energydsl.annealing.partition import AGREEMENT, LogPartition, from_above
from energydsl.annealing.path import Array, Progress
from energydsl.backends.interface import Arrays
from energydsl.inference.ais import Ladder
from energydsl.inference.model_samples import ModelSamples
from energydsl.random import Rng
from energydsl.ranks import in_shards


def backwards(ladder: Ladder, samples: ModelSamples, chains: int, rng: Rng, progress: Progress | None = None) -> Array:
    """log weights of walks back from samples of the model, which they use up, (rows, chains), whose mean weight is 1 / Z."""
    path, count = ladder.path, ladder.rows * chains
    end = path.log_z_base() + path.log_z_moved(samples.state, count)

    def walked(part: slice, progress: Progress | None) -> Arrays:
        x = {n: a[part] for n, a in samples.state.items()}
        return {"log weights": path.walk(x, ladder.times[::-1].tolist(), rng, progress)}

    found = in_shards(ladder.shards, rng, count, walked, progress)["log weights"]
    return (found - end).reshape(ladder.rows, chains)


def most_cautious(log_weights: Array, samples: ModelSamples) -> tuple[LogPartition, str]:
    """The upper bound of one row from weights (chains,); and where chains started, if other starts say otherwise.

    Chains that began elsewhere and have not met are not pooled: those that are too low would hide the others, since the largest
    weights are those of the lowest bound. The highest bound is taken then.
    """
    apart = {name: from_above(log_weights[chains]) for name, chains in samples.starts.items()}
    highest = max(apart, key=lambda name: apart[name].log_z)
    if apart[highest].log_z - min(p.log_z for p in apart.values()) < AGREEMENT:
        return from_above(log_weights), ""
    return apart[highest], highest
