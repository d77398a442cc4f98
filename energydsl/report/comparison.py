"""Variants of a model side by side: each trained under one budget, on the same rows, for the same seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import ArgumentError, suggestion
from energydsl.model.resolve import Overrides
from energydsl.options import Exactness
from energydsl.syntax import tree
from energydsl.weighted import standard_error

Array = NDArray[np.float64]
Grid = Mapping[str, Sequence[float]]
# Columns of the table that are words, not numbers.
_TEXTS = (5, 6, 7, 8)


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
    """The sizes and constants of a variant."""
    return Overrides(variant.dims, variant.consts, {}, Path(variant.file).parent)


class Estimate(Protocol):
    """A mean log-likelihood of rows in nats, as `evaluate` gives it.

    log_likelihood_std: of the estimate for just these rows; rows_std: over rows as draws from a larger population. bound:
    whether it is a lower bound. effective: effective number of `chains` of AIS. rows: the log-likelihood of each row, and
    weights how much it counts.
    log_likelihood_low, log_likelihood_high: between which it lies by what is known of log Z, None for a side that is not known;
    agree: whether both sides agree, None where there are not two of them.
    """

    @property
    def method(self) -> str:
        """How it was found."""

    @property
    def log_likelihood(self) -> float:
        """The mean over rows, in nats."""

    @property
    def log_likelihood_std(self) -> float:
        """Its error from log Z and from draws, in nats."""

    @property
    def rows_std(self) -> float | None:
        """Its standard error over the rows, in nats."""

    @property
    def bound(self) -> bool:
        """Whether it is but a bound from below."""

    @property
    def effective(self) -> float | None:
        """The effective number of annealed chains."""

    @property
    def chains(self) -> int | None:
        """How many chains were annealed."""

    @property
    def rows(self) -> Array | None:
        """log p of each row, in nats."""

    @property
    def log_likelihood_low(self) -> float | None:
        """The side that can be trusted, in nats."""

    @property
    def log_likelihood_high(self) -> float | None:
        """The other side, in nats."""

    @property
    def agree(self) -> bool | None:
        """Whether both sides agree."""

    @property
    def exactness(self) -> Exactness:
        """What is known of the mean."""

    @property
    def weights(self) -> Array | None:
        """How much each row counts; None where all count alike."""


@dataclass(frozen=True)
class Trained:
    """What one run took and reached. parameters: entries of all learned parameters."""

    parameters: int
    updates: int
    seconds: float
    reconstruction_error: float


@dataclass(frozen=True)
class Difference:
    """By how many nats a row one likelihood is above another, the same rows paired.

    shown: by more than two errors, and not by less than what is left open between the sides of log Z; overlap: whether it is that.
    """

    value: float
    std: float
    shown: bool
    overlap: bool = False

    def __str__(self) -> str:
        if self.shown:
            return f"{self.value:+.3f} +- {self.std:.2g}"
        return "no difference shown" + (": bars overlap" if self.overlap else "")


def difference(mine: Sequence[Estimate], other: Sequence[Estimate]) -> Difference:
    """Of the means over seeds. A lower bound is never shown to be below another, as it may be above."""
    pairs = list(zip(mine, other, strict=True))
    gaps = [a.log_likelihood - b.log_likelihood for a, b in pairs]
    # The rows are the same for all seeds, or drawn from one population: seeds do not average their error out.
    rows = float(np.sqrt(np.mean([_paired_variance(a, b) for a, b in pairs])))
    estimates = [math.hypot(a.log_likelihood_std, b.log_likelihood_std) for a, b in pairs]
    value, std = float(np.mean(gaps)), math.hypot(rows, _standard_error(gaps, estimates))
    below, above = (mine, other) if value < 0 else (other, mine)
    told = abs(value) > 2.0 * std and not any(e.bound for e in below)
    overlap = told and abs(value) < _open(below, "high") + _open(above, "low")
    return Difference(value, std, told and not overlap, overlap)


def _open(estimates: Sequence[Estimate], side: Literal["low", "high"]) -> float:
    """How far the sides of log Z leave open that the mean over seeds is higher, or lower, in nats."""
    ends = [e.log_likelihood_high if side == "high" else e.log_likelihood_low for e in estimates]
    gaps = [0.0 if end is None else abs(end - e.log_likelihood) for end, e in zip(ends, estimates, strict=True)]
    return float(np.mean(gaps))


def _paired_variance(a: Estimate, b: Estimate) -> float:
    """Of the mean difference over rows."""
    if a.rows is None or b.rows is None or len(a.rows) != len(b.rows):
        return (a.rows_std or 0.0) ** 2 + (b.rows_std or 0.0) ** 2
    return (standard_error(a.rows - b.rows, a.weights) or 0.0) ** 2


@dataclass(frozen=True)
class Outcome:
    """What a variant reached: means over seeds.

    parameters: entries of all learned parameters. log_likelihood: mean of the held-out rows in nats (None: not to be
    had), a lower bound where `bound`. std: standard error of that mean, from the spread over seeds and from the estimates
    of log Z; rows_std: over the rows. error_rate: of the held-out labels, where the model has one layer of labels.
    effective: the smallest effective number of AIS chains, of `chains`, over the seeds.
    low, high: the sides of log Z, means over seeds, None where one is not known; agree: whether they agree for every seed, None
    where there are not two. exactness: what is known of log_likelihood. Variants are ranked by the side that can be trusted, `low`, where it is known.
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
    rows_std: float | None = None
    independent: float | None = None
    behind: Difference | None = None
    gain: Difference | None = None
    low: float | None = None
    high: float | None = None
    agree: bool | None = None
    exactness: Exactness | None = None

    @property
    def trusted(self) -> float | None:
        """What it is ranked by, in nats."""
        return self.log_likelihood if self.low is None else self.low

    def as_dict(self) -> dict[str, Any]:
        """Flat, as a row of a table."""
        found = {n: v for n, v in asdict(self).items() if n not in ("behind", "gain")}
        for name, gap in (("behind", self.behind), ("gain", self.gain)):
            for key in ("value", "std", "shown"):
                found[name if key == "value" else f"{name}_{key}"] = None if gap is None else getattr(gap, key)
        return found


def outcome(
    name: str,
    runs: Sequence[Trained],
    evaluations: Sequence[Estimate | None],
    errors: Sequence[float | None] = (),
) -> Outcome:
    """Sums up the runs of one variant, one a seed."""
    seconds = sum(r.seconds for r in runs)
    known = _known(evaluations)
    complete = bool(known) and len(known) == len(runs)
    effective = [e.effective for e in known if e.effective is not None]
    return Outcome(
        name,
        runs[0].parameters,
        len(runs),
        runs[0].updates,
        seconds / len(runs),
        sum(r.updates for r in runs) / max(seconds, 1e-9),
        float(np.mean([r.reconstruction_error for r in runs])),
        float(np.mean([e.log_likelihood for e in known])) if complete else None,
        _standard_error([e.log_likelihood for e in known], [e.log_likelihood_std for e in known]) if complete else None,
        any(e.bound for e in known),
        known[0].method if complete else "",
        min(effective) if effective else None,
        known[0].chains if complete else None,
        float(np.mean([e for e in errors if e is not None])) if any(e is not None for e in errors) else None,
        _rows_std(known) if complete else None,
        low=_mean_side([e.log_likelihood_low for e in known]) if complete else None,
        high=_mean_side([e.log_likelihood_high for e in known]) if complete else None,
        agree=_all_agree([e.agree for e in known]),
        exactness=_of_all([e.exactness for e in known]) if complete else None,
    )


def _of_all(known: Sequence[Exactness]) -> Exactness:
    """What is known of a mean: what is known of all of its parts, an exact one being any bound too; else it is an estimate."""
    kinds = {*known} - {"exact"}
    return "exact" if not kinds else kinds.pop() if len(kinds) == 1 else "estimate"


def _mean_side(ends: Sequence[float | None]) -> float | None:
    values = [end for end in ends if end is not None]
    return float(np.mean(values)) if len(values) == len(ends) else None


def _all_agree(found: Sequence[bool | None]) -> bool | None:
    known = [agree for agree in found if agree is not None]
    return all(known) if known else None


def ranked(
    outcomes: Iterable[Outcome],
    evaluations: Mapping[str, Sequence[Estimate | None]],
    baselines: Mapping[str, Sequence[Estimate | None]],
) -> list[Outcome]:
    """The best likelihood first, those without one last; each against the best and against independent units."""
    ordered = _by_likelihood(outcomes)
    found: list[Outcome] = []
    for o in ordered:
        mine, least, best = (_known(e) for e in (evaluations[o.name], baselines[o.name], evaluations[ordered[0].name]))
        if least:
            o = replace(o, independent=float(np.mean([e.log_likelihood for e in least])))
        if o.log_likelihood is not None:
            o = replace(o, gain=difference(mine, least), behind=difference(mine, best) if found else None)
        found.append(o)
    return found


def _known(evaluations: Sequence[Estimate | None]) -> list[Estimate]:
    return [e for e in evaluations if e is not None]


def base_outcome(name: str, evaluations: Sequence[Estimate | None]) -> dict[str, Any]:
    """Independent units at base rates, as a row of the table."""
    evaluations = _known(evaluations)
    values = [e.log_likelihood for e in evaluations]
    return {
        "name": name,
        "log_likelihood": float(np.mean(values)),
        "std": _standard_error(values, [0.0] * len(values)),
        "rows_std": _rows_std(evaluations),
        "method": "exact",
        "exactness": "exact",
    }


def _rows_std(evaluations: Sequence[Estimate]) -> float | None:
    found = [e.rows_std for e in evaluations if e.rows_std is not None]
    return float(np.sqrt(np.mean(np.square(found)))) if found else None


def _standard_error(values: Sequence[float], errors: Sequence[float]) -> float:
    """Of the mean over seeds: the spread over them, which holds the estimates' own errors too; one seed has only these."""
    count = len(values)
    own = math.sqrt(sum(e**2 for e in errors)) / count
    if count == 1:
        return own
    return max(own, float(np.std(values, ddof=1)) / math.sqrt(count))


def _by_likelihood(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return sorted(outcomes, key=lambda o: (o.trusted is None, -(o.trusted or 0.0), o.reconstruction_error))


def table(outcomes: Iterable[Outcome], bases: Sequence[Mapping[str, Any]] = ()) -> str:
    """The outcomes as text, the best log-likelihood first, those without one last, and independent units below them."""
    outcomes = _by_likelihood(outcomes)
    labelled = any(o.error_rate is not None for o in outcomes)
    gains = any(o.gain is not None for o in outcomes)
    head = ("variant", "parameters", "updates/s", "seconds", "reconstruction", "held-out nats a row", "over the rows")
    rows = [(*head, *("against the best", "against independent units")[: 2 * gains], *("labels wrong",)[:labelled])]
    for k, o in enumerate(outcomes):
        doubt = _doubt(o)
        rows.append(
            (
                o.name,
                f"{o.parameters}",
                f"{o.updates_per_second:.0f}",
                f"{o.seconds:.1f}",
                f"{o.reconstruction_error:.4f}",
                _nats(o.log_likelihood, o.std, o.method, o.bound) + doubt,
                _plus_minus(o.rows_std),
                *(("best" if not k else str(o.behind or ""), str(o.gain or "")) if gains else ()),
                *(("" if o.error_rate is None else f"{100 * o.error_rate:.2f} %",) if labelled else ()),
            )
        )
    for base in bases:
        value = _nats(base["log_likelihood"], base["std"], "exact", False)
        line = (base["name"], "", "", "", "", value, _plus_minus(base["rows_std"]))
        rows.append(line + ("",) * (len(rows[0]) - len(line)))
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            text.ljust(w) if k in (0, *_TEXTS) else text.rjust(w)
            for k, (text, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _doubt(outcome: Outcome) -> str:
    """The bar between both sides; a question mark where they disagree, or where few chains carry the one there is."""
    if outcome.agree is not None and outcome.low is not None and outcome.high is not None:
        return f" [{outcome.low:.2f}, {outcome.high:.2f}]" + ("" if outcome.agree else " ?")
    few = outcome.effective is not None and outcome.chains and outcome.effective < 0.2 * outcome.chains
    return " ?" if few else ""


def _nats(value: float | None, std: float | None, method: str, bound: bool) -> str:
    if value is None:
        return "not to be had"
    error = "" if std is None else " (exact)" if std == 0.0 and method == "exact" else f" +- {std:.2g}"
    return f"{'>= ' if bound else ''}{value:.3f}{error}"


def _plus_minus(error: float | None) -> str:
    return "" if error is None else f"+- {error:.2g}"
