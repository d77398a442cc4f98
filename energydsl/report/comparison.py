"""Variants of a model side by side: each trained under one budget, on the same rows, for the same seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from energydsl.diagnostics import ArgumentError, suggestion
from energydsl.inference.evaluate import Evaluation
from energydsl.learning.loop import Run
from energydsl.model.resolve import Overrides
from energydsl.syntax import tree

Grid = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Variant:
    """One file with one choice of dims and consts; `name` tells it from the others."""

    name: str
    file: str
    dims: dict[str, int]
    consts: dict[str, float]


def variants(texts: Mapping[str, tree.Module], dims: Grid, consts: Grid) -> list[Variant]:
    """Every file with every combination of the values that its dims and consts are to take.

    texts: parsed, by file. Raises `ArgumentError` where no file declares a name, or two variants would have one name.
    """
    for keyword, grid in (("dim", dims), ("const", consts)):
        known = {n for module in texts.values() for n in _declared(module, keyword)}
        for name in grid:
            if name not in known:
                raise ArgumentError(f"none of the files has a {keyword} `{name}`. {suggestion(name, known)}".strip())
    found = []
    for file, module in texts.items():
        grids = [
            {n: v for n, v in g.items() if n in _declared(module, k)} for k, g in (("dim", dims), ("const", consts))
        ]
        for sizes, numbers in itertools.product(*(_combinations(g) for g in grids)):
            varied = [
                (n, v)
                for g, chosen in zip(grids, (sizes, numbers), strict=True)
                for n, v in chosen.items()
                if len(g[n]) > 1
            ]
            name = " ".join([Path(file).stem, *(f"{n}={v:g}" for n, v in varied)])
            found.append(Variant(name, file, {n: int(v) for n, v in sizes.items()}, numbers))
    names = [v.name for v in found]
    for name in names:
        if names.count(name) > 1:
            raise ArgumentError(f"two variants would be called `{name}`; give their files different names")
    return found


def _declared(module: tree.Module, keyword: str) -> set[str]:
    """Names that a file declares by `dim` or `const`."""
    found = [s for s in module.statements if isinstance(s, tree.Declaration) and s.keyword == keyword]
    return {entry.name.id for s in found for entry in s.entries}


def _combinations(grid: Grid) -> list[dict[str, float]]:
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


def overrides(variant: Variant) -> Overrides:
    return Overrides(variant.dims, variant.consts, {}, Path(variant.file).parent)


@dataclass(frozen=True)
class Outcome:
    """What a variant reached: means over seeds.

    parameters: entries of all learned parameters. log_likelihood: mean of the held-out rows in nats (None: not to be
    had), a lower bound where `bound`. std: standard error of that mean, from the spread over seeds and from the estimates
    of log Z. error_rate: of the held-out labels, where the model has one layer of labels. effective: the smallest effective number of AIS chains, of `chains`, over the seeds.
    """

    name: str
    parameters: int
    seeds: int
    updates: int
    seconds: float
    updates_per_second: float
    reconstruction_error: float
    log_likelihood: float | None
    std: float | None
    bound: bool
    method: str
    effective: float | None
    chains: int | None
    error_rate: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def outcome(
    name: str,
    runs: Sequence[Run],
    evaluations: Sequence[Evaluation | None],
    errors: Sequence[float | None] = (),
) -> Outcome:
    """Sums up the runs of one variant, one a seed."""
    program = runs[0].program
    learned = [p for p in program.model.params.values() if "frozen" not in p.constraints]
    seconds = sum(r.seconds for r in runs)
    known = [e for e in evaluations if e is not None]
    complete = bool(known) and len(known) == len(runs)
    effective = [e.effective for e in known if e.effective is not None]
    return Outcome(
        name,
        sum(math.prod(p.shape) for p in learned),
        len(runs),
        runs[0].updates,
        seconds / len(runs),
        sum(r.updates for r in runs) / max(seconds, 1e-9),
        float(np.mean([r.history[-1]["reconstruction_error"] for r in runs])),
        float(np.mean([e.log_likelihood for e in known])) if complete else None,
        _standard_error(known) if complete else None,
        any(e.bound for e in known),
        known[0].method if complete else "",
        min(effective) if effective else None,
        known[0].chains if complete else None,
        float(np.mean([e for e in errors if e is not None])) if any(e is not None for e in errors) else None,
    )


def _standard_error(evaluations: Sequence[Evaluation]) -> float:
    """Of the mean over seeds: the spread over them, which holds the estimates' own errors too; one seed has only these."""
    count = len(evaluations)
    own = math.sqrt(sum(e.log_likelihood_std**2 for e in evaluations)) / count
    if count == 1:
        return own
    spread = float(np.std([e.log_likelihood for e in evaluations], ddof=1)) / math.sqrt(count)
    return max(own, spread)


def table(outcomes: Iterable[Outcome]) -> str:
    """The outcomes as text, the best log-likelihood first, those without one last."""
    ordered = sorted(
        outcomes, key=lambda o: (o.log_likelihood is None, -(o.log_likelihood or 0.0), o.reconstruction_error)
    )
    head = ("variant", "parameters", "updates/s", "seconds", "reconstruction", "held-out nats a row")
    labelled = any(o.error_rate is not None for o in ordered)
    rows: list[tuple[str, ...]] = [(*head, "labels wrong") if labelled else head]
    for o in ordered:
        value = "not to be had" if o.log_likelihood is None else f"{'>= ' if o.bound else ''}{o.log_likelihood:.3f}"
        error = "" if o.std is None else " (exact)" if o.std == 0.0 else f" +- {o.std:.2g}"
        doubt = " ?" if o.effective is not None and o.chains and o.effective < 0.2 * o.chains else ""
        rows.append(
            (
                o.name,
                f"{o.parameters}",
                f"{o.updates_per_second:.0f}",
                f"{o.seconds:.1f}",
                f"{o.reconstruction_error:.4f}",
                value + error + doubt,
                *(("" if o.error_rate is None else f"{100 * o.error_rate:.2f} %",) if labelled else ()),
            )
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(w) if k in (0, 5) else text.rjust(w) for k, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
