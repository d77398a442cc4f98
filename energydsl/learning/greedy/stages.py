"""The stages of a model, from the data upwards."""

from __future__ import annotations

from energydsl.derive.directed.network import Network
from energydsl.learning.greedy.directed_stages import directed_stages
from energydsl.learning.greedy.stage import Stage
from energydsl.learning.greedy.undirected_stages import undirected_stages
from energydsl.program import Engine


def stages(engine: Engine) -> list[Stage]:
    """The stages of a model, from the data upwards. Raises `NotApplicable`."""
    derived = engine.derived
    return directed_stages(derived) if isinstance(derived, Network) else list(undirected_stages(derived))
