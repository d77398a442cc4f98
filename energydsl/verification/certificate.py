"""The derivation certificate: what was derived from the user's own model, compared with enumeration.

On the model with every size shrunk, in float64, with random parameters, beta and term weights. No Monte Carlo: every
figure is an exact identity, whose error is rounding where the derivation is right and about 1 where it is not.
"""

from __future__ import annotations

from dataclasses import replace

from energydsl.derive import Derived, derive
from energydsl.derive.directed.network import Network
from energydsl.energy import canonicalise
from energydsl.kernels import Choices, choices_of
from energydsl.model.records import Resolved
from energydsl.options import Backend
from energydsl.verification.ancestral import ancestral
from energydsl.verification.backends import same_sweeps
from energydsl.verification.case import Case, all_states, some_states
from energydsl.verification.checks.table import LISTED, SAMPLED
from energydsl.verification.exercised import exercised
from energydsl.verification.full_size import own_sizes
from energydsl.verification.joint import joint
from energydsl.verification.records import Certificate, Check, Exercised


def certify(full: Derived, small: Resolved, listed: bool, seed: int = 0, backend: Backend = "numpy") -> Certificate:
    """All checks on the shrunk model with the kernels of a backend, and what can be checked at the model's own sizes.

    listed: whether the states of the small model are few enough to list; else some of the checks, on some states.
    """
    derived = derive(small, canonicalise(small)[0])
    # What pays at the model's own sizes, and so is in its kernels, need not pay at small ones.
    case, checks = (_listed if listed else _sampled)(derived, seed, backend, choices_of(full))
    made = tuple(exercised(case, full, checks))
    checks += own_sizes(full, seed)
    if backend != "numpy":
        checks.append(same_sweeps(derived, seed, backend))
    return Certificate(full.model.name, _sizes(small) + ("" if listed else ", some states"), tuple(checks), made)


def _listed(derived: Derived, seed: int, backend: Backend, choices: Choices) -> tuple[Case, list[Check]]:
    case = all_states(derived, seed, backend, choices)
    return case, [found for check in LISTED for found in check(case)]


def _sampled(derived: Derived, seed: int, backend: Backend, choices: Choices) -> tuple[Case, list[Check]]:
    case = some_states(derived, seed, backend, choices)
    return case, [found for check in SAMPLED for found in check(case)]


def certify_network(
    full: Network, small: Network, listed: bool, seed: int = 0, backend: Backend = "numpy"
) -> Certificate:
    """The certificates of all parts of a model with directed parts, and that their product is a distribution."""
    checks: list[Check] = []
    made: list[Exercised] = []
    for large, factor in zip(full.factorisation, small.factorisation, strict=True):
        if not factor.model.random_layers():
            continue
        part = certify(large.derive(), factor.model, listed, seed, backend)
        checks += [replace(check, name=f"{factor.name}: {check.name}") for check in part.checks]
        made += [replace(e, name=f"{factor.name}: {e.name}") for e in part.exercised]
    if listed:
        checks.append(joint(small, seed, backend))
    checks += ancestral(small, seed, backend)
    return Certificate(full.model.name, _sizes(small.model), tuple(checks), tuple(made))


def _sizes(model: Resolved) -> str:
    return ", ".join(f"{n}{list(layer.shape) if layer.shape else ''}" for n, layer in model.layers.items())
