"""The letters of a layer's states: as many as there are states, none twice, each one that data files can hold."""

from __future__ import annotations

from collections.abc import Container

from energydsl.domains import DOMAINS
from energydsl.model.constants import DiagnosticError
from energydsl.model.records import DomainSpec
from energydsl.syntax import tree

GAP = "-"


def letters_of(entry: tree.Entry, domain: DomainSpec, outside: Container[str] = ()) -> str:
    """The letters that a layer declares, in the order of its states; "" where it declares none. Raises `DiagnosticError` (E0212).

    outside: dims that are set from outside. Where one of these makes another number of states, there are no letters.
    """
    if entry.value is None:
        return ""
    assert isinstance(entry.value, tree.String)
    letters, span, known = entry.value.value, entry.value.span, DOMAINS[domain.name]
    if not known.one_hot or known.states is None:
        with_states = " or ".join(f"`{n}`" for n, d in DOMAINS.items() if d.one_hot)
        raise DiagnosticError(
            "E0212", f"letters name the states of a {with_states} layer; `{entry.name.id}` is {domain}", span
        )
    states = known.states(domain.arguments)
    resized = entry.domain is not None and any(n.id in outside for n in tree.names(entry.domain))
    if len(letters) != states and resized:
        return ""
    if len(letters) != states:
        raise DiagnosticError("E0212", f"there are {len(letters)} letters for {states} states", span)
    twice = next((c for k, c in enumerate(letters) if c in letters[:k]), None)
    if twice is not None:
        raise DiagnosticError("E0212", f"the letter `{twice}` names two states", span)
    odd = next((c for c in letters if not (c.isascii() and c.isprintable()) or c in ' >"'), None)
    if odd is not None:
        raise DiagnosticError(
            "E0212", f"{odd!r} cannot be the letter of a state", span, "letters are those of ASCII, without blanks or >"
        )
    return letters


def gap_of(letters: str) -> int | None:
    """The state of the gap, `-`; None where there is none among the letters."""
    return letters.index(GAP) if GAP in letters else None
