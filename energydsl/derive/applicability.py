"""Which training methods and which estimators fit a model, and for each that does not, why: one table, a rule an entry."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from energydsl import limits
from energydsl.derive.records import Conditional, Side, Verdict
from energydsl.domains import DOMAINS, Domain
from energydsl.model.records import Resolved

Fit = tuple[bool, str]


@dataclass(frozen=True)
class Facts:
    """What the rules look at.

    conditionals: by layer. summed_out: latents that a closed form sums out. log2_states: of what is left to enumerate
    where closed forms sum out the rest; side: how an exact sum goes about it; core_log2_states: of the core. directed: whether there are directed parts; unrecognised: why not all latents of such a
    model are recognised, or nothing; ancestral: whether all layers are drawn from their parents, so that Z = 1.
    """

    model: Resolved
    log2_states: float
    conditionals: Mapping[str, Conditional] = field(default_factory=dict)
    summed_out: tuple[str, ...] = ()
    side: Side | None = None
    directed: bool = False
    unrecognised: str = ""
    core_log2_states: float = 0.0
    ancestral: bool = False


def applicability(
    model: Resolved,
    conditionals: Mapping[str, Conditional],
    summed_out: tuple[str, ...],
    log2_states: float,
    side: Side,
) -> tuple[Verdict, ...]:
    """The table that `explain` prints."""
    return verdicts(Facts(model, log2_states, conditionals, summed_out, side))


def directed(
    model: Resolved, unrecognised: str, log2_states: float, core_states: float, ancestral: bool
) -> tuple[Verdict, ...]:
    """The table of a model with directed parts; unrecognised: why latents are not all recognised, or nothing."""
    facts = Facts(
        model,
        log2_states,
        directed=True,
        unrecognised=unrecognised,
        core_log2_states=core_states,
        ancestral=ancestral,
    )
    return verdicts(facts)


def verdicts(facts: Facts) -> tuple[Verdict, ...]:
    """Every entry of the table: whether it fits, and why or why not."""
    return tuple(Verdict(name, kind, *rule(facts)) for name, (kind, rule) in TABLE.items())


# --- objectives


def _cd(facts: Facts) -> Fit:
    return _sampled(facts, "contrastive divergence from the data")


def _pcd(facts: Facts) -> Fit:
    ok, why = _sampled(facts, "persistent chains")
    inputs = facts.model.by_role("input")
    if ok and inputs:
        return False, f"a persistent chain belongs to one value of {_names(inputs)}; use cd"
    return ok, why


def _mcmc(facts: Facts) -> Fit:
    return _sampled(facts, "chains restarted at random")


def _sampled(facts: Facts, how: str) -> Fit:
    """What follows the likelihood by chains of the whole model."""
    if facts.directed:
        return False, "chains run in the core only: use wake-sleep"
    if not facts.model.by_role("visible"):
        return False, "there is no visible layer to give data to"
    if all("frozen" in p.constraints for p in facts.model.params.values()):
        return False, "no parameter is learned"
    return True, how


def _unbiased(facts: Facts) -> Fit:
    """Pairs of chains meet where units of infinitely many states are drawn from neighbours of finitely many alone."""
    ok, why = _sampled(facts, "pairs of chains from the data, until they meet")
    layers = facts.model.random_layers()
    endless = [n for n in layers if not _domain(facts, n).finite]
    if not ok or not endless:
        return ok, why
    reason = ", so that chains come close but never meet"
    if len(endless) == len(layers):
        return False, f"no layer has finitely many states{reason}"
    for name in endless:
        if name not in facts.conditionals:
            return False, f"`{name}` has infinitely many states and no conditional of a family{reason}"
        if facts.conditionals[name].coupled_by is not None:
            return False, f"units of `{name}` have infinitely many states and share a term{reason}"
    for one, other in itertools.combinations(endless, 2):
        if set(facts.conditionals[one].terms) & set(facts.conditionals[other].terms):
            return False, f"`{one}` and `{other}` have infinitely many states and share a term{reason}"
    return True, why


def _exact_gradient(facts: Facts) -> Fit:
    ok, why = _sampled(facts, "")
    if not ok:
        return ok, why
    if facts.log2_states > math.log2(limits.LISTED_STATES):
        return False, f"2^{facts.log2_states:.4g} states to list, more than {limits.LISTED_STATES:,}"
    return True, f"2^{facts.log2_states:.4g} states are listed for every gradient"


def _free(facts: Facts, how: str) -> Fit:
    """What follows functions of F: nothing latent may be left."""
    ok, why = _sampled(facts, how)
    left = [n for n in facts.model.by_role("hidden") if n not in facts.summed_out]
    odd = [n for n in facts.summed_out if not facts.conditionals[n].linear]
    if ok and left:
        return False, f"{_names(left)} cannot be summed out in closed form"
    if ok and odd:
        return False, f"{_names(odd)} enters the energy by other functions than its moments"
    return ok, why


def _changes(facts: Facts) -> Fit:
    ok, why = _sampled(facts, "")
    if not ok:
        return ok, why
    endless = [n for n in facts.model.by_role("visible") if not _domain(facts, n).finite]
    if endless:
        return False, f"{_names(endless)} has infinitely many states, with none to compare a datum with"
    return _free(facts, "p(unit | the other visible ones)")


def _pseudo_likelihood(facts: Facts) -> Fit:
    ok, why = _changes(facts)
    if ok or facts.directed or facts.model.by_role("hidden"):
        return ok, why
    visible = facts.model.by_role("visible")
    read_off = all(n in facts.conditionals and facts.conditionals[n].linear for n in visible)
    return _free(facts, "p(unit | the other ones)") if read_off else (ok, why)


def _score_matching(facts: Facts) -> Fit:
    ok, why = _sampled(facts, "")
    if not ok:
        return ok, why
    for name in facts.model.by_role("visible"):
        domain = _domain(facts, name)
        if domain.finite or domain.bounded or domain.nonnegative or domain.integer_valued:
            return False, f"`{name}` is not real: log p has no slope on the whole line"
    return _free(facts, "slopes of log p at the data")


def _noise_contrastive(facts: Facts) -> Fit:
    if inputs := facts.model.by_role("input"):
        return False, f"log Z is learned as one number, and hangs on {_names(inputs)}"
    return _free(facts, "data told from independent units")


def _domain(facts: Facts, layer: str) -> Domain:
    return DOMAINS[facts.model.layers[layer].domain.name]


def _wake_sleep(facts: Facts) -> Fit:
    if not facts.directed:
        return False, "it is for models with directed parts"
    if not facts.model.by_role("visible"):
        return False, "no visible layer to give data to"
    if facts.ancestral and not facts.model.by_role("hidden"):
        return True, "the exact gradient: nothing is latent, and Z = 1"
    return (False, facts.unrecognised) if facts.unrecognised else (True, "untied recognition weights")


# --- estimators


def _free_energy(facts: Facts) -> Fit:
    if facts.directed:
        return False, "latents below and above meet in the data"
    hidden = facts.model.by_role("hidden")
    left = [n for n in hidden if n not in facts.summed_out]
    if left:
        return True, f"{_names(left)} cannot be summed out in closed form and is an argument"
    return True, "all hidden layers are summed out" if hidden else "there are no hidden layers: F = E (at beta = 1)"


def _mean_field(facts: Facts) -> Fit:
    if facts.directed:
        return False, "recognition takes its place"
    hidden = facts.model.by_role("hidden")
    if not hidden:
        return False, "there is no hidden layer"
    other = [n for n in hidden if n not in facts.conditionals or not facts.conditionals[n].linear]
    if other:
        return False, f"{_names(other)} enters the energy by other functions than its moments"
    return True, "a fully factorised bound on log p~(v)"


def _exact(facts: Facts) -> Fit:
    states = facts.side.log2_states if facts.side else facts.log2_states
    if math.isinf(states) and not facts.directed:
        return False, "a layer of an infinite domain cannot be summed out"
    ok = max(states, facts.core_log2_states) <= limits.LOG2_STATES
    what = "of the latents" if facts.directed else "to enumerate"
    joint = f"{_names(facts.side.joint)} by linear algebra" if facts.side and facts.side.joint else ""
    if joint and not states:
        return True, joint
    joint += ", " if joint else ""
    return ok, f"{joint}2^{states:.4g} states {what}" + ("" if ok else f", more than 2^{limits.LOG2_STATES:.0f}")


def _ais(facts: Facts) -> Fit:
    fits, why = True, "annealing from the base rates of the data"
    if facts.ancestral:
        if not facts.model.by_role("hidden"):
            return False, "every layer is drawn from its parents, so that Z = 1: there is nothing to anneal"
        return (
            not facts.unrecognised,
            facts.unrecognised or "a bound by recognition; every layer is drawn, so that Z = 1",
        )
    if facts.directed:
        visible = facts.model.by_role("visible")
        fits = not facts.unrecognised
        missing = facts.unrecognised if visible else "no visible layer to give data to"
        why = "a bound by recognition, log Z of the core by annealing" if fits else missing
    if facts.model.by_role("input") and fits:
        why += "; log Z depends on the inputs: one estimate for each row of them"
    return fits, why


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


TABLE: Mapping[str, tuple[str, Callable[[Facts], Fit]]] = MappingProxyType(
    {
        "cd": ("objective", _cd),
        "pcd": ("objective", _pcd),
        "mcmc": ("objective", _mcmc),
        "wake-sleep": ("objective", _wake_sleep),
        "fast-pcd": ("objective", _pcd),
        "parallel-tempering": ("objective", _pcd),
        "trajectory-tempering": ("objective", _pcd),
        "unbiased-cd": ("objective", _unbiased),
        "exact gradient": ("objective", _exact_gradient),
        "pseudo-likelihood": ("objective", _pseudo_likelihood),
        "composite-likelihood": ("objective", _changes),
        "ratio-matching": ("objective", _changes),
        "minimum-probability-flow": ("objective", _changes),
        "score-matching": ("objective", _score_matching),
        "denoising-score-matching": ("objective", _score_matching),
        "noise-contrastive": ("objective", _noise_contrastive),
        "free_energy": ("estimator", _free_energy),
        "mean_field": ("estimator", _mean_field),
        "exact": ("estimator", _exact),
        "ais": ("estimator", _ais),
    }
)
