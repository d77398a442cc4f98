"""A log-likelihood: kept with its run, and told in one line."""

from __future__ import annotations

from typing import Any

import click


def keep(run: Any, found: dict[str, Any], rows: Any, **settings: Any) -> None:
    """Keep an evaluation in the run's folder, where `info` finds it; a remark where that fails."""
    from energydsl.learning.evaluations import keep_evaluation

    if why := keep_evaluation(run, found, rows, {**settings, "binarise": rows.binarise}):
        click.echo(f"this evaluation is not kept with the run: {why}", err=True)


def describe(result: dict[str, Any], what: str) -> str:
    """A log-likelihood in one line, every error of it by its name."""
    sign, exact = (">= ", "") if result["bound"] else ("", " (exact)" if result["method"] == "exact" else "")
    estimated = result["effective"] is not None
    errors = [
        f", +- {error:.2g} {name}"
        for error, name, known in (
            (result["rows_std"], "over the rows", result["rows_std"] is not None),
            (result["log_z_std"], "of log Z (sampling error)", estimated),
            (result["bound_std"], "over draws of recognition", result["bound_std"] > 0),
        )
        if known
    ]
    alike = "" if result["rows_effective"] is None else f" (as sure as {result['rows_effective']:.1f} of equal weight)"
    text = f"log-likelihood of {result['n']} {what} rows{alike}: {sign}{result['log_likelihood']:.3f} nats a row{exact}"
    text += "".join(errors)
    if estimated:
        text += f"  ({result['method']}, {result['effective']:.0f} effective chains, log Z {result['log_z']:.2f})"
    elif result["bound"]:
        text += f"  (a bound from below; log Z {result['log_z']:.2f} by enumeration)"
    if result.get("parameters") == "average":
        text += "\nof the average of the parameters over updates; eval --last has that of the last ones"
    if result["settled"] is not None:
        text += f"\nmean field settled on {100 * result['settled']:.2f} % of the rows"
    if estimated and result["effective"] < 0.2 * result["chains"]:
        text += "\nfew chains carry this estimate, so it may be too high; for a more precise estimate (slower) use more --betas"
    return text
