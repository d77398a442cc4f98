"""The conditionals that the kernels draw from, at every listed state."""

from __future__ import annotations

import numpy as np

from energydsl.backends.interface import Array
from energydsl.domains import DOMAINS
from energydsl.program.marginals import statistics
from energydsl.program.states import check_params, layer_arrays
from energydsl.verification.case import Listed
from energydsl.verification.oracle import log_factorial


def sampler_fields(case: Listed, name: str) -> tuple[Array, ...]:
    """Natural parameters as the sampler sees them: of the whole layer, or of one unit at a time; each (rows, *layer)."""
    layer = case.model.layers[name]
    if case.derived.parts[name].kind != "scan":
        return case.natural_parameters(case.x, name)
    engine, s = case.engine, case.engine.settings(**case.scalars)
    p, x = check_params(engine, case.params), layer_arrays(engine, case.x)
    etas = []
    for unit in engine.kernels.layers[name].unit_fields:
        columns = [case.host(unit(p, x, s, engine.workspace, *at)) for at in np.ndindex(*layer.shape)]
        etas.append(np.stack(columns, axis=1).reshape(case.rows, *layer.field_shape))
    return tuple(etas)


def log_conditionals(case: Listed, name: str) -> Array:
    """log p(unit = its k-th value | rest), up to a constant; shape (rows, units, values)."""
    layer = case.model.layers[name]
    family = case.derived.conditionals[name].distribution
    eta, values = sampler_fields(case, name), case.values[name]
    if family.parameter_per_state:
        logits = eta[0].reshape(case.rows, layer.size, -1)
    else:
        flat = [e.reshape(case.rows, layer.size, 1) for e in eta]
        count = len(family.density.statistics) if family.density else len(flat)
        moved = [case.engine.device(m) for m in flat[count:]]
        found = [case.host(t) for t in statistics(case.engine, name, case.engine.device(values), *moved)]
        logits = np.asarray(sum(e * t for e, t in zip(flat[:count], found, strict=True)))
    return np.asarray(logits - log_factorial(values) if family.factorial_base else logits)


def normalised(case: Listed, name: str) -> Array:
    """log p(unit = value | rest): by the domain's A for finite units, over the listed values for infinite ones."""
    logits, layer = log_conditionals(case, name), case.model.layers[name]
    if not DOMAINS[layer.domain.name].finite:
        return np.asarray(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))
    eta = [case.engine.device(e) for e in sampler_fields(case, name)]
    log_partition = case.host(case.engine.kernels.layers[name].log_partition(*eta))
    return np.asarray(logits - log_partition.reshape(case.rows, layer.size, 1))
