"""Which training methods and which estimators fit a model, and for each that does not, why."""

from __future__ import annotations

import math
from collections.abc import Mapping

from energydsl import limits
from energydsl.derive.records import Conditional, Verdict
from energydsl.model.records import Resolved


def applicability(
    model: Resolved,
    conditionals: Mapping[str, Conditional],
    summed_out: tuple[str, ...],
    log2_states: float,
) -> tuple[Verdict, ...]:
    """The table that `explain` prints."""
    visible = model.by_role("visible")
    inputs = model.by_role("input")
    hidden = model.by_role("hidden")
    learns = visible and any("frozen" not in p.constraints for p in model.params.values())
    why_not = "there is no visible layer to give data to" if not visible else "no parameter is learned"
    cd = Verdict("cd", "objective", bool(learns), "contrastive divergence from the data" if learns else why_not)
    mcmc = Verdict("mcmc", "objective", bool(learns), "chains restarted at random" if learns else why_not)
    if learns and inputs:
        names = ", ".join(f"`{n}`" for n in inputs)
        pcd = Verdict("pcd", "objective", False, f"a persistent chain belongs to one value of {names}; use cd")
    else:
        pcd = Verdict("pcd", "objective", bool(learns), "persistent chains" if learns else why_not)
    sleep = Verdict("wake-sleep", "objective", False, "it is for models with directed parts")
    left = [n for n in hidden if n not in summed_out]
    if left:
        reason = f"{_names(left)} cannot be summed out in closed form and is an argument"
    else:
        reason = "all hidden layers are summed out" if hidden else "there are no hidden layers: F = E (at beta = 1)"
    return (
        cd,
        pcd,
        mcmc,
        sleep,
        Verdict("free_energy", "estimator", True, reason),
        _mean_field(conditionals, hidden),
        _exact(log2_states),
        _ais(inputs, True, "annealing from the base rates of the data"),
    )


def directed(model: Resolved, unrecognised: str, log2_states: float, core_states: float) -> tuple[Verdict, ...]:
    """The table of a model with directed parts; unrecognised: why latents are not all recognised, or nothing."""
    visible = bool(model.by_role("visible"))
    recognised = not unrecognised
    why = "no visible layer to give data to" if not visible else unrecognised
    sleep = Verdict(
        "wake-sleep", "objective", visible and recognised, "untied recognition weights" if recognised else why
    )
    free = Verdict("free_energy", "estimator", False, "latents below and above meet in the data")
    exact = log2_states <= limits.LOG2_STATES and core_states <= limits.LOG2_STATES
    size = f"2^{log2_states:.4g} states of the latents" + ("" if exact else f", more than 2^{limits.LOG2_STATES:.0f}")
    bound = "a bound by recognition, log Z of the core by annealing" if recognised else why
    chains = "chains run in the core only: use wake-sleep"
    return (
        *(Verdict(n, "objective", False, chains) for n in ("cd", "pcd", "mcmc")),
        sleep,
        free,
        Verdict("mean_field", "estimator", False, "recognition takes its place"),
        Verdict("exact", "estimator", exact, size),
        _ais(model.by_role("input"), recognised, bound),
    )


def _names(names: list[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _mean_field(conditionals: Mapping[str, Conditional], hidden: tuple[str, ...]) -> Verdict:
    if not hidden:
        return Verdict("mean_field", "estimator", False, "there is no hidden layer")
    other = [n for n in hidden if not conditionals[n].linear]
    if other:
        why = f"{_names(other)} enters the energy by other functions than its moments"
        return Verdict("mean_field", "estimator", False, why)
    return Verdict("mean_field", "estimator", True, "a fully factorised bound on log p~(v)")


def _exact(log2_states: float) -> Verdict:
    if math.isinf(log2_states):
        return Verdict("exact", "estimator", False, "a layer of an infinite domain cannot be summed out")
    ok = log2_states <= limits.LOG2_STATES
    size = f"2^{log2_states:.4g} states to enumerate"
    return Verdict("exact", "estimator", ok, size if ok else f"{size}, more than 2^{limits.LOG2_STATES:.0f}")


def _ais(inputs: tuple[str, ...], fits: bool, why: str) -> Verdict:
    if inputs and fits:
        why += "; log Z depends on the inputs: one estimate for each row of them"
    return Verdict("ais", "estimator", fits, why)
