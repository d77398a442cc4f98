"""Densities along lines: log of the integral, mean and variance against quadrature of the oracle's exp(-beta E), and draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from energydsl.program.lines import Scan
from energydsl.program.states import check_params, layer_arrays
from energydsl.verification.case import Listed
from energydsl.verification.checks.draws import uniform_rule
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest, of_exponents

# States at which units are looked at, and draws of a unit over the whole of the uniform numbers: every so many of their rule.
_ROWS, _STRIDE = 3, 8


def lines(case: Listed) -> Iterator[Check]:
    """Two checks a layer without another conditional, at some states."""
    for name, line in case.derived.lines.items():
        if line.refused:
            continue
        rows = case.generator(f"line of {name}").integers(0, case.rows, _ROWS)
        found = [_errors(case, name, int(row)) for row in rows]
        density, draws = (max(errors) for errors in zip(*found, strict=True))
        yield Check(f"density of {name} against quadrature", density, 1e-9)
        yield Check(f"draws of {name} follow its density", draws, 1e-6)
        yield Check(f"forms along the lines of {name} = forms made anew", _drift(case, name), 1e-11)


def _drift(case: Listed, name: str) -> float:
    """How far the terms of several units, by forms that ran along with a scan, are from those at the states where it ended."""
    engine, rng = case.engine, case.generator(f"scan of {name}")
    rows = rng.integers(0, case.rows, _ROWS)
    x = layer_arrays(engine, {n: v[rows].astype(float) for n, v in case.x.items()})
    p, s, every = check_params(engine, case.params), engine.settings(**case.scalars), np.arange(_ROWS)
    scan = Scan(engine, name, p, x, s)
    ended = scan.draw(rng.random((_ROWS, *case.model.layers[name].shape)))
    site = (0,) * len(case.model.layers[name].shape)
    place: Any = (slice(None), *site)
    here = ended[place]
    anew = Scan(engine, name, p, {**x, name: engine.device(ended)}, s)
    wanted = anew.unit(site).joint(here, every)
    return largest((scan.unit(site).joint(here, every) - wanted) / np.maximum(1.0, abs(wanted)))


def _errors(case: Listed, name: str, row: int) -> tuple[float, float]:
    """The largest errors of the integral and moments of any unit, each relative to its size from 1 on; and those of draws."""
    engine, layer = case.engine, case.model.layers[name]
    one = {n: v[row : row + 1].astype(float) for n, v in case.x.items()}
    uniform, weight = (a[::_STRIDE] for a in uniform_rule())
    many = {n: np.repeat(v, len(uniform), axis=0) for n, v in one.items()}
    p, s = check_params(engine, case.params), engine.settings(**case.scalars)
    places, log_weights = case.rules[name]
    worst = drawn = size = 0.0
    for unit, site in enumerate(np.ndindex(*layer.shape)):
        place: Any = (slice(None), *site)
        here = one[name][place]
        depth = case.along(name, unit, row, places)
        size = max(size, largest(depth[(log_weights - depth).argmax()]))
        logits = log_weights - depth
        total = np.logaddexp.reduce(logits) + case.along(name, unit, row, here)[0]
        q = np.exp(logits - np.logaddexp.reduce(logits))
        mean = q @ places
        variance = q @ (places - mean) ** 2
        along = Scan(engine, name, p, layer_arrays(engine, one), s).unit(site)
        found = [float(along.values(what)[0]) for what in ("beside_now", "mean", "variance")]
        for value, wanted in zip(found, (total, mean, variance), strict=True):
            worst = max(worst, _gap(value, wanted))
        y = Scan(engine, name, p, layer_arrays(engine, many), s).unit(site).values("draw", uniform)
        share = weight / weight.sum()
        centre = share @ y
        drawn = max(drawn, _gap(centre, mean), _gap(share @ (y - centre) ** 2, variance))
    return worst / of_exponents(size), drawn


def _gap(found: float, wanted: float) -> float:
    gap = abs(found - wanted) / max(1.0, abs(wanted))
    return gap if np.isfinite(gap) else np.inf
