"""A program for a model with directed parts: one ordinary program for the core, one for each conditional part.

    p(x) = p_core(x_core) prod_parts p(targets | given),   q(latents | data) = prod_recognition q(targets | given)

Every part is a model whose given layers are inputs, so each method here is a loop over parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np

from energydsl import limits
from energydsl.derive.directed.network import Factor, Network
from energydsl.derive.records import Schedule
from energydsl.diagnostics import ArgumentError, NotApplicable, TooLarge
from energydsl.program.undirected import Array, Arrays, MeanField, Program, by_layer
from energydsl.random import as_random


@dataclass(frozen=True)
class Conditional:
    """p(targets | given), or q, as a program."""

    factor: Factor
    program: Program

    @property
    def targets(self) -> tuple[str, ...]:
        return self.factor.targets

    def params(self, params: Mapping[str, Any]) -> Arrays:
        """The parameters it has."""
        return {n: params[n] for n in self.program.model.params}

    def inputs(self, x: Mapping[str, Array]) -> Arrays:
        """The layers it is given."""
        return {n: x[n] for n in self.program.model.by_role("input")}

    def draw(self, params: Arrays, x: Arrays, random: Any, settings: Any, means: bool = False) -> None:
        """Draw the targets given their parents, into x; or put their means there."""
        program = self.program
        state = self.inputs(x)
        rows = len(next(iter(state.values())))
        for name in self.targets:
            layer = program.model.layers[name]
            state[name] = x[name] if name in x else program.xp.empty((rows, *layer.energy_shape), program.dtype)
        p = self.params(params)
        if means:
            for name in self.targets:
                eta = getattr(program.kernels, f"fields__{name}")(p, state, settings, program.workspace)
                state[name][...] = getattr(program.kernels, f"mean__{name}")(*eta)
        else:
            program.sweep(p, state, settings, random, [str(part) for block in self.schedule for part in block])
        x.update({n: state[n] for n in self.targets})

    @cached_property
    def schedule(self) -> Schedule:
        return self.program.derived.schedule(frozenset(self.program.model.by_role("input")))

    def log_probability(self, params: Mapping[str, Any], x: Mapping[str, Array], settings: Any) -> Array:
        """log p(targets | given), shape (rows,)."""
        program, p = self.program, self.params(params)
        state = {**self.inputs(x), **{n: x[n] for n in self.targets}}
        whole: Array = program.summed_out(p, state, settings, self.targets) - program.summed_out(p, state, settings, ())
        return whole


class Contrast:
    """What the gradient of -log p(targets | given) sets against each other, dE/dparam - <dE/dparam>_p(targets | given).

    Rows 0..B-1 are states, rows B..2B-1 the same parents with the means of the targets: these are independent given their
    parents, and no term holds a unit twice, so the expectation of every statistic is exact. Raises `NotApplicable` where units
    enter by more than x and x^2. floors: what is added to the squares of the states, by layer.
    """

    def __init__(self, part: Conditional, batch: int, floors: Mapping[str, Array] = MappingProxyType({})):
        program = part.program
        self.floors = {n: program.device(floors[n]) for n in part.targets if n in floors}
        odd = [n for n in part.targets if not program.derived.conditionals[n].linear]
        if odd:
            raise NotApplicable(f"{part.factor.name}: `{odd[0]}` enters by more than x and x^2")
        coupled = [n for n in part.targets if not program.derived.conditionals[n].factorises]
        assert not coupled, "refused as E0303"
        self.part, self.batch = part, batch
        self.both: Arrays = {
            n: program.xp.zeros((2 * batch, *layer.energy_shape), program.dtype)
            for n, layer in program.model.layers.items()
        }
        self.squared = [n for n in part.targets if 2 in program.derived.conditionals[n].distribution.powers]
        for name in self.squared:
            self.both[f"{name}^2"] = program.xp.zeros_like(self.both[name])
        self.row: Any = program.xp.full(2 * batch, 1.0 / batch, program.dtype)
        self.row[batch:] *= -1.0
        self.settings = program.settings()

    def fill(self, params: Arrays, x: Arrays, settings: Any) -> None:
        """Take the states, and find the means of the targets given their parents."""
        program, batch, self.settings = self.part.program, self.batch, settings
        for name in program.model.layers:
            self.both[name][:batch] = x[name]
            if name not in self.part.targets:
                self.both[name][batch:] = x[name]
        for name in self.squared:
            program.xp.square(x[name], out=self.both[f"{name}^2"][:batch])
            if name in self.floors:
                self.both[f"{name}^2"][:batch] += self.floors[name]
        state = {n: a[batch:] for n, a in self.both.items()}
        p = self.part.params(params)
        for name in self.part.targets:
            getattr(program.kernels, f"means__{name}")(p, state, settings, program.workspace, state)

    def gradient(self, params: Arrays, names: list[str]) -> Arrays:
        program = self.part.program
        return program.weighted_gradient(self.part.params(params), self.both, self.settings, self.row, names)

    def add_gradient(self, params: Arrays, name: str, factor: Any) -> None:
        self.part.program.add_gradient(self.part.params(params), name, self.both, self.settings, self.row * factor)


class DirectedProgram(Program):
    """The callable form of a model with directed parts.

    gibbs: sweeps of the core, then everything below it drawn from its parents. mean, sample and natural_parameters of a
    layer: in the part that draws it, given its parents (in the core: given the others of the core).
    """

    def __init__(self, derived: Network, backend: str = "numpy", dtype: str = "float32", precision: str = "full"):
        self.network = derived
        self.derived = derived
        self.model = derived.model
        self.backend, self.precision = backend, precision
        self.dtype = np.dtype(dtype)
        self.core = Program(derived.core, backend, dtype, precision)
        self.generative, self.recognition = (
            tuple(Conditional(p, Program(p.derive(), backend, dtype, precision)) for p in parts)
            for parts in (derived.factorisation.generative, derived.factorisation.recognition)
        )
        self.kernels, self.workspace, self.xp = self.core.kernels, self.core.workspace, self.core.xp
        titles = [("core", self.core), *((c.factor.name, c.program) for c in (*self.generative, *self.recognition))]
        self.source = "\n\n".join(f"# ===== {name}\n{program.source}" for name, program in titles)

    @cached_property
    def in_float64(self) -> DirectedProgram:
        """The same model in float64, for what must be exact."""
        return self if self.dtype == np.float64 else DirectedProgram(self.network, self.backend, "float64")

    @property
    def sparse(self) -> None:
        """The whole is never one sparse matrix; its parts may be."""

    def owner(self, layer: str) -> Program:
        """The program of the part that draws a layer."""
        self._check_unit_layer(layer)
        return next((c.program for c in self.generative if layer in c.targets), self.core)

    def core_params(self, params: Mapping[str, Any]) -> Arrays:
        """The parameters of the core."""
        return {n: params[n] for n in self.core.model.params}

    def settings(
        self,
        beta: float = 1.0,
        weights: Mapping[str, float] | None = None,
        consts: Mapping[str, float] | None = None,
        external: Mapping[str, tuple[Array, ...]] | None = None,
    ) -> Any:
        """Run-time scalars of all parts; weights are those of the core's energy terms."""
        core = self.core.settings(beta, weights, consts, external)
        parts = {c.factor.name: c.program.settings(beta, None, consts) for c in (*self.generative, *self.recognition)}
        return SimpleNamespace(core=core, parts=parts, beta=beta)

    def _natural(self, layer: str, mean: Array, *second: Array, states: Array | None = None) -> Array:
        owner = self.owner(layer)
        natural = super()._natural if owner is self.core else owner._natural
        return natural(layer, mean, *second, states=states)

    # --- energies and probabilities

    def energy(self, params: Mapping[str, Any], state: Mapping[str, Any], **scalars: Any) -> Array:
        """E(x) = E of the core - sum over parts of log p(targets | given), shape (chains,), so that p(x) = exp(-E(x)) / Z.

        beta multiplies the energies of parts before they are normalised, and not that of the core.
        """
        p, x, s = self.check_params(params), self._state(state, self.model.layers), self.settings(**scalars)
        total = self.core.energy(self.core_params(p), {n: x[n] for n in self.core.model.layers}, **scalars)
        for part in self.generative:
            total = total - part.log_probability(p, x, s.parts[part.factor.name])
        return total

    def term_energies(self, p: Arrays, x: Arrays) -> dict[str, Array]:
        """E of the core by term, and -log p(targets | given) of each generative part by its name."""
        found = self.core.term_energies(self.core_params(p), {n: x[n] for n in self.core.model.layers})
        s = self.settings()
        return found | {c.factor.name: -c.log_probability(p, x, s.parts[c.factor.name]) for c in self.generative}

    def log_joint(self, params: Mapping[str, Any], state: Mapping[str, Any], **scalars: Any) -> Array:
        """log p(x) + log Z of the core, shape (chains,)."""
        p, x, s = self.check_params(params), self._state(state, self.model.layers), self.settings(**scalars)
        return self._log_joint(p, x, s)

    def _log_joint(self, p: Arrays, x: Arrays, s: Any) -> Array:
        total = -self.core.summed_out(self.core_params(p), {n: x[n] for n in self.core.model.layers}, s.core, ())
        return sum((c.log_probability(p, x, s.parts[c.factor.name]) for c in self.generative), total)

    def free_energy(self, params: Mapping[str, Any], state: Mapping[str, Any], **scalars: Any) -> Array:
        """-log p(x) Z of all layers, shape (chains,): nothing is summed out."""
        return -self.log_joint(params, state, **scalars)

    def check_normalisable(self, params: Mapping[str, Any], **scalars: Any) -> None:
        """That of the core; the parts below it are normalised."""
        self.core.check_normalisable(self.core_params(self.check_params(params)), **scalars)

    def log_partition(
        self,
        params: Mapping[str, Any],
        given: Mapping[str, Any] | None = None,
        progress: Callable[[float], None] | None = None,
        **scalars: Any,
    ) -> float | Array:
        """Exact log Z of the core; the parts below it are normalised."""
        p = self.check_params(params)
        inputs = {n: a for n, a in by_layer({} if given is None else given, ()).items() if n in self.core.model.layers}
        return self.core.log_partition(self.core_params(p), inputs, progress, **scalars)

    def _cheapest(self, over: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if self.derived.log2_states > limits.LOG2_STATES:
            raise TooLarge(f"the exact sum would enumerate 2^{self.derived.log2_states:.4g} states of the latents")
        return (), over

    def _log_weights(self, p: Arrays, x: Arrays, s: Any, out: tuple[str, ...]) -> Array:
        """log of p(x) times Z of the core: nothing is summed out."""
        return self._log_joint(p, x, s)

    def mean_field(self, *_: Any, **__: Any) -> MeanField:
        raise NotApplicable("mean field is for undirected models; here recognition approximates the latents")

    # --- draws

    def natural_parameters(
        self, params: Mapping[str, Any], state: Mapping[str, Any], layer: str, **scalars: Any
    ) -> tuple[Array, ...]:
        """beta times the fields of a layer in the part that draws it."""
        p, owner = self.check_params(params), self.owner(layer)
        kept = {n: a for n, a in by_layer(state, ()).items() if n in owner.model.layers}
        return owner.natural_parameters({n: p[n] for n in owner.model.params}, kept, layer, **scalars)

    def _given_rest(
        self, params: Mapping[str, Any], state: Mapping[str, Any], layer: str, what: str, scalars: Mapping[str, Any]
    ) -> Array:
        p, owner = self.check_params(params), self.owner(layer)
        kept = {n: a for n, a in by_layer(state, ()).items() if n in owner.model.layers}
        return owner._given_rest({n: p[n] for n in owner.model.params}, kept, layer, what, scalars)

    def sample(
        self, params: Mapping[str, Any], state: Mapping[str, Any], layer: str, rng: Any, **scalars: Any
    ) -> Array:
        """A draw of a layer in the part that draws it."""
        p, owner = self.check_params(params), self.owner(layer)
        kept = {n: a for n, a in by_layer(state, ()).items() if n in owner.model.layers}
        return owner.sample({n: p[n] for n in owner.model.params}, kept, layer, rng, **scalars)

    def parts(self, clamp: Iterable[str] = ()) -> list[str]:
        """The parts of a sweep: those of the core, then the directed layers downwards, as `<v`."""
        clamped = frozenset(clamp)
        for name in clamped:
            if name not in self.model.layers:
                raise ArgumentError(f"there is no layer `{name}` to clamp")
        for part in self.generative:
            held = [n for n in part.targets if n in clamped]
            free = [g for g in part.factor.given if g not in clamped and g in self.model.random_layers()]
            if held and free:
                raise NotApplicable(
                    f"`{held[0]}` is drawn from `{free[0]}`: with it held, what lies above has no closed-form "
                    "conditional; clamp layers of the core, or use recognition"
                )
        core = self.core.parts(clamped & set(self.core.model.layers))
        return [*core, *(f"<{n}" for c in self.generative for n in c.targets if n not in clamped)]

    def sweep(
        self,
        p: Arrays,
        x: Arrays,
        s: Any,
        random: Any,
        parts: list[str],
        steps: int = 1,
        means: Arrays | None = None,
        keep: Arrays | None = None,
    ) -> None:
        """Sweeps of the core in place, then the directed layers drawn from their parents."""
        core = [part for part in parts if not part.startswith("<")]
        below = [n for n in keep or () if n not in self.core.model.layers]
        if below:
            raise NotApplicable(f"`{below[0]}` is drawn from its parents: it is held as a whole or not at all")
        if core:
            inner = {n: x[n] for n in self.core.model.layers}
            self.core.sweep(self.core_params(p), inner, s.core, random, core, steps, None, keep)
        wanted = {part[1:] for part in parts if part.startswith("<")}
        for part in self.generative:
            if set(part.targets) & wanted:
                part.draw(p, x, random, s.parts[part.factor.name])

    def recognise(self, p: Arrays, x: Arrays, s: Any, random: Any, means: bool = False) -> None:
        """Draw what is recognised from the data upwards, into x; or put means there."""
        for part in self.recognition:
            part.draw(p, x, random, s.parts[part.factor.name], means)

    def generate(self, p: Arrays, x: Arrays, s: Any, random: Any) -> None:
        """Draw the directed layers downwards, into x."""
        for part in self.generative:
            part.draw(p, x, random, s.parts[part.factor.name])

    def with_latents(self, p: Arrays, x: Arrays, s: Any, random: Any) -> Arrays:
        """The data, and latents recognised once."""
        state = dict(x)
        self.recognise(p, state, s, random)
        count = len(next(iter(x.values())))
        fresh = self.core.random_state(count, random, {n: state[n] for n in self.core.model.layers if n in state})
        visible = frozenset(self.core.model.by_role("visible"))
        inner = {**fresh, **{n: self.xp.array(state[n]) for n in self.core.model.layers if n in state}}
        if self.core.model.by_role("hidden"):
            self.core.sweep(self.core_params(p), inner, s.core, random, self.core.parts(visible))
        return state | inner

    def reconstruction(self, p: Arrays, state: Arrays, s: Any) -> Iterator[tuple[str, Array]]:
        """Means of the visible layers given the latents."""
        for name in self.model.by_role("visible"):
            yield name, self.mean(p, state, name)

    def bound(self, params: Mapping[str, Any], x: Arrays, rng: Any = None) -> tuple[Array, bool]:
        """log p(data) + log Z of the core from below, shape (rows,): one draw of <log p - log q> under recognition."""
        if not all(v.ok for v in self.derived.verdicts if v.name == "wake-sleep"):
            return self.xp.full(len(next(iter(x.values()))), np.nan), True
        p, s, state = self.check_params(params), self.settings(), dict(x)
        self.recognise(p, state, s, as_random(rng))
        visible = {n: state[n] for n in self.core.model.layers if n in state}
        total, _ = self.core.bound(self.core_params(p), visible)
        for part in self.generative:
            total = total + part.log_probability(p, state, s.parts[part.factor.name])
        for part in self.recognition:
            total = total - part.log_probability(p, state, s.parts[part.factor.name])
        return total, True

    def energy_gradient(self, params: Mapping[str, Any], state: Mapping[str, Any], **scalars: Any) -> Arrays:
        """Batch mean of G with dE = sum(G * dparam): in a part, dE/dparam less its mean under p(targets | given)."""
        p, x, s = self.check_params(params), self._state(state, self.model.layers), self.settings(**scalars)
        total = {n: self.xp.zeros_like(a) for n, a in p.items()}
        found = [self.core.energy_gradient(self.core_params(p), {n: x[n] for n in self.core.model.layers}, **scalars)]
        for part in self.generative:
            contrast = Contrast(part, len(next(iter(x.values()))))
            contrast.fill(p, x, s.parts[part.factor.name])
            found.append(contrast.gradient(p, list(part.program.model.params)))
        for gradients in found:
            for name, gradient in gradients.items():
                total[name] = total[name] + gradient
        return total
