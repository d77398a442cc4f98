"""The three ways to get the negative phase (Goodfellow, Bengio & Courville 2016, algorithms 18.1 to 18.3).

All follow d(-log p)/dparam = <dE/dparam>_data - <dE/dparam>_model; they differ in where the chains of the second
expectation start.
"""

from __future__ import annotations

from dataclasses import dataclass

from energydsl.diagnostics import ArgumentError


@dataclass(frozen=True)
class Method:
    """k: Gibbs sweeps an update. latent_sweeps: sweeps over the latents given data, where they do not factorise.

    predict: a visible layer y; -log p(y | the rest) is then fitted, exactly, and beside it `generative` times the joint
    -log p that the method estimates (0: discriminative, more: hybrid; Larochelle & Bengio 2008).
    """

    k: int = 1
    latent_sweeps: int = 5
    predict: str = ""
    generative: float = 1.0
    name = "method"

    def __post_init__(self) -> None:
        if self.k < 1 or self.latent_sweeps < 1:
            raise ArgumentError("k and latent_sweeps are at least 1")
        if not self.generative >= 0 or (self.generative != 1.0 and not self.predict):
            raise ArgumentError("generative is not negative, and belongs to predict")


@dataclass(frozen=True)
class CD(Method):
    """Contrastive divergence: chains start at the data (Hinton 2002)."""

    name = "cd"


@dataclass(frozen=True)
class PCD(Method):
    """Stochastic maximum likelihood: chains persist (Younes 1989; Tieleman 2008)."""

    chains: int = 100
    name = "pcd"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chains < 1:
            raise ArgumentError("chains is at least 1")


@dataclass(frozen=True)
class MCMC(Method):
    """Naive maximum likelihood: chains start at random and burn in for k sweeps, every update anew."""

    k: int = 50
    chains: int = 100
    name = "mcmc"


METHODS: dict[str, type[Method]] = {m.name: m for m in (CD, PCD, MCMC)}
