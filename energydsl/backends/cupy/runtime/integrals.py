"""Integrals of densities without a closed form, one thread a unit."""

from __future__ import annotations

from collections.abc import Sequence

import cupy as np
import numpy

from energydsl.backends.cupy.runtime.device import DEVICE, DeviceArray, whole
from energydsl.backends.numpy.runtime.statistics import Density

_WHAT = ("log", "mean", "variance", "entropy", "mode", "draw")


def integrated(what: str, density: Density, etas: Sequence[DeviceArray], u: DeviceArray | float = 0.0) -> DeviceArray:
    """log of the integral, mean, variance, entropy, mode, or a draw from u, of every unit; NaN where that is undefined.

    etas: one array a statistic, of one shape with u and the result, which is float64.
    """
    shape = numpy.broadcast_shapes(*(getattr(a, "shape", ()) for a in (*etas, u)))
    eta, uniform, out = (np.empty(s, numpy.float64) for s in ((*shape, len(etas)), shape, shape))
    for k in range(len(etas)):
        eta[..., k] = etas[k]
    uniform[...] = u
    sizes = (
        len(density.rows),
        density.rows.shape[1],
        density.growth.shape[1],
        density.bend.shape[1],
        len(density.taylor),
    )
    DEVICE(
        "integrate_densities", out.size, whole(_WHAT.index(what)), eta, uniform, whole(len(etas)), density.rows, density.growth,
        density.bend, density.taylor, *map(whole, sizes), density.holds, density.ends, density.mapping,
        density.tails, density.shift, whole(len(density.ends)), whole(len(density.tails)), out,
        whole(out.size),
    )  # fmt: skip
    return out
