"""The page of a run: how likely data are under it, how training went, whether chains mix, samples, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from energydsl.compiler import Compiled
from energydsl.markup import bullets, element, html, table
from energydsl.mixing import Mixing
from energydsl.report import figures
from energydsl.report.curves import History, curve_figure
from energydsl.report.model_page import certificate_section, model_sections, text_section
from energydsl.report.page import Section, facts, page, picture
from energydsl.report.sheets import Sheet, sheet_figure
from energydsl.verification.records import Certificate

# Figures of an evaluation, by the headings of their columns.
_FIGURES = (
    ("nats a row", "log_likelihood"),
    ("not below", "log_likelihood_low"),
    ("not above", "log_likelihood_high"),
    ("± over the rows", "rows_std"),
    ("± of log Z, from sampling", "log_z_std"),
    ("log Z", "log_z"),
)
_OF_REPORTS = ("epoch", "update", "log_likelihood_bound")


@dataclass(frozen=True)
class RunFacts:
    """What there is to tell of a run.

    place: the folder. labels: what is known of each figure of the last report. parameters: which are evaluated: the last, the best, an
    average; shapes: of their arrays.
    """

    model: Compiled
    place: str
    config: Mapping[str, Any]
    history: History
    labels: Mapping[str, str]
    warnings: Sequence[str]
    updates: int
    seconds: float
    finished: bool
    parameters: str
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Judged:
    """What a run reached. evaluations: as `evaluation.json` has them. chains: what those of training showed at its end, by series."""

    evaluations: Sequence[Mapping[str, Any]]
    chains: Mapping[str, Mixing]
    filters: Sheet | None


@dataclass(frozen=True)
class Sampled:
    """What new chains of a run showed; how: in words. sheet: their last states as pictures."""

    how: str
    chains: Mapping[str, Mixing]
    warning: str = ""
    sheet: Sheet | None = None


def run_page(
    run: RunFacts, judged: Judged, sampled: Sampled, certificate: Certificate, again: Sequence[Element]
) -> str:
    """The page of a run. again: how to make the run again."""
    sections = [
        Section("The run", (_told(run),)),
        Section("Log-likelihood", tuple(_likelihoods(judged.evaluations))),
        Section("Training", tuple(_training(run))),
        Section("Do the chains mix", tuple(_health(judged, sampled))),
        *([Section("Samples", (_sheet(sampled.sheet),))] if sampled.sheet else []),
        *([Section("Filters", (_sheet(judged.filters),))] if judged.filters else []),
        *model_sections(run.model),
        certificate_section(certificate),
        Section("Settings", (facts(_flat(run.config)),)),
        Section("To make it again", tuple(again)),
        text_section(run.model),
    ]
    lead = f"a run of the model {run.config.get('model', run.model.resolved.name)}, from {run.place}"
    return page(f"{run.model.resolved.name}: a trained model", lead, sections)


def short(run: RunFacts) -> str:
    """What a notebook shows of a run."""
    curves = [_curves(run)] if len(run.history) > 1 and figures.available() else []
    return html(element("div", element("strong", f"run of {run.model.resolved.name}"), _told(run), *curves))


def _told(run: RunFacts) -> Element:
    config, data = run.config, run.config.get("data", {})
    rule = f", binarise {data['binarise']}" if data.get("binarise") else ""
    known: list[tuple[str, Any]] = [
        ("data", f"{data['name']}, {data['rows']:,} rows{rule}" if data else ""),
        *((what, _named(config[what])) for what in ("method", "optimizer") if what in config),
        ("trained for", f"{run.updates:,} updates, {run.seconds:.1f} s" if config else ""),
        ("finished", ("yes" if run.finished else "no: train --resume goes on") if config else ""),
        ("parameters", ", ".join(f"{n}{[*shape]}" for n, shape in run.shapes.items()) + f" ({run.parameters})"),
        ("kernels", f"{config['backend']} {config['dtype']}" if config else ""),
    ]
    if run.warnings:
        known.append(("warnings", element("div", bullets(run.warnings), class_="warning")))
    return facts(known)


def _named(settings: Mapping[str, Any]) -> str:
    """A method or an optimiser with its numbers."""
    numbers = (f"{k} {v}" for k, v in settings.items() if k in ("k", "chains", "lr"))
    return " ".join([settings["name"], *numbers])


def _likelihoods(evaluations: Sequence[Mapping[str, Any]]) -> list[Element]:
    """Every evaluation that was kept, a column each, from both sides where there are two, with what speaks against it."""
    if not evaluations:
        return [element("p", "None was kept with this run; energydsl eval makes one.")]
    heads, columns, doubts = [""], [], []
    for entry in evaluations:
        data = entry["data"]
        heads.append(" ".join(str(x) for x in (data["rows"], entry.get("on"), data["name"], "rows") if x))
        columns.append([*(_figure(entry.get(name)) for _, name in _FIGURES), *_judgement(entry)])
        told = list(map(str, entry["doubts"])) if isinstance(entry.get("doubts"), list) else []
        told += ["do not quote this: the two sides do not agree"] if entry.get("agree") is False else []
        doubts += [f"{heads[-1]}, {entry['date']}: {doubt}" for doubt in told]
    names = [*(title for title, _ in _FIGURES), "it is", "both sides", "effective chains", "method", "made"]
    said = "Means in nats. Both sides are moved outwards by two of their standard errors, and hold where no mode was missed."
    warned = [element("div", bullets(doubts), class_="warning")] if doubts else []
    return [
        element("p", said),
        table(heads, [row for row in zip(names, *columns, strict=True) if any(row[1:])]),
        *warned,
    ]


def _judgement(entry: Mapping[str, Any]) -> list[str]:
    """What is known of a likelihood, in words."""
    found = entry.get("effective")
    count = f"{found:.0f}" if isinstance(found, float) else _figure(found)
    chains = f"{count} of {entry.get('chains')}" if count else ""
    agree = "" if entry.get("agree") is None else "agree" if entry["agree"] else "do not agree"
    return [str(entry.get("exactness", "")), agree, chains, entry["method"], entry["date"]]


def _training(run: RunFacts) -> list[Element]:
    """Curves, and the figures of the last report with what is known of them."""
    last = run.history[-1] if run.history else {}
    rows = [
        (name.replace("_", " "), _figure(value), run.labels.get(name, ""))
        for name, value in last.items()
        if name not in _OF_REPORTS and value is not None
    ]
    if len(run.history) < 2:
        shown = element("p", "There are no curves: fewer than two reports were made.")
    elif not figures.available():
        shown = element("p", f"Curves need matplotlib: {figures.MISSING}")
    else:
        shown = _curves(run)
    return [shown, element("h3", "At the last report"), table(("figure", "value", "it is"), rows)]


def _curves(run: RunFacts) -> Element:
    says = (
        f"Curves over {run.updates} updates: reconstruction error, free energies, norms of gradients, what chains show"
    )
    return picture(curve_figure(run.history, run.labels).encoded("svg"), "svg+xml", says)


def _health(judged: Judged, sampled: Sampled) -> list[Element]:
    """What the chains of training and new ones show."""
    said = "Split R-hat is 1 where all chains have seen the same, and above 1.1 where they have not mixed."
    parts = [element("p", said), element("h3", "Persistent chains, at the end of training"), _mixing(judged.chains)]
    parts += [element("h3", "New chains"), element("p", sampled.how)]
    parts += [_mixing(sampled.chains)] if sampled.chains else []
    return parts + ([element("p", sampled.warning, class_="warning")] if sampled.warning else [])


def _mixing(chains: Mapping[str, Mixing]) -> Element:
    if not chains:
        return element("p", "None were recorded for long enough to tell.")
    rows = [(n, f"{m.rhat:.3f}", f"{m.bulk:.0f}", f"{m.tail:.0f}", f"{m.time:.1f}") for n, m in chains.items()]
    head = ("series", "split R-hat", "effective sample size", "of the tails", "autocorrelation time, in sweeps")
    return table(head, rows)


def _sheet(sheet: Sheet) -> Element:
    if not figures.available():
        return element("p", f"Pictures need matplotlib: {figures.MISSING}")
    return picture(sheet_figure(sheet).encoded("png"), "png", sheet.title)


def _figure(value: Any) -> str:
    """A number to a few digits, a whole one to the last; what is none, as it is."""
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) >= 1 else f"{value:.3g}"
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _flat(settings: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Settings within settings as one list."""
    found: list[tuple[str, str]] = []
    for name, value in settings.items():
        found += _flat(value, f"{above}{name} ") if isinstance(value, Mapping) else [(above + name, str(value))]
    return found
