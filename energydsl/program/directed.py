"""The engine of a model with directed parts: one ordinary engine for the core, one for each conditional part.

    p(x) = p_core(x_core) prod_parts p(targets | given),   q(latents | data) = prod_recognition q(targets | given)

Every part is a model whose given layers are inputs, so each method here is a loop over parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.backends.interface import Array, Arrays, Fields, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.derive.directed.network import Factor, Network
from energydsl.derive.records import BlockPart
from energydsl.diagnostics import NotApplicable, TooLarge
from energydsl.domains import DOMAINS
from energydsl.model.records import Layer
from energydsl.options import Backend, DType, Precision
from energydsl.program.engine import Base, CoreProblem, Engine, MeanField, PartGradient
from energydsl.program.gradients import add_gradient, weighted_gradient
from energydsl.program.initialise import base_rate
from energydsl.program.marginals import summed_out
from energydsl.program.mean_field import has_second_moments
from energydsl.program.states import check_params, random_state
from energydsl.program.undirected import Undirected
from energydsl.random import Rng, as_random

_ROWS = 1000


@dataclass(frozen=True)
class Conditional:
    """p(targets | given), or q, as an engine."""

    factor: Factor
    engine: Undirected

    @property
    def targets(self) -> tuple[str, ...]:
        """The layers it draws."""
        return self.factor.targets

    def params(self, params: Mapping[str, Any]) -> Arrays:
        """The parameters it has."""
        return {n: params[n] for n in self.engine.model.params}

    @cached_property
    def copies(self) -> Mapping[str, str]:
        """Its inputs that are copies of a target, drawn in order."""
        return self.factor.copies

    def inputs(self, x: Mapping[str, Array]) -> Arrays:
        """The layers it is given; copies are the arrays of their layers themselves, so that what is drawn is read at once."""
        return {n: x[self.copies.get(n, n)] for n in self.engine.model.by_role("input")}

    def draw(self, params: Arrays, x: Arrays, random: Random | None, settings: Settings, means: bool = False) -> None:
        """Draw the targets given their parents, into x; or put their means there."""
        engine = self.engine
        rows = len(next(iter(x.values())))
        new = {n: engine.model.layers[n] for n in self.targets if n not in x}
        x |= {n: engine.xp.full((rows, *a.energy_shape), _inside(a), engine.dtype) for n, a in new.items()}
        state = {**self.inputs(x), **{n: x[n] for n in self.targets}}
        p = self.params(params)
        if means:
            for name in self.targets:
                kernels = engine.kernels.layers[name]
                # Units in order: what is found in one pass is right for one unit more than before it.
                for _ in range(engine.model.layers[name].size if self.copies else 1):
                    state[name][...] = kernels.mean(*kernels.fields(p, state, settings, engine.workspace))
            return
        assert random is not None
        engine.sweep(p, state, settings, random, self.parts)

    @cached_property
    def parts(self) -> tuple[BlockPart, ...]:
        """The targets, in the order in which they are drawn."""
        return self.engine.parts(self.engine.model.by_role("input"))

    def log_probability(self, params: Mapping[str, Any], x: Mapping[str, Array], settings: Settings) -> Array:
        """log p(targets | given), (rows,)."""
        engine, p = self.engine, self.params(params)
        state = {**self.inputs(x), **{n: x[n] for n in self.targets}}
        return summed_out(engine, p, state, settings, self.targets) - summed_out(engine, p, state, settings, ())


def _inside(layer: Layer) -> float:
    """A value inside the domain of a layer, for units that nothing hangs on yet."""
    low, high = DOMAINS[layer.domain.name].bounds(layer.domain.arguments)
    return 0.5 * (low + high) if np.isfinite(high - low) else max(low, 0.0) + 1.0


class Contrast:
    """What the gradient of -log p(targets | given) sets against each other, dE/dparam - <dE/dparam>_p(targets | given).

    Rows 0..B-1 are states, rows B..2B-1 the same parents with the means of the targets: these are independent given their
    parents, and no term holds a unit twice, so the expectation of every statistic is exact. Raises `NotApplicable` where units
    enter by more than x and x^2. floors: what is added to the squares of the states, by layer.
    """

    def __init__(self, part: Conditional, batch: int, floors: Mapping[str, Array] = MappingProxyType({})):
        engine = part.engine
        self.floors = {n: engine.device(floors[n]) for n in part.targets if n in floors}
        odd = [n for n in part.targets if not engine.derived.conditionals[n].linear]
        if odd:
            raise NotApplicable(f"{part.factor.name}: `{odd[0]}` enters by more than x and x^2")
        coupled = [n for n in part.targets if not engine.derived.conditionals[n].factorises]
        assert not coupled, "refused as E0303"
        self.part, self.batch = part, batch
        both = {n: engine.xp.zeros((2 * batch, *x.energy_shape), engine.dtype) for n, x in engine.model.layers.items()}
        squared = [n for n in part.targets if has_second_moments(engine, n)]
        self.both = Moments(both, {n: engine.xp.zeros_like(both[n]) for n in squared})
        self.row: Any = engine.xp.full(2 * batch, 1.0 / batch, engine.dtype)
        self.row[batch:] *= -1.0
        self.settings = engine.settings()

    @property
    def engine(self) -> Undirected:
        """The engine of the part."""
        return self.part.engine

    def weigh(self, weights: Array) -> None:
        """Let states count by weights, and the same parents with the means of the targets as these do."""
        for rows, sign in ((slice(0, self.batch), 1.0), (slice(self.batch, None), -1.0)):
            self.engine.kernels.load(self.row[rows], (sign / self.batch) * weights)

    def fill(self, params: Arrays, x: Arrays, settings: DirectedSettings) -> None:
        """Take the states, and find the means of the targets given their parents."""
        engine, batch, self.settings = self.part.engine, self.batch, settings.parts[self.part.factor.name]
        for name in engine.model.layers:
            given = x[self.part.copies.get(name, name)]
            self.both[name][:batch] = given
            if name not in self.part.targets:
                self.both[name][batch:] = given
        for name, squares in self.both.second.items():
            engine.xp.square(x[name], out=squares[:batch])
            if name in self.floors:
                squares[:batch] += self.floors[name]
        second = {n: a[batch:] for n, a in self.both.second.items()}
        state = Moments({n: a[batch:] for n, a in self.both.items()}, second)
        p = self.part.params(params)
        for name in self.part.targets:
            engine.kernels.layers[name].means(p, state, self.settings, engine.workspace, state)

    def gradient(self, params: Arrays, names: list[str]) -> Arrays:
        """The contrast, the mean over the states, by parameter."""
        return weighted_gradient(self.part.engine, self.part.params(params), self.both, self.settings, self.row, names)

    def add_gradient(self, params: Arrays, name: str, factor: Any) -> None:
        """Add a multiple of it onto a parameter."""
        row = self.row * factor
        add_gradient(self.part.engine, self.part.params(params), name, self.both, self.settings, row)


@dataclass(frozen=True)
class DirectedSettings:
    """Run-time scalars of the core, and of each part by its name."""

    core: Settings
    parts: Mapping[str, Settings]
    beta: float


class Directed(Engine):
    """Sweeps of the core, then everything below it drawn from its parents.

    The conditional of a layer is that of the part that draws it, given its parents (in the core: given the others of the core).
    """

    def __init__(
        self, derived: Network, backend: Backend = "numpy", dtype: DType = "float32", precision: Precision = "full"
    ):
        self.network = derived
        self._core = Undirected(derived.core, backend, dtype, precision)
        self.generative, self.recognition = (
            tuple(Conditional(f, Undirected(f.derive(), backend, dtype, precision)) for f in factors)
            for factors in (derived.factorisation.generative, derived.factorisation.recognition)
        )
        titles = [("core", self._core), *((c.factor.name, c.engine) for c in self._conditionals)]
        source = "\n\n".join(f"# ===== {name}\n{engine.source}" for name, engine in titles)
        super().__init__(derived, backend, dtype, precision, self._core.kernels, source)
        self.workspace = self._core.workspace

    @property
    def _conditionals(self) -> tuple[Conditional, ...]:
        return (*self.generative, *self.recognition)

    @cached_property
    def in_float64(self) -> Directed:
        """The same model in float64, for what must be exact."""
        return self if self.dtype == np.float64 else Directed(self.network, self.backend, "float64")

    @property
    def core(self) -> Undirected:
        """The undirected part at the top."""
        return self._core

    def owner(self, layer: str) -> Undirected:
        """The engine of the part that draws a layer. Raises `ArgumentError` for a layer that is not random."""
        self.check_random(layer)
        return next((c.engine for c in self.generative if layer in c.targets), self._core)

    def settings(
        self,
        beta: float = 1.0,
        weights: Mapping[str, float] | None = None,
        consts: Mapping[str, float] | None = None,
        external: Mapping[str, Fields] | None = None,
    ) -> DirectedSettings:
        """Run-time scalars of all parts; weights are those of the core's energy terms."""
        core = self._core.settings(beta, weights, consts, external)
        parts = {c.factor.name: c.engine.settings(beta, None, consts) for c in self._conditionals}
        return DirectedSettings(core, parts, beta)

    def _core_state(self, x: Arrays) -> Arrays:
        """The layers of the core that are known; where it has none, an array without entries says how many rows there are."""
        rows = len(next(iter(x.values())))
        return {n: x[n] for n in self._core.model.layers if n in x} or {"": self.xp.zeros((rows, 0), self.dtype)}

    def copies(self, owner: Engine) -> Mapping[str, str]:
        """The layers that inputs of a part are copies of."""
        return next((c.copies for c in self.generative if c.engine is owner), {})

    # --- energies

    def energy(self, p: Arrays, x: Arrays, s: DirectedSettings) -> Array:
        """E(x) = E of the core - sum over parts of log p(targets | given), (chains,), so that p(x) = exp(-E(x)) / Z.

        beta multiplies the energies of parts before they are normalised, and not that of the core.
        """
        total = self._core.energy(self.core_params(p), self._core_state(x), s.core)
        for part in self.generative:
            total = total - part.log_probability(p, x, s.parts[part.factor.name])
        return total

    def term_energies(self, p: Arrays, x: Arrays) -> dict[str, Array]:
        """E of the core by term, and -log p(targets | given) of each generative part by its name."""
        found, s = self._core.term_energies(self.core_params(p), self._core_state(x)), self.settings()
        return found | {c.factor.name: -c.log_probability(p, x, s.parts[c.factor.name]) for c in self.generative}

    def free_energy(self, p: Arrays, x: Arrays, s: DirectedSettings) -> Array:
        """-log p(x) Z of all layers, (chains,): nothing is summed out."""
        return -self.log_weights(p, x, s, ())

    def log_weights(self, p: Arrays, x: Arrays, s: DirectedSettings, out: tuple[str, ...]) -> Array:
        """log of p(x) times Z of the core: nothing is summed out."""
        total = -summed_out(self._core, self.core_params(p), self._core_state(x), s.core, ())
        return sum((c.log_probability(p, x, s.parts[c.factor.name]) for c in self.generative), total)

    def cheapest_sum(self, over: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """All layers are enumerated. Raises `TooLarge`."""
        if self.derived.log2_states > limits.LOG2_STATES:
            raise TooLarge(f"the exact sum would enumerate 2^{self.derived.log2_states:.4g} states of the latents")
        return (), over

    def energy_gradient(self, p: Arrays, x: Arrays, s: DirectedSettings) -> Arrays:
        """Batch mean of G with dE = sum(G * dparam): in a part, dE/dparam less its mean under p(targets | given)."""
        total = {n: self.xp.zeros_like(a) for n, a in p.items()}
        found = [self._core.energy_gradient(self.core_params(p), self._core_state(x), s.core)]
        for part in self.generative:
            contrast = Contrast(part, len(next(iter(x.values()))))
            contrast.fill(p, x, s)
            found.append(contrast.gradient(p, list(part.engine.model.params)))
        for gradients in found:
            for name, gradient in gradients.items():
                total[name] = total[name] + gradient
        return total

    def part_gradients(
        self, rows: int, dreams: int, floors: Mapping[str, Array]
    ) -> tuple[list[PartGradient], list[PartGradient]]:
        """The gradients of the generative parts, for so many rows of data, and of recognition, for so many dreams."""
        return [Contrast(c, rows, floors) for c in self.generative], [Contrast(c, dreams) for c in self.recognition]

    # --- draws

    def parts(self, clamp: Iterable[str] = ()) -> tuple[BlockPart, ...]:
        """The parts of a sweep: those of the core, then the directed layers downwards."""
        clamped = self.check_clamped(clamp)
        for part in self.generative:
            held = [n for n in part.targets if n in clamped]
            free = [g for g in part.factor.given if g not in clamped and g in self.model.random_layers()]
            if held and free:
                raise NotApplicable(
                    f"`{held[0]}` is drawn from `{free[0]}`: with it held, what lies above has no closed-form "
                    "conditional; clamp layers of the core, or use recognition"
                )
        core = self._core.parts(clamped & set(self._core.model.layers))
        below = (n for c in self.generative for n in c.targets if n not in clamped)
        return (*core, *(BlockPart(n, self.derived.parts[n].kind) for n in below))

    def sweep(
        self,
        p: Arrays,
        x: Arrays,
        s: DirectedSettings,
        random: Random,
        parts: Sequence[BlockPart],
        steps: int = 1,
        means: Moments | None = None,
        keep: Arrays | None = None,
    ) -> None:
        """Sweeps of the core in place, then the directed layers drawn from their parents."""
        core = [part for part in parts if part.layer in self._core.model.layers]
        below = [n for n in keep or () if n not in self._core.model.layers]
        if below:
            raise NotApplicable(f"`{below[0]}` is drawn from its parents: it is held as a whole or not at all")
        if core:
            self._core.sweep(self.core_params(p), self._core_state(x), s.core, random, core, steps, None, keep)
        wanted = {part.layer for part in parts} - set(self._core.model.layers)
        for conditional in self.generative:
            if set(conditional.targets) & wanted:
                conditional.draw(p, x, random, s.parts[conditional.factor.name])

    def recognise(self, p: Arrays, x: Arrays, s: DirectedSettings, random: Random | None, means: bool = False) -> None:
        """Draw what is recognised from the data upwards, into x; or put means there."""
        for part in self.recognition:
            part.draw(p, x, random, s.parts[part.factor.name], means)

    def generate(self, p: Arrays, x: Arrays, s: DirectedSettings, random: Random) -> None:
        """Draw the directed layers downwards, into x."""
        for part in self.generative:
            part.draw(p, x, random, s.parts[part.factor.name])

    def with_latents(self, p: Arrays, x: Arrays, s: DirectedSettings, random: Rng) -> Arrays:
        """The data, and latents recognised once."""
        core, state = self._core, dict(x)
        self.recognise(p, state, s, random)
        count = len(next(iter(x.values())))
        known = {n: state[n] for n in core.model.layers if n in state}
        inner = random_state(core, count, random, known) | {n: self.xp.array(a) for n, a in known.items()}
        if core.model.by_role("hidden"):
            core.sweep(self.core_params(p), inner, s.core, random, core.parts(core.model.by_role("visible")))
        return state | inner

    def reconstruction(self, p: Arrays, state: Arrays, s: DirectedSettings) -> Iterator[tuple[str, Array]]:
        """Means of the visible layers given their parents."""
        for name in self.model.by_role("visible"):
            owner = self.owner(name)
            own, copies = {n: p[n] for n in owner.model.params}, self.copies(owner)
            eta = owner.fields(own, {n: state[copies.get(n, n)] for n in owner.model.layers}, name, owner.settings())
            yield name, self.xp.array(self.xp.broadcast_to(owner.kernels.layers[name].mean(*eta), state[name].shape))

    # --- likelihoods

    def bound(self, p: Arrays, x: Arrays, rng: Rng | None = None) -> tuple[Array, bool]:
        """log p(data) + log Z of the core from below, (rows,): one draw of <log p - log q> under recognition."""
        if not self._recognised:
            return self.xp.full(len(next(iter(x.values()))), np.nan), True
        s, state, core = self.settings(), dict(x), self._core
        self.recognise(p, state, s, as_random(rng))
        total, _ = core.bound(self.core_params(p), self._core_state(state))
        for part in self.generative:
            total = total + part.log_probability(p, state, s.parts[part.factor.name])
        for part in self.recognition:
            total = total - part.log_probability(p, state, s.parts[part.factor.name])
        return total, bool(self.model.by_role("hidden"))

    @property
    def _recognised(self) -> bool:
        """Whether all latents can be recognised from the data."""
        return all(v.ok for v in self.derived.verdicts if v.name == "wake-sleep")

    @property
    def draws_its_bound(self) -> bool:
        """Whether there is recognition, which is drawn from."""
        return bool(self.recognition)

    def mean_field(self, p: Arrays, x: Arrays, s: Any, tolerance: float, max_iterations: int) -> MeanField:
        """Raises `NotApplicable`."""
        raise NotApplicable("mean field is for undirected models; here recognition approximates the latents")

    def annealing_start(
        self, params: Mapping[str, Any], base: Base, data: Arrays, random: Rng
    ) -> tuple[Undirected, Mapping[str, Any], Base]:
        """The core, and the base rates of what is recognised from the data."""
        p, core = check_params(self, params), self._core
        state = {n: self.device(a) for n, a in data.items()}
        if not state or not self._recognised:
            return core, self.core_params(p), {}
        self.recognise(p, state, self.settings(), random)
        rates = {n: base_rate(core, n, self.host(state[n])) for n in core.model.by_role("visible")}
        return core, self.core_params(p), rates

    def core_problem(self, p: Arrays, x: Arrays, layer: str) -> CoreProblem:
        """The core, with the means of what is recognised from the data as its data."""
        core = self._core
        if layer not in core.model.layers:
            raise NotApplicable(f"`{layer}` is drawn from its parents: only layers of the core can be predicted")
        for part in self._conditionals:
            if layer in part.factor.given:
                raise NotApplicable(
                    f"{part.factor.name} is given `{layer}`: only layers that stand in the core alone can be predicted"
                )
        count = len(next(iter(x.values())))
        found: dict[str, list[Array]] = {n: [] for n in core.model.layers if n not in core.model.by_role("hidden")}
        for start in range(0, count, _ROWS):
            state = {n: self.device(a[start : start + _ROWS]) for n, a in x.items()}
            self.recognise(p, state, self.settings(), None, means=True)
            for name, arrays in found.items():
                arrays.append(self.host(state[name]))
        data = {n: np.concatenate(a) for n, a in found.items()}
        return CoreProblem(core, self.core_params(p), data, "recognition")
