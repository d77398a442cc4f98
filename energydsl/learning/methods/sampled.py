"""Methods that follow the likelihood by chains: d(-log p)/dparam = <dE/dparam>_data - <dE/dparam>_model.

They differ in where the chains of the second expectation start, and how they move (Goodfellow, Bengio & Courville 2016, algorithms
18.1 to 18.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from energydsl import defaults
from energydsl.diagnostics import ArgumentError, one_of
from energydsl.learning.chains import AtData, Chains, Coupled, Fast, Persistent, Restarted, Trajectory
from energydsl.learning.methods.record import Method
from energydsl.learning.objective import Likelihood, Objective, Prediction, WakeSleepBound
from energydsl.learning.posterior import POSITIVE, Posterior, WithMissing
from energydsl.options import SAMPLERS, SamplerName


@dataclass(frozen=True)
class Sampled(Method):
    """k: sweeps an update. latent_sweeps: sweeps over the latents given data, where they do not factorise.

    positive: how the latents are found given data: "gibbs", drawn (exactly where they factorise), or "mean-field", their
    moments after `latent_sweeps` mean-field iterations, which fits a bound on the likelihood (Salakhutdinov & Hinton 2009).

    centred: follow the gradient of the energy in units less their mean (Melchior, Fischer & Wiskott 2016).

    impute: draw entries of the data that are missing (NaN) given those that are known, in `latent_sweeps` sweeps.

    predict: a visible layer y; -log p(y | the rest) is then fitted, exactly, and beside it `generative` times the joint
    -log p that the method estimates (0: discriminative, more: hybrid; Larochelle & Bengio 2008). Where it is not said,
    generative is 0.01 beside a layer to predict, and 1 without.

    sampler: how chains are moved, and latents drawn given data where it fits there too; "auto" by Gibbs blocks where these fit.
    """

    k: int = defaults.SWEEPS
    latent_sweeps: int = defaults.LATENT_SWEEPS
    positive: str = defaults.POSITIVE
    centred: bool = False
    impute: bool = False
    predict: str = ""
    generative: float | None = None
    sampler: SamplerName = defaults.SAMPLER

    def __post_init__(self) -> None:
        if self.k < 1 or self.latent_sweeps < 1:
            raise ArgumentError("k and latent_sweeps are at least 1")
        if self.impute and (self.predict or self.positive != "gibbs"):
            raise ArgumentError("impute draws the positive phase: not with predict, nor with mean field")
        one_of("positive", self.positive, POSITIVE)
        one_of("sampler", self.sampler, SAMPLERS)
        if self.generative is None:
            object.__setattr__(self, "generative", defaults.GENERATIVE if self.predict else 1.0)
        if not self.share >= 0 or (self.share != 1.0 and not self.predict):
            raise ArgumentError("generative is not negative, and belongs to predict")

    def objectives(self) -> tuple[Objective[Any], ...]:
        """What is made small: the likelihood, with its weight, and the prediction of a layer where there is one."""
        likelihood = Likelihood(self.posterior(), self._chains(), self.share, self.sampler)
        return (likelihood, Prediction(self.predict)) if self.predict else (likelihood,)

    def posterior(self) -> Posterior:
        """How latents are found given data."""
        return (WithMissing if self.impute else POSITIVE[self.positive])(self.latent_sweeps)

    def _chains(self) -> Chains:
        """Where the model's expectation comes from."""
        raise NotImplementedError

    @property
    def needs(self) -> str:
        """The entry of the table of applicability that the posterior needs, or nothing."""
        return self.posterior().needs

    @property
    def share(self) -> float:
        """The weight of the joint likelihood."""
        assert self.generative is not None
        return self.generative


@dataclass(frozen=True)
class CD(Sampled):
    """Contrastive divergence: chains start at the data (Hinton 2002)."""

    name = "cd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.positive != "gibbs":
            raise ArgumentError("the chains of cd start at states that were drawn: mean field goes with pcd and mcmc")

    def _chains(self) -> Chains:
        return AtData(self.k)


@dataclass(frozen=True)
class UnbiasedCD(CD):
    """Contrastive divergence with pairs of chains that go on until they meet, which leaves no bias (Qiu, Zhang & Wang 2020).

    max_sweeps: those after which a pair that has not met is given up; the gradient is then biased.
    """

    max_sweeps: int = defaults.MEETING_SWEEPS
    name = "unbiased-cd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_sweeps <= self.k:
            raise ArgumentError("max_sweeps is above k: pairs of chains need sweeps to meet")

    def _chains(self) -> Chains:
        return Coupled(self.k, self.max_sweeps)


@dataclass(frozen=True)
class PCD(Sampled):
    """Stochastic maximum likelihood: chains persist (Younes 1989; Tieleman 2008).

    lag: the parameters wait while a round of `k` sweeps still moves the mean energy of the chains by more standard deviations
    than this, 0.25 for example, for 100 rounds at most; None: they never wait.
    """

    chains: int = defaults.CHAINS
    lag: float | None = None
    name = "pcd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chains < 1:
            raise ArgumentError("chains is at least 1")
        if self.lag is not None and not self.lag > 0:
            raise ArgumentError("lag is above 0, in standard deviations of the energy")

    def _chains(self) -> Chains:
        return Persistent(self.k, self.chains, self.lag)


@dataclass(frozen=True)
class MCMC(Sampled):
    """Naive maximum likelihood: chains start at random and burn in for k sweeps, every update anew (Goodfellow, Bengio & Courville 2016, alg. 18.1)."""

    k: int = defaults.BURN_IN
    chains: int = defaults.CHAINS
    name = "mcmc"

    def _chains(self) -> Chains:
        return Restarted(self.k, self.chains)


@dataclass(frozen=True)
class FastPCD(PCD):
    """Persistent chains that are moved with fast weights (Tieleman & Hinton 2009).

    decay: what is left of the fast weights after an update. fast_rate: of their steps, as a multiple of the learning rate.
    """

    decay: float = defaults.FAST_DECAY
    fast_rate: float = defaults.FAST_RATE
    name = "fast-pcd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.decay < 1 and self.fast_rate > 0):
            raise ArgumentError("decay is at least 0 and below 1, and fast_rate is above 0")

    def _chains(self) -> Chains:
        return Fast(self.k, self.chains, self.lag, self.decay, self.fast_rate)


@dataclass(frozen=True)
class ParallelTempering(PCD):
    """Persistent chains, each of which exchanges states with hotter ones (Desjardins et al. 2010; Cho et al. 2010)."""

    sampler: SamplerName = "tempering"
    name = "parallel-tempering"


@dataclass(frozen=True)
class TrajectoryTempering(PCD):
    """Persistent chains that exchange states with models of the training's past (Bereux et al. 2025); log Z on the way."""

    name = "trajectory-tempering"

    def _chains(self) -> Chains:
        return Trajectory(self.k, self.chains, self.lag)


@dataclass(frozen=True)
class WakeSleep(Sampled):
    """For directed models: recognition upwards, k sweeps in the core, dreams downwards (Hinton et al. 2006).

    chains: of the core. 0: its chains start at what was recognised, contrastive divergence as in the paper; else as many
    persist, which keeps the dreams of long chains sound.
    """

    chains: int = defaults.DREAMS
    name = "wake-sleep"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chains < 0:
            raise ArgumentError("chains is not negative")
        if self.centred:
            raise ArgumentError(
                "wake-sleep is not centred: a directed part has no bias of the layer it is given, which would move with a coupling"
            )
        if self.predict or self.impute or self.positive != "gibbs":
            raise ArgumentError("predict, impute and mean field belong to undirected models, not to wake-sleep")

    def objectives(self) -> tuple[Objective[Any], ...]:
        """Wake-sleep around the likelihood of the core."""
        return (WakeSleepBound(Likelihood(self.posterior(), self._chains(), sampler=self.sampler)),)

    def _chains(self) -> Chains:
        return Persistent(self.k, self.chains) if self.chains else AtData(self.k)
