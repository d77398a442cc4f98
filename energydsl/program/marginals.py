"""Energies with some layers summed out in closed form, for checked arguments of one undirected model.

sum over x_out of exp(-beta E) = exp(-beta E_rest) prod over layers of exp(A(eta))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from energydsl.backends.interface import Array, Arrays, Settings
from energydsl.domains import DOMAINS
from energydsl.energy.terms import BASE
from energydsl.program.engine import Engine


def total_energy(terms: Mapping[str, Array], s: Settings) -> Array:
    """E with the weights of its terms, (chains,), not times beta."""
    total: Any = sum((1.0 if label == BASE else s.weights[label]) * value for label, value in terms.items())
    return total  # type: ignore[no-any-return]


def exponent(terms: Mapping[str, Array], s: Settings) -> Array:
    """beta times the energy, the base measure once: -log of what a state weighs."""
    total: Any = sum((1.0 if label == BASE else s.beta * s.weights[label]) * v for label, v in terms.items())
    return total  # type: ignore[no-any-return]


def summed_out(
    engine: Engine, p: Arrays, x: Mapping[str, Array], s: Settings, out: tuple[str, ...], joint: tuple[str, ...] = ()
) -> Array:
    """-log sum over the layers `out` of exp(-beta E + external fields), (chains,); without what holds those of `joint`."""
    value = rest_energy(engine, p, x, s, out)
    for name, fields in s.external.items():
        if name not in out:
            moved = location_scale(engine, name, p, x, s)
            value = value - external_energy(engine, name, x[name], fields, moved)
    for name in (n for n in out if n not in joint):
        eta = engine.kernels.layers[name].fields(p, x, s, engine.workspace)
        value = value - summed_log_partition(engine, name, eta)
    return value


def rest_energy(
    engine: Engine, p: Arrays, x: Mapping[str, Array], s: Settings, out: tuple[str, ...], base_measure: bool = True
) -> Array:
    """beta times the energy of the terms free of the layers `out`, and the base measure, (chains,)."""
    terms = engine.kernels.energy(p, x, s, frozenset(out))
    return exponent({n: e for n, e in terms.items() if base_measure or n != BASE}, s)


def summed_log_partition(engine: Engine, layer: str, eta: Sequence[Array]) -> Array:
    """A(eta) added up over the units of a layer, (chains,)."""
    shape = (len(eta[0]), *engine.model.layers[layer].shape)
    each = engine.kernels.layers[layer].log_partition(*eta)
    return engine.xp.broadcast_to(each, shape).reshape(shape[0], -1).sum(axis=1)  # type: ignore[no-any-return]


def external_energy(
    engine: Engine, layer: str, values: Array, fields: tuple[Array, ...], moved: Sequence[Array] = ()
) -> Array:
    """sum_k fields_k . T_k(x) of a layer, (chains,); moved: location and scale of its units, where they have such."""
    flat = values.reshape(len(values), -1)
    total: Array = engine.xp.zeros(len(values))
    record = engine.model.layers[layer]
    if record.field_shape != record.energy_shape:
        low, _ = DOMAINS[record.domain.name].bounds(record.domain.arguments)
        wide = engine.xp.broadcast_to(engine.device(fields[0]), record.field_shape).reshape(record.size, -1)
        codes = (flat - low).astype(int)
        return wide[engine.xp.arange(record.size), codes].sum(axis=1)  # type: ignore[no-any-return]
    moved = [engine.xp.broadcast_to(m, values.shape).reshape(flat.shape) for m in moved]
    for statistic, eta in zip(statistics(engine, layer, flat, *moved), fields, strict=True):
        total = total + statistic @ engine.xp.broadcast_to(engine.device(eta), values.shape[1:]).reshape(-1)
    return total


def location_scale(engine: Engine, layer: str, p: Arrays, x: Mapping[str, Array], s: Settings) -> tuple[Array, ...]:
    """Location and scale of the units of a layer, (chains or 1, *layer); nothing where there are none."""
    density = engine.derived.families[layer].density
    if density is None or density.standard is None:
        return ()
    fields = engine.kernels.layers[layer].fields(p, x, s, engine.workspace)
    return tuple(fields[len(density.statistics) :])


def neutral(engine: Engine, layer: str) -> tuple[Array, ...]:
    """Location 0 and scale 1, where a layer has such."""
    density = engine.derived.families[layer].density
    standard = density.standard if density else None
    if standard is None:
        return ()
    shape = engine.model.layers[layer].shape
    return (*[engine.xp.zeros(shape)] * standard.location, *[engine.xp.ones(shape)] * standard.scale)


def statistics(engine: Engine, layer: str, values: Array, *moved: Array) -> list[Array]:
    """T_k(x) of units of a layer, in the order of its natural parameters; moved: location and scale, where there are such."""
    family, density = engine.derived.families[layer], engine.kernels.layers[layer].density
    if density is not None:
        return list(density.each(values, *moved))
    return [values if power == 1 else values**power for power in family.powers]
