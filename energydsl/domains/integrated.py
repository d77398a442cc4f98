"""The family of a density without a closed form: its formulas are what panels integrate (density.py)."""

from energydsl.domains.density import Density
from energydsl.domains.scalar import Var, apply
from energydsl.domains.table import UNIFORM, Family


def integrated(density: Density) -> Family:
    """The family exp(sum_k eta_k T_k(x)) of some statistics."""
    given = (Var("density"), *(Var(f"eta{k + 1}") for k in range(len(density.statistics))))
    return Family(
        name="density",
        powers=(),
        confining_power=density.confining[1],
        log_partition=apply("density_log", *given),
        mean=apply("density_mean", *given),
        variance=apply("density_variance", *given),
        sample=apply("density_draw", *given, UNIFORM),
        entropy=apply("density_entropy", *given),
        mode=apply("density_mode", *given),
        density=density,
    )
