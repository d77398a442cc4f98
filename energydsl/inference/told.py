"""A log-likelihood, told so that a person can trust it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a figure is that has one side alone.
_ONE_SIDED = {
    "ais": "annealing alone",
    "reverse-ais": "reverse annealing alone",
    "raise": "annealing back from each row; a bound from below in the mean over rows of the model itself",
}


def describe(result: Mapping[str, Any], what: str = "", dashes: str = "--") -> str:
    """A log-likelihood in one line, what is known of it and every error of it by its name; below, what speaks against it.

    result: as `Evaluation.as_dict` has it. what: the name of the rows. dashes: what stands before the names of options.
    """
    sign, estimated = ">= " if result["bound"] else "", result["effective"] is not None
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
    text = f"log-likelihood of {result['n']} {what + ' ' if what else ''}rows{alike}: {sign}{result['log_likelihood']:.3f} nats a row"
    text += _known(result) + "".join(errors)
    if estimated:
        text += f"  ({result['method']}, {result['effective']:.0f} effective chains, log Z {result['log_z']:.2f})"
        if ladder := result.get("ladder"):
            text += (
                f"\n{ladder['rungs']:.0f} rungs of {result['chains']:,} draws, at least {ladder['exchanged']:.0%} of exchanges accepted between "
                f"neighbours; renewed from independent units in {ladder['turns']:,.0f} turns"
            )
    elif result["bound"]:
        text += f"  (a bound from below; log Z {result['log_z']:.2f} by enumeration)"
    if result.get("parameters") == "average":
        text += "\nof the average of the parameters over updates; eval --last has that of the last ones"
    if result["settled"] is not None:
        text += f"\nmean field settled on {100 * result['settled']:.2f} % of the rows"
    agree = result.get("agree")
    if agree is False:
        text += f"\ndo not quote this: {_disagreement(result)}. More {dashes}{'chains' if result['method'] == 'tempering' else 'betas'} narrow the gap, if no mode of the model was missed"
    text += "".join(f"\n{doubt}" for doubt in result.get("doubts", ()))
    if agree is None and estimated and result["effective"] < 0.2 * result["chains"]:
        side = "high" if result["method"] == "ais" else "low"
        text += f"\nfew chains carry this estimate, so it may be too {side}; for a more precise estimate (slower) use more {dashes}betas"
    return text


def _known(result: Mapping[str, Any]) -> str:
    """What is known of the figure: exact, between two bounds, or one of them."""
    if result["method"] == "exact":
        return " (exact)"
    agree = result.get("agree")
    if agree is not None:
        low, high = result["log_likelihood_low"], result["log_likelihood_high"]
        return f" (between {low:.3f} and {high:.3f}; {'both sides agree' if agree else 'the sides do not agree'})"
    if result["method"] in _ONE_SIDED:
        known = result.get("exactness", "estimate")
        return f" ({known if not result['bound'] else 'one side'}: {_ONE_SIDED[result['method']]})"
    return ""


def _disagreement(result: Mapping[str, Any]) -> str:
    """Why two sides are not believed."""
    if abs(result["gap"]) < 1.0:
        return "the samples from which one side begins are in doubt"
    return f"the two sides differ by {abs(result['gap']):.1f} nats"
