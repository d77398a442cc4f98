"""The path of distributions from independent units to the model, and walks along it in either direction.

    E_t = (1 - t) E_base + t beta E
goes from independent units with the data's base rates (t = 0, Z known) to the model (t = 1). The kernels run it as it is: beta
scales the fields, the base enters as external fields.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl import defaults
from energydsl.backends.interface import Arrays, Settings
from energydsl.derive.free_energy import summable_sets
from energydsl.derive.records import BlockPart
from energydsl.diagnostics import NotApplicable
from energydsl.program.engine import Base as Base
from energydsl.program.engine import CoreEngine, Engine
from energydsl.program.initialise import base_rate
from energydsl.program.marginals import external_energy, location_scale, neutral, rest_energy, summed_log_partition
from energydsl.program.samplers import Blocks, Choice, Transition, transition
from energydsl.program.states import random_state
from energydsl.random import Rng, stream

Array = NDArray[Any]
Progress = Callable[[float], None]

# Temperatures at which what adapts is tuned, and by how many sweeps.
_KNOTS, _TUNING = 10, 60
# Temperatures whose draws are made in one region of the kernels, and entries of their states that are kept, at most.
_STRETCH, _HELD = 50, 1 << 23


class Path:
    """The family of distributions between base and model.

    together: whether the draws at many temperatures may wait for the end of one region of the kernels.
    """

    together = False

    def __init__(
        self,
        program: CoreEngine,
        params: Arrays,
        base: Base,
        beta: float = 1.0,
        weights: Mapping[str, float] | None = None,
        consts: Mapping[str, float] | None = None,
        sampler: Choice = defaults.SAMPLER,
    ):
        self.program, self.params = program, params
        self.beta, self.weights, self.consts = beta, weights, consts
        model = program.model
        self.base = {
            n: tuple(program.device(b) for b in base.get(n) or self._neutral(n)) for n in model.random_layers()
        }
        sets = summable_sets(model, program.derived.energy, list(model.random_layers()))
        self.out = max(sets, key=lambda s: sum(model.layers[n].size for n in s))
        self.based = [n for n in self.base if n not in self.out]
        layers = program.kernels.layers
        self.tempered_layers = {n: tempered for n in self.base if (tempered := layers[n].tempered) is not None}
        self.moves = [transition(program, sampler)]
        if self.moves[0].carries:
            raise NotApplicable(
                "annealing moves to another temperature at every step, where replicas would lag: take another sampler"
            )
        # The layers summed out are drawn first, from fields that are at hand; what is left of a sweep of blocks.
        drawn = [BlockPart(n) for n in self.out]
        blocks = isinstance(self.moves[0], Blocks)
        self.rest = tuple(part for part in program.parts() if part not in drawn) if blocks else None
        if self.moves[0].adaptive:
            self.moves += [transition(program, sampler) for _ in range(_KNOTS)]
        self.plain = program.settings(1.0, weights, consts)
        self.together = self._together()
        self.tempered = program.settings(beta, weights, consts)

    def _together(self) -> bool:
        """Whether no more is asked of layers that are summed out than fields that are products, and of the others than samples."""
        program, model = self.program, self.program.model
        single = all(len(self.base[n]) == 1 for n in self.out) and not any(neutral(program, n) for n in self.based)
        plain = all(weight == 1.0 for weight in self.plain.weights.values()) and not model.by_role("input")
        drawn = [BlockPart(n) for n in self.out]
        single = single and bool(self.out and self.based)
        return (
            self.rest is not None
            and single
            and plain
            and self.tempered_layers.keys() == self.base.keys()
            and program.straight([*drawn, *self.rest])
        )

    def _neutral(self, name: str) -> tuple[Array, ...]:
        return base_rate(self.program, name, None)

    def settings(self, t: float) -> Settings:
        """The run-time scalars and external fields of the kernels at this point of the path."""
        external = {n: tuple((1.0 - t) * b for b in fields) for n, fields in self.base.items()}
        if t == 1.0:
            external = {}
        found: Settings = self.program.settings(t * self.beta, self.weights, self.consts, external=external)
        return found

    def tune(self, inputs: Arrays, chains: int, rng: Rng) -> None:
        """Let what adapts do so on chains of their own, at some temperatures of the path; from then on it stays as it is."""
        if not self.moves[0].adaptive:
            return
        x = self.start(chains, {n: np.repeat(a[:1], chains, axis=0) for n, a in inputs.items()}, rng)
        with self.program.single_threaded_blas(), np.errstate(all="ignore"):
            for knot, move in enumerate(self.moves):
                move.sweep(self.params, x, self.settings(knot / _KNOTS), rng, _TUNING)
                move.settle()

    def move(self, t: float) -> Transition:
        """What moves the chains at this point of the path."""
        return self.moves[round(t * _KNOTS) if len(self.moves) > 1 else 0]

    def start(self, chains: int, held: Arrays, rng: Rng) -> Arrays:
        """Exact samples of the base, inputs as they are held."""
        x = random_state(self.program, chains, Rng(stream(0, "initial state")), held)
        self.redraw(x, rng)
        return x

    def redraw(self, x: Arrays, rng: Rng) -> None:
        """Exact samples of the base in place of all states, inputs as they are."""
        program = self.program
        for name, fields in self.base.items():
            tempered = program.kernels.layers[name].tempered
            if name not in program.derived.conditionals and tempered is not None:
                nothing = tuple(program.xp.zeros_like(x[name]) for _ in fields)
                tempered.draw(nothing, (0.0, fields), rng, x[name], program.workspace)
        program.sweep(self.params, x, self.settings(0.0), rng, program.parts())

    @property
    def reversible(self) -> bool:
        """Whether a walk back is the same process in reverse: blocks in the opposite order, none of them a scan."""
        return self.rest is not None and all(part.kind != "scan" for part in self.rest)

    def check_reversible(self, what: str) -> None:
        """Raises `NotApplicable` where what needs walks back in reverse does not fit."""
        if not self.reversible:
            raise NotApplicable(
                f"{what} needs sweeps that run backwards too, and here units are drawn one after the other, or by a sampler "
                "with moves of its own: ask for ais and reverse-ais, or for both (auto)"
            )

    def walk(self, x: Arrays, times: Sequence[float], rng: Rng, progress: Progress | None = None) -> Array:
        """log p*(x) at each time less that at the time before, summed along the way, (chains,), float64, on the host.

        x: states at the first time; they are moved at every time but the first and the last. times: rising towards the model,
        or falling towards the base. What is not finite is left to those who sum it up.
        """
        program, total = self.program, np.zeros(0)
        with program.single_threaded_blas(), np.errstate(all="ignore"):
            for number, gain in enumerate(self._gains(x, times, rng)):
                total = gain if number == 0 else total + gain
                if progress is not None and number % 50 == 49:
                    progress(number / len(times))
        return program.host(total)

    def gains(self, x: Arrays, times: Sequence[float], rng: Rng) -> Array:
        """As `walk`, every step by itself, (steps, chains)."""
        with self.program.single_threaded_blas(), np.errstate(all="ignore"):
            return self.program.host(self.program.xp.stack(list(self._gains(x, times, rng))))

    def _gains(self, x: Arrays, times: Sequence[float], rng: Rng) -> Iterator[Array]:
        if not self.together:
            for k in range(1, len(times)):
                yield self.step(x, times[k - 1], times[k], rng, k == len(times) - 1)
            return
        length = max(1, min(_STRETCH, _HELD // sum(x[n].size for n in self.based)))
        same = {n: self._split(n, x)[1] for n in self.base}
        new = partial(self.program.kernels.Replay, self.program.workspace, rng)
        replay = new()
        for start in range(0, len(times) - 1, length):
            stretch = times[start : start + length + 1]
            last = start + length >= len(times) - 1
            yield from self._stretch(x, stretch, rng, last, same, new() if last else replay)

    def _stretch(
        self,
        x: Arrays,
        times: Sequence[float],
        rng: Rng,
        last: bool,
        same: Mapping[str, Sequence[Array]],
        replay: Callable[..., None],
    ) -> Array:
        """As `step` at some times, (steps, chains): all draws in one region, then the energies of all states at once.

        same: of every layer, the part of its fields that is the same for all chains.
        """
        program, steps = self.program, len(times) - 1
        kept = {n: program.workspace(f"stretch:{n}", (steps + 1, *x[n].shape)) for n in self.based}
        for name, states_of in kept.items():
            states_of[0] = x[name]
        states = [{**x, **{n: a[k] for n, a in kept.items()}} for k in range(steps + 1)]
        gains = program.workspace("stretch gains", (len(self.out), steps, len(states[0][self.based[0]])))
        offsets = {n: self._offsets(n, times, fields) for n, fields in same.items()}
        rest = [part.layer for part in self.rest or ()]
        rest = rest if times[-1] > times[0] else rest[::-1]

        def draws(*scales: float) -> None:
            """What a region holds; scales: of all fields, at every time."""
            ends = [{n: (scale, [o[k] for o in offsets[n]]) for n in offsets} for k, scale in enumerate(scales)]
            for k in range(steps):
                fields = {n: self._split(n, states[k])[0] for n in self.out}
                for (n, etas), gain in zip(fields.items(), gains[:, k], strict=True):
                    self.tempered_layers[n].log_partition_difference(etas, ends[k][n], ends[k + 1][n], gain)
                if last and k == steps - 1:
                    return
                new = states[k + 1]
                for n in self.based if len(self.based) > 1 else ():
                    program.kernels.load(new[n], states[k][n])
                rng.next()
                for n in self.out:
                    self.tempered_layers[n].draw(fields[n], ends[k + 1][n], rng, new[n], program.workspace)
                rng.next()
                for n in rest:
                    self.tempered_layers[n].draw(self._split(n, new)[0], ends[k + 1][n], rng, new[n], program.workspace)

        arrays = [*kept.values(), gains, *itertools.chain(*offsets.values())]
        replay(draws, [*self.params.values(), *x.values(), *arrays], [t * self.beta for t in times])
        flat = {n: a[:steps].reshape(-1, *a.shape[2:]) for n, a in kept.items()}
        energies = self._other_energy(flat).reshape(steps, -1)
        for name, states_of in kept.items():
            x[name][...] = states_of[steps - last]
        falls = np.array([before - after for before, after in itertools.pairwise(times)])
        gained: Array = gains.astype(np.float64).sum(axis=0)
        return falls[:, None] * energies + gained

    def _split(self, name: str, x: Arrays) -> tuple[Sequence[Array], Sequence[Array]]:
        """Fields of a layer in two: one varies with the chains, the other is the same for all."""
        found: tuple[Sequence[Array], Sequence[Array]] = self.tempered_layers[name].split_fields(
            self.params, x, self.plain, self.program.workspace
        )
        return found

    def _offsets(self, name: str, times: Sequence[float], same: Sequence[Array]) -> list[Array]:
        """What is added to the fields of a layer at each time, (times, *layer) for every natural parameter."""
        program, shape = self.program, self.program.model.layers[name].field_shape
        model = np.array([t * self.beta for t in times], program.dtype)
        base = np.array([1.0 - t for t in times], program.dtype)
        found = []
        for s, (e, b) in enumerate(zip(same, self.base[name], strict=True)):
            out = program.workspace(f"path:{name}:{s}", (len(times), *shape))
            out[...] = np.multiply.outer(model, np.broadcast_to(e, shape)) + np.multiply.outer(
                base, np.broadcast_to(b, shape)
            )
            found.append(out)
        return found

    def step(self, x: Arrays, before: float, after: float, rng: Rng, last: bool) -> Array:
        """log p*_after(x) - log p*_before(x), then a sweep at `after`, but for the last.

        As many layers are summed out as can be; their fields are found once, for both temperatures and for their draw.
        """
        gain = (before - after) * self._other_energy(x)
        gains, fields, targets = self._summed_gain(x, before, after)
        for own in gains:
            gain = gain + own
        if not last:
            self._draw(x, before, after, fields, targets, rng)
        return gain

    def _other_energy(self, x: Arrays) -> Array:
        """Of the layers that are not summed out: the energy of the model and that of the base, (chains,), float64."""
        program = self.program
        rest = rest_energy(program, self.params, x, self.tempered, self.out, base_measure=False)
        start: Any = program.xp.zeros(len(rest))
        for n in self.based:
            start = start + external_energy(
                program, n, x[n], self.base[n], location_scale(program, n, self.params, x, self.plain)
            )
        return start + rest.astype(np.float64)  # type: ignore[no-any-return]

    def _summed_gain(
        self, x: Arrays, before: float, after: float
    ) -> tuple[list[Array], dict[str, Any], dict[str, Any]]:
        """What the layers that are summed out gain, (chains,) each; their fields, and these at the temperature after."""
        gains: list[Array] = []
        fields, targets = {}, {}
        for name in self.out:
            etas, same = self.tempered_layers[name].split_fields(self.params, x, self.plain, self.program.workspace)
            base = self.base[name]
            start_at, target = (
                (t * self.beta, [t * self.beta * e + (1.0 - t) * b for e, b in zip(same, base, strict=True)])
                for t in (before, after)
            )
            gains.append(self.tempered_layers[name].log_partition_difference(etas, start_at, target))
            fields[name], targets[name] = etas, target
        return gains, fields, targets

    def _draw(self, x: Arrays, before: float, after: float, fields: Any, targets: Any, rng: Rng) -> None:
        """A sweep at a temperature, the layers summed out first, from their fields."""
        program = self.program
        # Weights know nothing of the layers summed out: what these were at the last temperature must not be read again.
        if self.out:
            rng.next()
        for name in self.out:
            self.tempered_layers[name].draw(fields[name], targets[name], rng, x[name], program.workspace)
        settings = self.settings(after)
        if self.rest is None:
            self.move(after).sweep(self.params, x, settings, rng)
            return
        rest_parts = self.rest if after > before else tuple(reversed(self.rest))
        if program.sparse is not None:
            program.sweep(self.params, x, settings, rng, rest_parts)
            return
        rng.next()
        for part in rest_parts:
            program.kernels.update(part, self.params, x, settings, rng, program.workspace)

    def sweep(self, x: Arrays, t: float, rng: Rng) -> None:
        """One sweep at a place on the path, in place; layers summed out are drawn first, what they were does not matter."""
        self._drawn(x, t, rng, self.rest or ())
        if self.rest is None:
            self.move(t).sweep(self.params, x, self.settings(t), rng)

    def draw_summed(self, x: Arrays, t: float, rng: Rng) -> None:
        """Draw the layers that are summed out given the others, in place."""
        self._drawn(x, t, rng, ())

    def _drawn(self, x: Arrays, t: float, rng: Rng, then: tuple[BlockPart, ...]) -> None:
        drawn = tuple(BlockPart(n) for n in self.out)
        self.program.sweep(self.params, x, self.settings(t), rng, drawn + then)

    def check_fixed(self, what: str) -> None:
        """Raises `NotApplicable` where the sampler adapts, or has states of its own: it has no place on many distributions at once."""
        if self.moves[0].adaptive or self.moves[0].carries:
            raise NotApplicable(
                f"{what} runs chains on many distributions at once, for which a sampler that adapts, or has states of its own, has no "
                "place: take gibbs"
            )

    def log_z_base(self) -> float:
        """That of the layers whose units have no location and scale."""
        still = [n for n in self.base if not neutral(self.program, n)]
        return sum(log_z_units(self.program, n, self.base[n]) for n in still)

    def log_z_moved(self, x: Arrays, chains: int) -> Array:
        """log Z of the base of the other layers, (chains,), on the host: location and scale may hang on inputs."""
        program = self.program
        total: Array = program.xp.zeros(chains)
        for name, fields in self.base.items():
            if neutral(program, name):
                shape = (chains, *program.model.layers[name].shape)
                given = (*fields, *location_scale(program, name, self.params, x, self.plain))
                total = total + summed_log_partition(program, name, [program.xp.broadcast_to(f, shape) for f in given])
        return program.host(total)


def log_z_units(program: Engine, layer: str, fields: Sequence[Array]) -> float:
    """log Z, in nats, of a layer of independent units with these natural parameters, one array for each statistic.

    Location and scale, where units have such, are 0 and 1.
    """
    wide = [program.xp.asarray(f, np.float64)[None] for f in fields]
    wide += [program.xp.broadcast_to(m, (1, *program.model.layers[layer].shape)) for m in neutral(program, layer)]
    return float(program.host(summed_log_partition(program, layer, wide))[0])
