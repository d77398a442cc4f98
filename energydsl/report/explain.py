"""What was derived, for a person (text, LaTeX) or a program (a dict)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from energydsl.derive.records import Conditional, Schedule
from energydsl.energy.formula import Call, Equation, Formula, Probability, Sum, Symbol, mapped
from energydsl.energy.formula_html import as_html as html
from energydsl.energy.formula_latex import as_latex as latex
from energydsl.energy.formula_text import as_text as text_of
from energydsl.energy.notation import Letters, filled, term_formula
from energydsl.energy.terms import BASE
from energydsl.model.indices import Index
from energydsl.program import samplers
from energydsl.report.offers import offers
from energydsl.syntax import tree
from energydsl.syntax.printer import print_expr, print_statement

if TYPE_CHECKING:
    from energydsl.compiler import Checked, Compiled
    from energydsl.derive.directed.network import Factor


# Where the table of applicability is explained.
GUIDE = "which objective, which estimator: docs/objectives.md"


def as_json(model: Compiled) -> dict[str, Any]:
    """The keys that `explain --json` promises."""
    return {
        "ok": True,
        "model": model.resolved.name,
        "layers": {n: _layer(model, n) for n in model.resolved.layers},
        "schedule": _names(model.derived.schedule(frozenset())),
        "schedule_clamped": _names(model.derived.schedule(frozenset(_visible(model)))),
        "gradients": {n: str(g) for n, g in model.derived.gradients.items()},
        "free_energy": {
            "summed_out": list(model.derived.free_energy.summed_out),
            "text": model.derived.free_energy.text,
        },
        "applicability": {
            v.name: {"kind": v.kind, "ok": v.ok, "why": v.why} for v in samplers.what_fits(model.derived)
        },
        "guide": GUIDE,
        "terms": [{"label": label, "text": text, "from": origin} for label, text, origin in terms(model)],
        "expanded": expanded(model),
        "written_out": written_out(model),
        "offers": offers(model),
        "own_terms": own_terms(model),
        "mean_field": mean_field(model),
        "recognition": {c.layer: c.text for c in recognition(model)},
    }


def _layer(model: Compiled, name: str) -> dict[str, Any]:
    layer = model.resolved.layers[name]
    facts: dict[str, Any] = {"role": layer.role, "domain": str(layer.domain), "shape": list(layer.shape)}
    if layer.letters:
        facts["letters"] = layer.letters
    derived = model.derived.conditionals.get(name)
    if derived is None:
        return facts | dict.fromkeys(("family", "factorises", "field", "conditional", "sampler"))
    return facts | {
        "family": derived.family,
        "factorises": derived.factorises,
        "field": field_text(derived),
        "conditional": derived.text,
        "sampler": derived.sampler or "inversion of its distribution function, in closed form",
    }


def field_text(conditional: Conditional) -> str:
    """The natural parameters as text."""
    if len(conditional.fields) == 1:
        return conditional.fields[0].text
    return ", ".join(f"eta{k} = {f.text}" for k, f in enumerate(conditional.fields, start=1))


def _visible(model: Checked) -> tuple[str, ...]:
    return model.resolved.by_role("visible")


def _names(schedule: Schedule) -> list[list[str]]:
    return [[str(part) for part in block] for block in schedule]


def terms(model: Checked) -> list[tuple[str, str, str]]:
    """Each canonical term: its label, its text, and where it was written."""
    return [(label, f"{sign} {text_of(formula)}", origin) for label, sign, formula, origin in signed_terms(model)]


def signed_terms(model: Checked) -> list[tuple[str, str, Formula, str]]:
    """Each canonical term: its label, its sign and formula, and where it was written."""
    letters = Letters(model.resolved)
    found = []
    for term in model.energy.terms:
        label = "base measure" if term.label == BASE else term.label
        origin = ", ".join(dict.fromkeys(map(str, term.spans)))
        found.append((label, *term_formula(term.monomial, {}, letters), origin))
    return found


def expanded(model: Checked) -> list[str]:
    """The ordinary declarations that `layers` statements stand for."""
    return [print_statement(s) for s in model.resolved.expanded]


def written_out(model: Checked) -> list[str]:
    """What `augment` and `marginalise` statements stand for: the declarations and energies that are not in the text."""
    found = (s for s in model.resolved.module.statements if s not in model.module.statements)
    return [print_statement(s) for s in found if not isinstance(s, tree.Augmented)]


def own_terms(model: Checked) -> dict[str, str]:
    """What `layers` statements add for each layer alone: its bias, and what its domain needs to be normalisable."""
    found: dict[str, str] = {}
    for statement in model.resolved.expanded:
        if not isinstance(statement, tree.Energy) or statement.keyword != "energy":
            continue
        value = statement.value
        parts = [("+", value.head), *value.tail] if isinstance(value, tree.Sum) else [("+", value)]
        for sign, part in parts:
            met = {n.id for n in tree.names(part)} & model.resolved.layers.keys()
            if len(met) == 1:
                (layer,) = met
                text = f"{'- ' if sign == '-' else ''}{print_expr(part)}".replace("-sum", "- sum", 1)
                found[layer] = f"{found[layer]} {sign} {print_expr(part)}" if layer in found else text
    return found


def as_text(model: Compiled) -> str:
    """The lecture notes of a model."""
    parts = [f"model {model.resolved.name}"]
    parts += ["", *(_layer_line(model, n) for n in model.resolved.layers)]
    if expanded(model):
        parts += ["", "`layers` stands for", *(f"  {line}" for s in expanded(model) for line in s.split("\n"))]
        parts += [
            f"  `{n}`, {model.resolved.layers[n].domain}, has its own term {text}"
            for n, text in own_terms(model).items()
        ]
    if statements := written_out(model):
        parts += ["", "`augment` and `marginalise` stand for", *(f"  {x}" for s in statements for x in s.split("\n"))]
    rows = terms(model)
    wide = max((len(text) for _, text, _ in rows), default=0)
    parts += [
        "",
        "energy  E(x) =",
        *(f"  {text:<{min(wide, 70)}}   [{label}] {origin}" for label, text, origin in rows),
        *(f"  {line}" for line in log_normalisers(model)),
    ]
    parts += ["", "conditionals", *(f"  {c}" for c in model.derived.conditionals.values())]
    lines = [line for line in model.derived.lines.values() if not line.refused]
    parts += [f"  {line}" for line in lines]
    held = {n for t in model.energy.terms for n in t.monomial.joint_layers()}
    if lines or held & set(model.derived.conditionals):
        parts.append(
            "  E at a value of a unit: the terms of functions of several units that hold it, all else as it is"
        )
    parts += [
        f"  `{n}` has none that could be drawn from: {line.refused}; samplers follow the slope of log p"
        for n, line in model.derived.lines.items()
        if line.refused
    ]
    parts += [f"  {c}" for c in recognition(model)]
    parts += [f"  {line}" for line in _couplings(model)]
    parts += [f"  `{c.layer}` is drawn by {c.sampler}" for c in model.derived.conditionals.values() if c.sampler]
    parts += [
        f"  `{line.layer}` is moved along the slope of log p; by the sampler gibbs it is drawn from its density, integrated on panels"
        for line in lines
    ]
    parts += ["", "Gibbs blocks", *(f"  {line}" for line in blocks(model))]
    parts += [f"  `energydsl augment`, {line}" for line in offers(model)]
    if _visible(model) and any(v.kind == "objective" and v.ok for v in model.derived.verdicts):
        parts += ["", "likelihood gradient, positive phase minus negative phase (at beta = 1)"]
        parts += ["  d(-log p)/dparam = <dE/dparam>_data - <dE/dparam>_model"]
    parts += ["", "gradients", *(f"  {g}" for g in model.derived.gradients.values())]
    if equations := mean_field(model):
        parts += ["", "mean field, with moments mu of the latents", *(f"  {e}" for e in equations)]
    out = ", ".join(model.derived.free_energy.summed_out) or "nothing"
    parts += ["", f"free energy, summed out: {out}", f"  {model.derived.free_energy}"]
    fits = samplers.what_fits(model.derived)
    width = max(len(v.name) for v in fits)
    parts += ["", "what fits this model"]
    parts += [f"  {v.name:<{width}} {'yes' if v.ok else 'no':<4} {v.why}" for v in fits]
    parts += [f"  {GUIDE}"]
    return "\n".join(parts)


def _linear(model: Compiled, layer: str) -> bool:
    """Whether a layer has a conditional, and enters it by its moments alone."""
    found = model.derived.conditionals.get(layer)
    return found is not None and found.linear


def mean_field(model: Compiled) -> list[str]:
    """The equations of mean field as text."""
    return list(map(text_of, mean_field_equations(model)))


def mean_field_equations(model: Compiled) -> list[Equation]:
    """mu = E[T] at the fields of the moments, for latents that do not factorise given data; else nothing is approximated."""
    hidden = model.resolved.by_role("hidden")
    blocks = model.derived.schedule(frozenset(_visible(model)))
    apart = len(blocks) < 2 and all(part.kind == "whole" for block in blocks for part in block)
    if model.factorisation or not hidden or apart or not all(_linear(model, n) for n in hidden):
        return []

    def moment(symbol: Symbol) -> Symbol:
        return replace(symbol, name=f"mu_{symbol.name}") if symbol.name in hidden else symbol

    letters, found = Letters(model.resolved), []
    for name in hidden:
        family = model.derived.conditionals[name].distribution
        fields: tuple[Sum, ...] = tuple(mapped(f.formula, moment) for f in model.derived.conditionals[name].fields)
        names = letters.target(name)[: len(model.resolved.layers[name].energy_shape)]
        unit = moment(Symbol(name, tuple(map(Index.of, names)), "layer"))
        mean = filled(family.mean_formula, fields[0]) if family.mean_formula else Call(f"mean of {family.name}", fields)
        found.append(Equation(unit, mean))
    return found


def recognition(model: Compiled) -> list[Conditional]:
    """The conditionals q of recognition parts, those nearest to the data first."""
    factorisation = model.factorisation.recognition if model.factorisation else ()
    return [_as_recognition(p.derive().conditionals[n]) for p in factorisation for n in p.targets]


def _as_recognition(conditional: Conditional) -> Conditional:
    left = conditional.formula.left
    assert isinstance(left, Probability)
    return replace(conditional, formula=replace(conditional.formula, left=replace(left, letter="q")))


def _layer_line(model: Compiled, name: str) -> str:
    layer = model.resolved.layers[name]
    shape = "".join(f"[{', '.join(layer.axes)}]") if layer.axes else ""
    sizes = " x ".join(map(str, layer.shape)) or "1"
    return f"  {layer.role:<8} {name}{shape} : {layer.declared}   ({sizes} unit{'s' if layer.size != 1 else ''})"


def _couplings(model: Compiled) -> list[str]:
    found = []
    for conditional in model.derived.conditionals.values():
        if conditional.coupled_by is not None and model.derived.parts[conditional.layer].coupled:
            term = model.energy.terms[conditional.coupled_by]
            text = term.spans[0].text if term.spans else ""
            found.append(f"`{conditional.layer}` does not factorise: {' '.join(text.split())} couples its units")
    return found


def blocks(model: Compiled) -> list[str]:
    """What a sweep moves, in order, and how layers are visited."""
    found = [f"nothing clamped: {moves(model, frozenset())}"]
    if _visible(model) and not model.factorisation:
        found.append(f"data clamped:    {moves(model, frozenset(_visible(model)))}")
    return [*found, *_visits(model)]


def _visits(model: Compiled) -> list[str]:
    found = []
    for name, parts in model.derived.parts.items():
        if parts.kind == "colours":
            whole = f"`{name}` is visited as a whole: functions of several units hold its units, but no two in one"
            found.append(f"`{name}` is visited in {parts.count} colours" if parts.count > 1 else whole)
        elif parts.kind == "scan":
            found.append(f"`{name}` is visited unit by unit: {parts.why}")
    return found


def _conditional(model: Checked) -> tuple[Factor, ...]:
    """The conditional parts of a model, those drawn first first."""
    return model.factorisation.generative if model.factorisation else ()


def log_normalisers(model: Checked) -> list[str]:
    """What the conditional parts add to the energy of the joint distribution."""
    return list(map(_log_normaliser, _conditional(model)))


def _log_normaliser(factor: Factor) -> str:
    """`+ log sum_{v} exp(-E[v | h1])`, what normalises a part; of units that are drawn in order, one by one."""
    unit = factor.unit_probability
    assert unit is not None
    drawn, given = (", ".join(map(text_of, side)) for side in (unit.targets, unit.given))
    return f"+ {'sum over units of ' * bool(factor.copy)}log sum_{{{drawn}}} exp(-E[{drawn} | {given}])"


def _along_slopes(model: Compiled) -> list[str]:
    """The layers that have no conditional."""
    return [n for n in model.derived.families if n not in model.derived.conditionals]


def moves(model: Compiled, clamped: frozenset[str]) -> str:
    """What a sweep moves: the blocks, then the layers without a conditional."""
    moved = [n for n in _along_slopes(model) if n not in clamped]
    texts = [_schedule(model, model.derived.schedule(clamped)), f"{', '.join(moved)} along the slope" * bool(moved)]
    return ", then ".join(text for text in texts if text) or "nothing is free"


def _schedule(model: Compiled, schedule: Schedule) -> str:
    """Blocks in order; a directed layer with what it is drawn from."""
    given = {n: p.given for p in _conditional(model) for n in p.targets}
    texts = []
    for block in schedule:
        parents = given.get(block[0].layer, ())
        texts.append(f"({', '.join(map(str, block))}{' given ' * bool(parents)}{', '.join(parents)})")
    return ", then ".join(texts)


def as_latex(model: Compiled) -> str:
    """The conditionals, gradients and free energy as LaTeX, for `align*`."""
    lines = " \\\\\n".join(latex(e) for some in equations(model).values() for e in some)
    return f"\\begin{{align*}}\n{lines}\n\\end{{align*}}"


def as_html(model: Compiled) -> str:
    """The conditionals, gradients and free energy as HTML, one paragraph each."""
    return "\n".join([*(f"<p>{html(e)}</p>" for some in equations(model).values() for e in some), f"<p>{GUIDE}</p>"])


def equations(model: Compiled) -> dict[str, list[Formula]]:
    """All that `explain` states as equations, in its order, by what they are."""
    derived = model.derived
    conditionals = [*derived.conditionals.values(), *recognition(model)]
    gradients, lines = derived.gradients.values(), derived.lines.values()
    return {
        "conditionals": [*(c.formula for c in conditionals), *(x.formula for x in lines if x.formula)],
        "gradients": [g.formula for g in gradients],
        "free energy": [derived.free_energy.formula],
    }
