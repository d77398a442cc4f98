"""The values of least energy of units that do not meet, given all others: the likeliest ones of their conditional."""

from __future__ import annotations

from typing import Any

import numpy as np

from energydsl.backends.interface import Array, Arrays
from energydsl.domains import DOMAINS
from energydsl.program.engine import CoreEngine


def closed(engine: CoreEngine, layer: str) -> bool:
    """Whether the likeliest value of a unit is known in closed form."""
    conditional = engine.derived.conditionals.get(layer)
    return conditional is not None and conditional.distribution.density is None


def likeliest(engine: CoreEngine, params: Arrays, x: Arrays, layer: str) -> Array:
    """Each unit at the value where sum_k eta_k T_k is largest, (rows, *layer)."""
    record, xp = engine.model.layers[layer], engine.xp
    domain, eta = DOMAINS[record.domain.name], engine.fields(params, x, layer, engine.settings())
    if not domain.finite:
        found: Any = engine.kernels.layers[layer].mode(*eta)
        return xp.broadcast_to(found, (len(eta[0]), *record.energy_shape))  # type: ignore[no-any-return]
    if domain.one_hot:
        best: Any = eta[0].argmax(axis=-1)
        return (best[..., None] == xp.arange(record.energy_shape[-1])).astype(engine.dtype)  # type: ignore[no-any-return]
    assert domain.values is not None
    values = xp.asarray(np.asarray(domain.values(record.domain.arguments), float))
    if record.field_shape != record.shape:
        log: Any = eta[0]
    else:
        powers = engine.derived.conditionals[layer].distribution.powers
        log = sum(e[..., None] * values**k for e, k in zip(eta, powers, strict=True))
    return values[log.argmax(axis=-1)].astype(engine.dtype)  # type: ignore[no-any-return]
