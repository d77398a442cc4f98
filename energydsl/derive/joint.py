"""Whether the joint distribution exists: couplings between units of infinite domains that may outgrow what holds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from energydsl.derive.families import family_of
from energydsl.derive.signs import sign_of_factors
from energydsl.diagnostics import Diagnostic
from energydsl.domains import DOMAINS, Domain, Family
from energydsl.energy.statistics import degree_of, power_of
from energydsl.energy.targets import statistic
from energydsl.energy.terms import Energy
from energydsl.functions import NONNEGATIVE, POSITIVE, UNKNOWN
from energydsl.model.constants import DiagnosticError
from energydsl.model.records import Layer, Resolved


def unbounded_pairs(model: Resolved, energy: Energy) -> Iterator[Diagnostic]:
    """Couplings between units of infinite domains that may outgrow what holds each of them."""
    warned: set[frozenset[str]] = set()
    families = {n: _family(model, energy, layer) for n, layer in model.random_layers().items()}
    # A coupling of degrees d_u is outgrown whatever its size where sum_u d_u / p_u < 1 (Young's inequality).
    confined = {n: _confining_power(family) for n, family in families.items()}
    for term in energy.terms:
        units = [u for u in term.monomial.distinct_units() if _unbounded(DOMAINS[model.layers[u.name].domain.name])]
        degrees = {u: degree_of(statistic(term.monomial, u)) for u in units}
        if len(units) < 2 or sum(d / confined[u.name] for u, d in degrees.items() if d) < 1.0:
            continue
        names = frozenset(u.name for u in units)
        held_by_it = any(power_of(statistic(term.monomial, u)) == confined[u.name] for u in units)
        sign = sign_of_factors(term.monomial, model) if term.monomial.coefficient > 0 else UNKNOWN
        if sign == NONNEGATIVE or (sign == POSITIVE and not held_by_it):
            continue
        shown = " and ".join(f"`{n}`" for n in sorted(names))
        growing = all(DOMAINS[model.layers[u.name].domain.name].integer_valued for u in units)
        outgrown = _outgrown(families, [u.name for u, d in degrees.items() if d]) if sign < NONNEGATIVE else ""
        if outgrown:
            yield Diagnostic(
                "E0311",
                f"not normalisable: summed over its counts, the coupling of {shown} grows like exp of `{outgrown}`, "
                "which no power of it outgrows",
                term.spans[0],
                f"bound `{outgrown}` (an interval), or add a positive multiple of sum(exp({outgrown})): both change the model",
            )
        elif growing and sign < NONNEGATIVE:
            yield Diagnostic(
                "E0311",
                f"not normalisable: the coupling of {shown} may be attractive, and the energy is then unbounded below",
                term.spans[0],
                "constrain its parameter `: nonnegative` and give it a positive sign in the energy: another model, whose units repel",
            )
        elif not growing and names not in warned:
            warned.add(names)
            yield Diagnostic(
                "W0405",
                f"every conditional is proper, but units of {shown} are coupled: "
                "the joint density may not be normalisable for all parameters",
                term.spans[0],
                "it is checked when the model runs",
            )


def _family(model: Resolved, energy: Energy, layer: Layer) -> Family | None:
    """The family of a layer; None where it has none, which is said elsewhere."""
    try:
        return family_of(
            model, layer, [t for t in energy.terms if layer.name in t.monomial.layers() - t.monomial.joint_layers()]
        )
    except DiagnosticError:
        return None


def _confining_power(family: Family | None) -> float:
    """The power p of a unit that holds its density: near 0 for none, and little above 1 for log x! = x log x."""
    if family is None:
        return 1e-9
    return 1.0 + 1e-6 if family.factorial_base else family.confining_power or 1e-9


def _outgrown(families: Mapping[str, Family | None], names: list[str]) -> str:
    """A coupled layer that is not whole, and held by powers alone, beside a Poisson one: log A = exp(eta) outgrows these."""
    found = [(n, f) for n in names if (f := families[n]) is not None]
    if not any(f.factorial_base for _, f in found):
        return ""
    return next((n for n, f in found if not f.factorial_base and not (f.density and f.density.walls)), "")


def _unbounded(domain: Domain) -> bool:
    return not domain.finite and not domain.bounded
