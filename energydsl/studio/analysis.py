"""What the page shows of a text, ready for JSON: what is wrong with it, what follows from it, and what of it can be moved by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from energydsl import compiler, limits
from energydsl.diagnostics import Diagnostic, EnergyError, Source, Span
from energydsl.markup import element, html
from energydsl.model.records import Resolved
from energydsl.model.resolve import Overrides
from energydsl.report import costs
from energydsl.report.model_page import model_sections
from energydsl.report.page import Section

CHAINS = 16
# How far a slider goes for a weight, and in multiples of its value for a const; steps of a slider.
_REACH, _STEPS = 3.0, 300


def analysed(text: str, name: str, overrides: Overrides) -> dict[str, Any]:
    """Diagnostics of a text; where it is a model, its sections as HTML, and its layers, consts and terms."""
    source = Source(name, text)
    try:
        model = compiler.derive(compiler.check(source, overrides))
    except EnergyError as error:
        return {"ok": False, "diagnostics": _told(error.diagnostics, source)}
    sections = model_sections(model)
    if not too_large(model.resolved):
        sections.append(Section("Cost", (element("pre", costs.as_text(costs.costs(model))),)))
    return {
        "ok": True,
        "diagnostics": _told(model.warnings, source),
        "sections": [{"title": s.title, "html": html(*s.parts)} for s in sections],
        **controls(model.resolved),
    }


def too_large(model: Resolved) -> bool:
    """Whether its chains would take more than the studio gives them."""
    units = sum(layer.size for layer in model.layers.values())
    return CHAINS * units + sum(math.prod(p.shape) for p in model.params.values()) > limits.WATCHED_ENTRIES


def controls(model: Resolved) -> dict[str, Any]:
    """Layers of which a picture can be shown, and a slider for each const and each term of the energy."""
    consts = [_slider(n, c.value, _REACH * (abs(c.value) or 1.0), c.constraints) for n, c in model.consts.items()]
    return {
        "name": model.name,
        "layers": [{"name": n, "role": x.role, "domain": str(x.domain)} for n, x in model.layers.items()],
        "consts": consts,
        "weights": [_slider(label, 1.0, _REACH, ("nonnegative",)) for label in model.labels],
    }


def _slider(name: str, value: float, reach: float, constraints: tuple[str, ...]) -> dict[str, Any]:
    """From -reach to reach; for what may not be negative from 0, for what is positive from its first step."""
    step = reach / _STEPS
    low = step if "positive" in constraints else 0.0 if "nonnegative" in constraints else -reach
    return {"name": name, "value": value, "low": low, "high": reach, "step": step}


def _told(found: Iterable[Diagnostic], source: Source) -> list[dict[str, Any]]:
    """Diagnostics, each with the place in the text itself to which one can go: where a file is used, that of its use."""
    return [d.as_dict() | {"at": _at(d.span, source), "text": d.render()} for d in found]


def _at(span: Span | None, source: Source) -> list[list[int]] | None:
    """First and last line and column, from 1."""
    while span is not None and span.source.used is not None:
        span = span.source.used
    return None if span is None else [list(source.locate(span.start)), list(source.locate(span.end))]
