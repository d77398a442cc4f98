"""What is known of every figure of a run's reports: exact, a bound, or an estimate from samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from energydsl.options import Exactness
from energydsl.program import Engine

# What counts or says what another is, and what is itself an error.
_COUNTS, _ERROR = (
    ("epoch", "update", "seconds", "mixing_updates", "log_likelihood_bound", "rungs", "settled_in", "pace"),
    "_std",
)
_FREE = ("free_energy_train", "free_energy_validation")


def of_columns(engine: Engine, columns: Iterable[str]) -> dict[str, Exactness]:
    """By column of the metrics that is a figure, what is known of it, for the rows it is of.

    Free energies are exact where all latents are summed out, else bounds from above, by mean field or recognition, so that their
    gap is an estimate. A log-likelihood without sides is what its own evaluation says of it, an estimate at worst. All else comes
    from samples.
    """
    columns = [c for c in columns if c not in _COUNTS and not c.endswith(_ERROR)]
    closed = engine.core is engine and set(engine.model.by_role("hidden")) <= set(engine.derived.free_energy.summed_out)
    known: dict[str, Exactness] = dict.fromkeys(_FREE, "exact" if closed else "bound from above")
    known |= {"free_energy_gap": "exact" if closed else "estimate"}
    known |= {
        "log_likelihood_low": "bound from below",
        "log_likelihood_high": "bound from above",
    }
    if not engine.model.by_role("hidden"):
        known["reconstruction_error"] = "exact"
    return {c: known.get(c, "estimate") for c in columns}


def of_row(engine: Engine, row: Mapping[str, Any]) -> dict[str, Exactness]:
    """The same for the figures that a report has; of a log-likelihood `log_likelihood_bound` tells (see `Likelihood`)."""
    found = of_columns(engine, (c for c, value in row.items() if value is not None))
    if "log_likelihood" in found and row.get("log_likelihood_bound") is not None:
        sides, bound = "log_likelihood_low" in found, bool(row["log_likelihood_bound"])
        found["log_likelihood"] = "exact" if not bound else "estimate" if sides else "bound from below"
        if bound and sides:  # how much more log p~ is than its bound is not known
            found["log_likelihood_high"] = "estimate"
    return found
