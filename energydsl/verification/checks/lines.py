"""Densities along lines: log of the integral, mean and variance against quadrature of the oracle's exp(-beta E), and draws.

Draws from some uniform numbers are right where the oracle has as much mass between two of them as lies between the numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from energydsl.backends.interface import Array
from energydsl.program.lines import Scan
from energydsl.program.states import check_params, layer_arrays
from energydsl.verification.case import Listed
from energydsl.verification.records import Check
from energydsl.verification.rounding import largest, of_exponents

# States at which units are looked at, and the uniform numbers of draws.
_ROWS, _UNIFORM = 2, np.array([0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98])
# Places of the rule between two draws, cut at kinks.
_COUNT = 40


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
    many = {n: np.repeat(v, len(_UNIFORM), axis=0) for n, v in one.items()}
    p, s = check_params(engine, case.params), engine.settings(**case.scalars)
    places, log_weights = case.rules[name]
    worst = drawn = size = 0.0
    for unit, site in enumerate(np.ndindex(*layer.shape)):
        place: Any = (slice(None), *site)
        here = one[name][place]
        depth = case.along(name, unit, row, places)
        least = float(depth.min())  # taken away before anything is added up: energies may be large
        size = max(size, abs(least))
        logits = log_weights - (depth - least)
        total = np.logaddexp.reduce(logits) + (case.along(name, unit, row, here)[0] - least)
        q = np.exp(logits - np.logaddexp.reduce(logits))
        mean = q @ places
        variance = q @ (places - mean) ** 2
        along = Scan(engine, name, p, layer_arrays(engine, one), s).unit(site)
        found = [float(along.values(what)[0]) for what in ("beside_now", "mean", "variance")]
        for value, wanted in zip(found, (total, mean, variance), strict=True):
            worst = max(worst, _gap(value, wanted))
        y = Scan(engine, name, p, layer_arrays(engine, many), s).unit(site).values("draw", _UNIFORM)
        drawn = max(drawn, _gap_of_masses(case, name, unit, row, y, (least, float(np.logaddexp.reduce(logits)))))
    return worst / of_exponents(size), drawn


def _gap_of_masses(case: Listed, name: str, unit: int, row: int, y: Array, scale: tuple[float, float]) -> float:
    """How far the mass between draws is from what lies between their uniform numbers, where all is exp(sum - least)."""
    if not (np.isfinite(y).all() and (np.diff(y) > 0.0).all()):
        return np.inf
    nodes, weights = np.polynomial.legendre.leggauss(_COUNT)
    worst = 0.0
    for k, (low, high) in enumerate(itertools.pairwise(y)):
        ends = [low, *(c for c in sorted(case.kinks) if low < c < high), high]
        mass = 0.0
        for a, b in itertools.pairwise(ends):
            depth = case.along(name, unit, row, 0.5 * (a + b) + 0.5 * (b - a) * nodes)
            mass += 0.5 * (b - a) * float(weights @ np.exp(scale[0] - depth - scale[1]))
        worst = max(worst, abs(mass - (_UNIFORM[k + 1] - _UNIFORM[k])))
    return worst


def _gap(found: float, wanted: float) -> float:
    gap = abs(found - wanted) / max(1.0, abs(wanted))
    return gap if np.isfinite(gap) else np.inf
