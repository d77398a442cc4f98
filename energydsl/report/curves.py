"""Curves of training over updates and seconds: of one run, and of the variants of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from energydsl.report import figures
from energydsl.report.comparison import Outcome

# One row a report of a run, as in metrics.csv.
History = Sequence[Mapping[str, Any]]


# Panels in a row; what chains show, by the columns that a panel has.
_PANELS = 4
_CHAINS: Mapping[str, tuple[str, ...]] = {
    "split R-hat of the chains": ("rhat_",),
    "effective sample size": ("ess_bulk_", "ess_tail_"),
    "data against chains": ("moment_gap_", "covariance_gap_"),
    "share of latents": ("varying_", "saturated_"),
}
_JUDGED = ("log_likelihood", "log_likelihood_low", "log_likelihood_high")
_TITLED = ("log_likelihood_", "free_energy_", "gradient_", "rhat_", "ess_")


def _columns(history: History, starts: tuple[str, ...]) -> list[str]:
    """The columns of any report that begin so."""
    return list(dict.fromkeys(k for row in history for k in row if k.startswith(starts)))


def _short(name: str) -> str:
    """A column under the title of its panel."""
    for title in _TITLED:
        name = name.removeprefix(title)
    return name.replace("_", " ")


def curves(path: Path, history: History, labels: Mapping[str, str] | None = None) -> Path:
    """The curves of a run in a file; its path. Raises `EnergyError`."""
    figures.save(curve_figure(history, labels), path, dpi=100)
    return path


def curve_figure(history: History, labels: Mapping[str, str] | None = None) -> Any:
    """The log-likelihood where it was judged, then reconstruction error, free energies, gradient norms, and what chains show, over updates.

    labels: what is known of a column; of those that are exact or bounds the legend says so, and a line below that others are estimates.
    """
    updates = [row["update"] for row in history]
    judged = [n for n in _JUDGED if any(row.get(n) is not None for row in history)]
    groups = ({"log-likelihood, nats a row": judged} if judged else {}) | {
        "reconstruction error": ["reconstruction_error"],
        "free energy": ["free_energy_train", "free_energy_validation"],
        "gradient norms": [k for k in history[-1] if k.startswith("gradient_")],
    }
    groups |= {title: found for title, starts in _CHAINS.items() if (found := _columns(history, starts))}
    rows = -(-len(groups) // _PANELS)
    figure = figures.figure(4 * min(len(groups), _PANELS), 3.5 * rows)
    panels = list(figure.subplots(rows, min(len(groups), _PANELS), squeeze=False).flat)
    for axes in panels[len(groups) :]:
        axes.axis("off")
    for axes, (title, names) in zip(panels, groups.items(), strict=False):
        palette = figures.colours("tab20" if len(names) > 10 else "tab10")
        for number, name in enumerate(names):
            points = [(u, row.get(name)) for u, row in zip(updates, history, strict=True)]
            known = [(u, v) for u, v in points if v is not None and math.isfinite(v)]
            if known:
                marker = "." if 2 * len(known) < len(points) else None
                axes.plot(
                    *zip(*known, strict=True),
                    label=_short(name) + _known(name, labels or {}),
                    color=palette(number % 20),
                    marker=marker,
                )
        axes.set_title(title)
        axes.set_xlabel("update")
        if not axes.lines:
            continue
        if len(names) > 5:  # beside its panel
            axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        elif len(names) > 1 or _known(names[0], labels or {}):
            axes.legend()
        positive = any(row.get(n) for row in history for n in names)
        if title == "gradient norms" and positive:  # a logarithmic axis has no place for zeros alone
            axes.set_yscale("log")
    if labels:
        figure.supxlabel("what the legend does not call exact or a bound is an estimate from samples", fontsize=8)
    return figure


def _known(name: str, labels: Mapping[str, str]) -> str:
    """What the legend says of a column that is no estimate."""
    label = labels.get(name, "estimate")
    return "" if label == "estimate" else f" ({label})"


def spread(energies: Mapping[str, Any]) -> Any:
    """A histogram of each energy of samples, (chains, draws)."""
    figure = figures.figure(4 * len(energies), 3.5)
    for axes, (name, values) in zip(
        figure.subplots(1, len(energies), squeeze=False).flat, energies.items(), strict=True
    ):
        axes.hist(values.reshape(-1), bins=30)
        axes.set_title(figures.literal(name.replace("_", " ")))
        axes.set_ylabel("draws")
    return figure


def overlaid(path: Path, outcomes: Sequence[Outcome], histories: Mapping[str, Sequence[History]]) -> Path:
    """What the table ranks by, the best on top; then every variant over updates and seconds, a thin line a seed.

    The curves are log-likelihoods where they were judged on the way, else reconstruction errors.
    """
    key, title = "reconstruction_error", "reconstruction error, held-out rows"
    if all(sum(row.get("log_likelihood") is not None for row in h) > 1 for runs in histories.values() for h in runs):
        key, title = "log_likelihood", "log-likelihood, nats a row"
    figure = figures.figure(14, 0.35 * len(outcomes) + 3.4)
    ranked, left, right = figure.subplots(1, 3)
    palette = figures.colours("tab10")
    colour = {name: palette(number % 10) for number, name in enumerate(histories)}
    _ranking(ranked, outcomes, colour)
    for name, runs in histories.items():
        for seed, history in enumerate(runs):
            known = [row for row in history if row.get(key) is not None]
            for axes, over in ((left, "update"), (right, "seconds")):
                label = figures.literal(name) if seed == 0 else None
                x, y = [row[over] for row in known], [row[key] for row in known]
                axes.plot(x, y, color=colour[name], label=label, linewidth=1)
    for axes, what in ((left, "update"), (right, "seconds")):
        axes.set_xlabel(what)
        axes.set_title(title, fontsize=10)
    right.legend(fontsize=8)
    figures.save(figure, path, dpi=100)
    return path


def _ranking(axes: Any, outcomes: Sequence[Outcome], colour: Mapping[str, Any]) -> None:
    """Held-out log-likelihoods with their errors, the best on top; thin and grey: the error over the rows, which all share."""
    known = sorted((o for o in outcomes if o.log_likelihood is not None), key=lambda o: o.log_likelihood or 0.0)
    for place, o in enumerate(known):
        axes.errorbar(o.log_likelihood, place, xerr=o.rows_std, fmt="none", capsize=2, color="lightgrey", linewidth=1)
        axes.errorbar(o.log_likelihood, place, xerr=o.std, fmt="o", capsize=4, color=colour[o.name])
    bounds = " (a lower bound where >=)" if any(o.bound for o in known) else ""
    axes.ticklabel_format(axis="x", useOffset=False)
    grey = "; grey: error over the rows" if any(o.rows_std for o in known) else ""
    axes.set_title(f"held-out nats a row{bounds}{grey}" if known else "no log-likelihood to be had", fontsize=10)
    axes.set_yticks(range(len(known)), [f"{'>= ' if o.bound else ''}{figures.literal(o.name)}" for o in known])
    axes.set_ylim(-0.5, max(len(known), 1) - 0.5)
    axes.locator_params(axis="x", nbins=4)
