"""Special functions from CuPy's mirror of SciPy."""

from __future__ import annotations

import cupy as np
import numpy

from energydsl.backends.cupy.runtime.device import SINGLE, DeviceArray


def lgamma(x: DeviceArray) -> DeviceArray:
    """log Gamma(x), elementwise."""
    from cupyx.scipy import special

    return special.gammaln(x)


def digamma(x: DeviceArray) -> DeviceArray:
    """d log Gamma(x) / dx, elementwise."""
    from cupyx.scipy import special

    return special.digamma(x)


def ndtri(u: DeviceArray, out: DeviceArray | None = None) -> DeviceArray:
    """Quantile of the standard normal distribution at u in [0, 1)."""
    from cupyx.scipy import special

    value = special.ndtri(np.clip(u.astype(numpy.float64), 2.0**-26 if SINGLE else 2.0**-54, 1.0 - 2.0**-53))
    out = np.empty_like(u) if out is None else out
    out[...] = value
    return out
