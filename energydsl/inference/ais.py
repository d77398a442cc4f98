"""Annealed importance sampling (Neal 2001; Salakhutdinov & Murray 2008).

Chains go from independent units with the data's base rates (t = 0, Z known) to the model (t = 1) over
    E_t = (1 - t) E_base + t beta E,
which the kernels run as they are: beta scales the fields, the base enters as external fields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.derive.free_energy import summable_sets
from energydsl.learning import defaults
from energydsl.program import Arrays, Program
from energydsl.random import Rng, stream

Array = NDArray[Any]
Base = Mapping[str, tuple[Array, ...]]


@dataclass(frozen=True)
class LogPartition:
    """log_z and its standard error; effective: the effective number of chains."""

    log_z: float
    log_z_std: float
    effective: float
    chains: int


def ais(
    program: Program,
    params: Mapping[str, Any],
    base: Base,
    betas: int = defaults.TEMPERATURES,
    chains: int = defaults.ANNEALED_CHAINS,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    **scalars: Any,
) -> LogPartition:
    """An estimate of log Z from `betas` temperatures and `chains` chains.

    base: natural parameters of the base distribution by layer; layers without any start neutral. The standard error
    follows from the log weights by the delta method; that of log Z is the relative error of the mean weight.
    """
    p = program.check_params(params)
    path = _Path(program, p, base, scalars)
    rng = Rng(stream(seed, "annealing"))
    x = path.start(chains, rng)
    log_weights = program.xp.zeros(chains)
    times = np.linspace(0.0, 1.0, betas + 1).tolist()
    with program.held():
        for step in range(1, len(times)):
            log_weights += path.step(x, times[step - 1], times[step], rng, step == betas)
            if progress is not None and step % 50 == 0:
                progress(step / betas)
    return _summary(program.host(log_weights), path.log_z_base())


def _summary(log_weights: Array, log_z_base: float) -> LogPartition:
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    mean = weights.mean()
    count = len(weights)
    spread = float(weights.std(ddof=1) / mean / np.sqrt(count)) if count > 1 else float("nan")
    effective = float(weights.sum() ** 2 / np.square(weights).sum())
    return LogPartition(float(np.log(mean) + top + log_z_base), spread, effective, count)


class _Path:
    """The family of distributions between base and model."""

    def __init__(self, program: Program, params: Arrays, base: Base, scalars: Mapping[str, Any]):
        self.program, self.params = program, params
        self.scalars = {"beta": 1.0, **scalars}
        model = program.model
        self.base = {n: tuple(program.device(b) for b in base.get(n) or self._neutral(n)) for n in model.units()}
        sets = summable_sets(model, program.derived.energy, list(model.units()))
        self.out = max(sets, key=lambda s: sum(model.layers[n].size for n in s))
        self.based = [n for n in self.base if n not in self.out]
        self.parts = program.parts()
        # The layers summed out are drawn first, so that their fields serve twice.
        if all(n in self.parts for n in self.out) and program.sparse is None:
            self.parts = [*self.out, *(part for part in self.parts if part not in self.out)]
            self.first = self.out
        else:
            self.first = ()
        self.plain = program.settings(**{**self.scalars, "beta": 1.0})
        self.tempered = program.settings(**self.scalars)

    def _neutral(self, name: str) -> tuple[Array, ...]:
        return self.program.base_rate(name, None)

    def settings(self, t: float) -> Any:
        external = {n: tuple((1.0 - t) * b for b in fields) for n, fields in self.base.items()}
        if t == 1.0:
            external = {}
        scalars = {**self.scalars, "beta": t * self.scalars["beta"]}
        return self.program.settings(**scalars, external=external)

    def start(self, chains: int, rng: Rng) -> Arrays:
        """Exact samples of the base."""
        x = self.program.init_state({}, chains, 0)
        self.program.sweep(self.params, x, self.settings(0.0), rng, self.parts)
        return x

    def step(self, x: Arrays, before: float, after: float, rng: Rng, last: bool) -> Array:
        """log p*_after(x) - log p*_before(x), then a sweep at `after`, but for the last.

        As many layers are summed out as can be; their fields are found once, for both temperatures and for their draw.
        """
        program, kernels = self.program, self.program.kernels
        beta = self.scalars["beta"]
        rest = program.marginal_rest(self.params, x, self.tempered, self.out, weighed=False)
        start = sum((program.external_energy(n, x[n], self.base[n]) for n in self.based), program.xp.zeros(len(rest)))
        gain = (before - after) * (start + rest.astype(np.float64))
        fields, targets = {}, {}
        for name in self.out:
            etas, same = getattr(kernels, f"apart__{name}")(self.params, x, self.plain, program.workspace)
            base = self.base[name]
            start_at, target = (
                (t * beta, [t * beta * e + (1.0 - t) * b for e, b in zip(same, base, strict=True)])
                for t in (before, after)
            )
            gain += getattr(kernels, f"gain__{name}")(etas, start_at, target)
            fields[name], targets[name] = etas, target
        if last:
            return gain
        if not self.first:
            program.sweep(self.params, x, self.settings(after), rng, self.parts)
            return gain
        rng.next()  # type: ignore[no-untyped-call]
        for name in self.first:
            getattr(kernels, f"draw_moved__{name}")(fields[name], targets[name], rng, x[name], program.workspace)
        settings = self.settings(after)
        for part in self.parts[len(self.first) :]:
            kernels.update(part, self.params, x, settings, rng, program.workspace)
        return gain

    def log_z_base(self) -> float:
        total = 0.0
        for name, fields in self.base.items():
            layer = self.program.model.layers[name]
            log_partition = getattr(self.program.kernels, f"log_partition__{name}")
            wide = tuple(f.astype(np.float64)[None] for f in fields)
            shape = (1, *layer.shape)
            total += float(np.broadcast_to(self.program.host(log_partition(*wide)), shape).sum())
        return total
