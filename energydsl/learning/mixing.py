"""What the metrics and the command line say of how chains mix: columns, lines and warnings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from energydsl.backends.interface import Array
from energydsl.learning.run import Row
from energydsl.mixing import Mixing, mixing

# Chains whose R-hat is above this have each seen fewer than about five states that differ in half of the draws.
MIXED = 1.1
# Columns of the metrics, by what they begin with.
RHAT, BULK, TAIL, TIME = "rhat_", "ess_bulk_", "ess_tail_", "autocorrelation_"
_NUMBER = re.compile(r"\.\d+$")


def columns(series: Mapping[str, Array], every: int = 1) -> Row:
    """The figures of series, (chains, draws) by name, under the names of the metrics; `every`: what a draw counts in times.

    Of series that differ by a number at the end, as random projections of a layer do, those of the one with the largest R-hat.
    """
    worst: dict[str, Mixing] = {}
    for name, draws in series.items():
        found, kind = mixing(draws), _NUMBER.sub("", name)
        if found is not None and (kind not in worst or found.rhat > worst[kind].rhat):
            worst[kind] = found
    row: Row = {}
    for kind, seen in worst.items():
        row |= {RHAT + kind: seen.rhat, BULK + kind: seen.bulk, TAIL + kind: seen.tail, TIME + kind: seen.time * every}
    return row


def by_series(row: Row) -> dict[str, Mixing]:
    """What a row of `columns` says of each series, by its name in a sentence; times in sweeps, or updates."""
    kinds = [name.removeprefix(RHAT) for name, rhat in row.items() if name.startswith(RHAT) and rhat is not None]
    return {spoken(kind): Mixing(*(row[what + kind] for what in (RHAT, BULK, TAIL, TIME))) for kind in kinds}


def described(row: Row) -> list[str]:
    """A line for each series of a row of `columns`."""
    return [
        f"{name}: split R-hat {seen.rhat:.3f}, effective sample size {seen.bulk:.0f} (tail {seen.tail:.0f}), "
        f"autocorrelation time {seen.time:.1f} sweeps"
        for name, seen in by_series(row).items()
    ]


def spoken(kind: str) -> str:
    """The name of a series in a sentence: "the energy", "the energy of `J`", "a projection of `v`"."""
    what, _, of = kind.partition("_")
    if what == "energy":
        return f"the energy of `{of}`" if of else "the energy"
    return f"a projection of `{of}`"


def unmixed(row: Row, span: str = "") -> str:
    """The sentence that chains have not mixed, by the largest R-hat of a row; empty where they have. span: over what."""
    known = {n.removeprefix(RHAT): v for n, v in row.items() if n.startswith(RHAT) and v is not None}
    worst = max(known, key=lambda n: (known[n], n == "energy"), default="")
    if not worst or not known[worst] > MIXED:
        return ""
    return f"split R-hat of {spoken(worst)} is {known[worst]:.3g}{span}: these chains have not mixed"


def last_unmixed(history: Sequence[Row]) -> tuple[str, ...]:
    """The sentence at the last report that tells, where the chains of a training have not mixed."""
    rows = (row for row in reversed(history) if any(n.startswith(RHAT) and v is not None for n, v in row.items()))
    last = next(rows, None)
    if last is None:
        return ()
    found = unmixed(last, f" over the last {last['mixing_updates']:,.0f} updates")
    return (found,) if found else ()
