"""The derivation certificate: what was derived from the user's own model, compared with enumeration.

On the model with every size shrunk, in float64, with random parameters, beta and term weights. No Monte Carlo: every
figure is an exact identity, whose error is rounding where the derivation is right and about 1 where it is not.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.derive import Derived, derive
from energydsl.derive.directed.network import Network
from energydsl.derive.records import BlockPart, Schedule
from energydsl.diagnostics import NotApplicable, TooLarge
from energydsl.domains import DOMAINS
from energydsl.energy import canonicalise
from energydsl.energy.canonical import additive
from energydsl.graph.edges import edges_of
from energydsl.kernels.lower import ALWAYS, CHEAPER, NEVER, keeps_factored
from energydsl.model.records import Layer, Param, Resolved
from energydsl.program.directed import DirectedProgram
from energydsl.program.undirected import Arrays, Program
from energydsl.random import Rng, Uniforms
from energydsl.verification.oracle import Oracle, enumerate_states, log_factorial, quadrature, unit_values

Array = NDArray[Any]

# Stand-ins for the values of a unit of infinitely many, in (0, 1) before they are moved into its domain.
# The most joint places over which the oracle integrates.
_MOST_PLACES = 4e6
_POINTS = np.array([0.175, 0.55, 0.725])
_STEP = 1e-5
# Entries of a parameter that are differentiated, chosen at random where there are more.
_ENTRIES = 30
# States, and units a layer, that are looked at where not all can be listed.
_ROWS, _UNITS = 8, 12

ENERGY = "energy = tree walk"
DIFFERENCES = "energy differences = log odds"
MIXED = "no mixed difference inside a block"
SLOPES = "dE/dparam = finite difference of E"
LIKELIHOOD = "likelihood gradient = data minus model"


@dataclass(frozen=True)
class Check:
    """One identity: its largest error and what is allowed for rounding."""

    name: str
    error: float
    tolerance: float

    @property
    def ok(self) -> bool:
        return bool(self.error <= self.tolerance)


@dataclass(frozen=True)
class Exercise:
    """A term of the energy as it was written, or a parameter, and the checks in which it made a difference."""

    kind: str
    name: str
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Certificate:
    """All checks of one model, the sizes they were made at, and what of the model they exercised."""

    model: str
    sizes: str
    checks: tuple[Check, ...]
    exercised: tuple[Exercise, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every check holds."""
        return all(c.ok for c in self.checks)

    @property
    def missed(self) -> tuple[Exercise, ...]:
        """What no check exercised."""
        return tuple(e for e in self.exercised if not e.checks)

    @property
    def ok(self) -> bool:
        """Whether every check holds and each term and parameter was exercised by one."""
        return self.right and not self.missed

    def as_dict(self) -> dict[str, Any]:
        rows = [{"name": c.name, "error": c.error, "tolerance": c.tolerance, "ok": c.ok} for c in self.checks]
        exercised = [{"kind": e.kind, "name": e.name, "checks": list(e.checks)} for e in self.exercised]
        return {"ok": self.ok, "model": self.model, "sizes": self.sizes, "checks": rows, "exercised": exercised}

    def __str__(self) -> str:
        width = max(len(c.name) for c in self.checks)
        lines = [f"{self.model}: checked at {self.sizes}"]
        lines += [
            f"  {c.name:<{width}}  error {c.error:8.1e}  allowed {c.tolerance:7.0e}  {'ok' if c.ok else 'WRONG'}"
            for c in self.checks
        ]
        for kind in ("term", "parameter"):
            some = [e for e in self.exercised if e.kind == kind]
            if some:
                lines.append(f"  {kind}s exercised: {sum(bool(e.checks) for e in some)} of {len(some)}")
        lines += [f"  not exercised: {e.kind} `{e.name}`" for e in self.missed]
        if not self.right:
            return "\n".join([*lines, "THE DERIVATION IS WRONG"])
        if self.missed:
            return "\n".join(
                [*lines, "incomplete: all identities hold, but not for all of the model; other sizes (-D) may do"]
            )
        return "\n".join([*lines, "all identities hold"])


def certify(full: Derived, small: Resolved, listed: bool, seed: int = 0, backend: str = "numpy") -> Certificate:
    """Checks 1 to 6 on the shrunk model with the kernels of a backend, and what can be checked at the model's own sizes.

    listed: whether the states of the small model are few enough to list; else checks 1 to 3 and the gradient on some states.
    """
    energy, _ = canonicalise(small)
    derived = derive(small, energy)
    # What pays at the model's own sizes, and so is in its kernels, need not pay at small ones.
    factored = ALWAYS if keeps_factored(full) else NEVER
    trial = (_Trial if listed else _Sample)(derived, seed, backend, factored)
    checks = list(trial.checks())
    exercised = tuple(trial.exercised(full))
    checks += list(_full_size(full, seed))
    if backend != "numpy":
        checks.append(Check(f"sweeps on {backend} = sweeps on numpy", _sweeps_error(derived, seed, backend), 1e-9))
    return Certificate(full.model.name, _sizes(small) + ("" if listed else ", some states"), tuple(checks), exercised)


def certify_network(full: Network, small: Network, listed: bool, seed: int = 0, backend: str = "numpy") -> Certificate:
    """The certificates of all parts of a model with directed parts, and that their product is a distribution."""
    checks: list[Check] = []
    exercised: list[Exercise] = []
    for large, factor in zip(full.factorisation, small.factorisation, strict=True):
        part = certify(large.derive(), factor.model, listed, seed, backend)
        checks += [replace(check, name=f"{factor.name}: {check.name}") for check in part.checks]
        exercised += [replace(e, name=f"{factor.name}: {e.name}") for e in part.exercised]
    if listed:
        checks.append(Check("joint = product of its parts, summed to one", _joint_error(small, seed, backend), 1e-9))
    return Certificate(full.model.name, _sizes(small.model), tuple(checks), tuple(exercised))


def _sizes(model: Resolved) -> str:
    return ", ".join(f"{n}{list(layer.shape) if layer.shape else ''}" for n, layer in model.layers.items())


def _joint_error(network: Network, seed: int, backend: str) -> float:
    """log p(x) of every state, and -E - log Z, against the oracle's energies, normalised part by part."""
    program = DirectedProgram(network, backend, "float64")
    rng, model = np.random.default_rng(seed), network.model
    params = {n: random_param(p, rng) for n, p in model.params.items()}
    units = model.random_layers()
    if any(not DOMAINS[layer.domain.name].finite for layer in units.values()):
        return 0.0 if _parts_cover(network) else np.inf
    states, codes = enumerate_states(units, {n: unit_values(layer) for n, layer in units.items()})
    rows = len(next(iter(states.values())))
    inputs = {n: rng.random((1, *model.layers[n].energy_shape)) for n in model.by_role("input")}
    x = {**states, **{n: np.repeat(a, rows, axis=0) for n, a in inputs.items()}}
    given = {n: a[0] for n, a in inputs.items()}
    worst = 0.0
    for beta in (0.7, 1.0):
        log_z = float(np.asarray(program.log_partition(params, given, beta=beta)))
        found = program.host(program.log_joint(params, x, beta=beta)) - log_z
        wanted = _log_joint(network, params, x, codes, beta)
        worst = max(worst, _largest(found - wanted), abs(float(np.logaddexp.reduce(found))))
    return max(worst, _largest(-program.host(program.energy(params, x)) - log_z - wanted))


def _log_joint(network: Network, params: Arrays, x: Arrays, codes: Mapping[str, Array], beta: float) -> Array:
    """log p of every listed state: the oracle's energies of each part, normalised over what the part draws."""
    units = network.model.random_layers()
    rows = len(next(iter(x.values())))
    total = np.zeros(rows)
    for factor in (network.factorisation.core, *network.factorisation.generative):
        oracle = Oracle(factor.model, {n: edges_of(g) for n, g in factor.model.graphs.items()})
        own = {n: params[n] for n in factor.model.params}
        logits = -oracle.exponent(own, {n: x[n] for n in factor.model.layers}, beta)
        drawn = [n for n in factor.model.layers if n in units and n not in factor.given]
        rest = [np.zeros((rows, 1), int), *(codes[n] for n in units if n not in drawn)]
        groups = np.unique(np.concatenate(rest, axis=1), axis=0, return_inverse=True)[1].ravel()
        for group in range(groups.max() + 1):
            inside = groups == group
            total[inside] += logits[inside] - np.logaddexp.reduce(logits[inside])
    return total


def _parts_cover(network: Network) -> bool:
    """Whether every layer is drawn by exactly one part."""
    drawn = [n for p in network.factorisation.generative for n in p.targets] + list(network.core.model.random_layers())
    return sorted(drawn) == sorted(network.model.random_layers())


def random_param(param: Param, rng: np.random.Generator) -> Array:
    """A parameter of order one that keeps its constraints."""
    value = rng.normal(0.0, 0.6, param.shape)
    if "positive" in param.constraints:
        value = rng.uniform(0.6, 1.4, param.shape)
    return Program.constrain(param, np.asarray(value))


class _Setting:
    """One model with one draw of parameters, beta and weights, and the oracle for them.

    x: states, inputs among them. scale: the largest energy met, or 1, to which rounding is relative. differed: parameters
    whose derivative was not 0, by the check that met it.
    """

    x: Arrays
    scale: float

    def __init__(self, derived: Derived, seed: int, backend: str = "numpy", factored: str = CHEAPER):
        self.derived, self.model = derived, derived.model
        self.rng = np.random.default_rng(seed)
        self.program = Program(derived, backend, "float64", factored=factored)
        self.host = self.program.host
        self.params = {n: random_param(p, self.rng) for n, p in self.model.params.items()}
        self.beta = 0.7
        self.weights = {label: float(self.rng.uniform(0.8, 1.2)) for label in self.model.labels}
        self.consts = {n: c.value * float(self.rng.uniform(0.9, 1.1)) for n, c in self.model.consts.items()}
        self.scalars: dict[str, Any] = {"beta": self.beta, "weights": self.weights, "consts": self.consts}
        edges = {n: edges_of(g) for n, g in self.model.graphs.items()}
        self.oracle = Oracle(self.model, edges, self.consts, self.weights)
        self.units = self.model.random_layers()
        self.inputs = {n: self.input_layer(self.model.layers[n]) for n in self.model.by_role("input")}
        self.values = {n: unit_values(layer, _POINTS) for n, layer in self.units.items()}
        self.differed: dict[str, set[str]] = {}

    def input_layer(self, layer: Layer) -> Array:
        """One value of an input layer in which all values of a unit occur in turn, the largest first: none is 0 throughout."""
        values = unit_values(layer, self.rng.random(5))
        order = np.argsort(-np.abs(values).reshape(len(values), -1).max(axis=1), kind="stable")
        chosen = values[order[np.arange(layer.size) % len(values)]]
        return np.asarray(chosen).reshape(1, *layer.energy_shape)

    def random_layer(self, layer: Layer) -> Array:
        values = unit_values(layer, self.rng.random(5))
        chosen = values[self.rng.integers(0, len(values), layer.shape)]
        return np.asarray(chosen).reshape(1, *layer.energy_shape)

    def with_inputs(self, states: Mapping[str, Array], rows: int) -> Arrays:
        return {**states, **{n: np.repeat(v, rows, axis=0) for n, v in self.inputs.items()}}

    def blocks_of(self, schedule: Schedule) -> Iterator[list[tuple[str, int]]]:
        """Units that are updated together; a scanned layer gives one block a unit."""
        for block in schedule:
            together: list[tuple[str, int]] = []
            for part in block:
                units = self.units_of(part)
                if part.kind == "scan":
                    yield from ([(part.layer, k)] for k in units)
                    continue
                together += [(part.layer, k) for k in units]
            if together:
                yield together

    def units_of(self, part: BlockPart) -> list[int]:
        """The units a part updates."""
        if part.kind != "colours":
            return list(range(self.model.layers[part.layer].size))
        return [int(k) for k in self.host(getattr(self.program.kernels, f"UNITS__{part.layer}")[part.colour])]

    # --- what was exercised

    def exercised(self, full: Derived) -> Iterator[Exercise]:
        """Each term of the energy that holds units, and each parameter in it, with the checks it made a difference to."""
        alive = {span for t in full.energy.terms if t.monomial.layers() for span in t.spans}
        for term in self.model.energies:
            for _, part in additive(term.expression, 1.0):
                if part.span in alive:
                    value = self.oracle.value(part, self.params, self.x)
                    sizes = {ENERGY: _largest(value), DIFFERENCES: float(np.ptp(value))}
                    yield Exercise("term", part.span.text, tuple(n for n, size in sizes.items() if size > 1e-9))
        for name, gradient in full.gradients.items():
            if gradient.parts:
                yield Exercise("parameter", name, tuple(sorted(self.differed.get(name, ()))))

    # --- gradients

    def gradient_error(self, check: str, state: Arrays, row: Array, function: Any) -> float:
        """Largest gap between the kernels' weighted gradient and central differences of `function`, any entry."""
        s = self.program.settings(**self.scalars)
        p, x = self.program.check_params(self.params), self.program.layer_arrays(state)
        gradients = self.program.weighted_gradient(p, x, s, self.program.device(row))
        found = {n: self.host(g) for n, g in gradients.items()}
        worst = 0.0
        # A difference of two energies is no more exact than they are, so its rounding is the unit of the error.
        rounding = max(1.0, np.finfo(float).eps * self.scale / _STEP / 1e-7)
        for name, param in self.model.params.items():
            entries = list(np.ndindex(*param.shape))
            chosen = self.rng.permutation(len(entries))[:_ENTRIES]
            for at in (entries[k] for k in chosen):
                change = self.admissible(param, at)
                if change is None:
                    worst = max(worst, abs(float(found[name][at])))
                    continue
                up, down = (function(partial(self.oracle.energy, self.moved(name, change, h))) for h in (_STEP, -_STEP))
                wanted = (up - down) / (2 * _STEP)
                if abs(wanted) > 1e-5:
                    self.differed.setdefault(name, set()).add(check)
                worst = max(worst, abs(float((found[name] * change).sum()) - wanted) / max(rounding, abs(wanted)))
                asymmetry = found[name] - found[name].T if "symmetric" in param.constraints else np.zeros(1)
                worst = max(worst, _largest(asymmetry))
        return worst

    def moved(self, name: str, change: Array, step: float) -> Arrays:
        return {**self.params, name: self.params[name] + step * change}

    @staticmethod
    def admissible(param: Param, at: tuple[int, ...]) -> Array | None:
        """The change of one entry that the constraints admit (its mirror image with it); None where they forbid it."""
        change = np.zeros(param.shape)
        if "zero_diagonal" in param.constraints and at[0] == at[1]:
            return None
        change[at] = 1.0
        if "symmetric" in param.constraints:
            change[at[::-1]] = 1.0
        return change


class _Trial(_Setting):
    """All states of a model and their energies by the oracle."""

    def __init__(self, derived: Derived, seed: int, backend: str = "numpy", factored: str = CHEAPER):
        super().__init__(derived, seed, backend, factored)
        self.states, self.codes = enumerate_states(self.units, self.values)
        self.rows = len(next(iter(self.states.values())))
        self.x = self.with_inputs(self.states, self.rows)
        self.energies = self.oracle.energy(self.params, self.x)
        # Rounding is relative to the energies met.
        self.scale = max(1.0, _largest(self.energies))
        self.base = self.oracle.base(self.params, self.x)
        self.exponents = self.oracle.exponent(self.params, self.x, self.beta)
        self.rules: dict[str, tuple[Array, Array]] = {}
        self.p = np.exp(-self.exponents - np.logaddexp.reduce(-self.exponents))

    def checks(self) -> Iterator[Check]:
        yield Check(ENERGY, self.energy_error(), 1e-11)
        yield Check(DIFFERENCES, self.difference_error(), 1e-11)
        yield Check(MIXED, self.mixed_difference_error(), 1e-11)
        balance, stationary = self.transition_errors()
        yield Check("detailed balance of each block", balance, 1e-12)
        yield Check("sweep leaves p(x) as it is", stationary, 1e-12)
        yield Check("draws follow the conditionals", self.draw_error(), 2.5e-3)
        yield from self.normalisation()
        yield from self.gradients()

    # --- 1 and 2

    def energy_error(self) -> float:
        found = self.program.energy(self.params, self.x, weights=self.weights, consts=self.consts)
        return _largest(self.host(found) - self.energies) / self.scale

    def log_conditionals(self, name: str) -> Array:
        """log p(unit = its k-th value | rest), up to a constant for a continuous unit; shape (rows, units, values)."""
        layer = self.model.layers[name]
        family = self.derived.conditionals[name].distribution
        eta, values = self.etas(name), self.values[name]
        if family.parameter_per_state:
            logits = eta[0].reshape(self.rows, layer.size, -1)
        else:
            flat = [e.reshape(self.rows, layer.size, 1) for e in eta]
            statistics = [self.host(t) for t in self.program.statistics(name, self.program.device(values))]
            logits = np.asarray(sum(e * t for e, t in zip(flat, statistics, strict=True)))
        return np.asarray(logits - log_factorial(values) if family.factorial_base else logits)

    def etas(self, name: str) -> tuple[Array, ...]:
        """Natural parameters as the sampler sees them: of the whole layer, or of one unit at a time."""
        layer = self.model.layers[name]
        if self.derived.parts[name].kind != "scan":
            found = self.program.natural_parameters(self.params, self.x, name, **self.scalars)
            return tuple(self.host(e) for e in found)
        kernels, s = self.program.kernels, self.program.settings(**self.scalars)
        p, x = self.program.check_params(self.params), self.program.layer_arrays(self.x)
        etas = []
        for field in self.derived.conditionals[name].fields:
            unit = getattr(kernels, f"unit_eta{field.number}__{name}")
            columns = [self.host(unit(p, x, s, self.program.workspace, *at)) for at in np.ndindex(*layer.shape)]
            etas.append(np.stack(columns, axis=1).reshape(self.rows, *layer.field_shape))
        return tuple(etas)

    def difference_error(self) -> float:
        """log p(a | rest) - log p(b | rest) = beta (E(b, rest) - E(a, rest))."""
        worst = 0.0
        table = self.exponents.reshape(self.radices())
        for axis, (name, unit) in enumerate(self.unit_names()):
            logits = self.log_conditionals(name)[:, unit, :]
            others = np.moveaxis(table, axis, -1).reshape(-1, table.shape[axis])
            expected = others[:, :1] - others
            found = np.moveaxis(logits.reshape(*table.shape, -1), axis, -2).reshape(len(others), table.shape[axis], -1)
            worst = max(worst, _largest(found - found[:, :, :1] - expected[:, None, :]))
        return worst / self.scale

    def unit_names(self) -> list[tuple[str, int]]:
        return [(n, k) for n, layer in self.units.items() for k in range(layer.size)]

    def radices(self) -> list[int]:
        return [len(self.values[n]) for n, _ in self.unit_names()]

    # --- 3 and 4

    def blocks(self) -> Iterator[list[tuple[str, int]]]:
        """The blocks of every clamping pattern checked: nothing clamped, and data clamped."""
        for clamped in (frozenset[str](), frozenset(self.model.by_role("visible"))):
            yield from self.blocks_of(self.derived.schedule(clamped))

    def mixed_difference_error(self) -> float:
        """E(a,a') - E(a,b') - E(b,a') + E(b,b') = 0 for every pair of units of a block."""
        table = self.energies.reshape(self.radices())
        axis = {u: k for k, u in enumerate(self.unit_names())}
        worst = 0.0
        for block in self.blocks():
            for a, b in itertools.combinations(block, 2):
                along = np.moveaxis(table, (axis[a], axis[b]), (0, 1))
                worst = max(worst, _largest(along - along[:1] - along[:, :1] + along[:1, :1]))
        return worst / self.scale

    def transition_errors(self) -> tuple[float, float]:
        """Detailed balance of each block's kernel, and p T = p for the sweep."""
        axis = {u: k for k, u in enumerate(self.unit_names())}
        radices = self.radices()
        numbers = np.arange(self.rows).reshape(radices)
        logs = {n: self.normalised(n) for n in self.units}
        p, balance = self.p, 0.0
        free = self.derived.schedule(frozenset())
        visited: list[tuple[str, int]] = []
        for block in self.blocks_of(free):
            visited += block
            axes = [axis[u] for u in block]
            size = int(np.prod([radices[k] for k in axes]))
            grouped = np.moveaxis(numbers, axes, range(-len(axes), 0)).reshape(-1, size)
            digits = _digits([radices[k] for k in axes])
            new = np.empty(self.rows)
            for group in grouped:
                kernel = np.zeros((size, size))
                for (name, unit), values in zip(block, digits, strict=True):
                    kernel += logs[name][group, unit][:, values]
                kernel = np.exp(kernel)
                flow = self.p[group][:, None] * kernel
                balance = max(balance, _largest(flow - flow.T))
                new[group] = p[group] @ kernel
            p = new
        missing = sorted(set(self.unit_names()) ^ set(visited)) or len(visited) != len(set(visited))
        # exp(-E) has the absolute rounding of E as its relative rounding.
        rounding = max(1.0, np.finfo(float).eps * self.scale / 1e-12)
        return balance / rounding, 1.0 if missing else _largest(p - self.p) / rounding

    def normalised(self, name: str) -> Array:
        """log p(unit = value | rest): by the domain's A for finite units, over the points for a continuous one."""
        logits = self.log_conditionals(name)
        layer = self.model.layers[name]
        if not DOMAINS[layer.domain.name].finite:
            return np.asarray(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
        eta = [self.program.device(e) for e in self.etas(name)]
        log_partition = self.host(getattr(self.program.kernels, f"log_partition__{name}")(*eta))
        return np.asarray(logits - log_partition.reshape(self.rows, layer.size, 1))

    def draw_error(self) -> float:
        """The mean and variance of draws over the uniform number, by Takahasi and Mori's rule, must be the conditional's."""
        count, worst = 4000, 0.0
        row = int(self.rng.integers(self.rows))
        time = np.linspace(-3.2, 3.2, count)
        spread = np.minimum(0.5 + 0.5 * np.tanh(0.5 * np.pi * np.sinh(time)), 1 - 2.0**-53)
        weight = np.cosh(time) / np.cosh(0.5 * np.pi * np.sinh(time)) ** 2
        weight /= weight.sum()
        for block in self.derived.schedule(frozenset()):
            for part in block:
                layer = self.model.layers[part.layer]
                x = {n: np.repeat(v[row : row + 1], count, axis=0).astype(float) for n, v in self.x.items()}
                before_all = {n: v.copy() for n, v in x.items()}
                before = before_all[part.layer]
                one = {n: v[:1] for n, v in before_all.items()}
                mean = self.host(self.program.mean(self.params, one, part.layer, **self.scalars))
                drawn = (len(self.units_of(part)),) if part.kind == "colours" else layer.shape
                uniform = np.broadcast_to(spread.reshape(-1, *(1,) * len(drawn)), (count, *drawn))
                s = self.program.settings(**self.scalars)
                p, state = self.program.check_params(self.params), self.program.layer_arrays(x)
                self.program.kernels.update(
                    str(part), p, state, s, Uniforms([uniform]), self.program.kernels.Workspace(np.float64)
                )
                x[part.layer] = self.host(state[part.layer])
                free = self.units_of(part)[:1] if part.kind == "scan" else self.units_of(part)
                variance = self.host(self.program.variance(self.params, one, part.layer, **self.scalars))
                drawn_mean = np.tensordot(weight, x[part.layer], 1)
                drawn_square = np.tensordot(weight, (x[part.layer] - drawn_mean) ** 2, 1)
                for found, wanted in ((drawn_mean, mean[0]), (drawn_square, variance[0])):
                    gap = (found - wanted) / np.maximum(1.0, np.abs(wanted))
                    worst = max(worst, _largest(gap.reshape(layer.size, -1)[free]))
                held = np.ones(layer.size, bool)
                held[free] = False
                if part.kind == "scan":
                    held[:] = False
                still = (x[part.layer] - before).reshape(count, layer.size, -1)[:, held]
                worst = max(worst, _largest(still))
        return worst

    # --- 5

    def rule(self, name: str) -> tuple[Array, Array]:
        """Places and log weights for a unit of a layer, found once from the oracle's energies around some states."""
        if name not in self.rules:
            layer = self.model.layers[name]
            rows = self.rng.integers(0, self.rows, 8)

            def exponent(places: Array) -> Array:
                found = [self.along(name, unit, row, places) for row in rows for unit in range(min(layer.size, 4))]
                return np.stack(found)

            self.rules[name] = quadrature(layer, self.oracle.kinks(), exponent)
        return self.rules[name]

    def along(self, name: str, unit: int, row: int, places: Array) -> Array:
        """-log of what a listed state weighs with one unit moved to some places, by the oracle."""
        moved = {n: np.repeat(v[row : row + 1], len(places), axis=0).astype(float) for n, v in self.x.items()}
        moved[name].reshape(len(places), -1)[:, unit] = places
        return self.oracle.exponent(self.params, moved, self.beta)

    def integrated(self, held: Mapping[str, Array], over: list[str]) -> Array:
        """log of the sum (and integral) over layers of exp(-beta E), for each held row, by the oracle."""
        layers = {n: self.model.layers[n] for n in over}
        rules = {n: self.rule(n) if not DOMAINS[a.domain.name].finite else _listed(a) for n, a in layers.items()}
        if math.prod(float(len(rules[n][0])) ** a.size for n, a in layers.items()) > _MOST_PLACES:
            raise TooLarge("an integral over several units takes too many places; those over one are checked")
        values, codes = enumerate_states(layers, {n: places for n, (places, _) in rules.items()})
        count = len(next(iter(values.values()))) if values else 1
        rows = len(next(iter(held.values()))) if held else 1
        weight = sum((rules[n][1][codes[n]].sum(axis=1) for n in layers), np.zeros(count))
        found = np.empty(rows)
        for row in range(rows):
            here = {n: np.repeat(v[row : row + 1], count, axis=0) for n, v in held.items()}
            exponent = self.oracle.exponent(self.params, self.with_inputs({**here, **values}, count), self.beta)
            found[row] = np.logaddexp.reduce(weight - exponent)
        return found

    def normalisation(self) -> Iterator[Check]:
        log_z = None
        with contextlib.suppress(TooLarge, NotApplicable):
            log_z = self.program.log_partition(self.params, {n: v[0] for n, v in self.inputs.items()}, **self.scalars)
        with contextlib.suppress(TooLarge):
            if log_z is not None:
                wanted = self.integrated({}, list(self.units))[0]
                gap = abs(float(log_z) - wanted) / max(1.0, abs(wanted), *map(self.rounding, self.units))
                yield Check("log partition = log of the sum", gap, 1e-9)
        out = self.derived.free_energy.summed_out
        rest = [n for n in self.units if n not in out]
        if rest:
            rows = self.rng.integers(0, self.rows, 12)
            held = {n: self.states[n][rows] for n in rest}
            found = self.program.free_energy(self.params, self.with_inputs(held, len(rows)), **self.scalars)
            name = "free energy = -log of the sum" if out else "free energy = beta E"
            with contextlib.suppress(TooLarge):
                wanted = -self.integrated(held, list(out))
                yield Check(name, _largest((self.host(found) - wanted) / np.maximum(1.0, np.abs(wanted))), 1e-9)
        for name, layer in self.units.items():
            if not DOMAINS[layer.domain.name].finite:
                yield Check(f"density of {name} against quadrature", self.quadrature_error(name), 1e-9)

    def quadrature_error(self, name: str) -> float:
        """Log-partition, moments, entropy and mode of a unit of infinitely many values against sums over the oracle's exp(-beta E)."""
        layer, worst, rounding = self.model.layers[name], 0.0, self.rounding(name)
        places, weight = self.rule(name)
        weighted = self.derived.conditionals[name].distribution.factorial_base
        for row in self.rng.integers(0, self.rows, 4):
            one = {n: v[row : row + 1].astype(float) for n, v in self.x.items()}
            eta = self.program.natural_parameters(self.params, one, name, **self.scalars)
            log_partition, mean, variance, entropy, mode = (
                np.broadcast_to(
                    self.host(getattr(self.program.kernels, f"{what}__{name}")(*eta)), (1, *layer.shape)
                ).ravel()
                for what in ("log_partition", "mean", "variance", "entropy", "mode")
            )
            first = [self.host(t)[0] for t in self.program.statistics(name, self.program.device(places[:1]))]
            exponents = sum(self.host(e).ravel() * t for e, t in zip(eta, first, strict=True))
            exponents = exponents - (log_factorial(places[0]) if weighted else 0.0)
            for unit in range(layer.size):
                depth = self.along(name, unit, row, places)
                logits = weight - depth
                # exp(-beta E) is h(x) exp(sum_k eta_k T_k(x)) but for a constant, read off at the first place.
                whole = np.logaddexp.reduce(logits) + depth[0] + exponents[unit]
                log_p = logits - np.logaddexp.reduce(logits)
                p = np.exp(log_p)
                base = weight - (log_factorial(places) if weighted else 0.0)
                top = self.along(name, unit, row, mode[unit : unit + 1])[0] - depth.min()
                centre = p @ places
                spread = float(p @ (places - centre) ** 2)
                worst = max(
                    worst,
                    abs(mean[unit] - centre) / max(1.0, abs(centre), np.sqrt(spread)),
                    abs(log_partition[unit] - whole) / max(1.0, abs(whole)),
                    abs(variance[unit] - spread) / max(1.0, spread),
                    abs(entropy[unit] + p @ (log_p - base)),
                    max(top, 0.0),
                )
        return float(worst) / rounding

    def rounding(self, name: str) -> float:
        """By how much more than usual the exponent of a unit rounds, where its terms cancel: 1 up to terms of 1e6."""
        if (
            self.derived.conditionals[name].distribution.parameter_per_state
            or DOMAINS[self.model.layers[name].domain.name].finite
        ):
            return 1.0
        one = {n: v[:8].astype(float) for n, v in self.x.items()}
        eta = self.program.natural_parameters(self.params, one, name, **self.scalars)
        mode = getattr(self.program.kernels, f"mode__{name}")(*eta)
        terms = zip(eta, self.program.statistics(name, mode), strict=True)
        return max(1.0, 1e-6 * _largest(sum(abs(self.host(e) * self.host(t)) for e, t in terms)))

    # --- 6

    def gradients(self) -> Iterator[Check]:
        learned = [(n, p) for n, p in self.model.params.items() if p.shape == () or min(p.shape) > 0]
        if not learned:
            return
        rows = self.rng.integers(0, self.rows, 5)
        some = {n: v[rows] for n, v in self.x.items()}
        uniform = np.full(len(rows), 1.0 / len(rows))
        yield Check(SLOPES, self.gradient_error(SLOPES, some, uniform, lambda e: float(e(some) @ uniform)), 1e-6)
        data = self.data_distribution()
        row = self.beta * (self.p - data)
        error = self.gradient_error(LIKELIHOOD, self.x, row, lambda e: self.mean_log_likelihood(e(self.x), data))
        yield Check(LIKELIHOOD, error, 1e-6)

    def data_distribution(self) -> Array:
        """p(latents | v) times three data points, over the listed states."""
        visible = self.model.by_role("visible")
        if not visible:
            return np.full(self.rows, 1.0 / self.rows)
        groups = self.visible_groups()
        wanted = self.rng.choice(np.unique(groups), size=3)
        total = np.zeros(self.rows)
        for g in wanted:
            inside = groups == g
            logits = -self.exponents[inside]
            total[inside] += np.exp(logits - np.logaddexp.reduce(logits)) / 3
        return total

    def visible_groups(self) -> Array:
        codes = np.concatenate([self.codes[n] for n in self.model.by_role("visible")], axis=1)
        return np.unique(codes, axis=0, return_inverse=True)[1].ravel()

    def mean_log_likelihood(self, energies: Array, data: Array) -> float:
        logits = -self.beta * (energies - self.base) - self.base
        log_z = np.logaddexp.reduce(logits)
        if not self.model.by_role("visible"):
            return float(data @ logits - log_z)
        groups = self.visible_groups()
        weights = np.bincount(groups, data)
        total = 0.0
        for g in np.flatnonzero(weights):
            total += weights[g] * (np.logaddexp.reduce(logits[groups == g]) - log_z)
        return float(total)


class _Sample(_Setting):
    """Some states of a model that has too many to list: checks 1 to 3 and the gradient, at its own sizes."""

    def __init__(self, derived: Derived, seed: int, backend: str = "numpy", factored: str = CHEAPER):
        super().__init__(derived, seed, backend, factored)
        states = {n: np.concatenate([self.random_layer(a) for _ in range(_ROWS)]) for n, a in self.units.items()}
        self.x = self.with_inputs(states, _ROWS)
        self.energies = self.oracle.energy(self.params, self.x)
        self.scale = max(1.0, _largest(self.energies))

    def checks(self) -> Iterator[Check]:
        found = self.program.energy(self.params, self.x, weights=self.weights, consts=self.consts)
        yield Check(ENERGY, _largest(self.host(found) - self.energies) / self.scale, 1e-11)
        yield Check(DIFFERENCES, self.difference_error(), 1e-11)
        yield Check(MIXED, self.mixed_difference_error(), 1e-11)
        row = np.full(_ROWS, 1.0 / _ROWS)
        yield Check(SLOPES, self.gradient_error(SLOPES, self.x, row, lambda e: float(e(self.x) @ row)), 1e-6)

    def difference_error(self) -> float:
        """log p(a | rest) - log p(b | rest) = beta (E(b, rest) - E(a, rest)), by the weights of states with one unit moved."""
        worst = 0.0
        for name, layer in self.units.items():
            etas = self.program.natural_parameters(self.params, self.x, name, **self.scalars)
            for unit in self.rng.permutation(layer.size)[:_UNITS]:
                moved = self.with_value(self.x, name, unit, self.another(name))
                weight = self.oracle.exponent(self.params, moved, self.beta)
                gap = weight - self.oracle.exponent(self.params, self.x, self.beta)
                for row in range(_ROWS):
                    one = tuple(self.host(e)[row : row + 1] for e in etas)
                    ends = (x[name][row : row + 1] for x in (self.x, moved))
                    worst = max(worst, abs(_gain(self.program, layer, int(unit), one, *ends) + float(gap[row])))
        return worst / self.scale

    def mixed_difference_error(self) -> float:
        """E(a,a') - E(a,b') - E(b,a') + E(b,b') = 0 for some pairs of units of a block."""
        worst = 0.0
        for clamped in (frozenset[str](), frozenset(self.model.by_role("visible"))):
            for block in self.blocks_of(self.derived.schedule(clamped)):
                for _ in range(_UNITS if len(block) > 1 else 0):
                    (a, i), (b, k) = (block[n] for n in self.rng.choice(len(block), 2, replace=False))
                    first = self.with_value(self.x, a, i, self.another(a))
                    second, both = (self.with_value(x, b, k, self.another(b)) for x in (self.x, first))
                    corners = [self.oracle.energy(self.params, x) for x in (first, second, both)]
                    worst = max(worst, _largest(self.energies - corners[0] - corners[1] + corners[2]))
        return worst / self.scale

    def another(self, name: str) -> Array:
        """A value of a unit, the same for every row, fixed for each layer."""
        return np.asarray(self.values[name][len(self.values[name]) // 2])

    def with_value(self, x: Arrays, name: str, unit: int, value: Array) -> Arrays:
        moved = np.array(x[name], float)
        moved.reshape(len(moved), self.model.layers[name].size, -1)[:, unit] = value
        return {**x, name: moved}


def _digits(radices: list[int]) -> Array:
    """For each unit of a block, its value in each joint state of the block."""
    return np.array(np.unravel_index(np.arange(int(np.prod(radices))), radices))


def _listed(layer: Layer) -> tuple[Array, Array]:
    values = unit_values(layer)
    return values, np.zeros(len(values))


def _largest(values: Any) -> float:
    array = np.abs(np.asarray(values, float))
    if array.size and not np.isfinite(array).all():
        return np.inf
    return float(array.max(initial=0.0))


def _sweeps_error(derived: Derived, seed: int, backend: str) -> float:
    """The largest difference of states after three sweeps on the same random stream."""
    trial = _Trial(derived, seed)
    start = trial.program.init_state(trial.params, 50, seed, {n: v[:1] for n, v in trial.inputs.items()})
    states = []
    for name in ("numpy", backend):
        program = Program(derived, name, "float64")
        after = program.gibbs(trial.params, start, 3, rng=Rng(seed), **trial.scalars)
        states.append({n: program.host(a) for n, a in after.items()})
    return max(_largest(states[0][n] - states[1][n]) for n in states[0])


def _full_size(derived: Derived, seed: int) -> Iterator[Check]:
    """At the model's own sizes: flipping a unit changes the energy by its log odds, and no field of its own colour."""
    model = derived.model
    if (
        sum(layer.size for layer in model.layers.values()) + sum(int(np.prod(p.shape)) for p in model.params.values())
        > 4_000_000
    ):
        return
    rng = np.random.default_rng(seed)
    program = Program(derived, "numpy", "float64")
    params = {
        n: Program.constrain(p, np.asarray(rng.normal(0, 0.1, p.shape) + ("positive" in p.constraints)))
        for n, p in model.params.items()
    }
    given = {n: rng.random((1, *model.layers[n].energy_shape)) for n in model.by_role("input")}
    state = program.init_state(params, 1, seed, given)
    odds, colour = 0.0, 0.0
    for name, layer in model.random_layers().items():
        if derived.parts[name].kind == "scan" and layer.size > 2000:
            continue
        etas = program.natural_parameters(params, state, name)
        for unit in rng.integers(0, layer.size, 3):
            moved, gain = _flipped(program, layer, state[name], int(unit), etas)
            after = {**state, name: moved}
            change = program.energy(params, after) - program.energy(params, state)
            scale = max(1.0, *(abs(float(program.energy(params, x)[0])) for x in (state, after)))
            odds = max(odds, abs(float(change[0]) + gain) / scale)
            if derived.parts[name].colours is not None:
                colours = np.asarray(derived.parts[name].colours)
                same = np.flatnonzero(colours == colours[unit])
                new = program.natural_parameters(params, after, name)[0]
                gap = (new - etas[0]).reshape(layer.size, -1)[same]
                colour = max(colour, _largest(gap))
    yield Check("log odds at the model's own sizes", odds, 1e-12)
    if any(parts.colours is not None for parts in derived.parts.values()):
        yield Check("no field moves inside a colour", colour, 1e-12)


def _flipped(program: Program, layer: Layer, values: Array, unit: int, etas: tuple[Array, ...]) -> tuple[Array, float]:
    """A layer with one unit moved to another value, and the gain in sum_k eta_k T_k + log h."""
    domain = DOMAINS[layer.domain.name]
    moved = values.copy()
    flat = moved.reshape(1, layer.size, -1)
    before = flat[0, unit].copy()
    if domain.one_hot:
        flat[0, unit] = np.roll(before, 1)
    else:
        low, high = domain.points or domain.bounds(layer.domain.arguments)
        flat[0, unit] = low + high - before if np.isfinite(high) else before + 1.0
    return moved, _gain(program, layer, unit, etas, values, moved)


def _gain(program: Program, layer: Layer, unit: int, etas: tuple[Array, ...], old: Array, new: Array) -> float:
    """The gain in sum_k eta_k T_k + log h of one unit from one state to another."""
    family = program.derived.conditionals[layer.name].distribution
    before, after = (np.asarray(program.host(x)).reshape(layer.size, -1)[unit] for x in (old, new))
    gain = float((log_factorial(before) - log_factorial(after)).sum()) if family.factorial_base else 0.0
    if family.parameter_per_state and not family.one_hot:
        low, _ = DOMAINS[layer.domain.name].bounds(layer.domain.arguments)
        table = etas[0].reshape(layer.size, -1)[unit]
        return gain + float(table[int(after[0] - low)] - table[int(before[0] - low)])
    ends = (program.statistics(layer.name, program.device(x)) for x in (before, after))
    for eta, old, new in zip(etas, *ends, strict=True):
        gain += float(((program.host(new) - program.host(old)) * eta.reshape(layer.size, -1)[unit]).sum())
    return gain
