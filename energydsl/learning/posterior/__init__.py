"""How latents are found given data: one file an entry, each a frozen record with `load` and `step`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from energydsl.learning.posterior.gibbs import Gibbs as Gibbs
from energydsl.learning.posterior.mean_field import MeanField as MeanField
from energydsl.learning.posterior.missing import WithMissing as WithMissing
from energydsl.learning.posterior.record import Posterior as Posterior

# What a method's `positive` names.
POSITIVE: Mapping[str, type[Posterior]] = MappingProxyType({"gibbs": Gibbs, "mean-field": MeanField})
