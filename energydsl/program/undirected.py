"""The engine of a model without directed parts: one compiled module."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import numpy as np

from energydsl.backends import registry
from energydsl.backends.interface import Array, Arrays, Fields, Random, Settings
from energydsl.backends.numpy.runtime import Moments
from energydsl.backends.sparse_sweeps import SparseSweeps
from energydsl.derive import Derived
from energydsl.derive.records import BlockPart
from energydsl.derive.scaled import improper_when_scaled
from energydsl.derive.sides import joint_layers
from energydsl.diagnostics import ArgumentError, NotApplicable, suggestion
from energydsl.kernels import lower
from energydsl.kernels.lower import CHEAPER
from energydsl.kernels.sparse import sparse_plan
from energydsl.options import Backend, DType, Precision
from energydsl.program import exact, gaussian, mean_field
from energydsl.program.engine import Base, CoreEngine, CoreProblem, MeanField
from energydsl.program.gradients import weighted_gradient
from energydsl.program.initialise import base_rate
from energydsl.program.marginals import summed_out, total_energy
from energydsl.program.states import random_state
from energydsl.random import Rng

# Sweeps after which latents that do not factorise given data have forgotten where they began, nearly.
_SETTLING = 10
# Sweeps after which inner forms are made anew: each unit rounds them once, so that they are off by no more than
# units * sweeps * the rounding of the largest.
_RUNNING = 16


class Undirected(CoreEngine):
    """The kernels of one energy.

    factored: whether products of sums stay such in the kernels, `kernels.lower.CHEAPER` where that pays.
    """

    def __init__(
        self,
        derived: Derived,
        backend: Backend = "numpy",
        dtype: DType = "float32",
        precision: Precision = "full",
        factored: str = CHEAPER,
    ):
        printed = registry.printed(derived, dtype, backend, precision, factored)
        super().__init__(derived, backend, dtype, precision, registry.load(backend, printed), printed.text)
        self._joint: dict[tuple[str, ...], tuple[str, ...]] = {}

    @cached_property
    def in_float64(self) -> Undirected:
        """The same model in float64, for what must be exact."""
        return self if self.dtype == np.float64 else Undirected(self.derived, self.backend, "float64")

    @property
    def core(self) -> Undirected:
        """Itself: it has no directed parts."""
        return self

    @cached_property
    def sparse(self) -> SparseSweeps | None:
        """Sweeps on a sparse matrix, where the model is one and the backend has them."""
        sweeps = registry.sweeps(self.backend)
        if sweeps is None:
            return None
        program = lower(self.derived)
        plan = sparse_plan(program)
        return None if plan is None else sweeps(plan, program, self.kernels)

    @property
    def _one_block(self) -> bool:
        """Whether one sweep draws the latents exactly, given the data."""
        clamped = self.derived.schedule(frozenset(self.model.by_role("visible")))
        return len(clamped) == 1 and all(part.kind == "whole" for part in clamped[0])

    def owner(self, layer: str) -> Undirected:
        """Itself. Raises `ArgumentError` for a layer that is not random."""
        self.check_random(layer)
        return self

    def settings(
        self,
        beta: float = 1.0,
        weights: Mapping[str, float] | None = None,
        consts: Mapping[str, float] | None = None,
        external: Mapping[str, Fields] | None = None,
    ) -> Settings:
        """Run-time scalars as the kernels take them. Raises `ArgumentError` for unknown names and what is no number."""
        for what, given, known in (
            ("energy term", weights or {}, self.model.labels),
            ("const", consts or {}, self.model.consts),
        ):
            for name in given:
                if name not in known:
                    raise ArgumentError(f"the model has no {what} `{name}`. {suggestion(name, known)}".strip())
        terms, numbers = ({n: _number(n, v) for n, v in (given or {}).items()} for given in (weights, consts))
        for name, value in numbers.items():
            constraints = self.model.consts[name].constraints
            if ("positive" in constraints and not value > 0) or ("nonnegative" in constraints and value < 0):
                raise ArgumentError(f"const `{name}` = {value:g} breaks its constraint")
        beta = _number("beta", beta)
        if external is None:
            self._check_proper(beta, terms)
        return self.kernels.settings(beta, terms, numbers, dict(external or {}))

    def _check_proper(self, beta: float, weights: Mapping[str, float]) -> None:
        """Raises `ArgumentError` where a factor that is not positive leaves a conditional that is no distribution."""
        if min((beta, *weights.values())) > 0:
            return
        factors = {n: beta * weights.get(n, 1.0) for n in self.model.labels}
        families = self.derived.families
        problem = next(improper_when_scaled(self.model, self.derived.energy, families, factors), None)
        if problem is not None:
            given = [f"with beta = {beta:g}", *(f"a weight of {w:g} for `{n}`" for n, w in weights.items() if w <= 0)]
            raise ArgumentError(f"{' and '.join(given)}: {problem.message}")

    # --- energies

    def energy(self, p: Arrays, x: Arrays, s: Settings) -> Array:
        """E(x), (chains,), not times beta."""
        return total_energy(self.kernels.energy(p, x, s), s)

    def term_energies(self, p: Arrays, x: Arrays) -> dict[str, Array]:
        """E by term, (chains,) each."""
        return dict(self.kernels.energy(p, x, self.settings()))

    def free_energy(self, p: Arrays, x: Arrays, s: Settings) -> Array:
        """-log of the sum over the layers that are summed out in closed form, (chains,)."""
        return summed_out(self, p, x, s, self.derived.free_energy.summed_out)

    def log_weights(self, p: Arrays, x: Arrays, s: Settings, out: tuple[str, ...]) -> Array:
        """log of what states weigh, the layers `out` summed out, (chains,)."""
        joint = self.joint(out)
        if not joint:
            return -summed_out(self, p, x, s, out)
        rest = summed_out(self, p, x, s, out, joint)
        held = {n: a for n, a in x.items() if n in self.model.layers and n not in joint}
        return self.xp.asarray(gaussian.log_integral(self, p, held, s, joint)) - rest  # type: ignore[no-any-return]

    def joint(self, out: tuple[str, ...]) -> tuple[str, ...]:
        """Those of layers to be summed out that are integrated jointly: Gaussian ones whose units meet."""
        if out not in self._joint:
            self._joint[out] = joint_layers(self.model, self.derived.energy, out)
        return self._joint[out]

    def cheapest_sum(self, over: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Layers to sum out in closed form, and those to enumerate. Raises `TooLarge` or `NotApplicable`."""
        return exact.cheapest_sum(self, over)

    def energy_gradient(self, p: Arrays, x: Arrays, s: Settings) -> Arrays:
        """Batch mean of G with dE = sum(G * dparam) for every change that the constraints admit."""
        count = len(next(iter(x.values())))
        found = weighted_gradient(self, p, x, s, self.xp.full(count, 1.0 / count, self.dtype))
        return {n: self.xp.array(g) for n, g in found.items()}

    def fields(self, p: Arrays, x: Arrays, layer: str, s: Settings) -> Fields:
        """beta times the natural parameters of a layer, one array a statistic, each broadcast to (chains, *layer)."""
        eta = self.kernels.layers[layer].fields(p, x, s, self.kernels.Workspace(self.dtype))
        shape = (len(next(iter(x.values()))), *self.model.layers[layer].field_shape)
        return tuple(self.xp.broadcast_to(self.xp.asarray(e), shape) for e in eta)

    # --- draws

    def draw_layer(self, p: Arrays, x: Arrays, s: Settings, layer: str, random: Random) -> None:
        """Draw a layer given the others, in its own blocks, into x."""
        others = frozenset(n for n in self.model.layers if n != layer)
        for part in self.parts(others):
            self.kernels.update(part, p, x, s, random, self.workspace)

    def parts(self, clamp: Iterable[str] = ()) -> tuple[BlockPart, ...]:
        """The parts of one sweep, in order, with layers clamped. Raises `ArgumentError` for a layer that is not there."""
        clamped = self.check_clamped(clamp)
        return tuple(part for block in self.derived.schedule(clamped) for part in block)

    def straight(self, parts: Iterable[BlockPart]) -> bool:
        """Where all are whole layers that the kernels draw so."""
        layers = self.kernels.layers
        return self.sparse is None and all(part.kind == "whole" and layers[part.layer].straight for part in parts)

    def sweep(
        self,
        p: Arrays,
        x: Arrays,
        s: Settings,
        random: Random,
        parts: Sequence[BlockPart],
        steps: int = 1,
        means: Moments | None = None,
        keep: Arrays | None = None,
    ) -> None:
        """Run sweeps in place; the last one leaves moments of the layers in `means` there.

        keep: entries of layers that are held at their values, marked with True, row by row as it may be.
        """
        update, workspace = self.kernels.update, self.workspace
        if keep:
            with self.single_threaded_blas():
                self._sweep_around(p, x, s, random, parts, steps, keep)
            return
        with self.single_threaded_blas(), self.kernels.region() if self.straight(parts) else nullcontext():
            running = x
            if self.sparse and not means and isinstance(random, Rng) and self.sparse.knows(parts):
                self.sparse.sweep(p, x, s, random, parts, steps)
                return
            for step in range(steps):
                if step % _RUNNING == 0:
                    running = self.kernels.with_forms(p, x, s, workspace)
                random.next()
                for part in parts:
                    last = means and part.kind == "whole" and part.layer in means and step == steps - 1
                    update(part, p, running, s, random, workspace, means if last else None)

    def _sweep_around(
        self,
        p: Arrays,
        x: Arrays,
        s: Settings,
        random: Random,
        parts: Sequence[BlockPart],
        steps: int,
        keep: Arrays,
    ) -> None:
        """Sweeps that put held entries back after each draw: units of a block are independent, so none has read them."""
        before = {n: self.xp.array(x[n]) for n in keep}
        for _ in range(steps):
            random.next()
            for part in parts:
                name = part.layer
                scan = self.kernels.layers[name].scan if part.kind == "scan" else None
                if scan is not None:
                    scan(p, x, s, random, self.workspace, keep.get(name))
                    continue
                self.kernels.update(part, p, x, s, random, self.workspace)
                if name in keep:
                    x[name][...] = self.xp.where(keep[name], before[name], x[name])

    def recognise(self, p: Arrays, x: Arrays, s: Settings, random: Random | None, means: bool = False) -> None:
        """Nothing: there is nothing to recognise."""

    def generate(self, p: Arrays, x: Arrays, s: Settings, random: Random) -> None:
        """Nothing: there are no directed layers."""

    def with_latents(self, p: Arrays, x: Arrays, s: Settings, random: Rng) -> Arrays:
        """The data, and latents drawn given them."""
        rows, hidden = len(next(iter(x.values()))), self.model.by_role("hidden")
        # Latents of one block are written before anything reads them.
        layers = {n: self.model.layers[n] for n in hidden} if self._one_block else {}
        given = {n: self.xp.zeros((rows, *layer.energy_shape), self.dtype) for n, layer in layers.items()}
        state = random_state(self, rows, random, {**given, **x})
        if hidden:
            parts = self.parts(self.model.by_role("visible"))
            self.sweep(p, state, s, random, parts, 1 if self._one_block else _SETTLING)
        return state

    def reconstruction(self, p: Arrays, state: Arrays, s: Settings) -> Iterator[tuple[str, Array]]:
        """Means of the visible layers given the latents."""
        for name in self.model.by_role("visible"):
            if name not in self.derived.conditionals:
                continue
            kernels = self.kernels.layers[name]
            yield name, kernels.mean(*kernels.fields(p, state, s, self.workspace))

    # --- likelihoods

    def bound(self, p: Arrays, x: Arrays, rng: Rng | None = None) -> tuple[Array, bool]:
        """log p~(data) of each row; and whether it is but a lower bound, by mean field, or NaN where that does not fit."""
        s = self.settings()
        if set(self.model.by_role("hidden")) <= set(self.derived.free_energy.summed_out):
            return -self.free_energy(p, x, s), False
        try:
            return self.mean_field(p, x, s, 1e-3, 30).bound, True
        except NotApplicable:
            return self.xp.full(len(next(iter(x.values()))), np.nan), True

    @property
    def draws_its_bound(self) -> bool:
        """No: mean field is not random."""
        return False

    def mean_field(self, p: Arrays, x: Arrays, s: Settings, tolerance: float, max_iterations: int) -> MeanField:
        """The factorised approximation of p(latents | data). Raises `NotApplicable`."""
        return mean_field.mean_field(self, p, x, s, tolerance, max_iterations)

    def annealing_start(
        self, params: Mapping[str, Any], base: Base, data: Arrays, random: Rng
    ) -> tuple[Undirected, Mapping[str, Any], Base]:
        """Itself with its parameters as they are, and the base rates that there are, or those of the data."""
        visible = self.model.by_role("visible")
        rates = {n: base_rate(self, n, self.host(data[n])) for n in visible if data and n not in base}
        return self, params, {**base, **rates}

    def core_problem(self, p: Arrays, x: Arrays, layer: str) -> CoreProblem:
        """The model itself with its data."""
        return CoreProblem(self, p, x, "")


def _number(name: str, value: Any) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} is not a number") from None
    if math.isnan(found):
        raise ArgumentError(f"{name} is not a number")
    if math.isinf(found):
        raise ArgumentError(f"{name} is infinite")
    return found
