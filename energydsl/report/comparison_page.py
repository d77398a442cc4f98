"""The page of a comparison: its table, its curves, and the text of every variant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from energydsl.markup import Child, element, table
from energydsl.report.page import Section, page, picture

# Columns of comparison.csv, by their headings.
COLUMNS = {
    "name": "variant",
    "log_likelihood": "nats a row",
    "low": "not below",
    "high": "not above",
    "std": "± of log Z and over seeds",
    "rows_std": "± over the rows",
    "exactness": "it is",
    "agree": "both sides agree",
    "behind": "against the best",
    "gain": "against independent units",
    "error_rate": "labels wrong",
    "reconstruction_error": "reconstruction error",
    "parameters": "parameters",
    "seeds": "seeds",
    "updates": "updates",
    "seconds": "seconds",
}


def comparison_page(
    place: str, rows: Sequence[Mapping[str, str]], curves: bytes | None, texts: Mapping[str, str]
) -> str:
    """The page of a comparison. rows: those of its table, as texts; curves: a PNG; texts: of models, by where they stand."""
    known = [column for column in COLUMNS if any(row.get(column) for row in rows)]
    cells: list[list[Child]] = [[_figure(row.get(column) or "") for column in known] for row in rows]
    said = "Means over held-out rows in nats; the best by the side that can be trusted stands first."
    sections = [Section("Table", (element("p", said), table([COLUMNS[c] for c in known], cells)))]
    if curves is not None:
        says = f"Held-out likelihoods of {', '.join(row['name'] for row in rows)}, and their curves over updates and seconds"
        sections.append(Section("Curves", (picture(curves, "png", says),)))
    shown = [part for name, text in texts.items() for part in (element("h3", name), element("pre", text))]
    return page(
        "Models compared", f"a comparison, from {place}", [*sections, Section("Texts of the models", tuple(shown))]
    )


def _figure(text: str) -> str:
    """A number to five digits; words as they are."""
    try:
        return f"{float(text):,.5g}" if not text.isdecimal() else f"{int(text):,}"
    except ValueError:
        return text
