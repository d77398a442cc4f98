"""Penalties on parameters: L2 in the gradient; L1 and groups as proximal steps, after which zeros are exact.

After every step x, the value is the least of  sum_i (value_i - x_i)^2 / (2 t_i) + penalty,  t the size of the step (Parikh & Boyd
2014, sec. 6.5). For L1, of factor f, that is x less its part in [-t f, t f]. For groups, f sum_g sqrt(n_g) |value_g| (Yuan & Lin 2006),
it is x s / (s + c) in a group, c = t f sqrt(n_g) and s the norm that is left: sum_i x_i^2 / (s + c_i)^2 = 1, or 0. Both in turn are the
step for both (Friedman, Hastie & Tibshirani 2010).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from energydsl.diagnostics import ArgumentError, suggestion
from energydsl.model.records import Param

# Factors by name of a parameter, "" for all couplings.
Penalty = tuple[tuple[str, float], ...]
Given = float | Mapping[str, float] | Penalty
ALL = ""
# Newton steps for the norm of a group whose entries have steps of different sizes; they converge quadratically from below.
_STEPS = 8
_TINY = 1e-30


def penalty(name: str, given: Given) -> Penalty:
    """A factor for all couplings, or factors by parameter, as pairs. Raises `ArgumentError`."""
    pairs: Iterable[Any] = ((ALL, given),)
    if isinstance(given, Mapping):
        pairs = given.items()
    elif isinstance(given, list | tuple):
        pairs = given
    found: dict[str, float] = {}
    for pair in pairs:
        target, number = _pair(name, pair)
        param = target.partition(":")[0]
        if param in {other.partition(":")[0] for other in found}:
            raise ArgumentError(f"{name} has two factors for {f'`{param}`' if param else 'all couplings'}")
        found[target] = number
    return () if found == {ALL: 0.0} else tuple(found.items())


def _pair(name: str, pair: Any) -> tuple[str, float]:
    if isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str):
        target, number = pair
        if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < math.inf:
            return target, float(number)
    raise ArgumentError(f"{name} is a number, not negative, or such numbers by parameter, as in {name}={{'W': 1e-4}}")


def factor(given: Given, param: str, coupling: bool) -> float:
    """The factor of a parameter: its own, else where it is a coupling that of all couplings."""
    if not given:
        return 0.0
    found = {target.partition(":")[0]: number for target, number in penalty("a penalty", given)}
    return found.get(param, found.get(ALL, 0.0) if coupling else 0.0)


def group_axes(given: Given, param: Param) -> tuple[int, ...]:
    """The axes that number the groups, `W:0,1`; where none is named the last of two, one group for each unit there.

    Raises `ArgumentError` where that is none of the parameter's, or where groups would overlap.
    """
    named = [t.partition(":")[2] for t, _ in penalty("group", given) if t.partition(":")[0] == param.name]
    text, rank = (named or [""])[0], len(param.shape)
    if not text and rank != 2:
        raise ArgumentError(
            f"group: `{param.name}` has {rank} axes; say which number the groups, as in group={{'{param.name}:0': 1e-3}}"
        )
    known = {str(k): k for k in range(rank)}
    axes = sorted({known.get(k.strip(), rank) for k in text.split(",")} if text else {1})
    if axes[-1] >= rank:
        raise ArgumentError(f"group: `{param.name}` has axes 0 to {rank - 1}, and `{param.name}:{text}` names others")
    if "symmetric" in param.constraints and len(axes) < rank and not {0, 1} <= set(axes):
        raise ArgumentError(f"group: `{param.name}` is symmetric, so that groups by one of its units would overlap")
    return tuple(axes)


def check_penalties(params: Mapping[str, Param], couplings: Iterable[str], penalties: Mapping[str, Given]) -> None:
    """Raises `ArgumentError` where a penalty is on what is no parameter, is not learned, or cannot be zero.

    params: of the model. penalties: `l1`, `l2` and `group`, by these names.
    """
    held = set(couplings)
    for kind, given in penalties.items():
        for target, _ in penalty(kind, given):
            name = target.partition(":")[0]
            if name and name not in params:
                raise ArgumentError(f"{kind}: there is no parameter `{name}`. {suggestion(name, params)}".strip())
            if ":" in target and kind != "group":
                raise ArgumentError(f"{kind}: `{target}` names axes, which belong to group")
            for param in [params[name]] if name else [p for n, p in params.items() if n in held]:
                _check_param(kind, given, param, named=bool(name))


def _check_param(kind: str, given: Given, param: Param, named: bool) -> None:
    if "frozen" in param.constraints:
        if named:
            raise ArgumentError(f"{kind}: `{param.name}` is frozen, not learned")
    elif kind != "l2" and "positive" in param.constraints:
        raise ArgumentError(f"{kind}: `{param.name}` is positive and never 0; give l2, or name other parameters")
    elif kind == "group" and factor(given, param.name, coupling=True):
        group_axes(given, param)


def shrink(value: Any, size: Any, xp: Any) -> None:
    """The proximal step of L1, in place. size: t f, a number, an array of one, or one of the value's shape."""
    value -= xp.clip(value, -size, size)


def shrink_groups(value: Any, size: Any, axes: tuple[int, ...], xp: Any) -> None:
    """The proximal step of groups that `axes` number, in place. size: t f, as in `shrink`."""
    within = tuple(k for k in range(value.ndim) if k not in axes)
    each = getattr(size, "ndim", 0) > 0
    c = size * math.sqrt(math.prod(value.shape[k] for k in within))
    norm = xp.sqrt(xp.square(value).sum(axis=within, keepdims=True))
    # Below the norm that is left, and equal to it where all entries have one size.
    s = xp.maximum(norm - (c.max(axis=within, keepdims=True) if each else c), 0.0)
    for _ in range(_STEPS if each else 0):
        ratio = value / xp.maximum(s + c, _TINY)
        f = xp.square(ratio).sum(axis=within, keepdims=True)
        slope = (xp.square(ratio) / xp.maximum(s + c, _TINY)).sum(axis=within, keepdims=True)
        s = xp.maximum(s + f * (xp.sqrt(f) - 1.0) / xp.maximum(slope, _TINY), 0.0)
    value *= s / xp.maximum(s + c, _TINY)
