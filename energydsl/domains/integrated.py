"""The family of a density without a closed form: its formulas are what panels integrate (density.py), or tables over counts add up (counted.py)."""

from energydsl.domains.density import Density
from energydsl.domains.scalar import Var, apply
from energydsl.domains.table import UNIFORM, Family


def integrated(density: Density, factorial_base: bool = False) -> Family:
    """The family exp(sum_k eta_k T_k(x)) of some statistics, or of counts with h(x) = 1 / x! before it."""
    standard = density.standard
    count = len(density.statistics) + (standard.location + standard.scale if standard else 0)
    given = (Var("density"), *(Var(f"eta{k + 1}") for k in range(count)))
    return Family(
        name="density",
        powers=(),
        factorial_base=factorial_base,
        confining_power=density.confining[1],
        log_partition=apply("density_log", *given),
        mean=apply("density_mean", *given),
        variance=apply("density_variance", *given),
        sample=apply("density_draw", *given, UNIFORM),
        entropy=apply("density_entropy", *given),
        mode=apply("density_mode", *given),
        density=density,
    )
