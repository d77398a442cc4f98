"""Rungs: distributions between independent units and a model, frozen one after the other, whose chains exchange states.

The first is a product of independent units, drawn anew for every turn, so that what climbs from there is independent of all that was before
(Hukushima & Nemoto 1996; between checkpoints of a training: Bereux, Decelle, Furtlehner, Rosset & Seoane 2025). Neighbours i, i + 1
exchange their states x, y with probability

    min(1, exp(l(x) - l(y))),    l = log p*_i+1 - log p*_i,

with as many layers summed out as can be; the same l make log Z_i+1 - log Z_i, by Bennett's ratio.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from energydsl.annealing.bar import bennett
from energydsl.annealing.path import Array, Path, Progress
from energydsl.backends.interface import Arrays
from energydsl.mixing import autocorrelation_time
from energydsl.program.samplers.record import by_chain, uniforms
from energydsl.program.states import random_state
from energydsl.random import Rng

# Chains settle for so many autocorrelation times, between so many turns.
_SETTLING, _FEWEST, _MOST = 20, 20, 10_000
# Draws are so many autocorrelation times apart; at least as many turns as make every pair of neighbours exchange.
_APART, _BOTH_PAIRS = 2, 2
# Of the states of a population that is renewed, those that go back to before may be so many.
OLD = 0.01
# Exchanges that neighbours on the way to a model are to have, and halvings to find where.
_EXCHANGED, _BISECTIONS = 0.4, 12
# Random projections of the states whose autocorrelation counts beside that of the log weight.
_PROJECTIONS = 3


@dataclass
class Rung:
    """A frozen distribution, and the chains that follow it.

    path: from independent units to its model; time: its place on that, 1 at the model. states: by layer, (chains, *layer). gain: log Z
    less that of the rung before, its standard error, and from how many draws it was found. old: which states, (chains,), do not go back to
    independent units as they were drawn since chains began to settle.
    """

    path: Path
    time: float
    states: Arrays
    gain: float = 0.0
    error: float = 0.0
    draws: int = 0
    old: Array = field(default_factory=lambda: np.zeros(0, bool))

    def log_weights(self, x: Mapping[str, Array]) -> Array:
        """log p*(x), (chains,), float64, on the host; layers summed out need not be there."""
        return log_weights(self.path, x, self.time)

    def renew(self, random: Rng) -> None:
        """One sweep; exact and independent draws at independent units."""
        if self.time == 0.0:
            self.path.redraw(self.states, random)
        else:
            self.path.sweep(self.states, self.time, random)

    @property
    def chains(self) -> int:
        """How many there are."""
        return len(next(iter(self.states.values())))


@dataclass(frozen=True)
class Draws:
    """States of the last rung, far enough apart to count as independent: by layer, none that is summed out, (draws, *layer).

    turns: that chains took to settle. time: the autocorrelation time, in turns. old: the share of chains that were not renewed then.
    works: of every rung but the first, log weights there and back between it and the one below, (draws,) each.
    """

    states: Arrays
    turns: int
    time: float
    old: float
    works: Mapping[int, tuple[Array, Array]] = field(default_factory=dict)


def log_weights(path: Path, x: Mapping[str, Array], time: float = 1.0) -> Array:
    """log p*(x) at a place on a path, (chains,), float64, on the host."""
    found = path.program.log_weights(path.params, dict(x), path.settings(time), path.out)
    return np.asarray(path.program.host(found), np.float64)


def kept(path: Path, x: Mapping[str, Array]) -> Arrays:
    """The layers that are not summed out."""
    return {n: x[n] for n in path.based}


def swap(path: Path, x: Arrays, y: Arrays, accept: Array) -> None:
    """Exchange the states of two sets of chains where `accept`, (chains,), on the host, says so, in place."""
    xp = path.program.xp
    accept = xp.asarray(accept)
    for name in path.based:
        taken = by_chain(accept, x[name])
        one, other = xp.where(taken, y[name], x[name]), xp.where(taken, x[name], y[name])
        x[name][...], y[name][...] = one, other


def accepted(path: Path, gain: Array, random: Rng) -> Array:
    """Which proposals of log probabilities `gain`, (chains,), are accepted: Metropolis' rule, on the host."""
    drawn = path.program.host(uniforms(path.program, random, (len(gain), 1)))[:, 0]
    found: Array = drawn < np.exp(np.minimum(gain, 0.0))
    return found


def turn(rungs: Sequence[Rung], number: int, random: Rng) -> dict[int, tuple[Array, Array]]:
    """A sweep of every rung and exchanges of neighbours, of even pairs and of odd ones in turn.

    For the upper rung of every such pair l of the states below, and -l of those above: log weights there and back.
    """
    for rung in rungs:
        rung.renew(random)
    rungs[0].old = np.zeros(rungs[0].chains, bool)
    works = {}
    for k in range(1 + number % 2, len(rungs), 2):
        below, above = rungs[k - 1], rungs[k]
        there = above.log_weights(below.states) - below.log_weights(below.states)
        back = below.log_weights(above.states) - above.log_weights(above.states)
        works[k] = there, back
        accept = accepted(above.path, there + back, random)
        swap(above.path, below.states, above.states, accept)
        below.old, above.old = np.where(accept, above.old, below.old), np.where(accept, below.old, above.old)
    return works


def settle(rungs: Sequence[Rung], random: Rng, renewed: bool = False) -> tuple[int, float]:
    """Turns until chains of the last rung have forgotten where they began, and their autocorrelation time, in turns.

    renewed: go on until nearly all states there go back to independent units as they were drawn since. 10,000 turns at most.
    """
    seen: list[Array] = []
    top, time, look = rungs[-1], 1.0, _FEWEST
    directions = _directions(top)
    for rung in rungs:
        rung.old = np.ones(rung.chains, bool)
    while len(seen) < _MOST and (
        len(seen) < max(_FEWEST, _SETTLING * time) or (renewed and float(top.old.mean()) > OLD)
    ):
        turn(rungs, len(seen), random)
        seen.append(_projections(top, directions))
        if len(seen) == look:
            time, look = _longest(np.array(seen)), round(1.25 * look)
    return len(seen), time


def _longest(series: Array) -> float:
    """The longest autocorrelation time of several observables, in turns, at least 1; series: (turns, chains, observables)."""
    times = [autocorrelation_time(series[:, :, k].T) for k in range(series.shape[2]) if np.ptp(series[:, :, k]) > 0]
    return max((1.0, *(time for time in times if np.isfinite(time))))


def draws(rungs: Sequence[Rung], times: int, random: Rng, renewed: bool = False) -> Draws:
    """`times` draws of every chain of the last rung, once these have settled; log Z of every rung is found on the way."""
    turns, time = settle(rungs, random, renewed)
    old = float(rungs[-1].old.mean())
    every = max(_BOTH_PAIRS, round(_APART * time))
    top, found = rungs[-1], []
    works: dict[int, list[tuple[Array, Array]]] = {k: [] for k in range(1, len(rungs))}
    for number in range(times * every):
        seen = turn(rungs, number, random)
        if number % every >= every - _BOTH_PAIRS:
            for k, work in seen.items():
                works[k].append(work)
        if number % every == every - 1:
            found.append({n: top.path.program.xp.array(a) for n, a in kept(top.path, top.states).items()})
    both = {k: (np.concatenate([w for w, _ in ws]), np.concatenate([w for _, w in ws])) for k, ws in works.items()}
    for k, pair in both.items():
        _weigh(rungs[k], *pair)
    joined = {n: top.path.program.xp.concatenate([f[n] for f in found]) for n in found[0]}
    return Draws(joined, turns, time, old, both)


def climb(
    path: Path, times: int, chains: int, random: Rng, renewed: bool = False, progress: Progress | None = None
) -> tuple[list[Rung], Draws]:
    """Rungs from independent units to the model of a path, as far apart as exchanges allow, and `times` draws of every chain of the last."""
    rungs = [Rung(path, 0.0, path.start(chains, {}, random))]
    found = Draws(kept(path, path.start(times * chains, {}, random)), 0, 1.0, 0.0)
    while rungs[-1].time < 1.0:
        append(rungs, path, _next(rungs[-1], found.states), found.states, chains, random)
        found = draws(rungs, times, random, renewed and rungs[-1].time == 1.0)
        if progress is not None:
            progress(rungs[-1].time)
    return rungs, found


def _next(rung: Rung, drawn: Arrays) -> float:
    """The furthest place on the path of a rung with which it still exchanges enough, by draws of it."""
    known, path = rung.log_weights(drawn), rung.path

    def ok(time: float) -> bool:
        ratio = log_weights(path, drawn, time) - known
        return bool(np.isfinite(ratio).all()) and acceptance(ratio) >= _EXCHANGED

    low, high = rung.time, 1.0
    if ok(high):
        return high
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if ok(middle) else (low, middle)
    return float(path.program.dtype.type(low if low > rung.time else high))


def append(rungs: list[Rung], path: Path, time: float, draws_before: Arrays, chains: int, random: Rng) -> None:
    """A new rung, whose chains begin at draws of the one before, (draws, *layer) by layer, taken by their weights."""
    log_ratio = log_weights(path, draws_before, time) - rungs[-1].log_weights(draws_before)
    weights = np.exp(log_ratio - log_ratio.max())
    places = (np.arange(chains) + random.integers(0, 1 << 24, (1,)) / (1 << 24)) / chains
    chosen = np.searchsorted(np.cumsum(weights) / weights.sum(), places).clip(0, len(weights) - 1)
    states = random_state(path.program, chains, random)
    for name, values in draws_before.items():
        states[name][...] = values[path.program.xp.asarray(chosen)]
    rungs.append(Rung(path, time, states))


def log_z(rungs: Sequence[Rung]) -> tuple[float, float]:
    """log Z of the last rung in nats, and its standard error."""
    first = rungs[0]
    whole = first.path.log_z_base() + float(first.path.log_z_moved(first.states, 1)[0])
    return whole + sum(r.gain for r in rungs), float(np.sqrt(sum(r.error**2 for r in rungs)))


def acceptance(log_ratio: Array) -> float:
    """How many exchanges a new distribution would have with one that was drawn from, (draws,): log p*_new - log p*_old of the draws.

    The state of the new one is a draw by its weight; its partner is another draw.
    """
    weights = np.exp(log_ratio - log_ratio.max())
    partner = np.roll(log_ratio, len(log_ratio) // 2)
    return float(weights @ np.exp(np.minimum(partner - log_ratio, 0.0)) / weights.sum())


def _weigh(rung: Rung, there: Array, back: Array) -> None:
    """Join what new draws say of log Z with what is known, by the numbers of draws."""
    found, count = bennett(there, back), len(there)
    known = rung.draws / (rung.draws + count)
    precision = rung.path.program.dtype.type
    rung.gain = float(precision(known * rung.gain + (1 - known) * found.log_z))
    rung.error = float(precision(np.hypot(known * rung.error, (1 - known) * found.log_z_std)))
    rung.draws += count


def _directions(rung: Rung) -> Arrays:
    """Directions of random projections, the same in every call, by layer: (units, projections)."""
    random = np.random.default_rng(0)
    sizes = {n: int(np.prod(a.shape[1:])) for n, a in kept(rung.path, rung.states).items()}
    return {n: random.standard_normal((size, _PROJECTIONS)) / np.sqrt(size) for n, size in sizes.items()}


def _projections(rung: Rung, directions: Arrays) -> Array:
    """The log weight of every chain and its projections, (chains, 1 + projections)."""
    host = rung.path.program.host
    flat = {n: np.asarray(host(rung.states[n]), np.float64).reshape(rung.chains, -1) for n in directions}
    projected = sum((flat[n] @ d for n, d in directions.items()), np.zeros((rung.chains, _PROJECTIONS)))
    return np.column_stack([rung.log_weights(rung.states), projected])
