"""What parameters must be: finite, and within the constraints they are declared with.

Measures are taken where the arrays are, and brought to the host together, as a device is waited for each time. One that
may be a fault is looked at again on the host, entry by entry.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from energydsl.diagnostics import DataError
from energydsl.model.records import Param

Array = NDArray[Any]

# Of the largest entry: what rounding in single precision may leave of a symmetry.
_ROUNDING = 1e-5
_BLOCK = 256


def check(params: Mapping[str, Param], values: Mapping[str, Array], xp: Any, host: Callable[[Any], Array]) -> None:
    """Raises `DataError` (E0403) with the parameter, the entry and what was expected."""
    rules, found = [], []
    for name, param in params.items():
        for rule in ("finite", *param.constraints) if 0 not in param.shape else ():
            if rule in _MEASURES:
                rules.append((param, rule))
                found.append(_MEASURES[rule](xp, values[name]))
    for (param, rule), measure in zip(rules, host(xp.stack(found)) if xp is not np and found else found, strict=True):
        if not _plainly_holds(rule, measure):
            _look_again(param, rule, host(values[param.name]))


def _squares(xp: Any, value: Array) -> Any:
    """Finite where all entries are, unless they are very large. `vdot`, unlike `@`, has no floating-point warnings."""
    return xp.vdot(value, value)


def _asymmetry(xp: Any, value: Array) -> Any:
    """How many blocks, of a size that stays in the cache, differ from their mirror image."""
    cuts = [slice(k, k + _BLOCK) for k in range(0, len(value), _BLOCK)]
    return sum((value[i, k] != value[k, i].T).max() for n, i in enumerate(cuts) for k in cuts[: n + 1])


def _diagonal(xp: Any, value: Array) -> Any:
    return abs(value.ravel()[:: len(value) + 1]).max()


def _least(xp: Any, value: Array) -> Any:
    return value.min()


_MEASURES: Mapping[str, Callable[[Any, Array], Any]] = {
    "finite": _squares,
    "positive": _least,
    "nonnegative": _least,
    "symmetric": _asymmetry,
    "zero_diagonal": _diagonal,
}


def _plainly_holds(rule: str, measure: float) -> bool:
    if rule == "finite":
        return math.isfinite(measure)
    if rule == "positive":
        return measure > 0
    return measure >= 0 if rule == "nonnegative" else measure == 0


def _look_again(param: Param, rule: str, value: Array) -> None:
    """The entry that breaks a rule by more than rounding, if there is one."""
    rounding = _ROUNDING * np.abs(value).max()
    match rule:
        case "finite":
            broken, wanted = ~np.isfinite(value), "a parameter is finite"
        case "positive":
            broken, wanted = value <= 0, "it is declared positive: above 0"
        case "nonnegative":
            broken, wanted = value < 0, "it is declared nonnegative: 0 or above"
        case "symmetric":
            broken, wanted = np.abs(value - value.T) > rounding, "it is declared symmetric"
        case _:
            broken = (np.abs(value) > rounding) & np.eye(len(value), dtype=bool)
            wanted = "its diagonal is declared zero"
    if not broken.any():
        return
    at = tuple(int(k) for k in np.argwhere(broken)[0])
    shown = f"parameter `{param.name}` is {value[at]:g}" + (f" at {list(at)}" if at else "")
    if rule != "symmetric":
        raise DataError.of(f"{shown}, but {wanted}", "", "E0403")
    raise DataError.of(
        f"{shown} and {value[at[::-1]]:g} at {list(at[::-1])}, but {wanted}",
        "a triangle is not symmetric: give both halves, each coupling at [i, k] and at [k, i]",
        "E0403",
    )
