"""Methods: short names of objectives, put together from their parts, and whether they fit a model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from energydsl.derive import Derived
from energydsl.diagnostics import NotApplicable
from energydsl.learning.methods.conditional import CompositeLikelihood as CompositeLikelihood
from energydsl.learning.methods.conditional import MinimumProbabilityFlow as MinimumProbabilityFlow
from energydsl.learning.methods.conditional import PseudoLikelihood as PseudoLikelihood
from energydsl.learning.methods.conditional import RatioMatching as RatioMatching
from energydsl.learning.methods.exact import Exact as Exact
from energydsl.learning.methods.noise_contrastive import NoiseContrastive as NoiseContrastive
from energydsl.learning.methods.record import Method as Method
from energydsl.learning.methods.sampled import CD as CD
from energydsl.learning.methods.sampled import MCMC as MCMC
from energydsl.learning.methods.sampled import PCD as PCD
from energydsl.learning.methods.sampled import FastPCD as FastPCD
from energydsl.learning.methods.sampled import ParallelTempering as ParallelTempering
from energydsl.learning.methods.sampled import Sampled as Sampled
from energydsl.learning.methods.sampled import TrajectoryTempering as TrajectoryTempering
from energydsl.learning.methods.sampled import UnbiasedCD as UnbiasedCD
from energydsl.learning.methods.sampled import WakeSleep as WakeSleep
from energydsl.learning.methods.score_matching import DenoisingScoreMatching as DenoisingScoreMatching
from energydsl.learning.methods.score_matching import ScoreMatching as ScoreMatching
from energydsl.program.samplers import chosen, core_of

METHODS: Mapping[str, type[Method]] = MappingProxyType(
    {
        m.name: m
        for m in (
            CD, PCD, MCMC, WakeSleep, FastPCD, ParallelTempering, TrajectoryTempering, UnbiasedCD, Exact, PseudoLikelihood, CompositeLikelihood,
            RatioMatching, MinimumProbabilityFlow, ScoreMatching, DenoisingScoreMatching, NoiseContrastive,
        )
    }
)  # fmt: skip


def check_applicable(derived: Derived, method: Method) -> None:
    """Raises `NotApplicable`, with the reason, where the table of applicability says that a method does not fit a model."""
    table = {verdict.name: verdict for verdict in derived.verdicts}
    entry = table[method.entry or method.name]
    if not entry.ok:
        raise NotApplicable(f"{method.name} does not fit this model: {entry.why}")
    chosen(method.sampler, core_of(derived))
    needs = method.needs
    if needs and derived.model.by_role("hidden") and not table[needs].ok:
        raise NotApplicable(f"a positive phase by mean field does not fit this model: {table[needs].why}")


def check_population(derived: Derived, method: Method, what: str) -> None:
    """Raises `NotApplicable`, with the reason, where a training holds no states of the model; what: needs them."""
    reasons = [objective.without_population for objective in method.objectives() if objective.weight]
    if all(reasons):
        raise NotApplicable(
            f"{what} takes variances over states of the model, and {method.name} has none: {reasons[0]}. cd, pcd and mcmc have"
        )
    if inputs := derived.model.by_role("input"):
        raise NotApplicable(
            f"{what} takes variances over states of the model, which is another one for each value of `{inputs[0]}`: "
            "the chain that belongs to a value has none"
        )
