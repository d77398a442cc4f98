"""What follows from a model, as parts of a page: its energy, its graph, what was derived, and what proves it."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from energydsl.compiler import Compiled
from energydsl.energy.formula import Sum
from energydsl.energy.formula_mathml import as_mathml
from energydsl.markup import bullets, element, html, table
from energydsl.program import samplers
from energydsl.report import explain, figures
from energydsl.report.layer_graph import graph_figure
from energydsl.report.page import Section, page, picture
from energydsl.verification.records import Certificate


def model_page(model: Compiled, certificate: Certificate) -> str:
    """The page of a model."""
    parts = (*model_sections(model), certificate_section(certificate), text_section(model))
    lead = f"an energy-based model: what follows from the energy in {model.source.short}, and a proof of it"
    return page(model.resolved.name, lead, parts)


def model_sections(model: Compiled) -> list[Section]:
    """Energy, graph and derivation."""
    derived = [element("h3", "Gibbs blocks"), bullets(explain.blocks(model))]
    means = {"mean field, with moments mu of the latents": explain.mean_field_equations(model)}
    for title, formulas in (explain.equations(model) | means).items():
        derived += [element("h3", title.capitalize())] * bool(formulas)
        derived += [*(_scrolled(as_mathml(f)) for f in formulas)]
    fits = [(v.name, v.kind, "yes" if v.ok else "no", v.why) for v in samplers.what_fits(model.derived)]
    return [
        Section("Energy", (_layers(model), *_energy(model))),
        Section("Graph", _graph(model)),
        Section("What was derived", tuple(derived)),
        Section("What fits this model", (table(("name", "kind", "fits", "why"), fits),)),
    ]


def text_section(model: Compiled) -> Section:
    """The text of the model, as it is."""
    return Section("The model's text", (element("pre", model.source.text),))


def certificate_section(certificate: Certificate) -> Section:
    """The certificate, and in words what it is."""
    said = "Each identity compares what was derived with an oracle that only evaluates the energy as it is written."
    return Section("Certificate", (element("p", said), *certificate.shown()))


def short(model: Compiled) -> str:
    """What a notebook shows of a model."""
    derived = explain.equations(model)
    shown = [*_energy(model), *(as_mathml(f) for f in (*derived["conditionals"], *derived["free energy"]))]
    graph = _graph(model) if figures.available() else ()
    return html(element("div", element("strong", f"model {model.resolved.name}"), _layers(model), *shown, *graph))


def _scrolled(formula: Element) -> Element:
    return element("div", formula, class_="scroll", tabindex="0")


def _layers(model: Compiled) -> Element:
    rows = []
    for name, layer in model.resolved.layers.items():
        conditional = model.derived.conditionals.get(name)
        shape = " × ".join(map(str, layer.shape)) or "1"
        rows.append((name, layer.role, str(layer.domain), shape, conditional.family if conditional else ""))
    return table(("layer", "role", "domain", "units", "conditional"), rows)


def _energy(model: Compiled) -> list[Element]:
    """E(x) as a table of signed terms, which says where each was written."""
    rows = [
        (label, as_mathml(Sum(((sign, formula),))), origin)
        for label, sign, formula, origin in explain.signed_terms(model)
    ]
    more = explain.log_normalisers(model)
    return [table(("term of E(x)", "", "written in"), rows), *([bullets(more)] if more else [])]


def _graph(model: Compiled) -> tuple[Element, ...]:
    """The layer graph, in a picture where there can be one."""
    blocks = "; ".join(", ".join(map(str, block)) for block in model.derived.schedule(frozenset()))
    if not figures.available():
        return (element("p", f"Gibbs blocks: {blocks}. A picture needs matplotlib: {figures.MISSING}"),)
    says = f"Graph of the layers {', '.join(model.resolved.layers)}, coloured by Gibbs block: {blocks}"
    return (picture(graph_figure(model).encoded("svg"), "svg+xml", says),)
