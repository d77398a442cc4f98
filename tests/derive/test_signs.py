"""Sums of units are proved positive by the bounds of what stands in them, compared with the least of all their values."""

from __future__ import annotations

import itertools
import math

import pytest

import energydsl as ed

# Of s1, s2 = -1, 1 and x = -2 ... 1, with a parameter r whose value is not known; the same in Python.
SUMS = {
    "2 + sin(s[0] + s[1])": True,
    "0.9 + sin(s[0] + s[1])": False,
    "2 + sin(s[0] + s[1]) * tanh(r)": True,
    "2 + sin(s[0] + s[1]) * r": False,
    "1.5 - cos(s[0] * s[1]) / (1 + r^2)": True,
    "1 - cos(s[0] * s[1]) / (0.5 + r^2)": False,
    "3.5 + s[0] * s[1] - sigmoid(s[0] + r)": True,
    "5 + x[0] * x[1] + s[0] - s[1]": True,
    "3 + x[0] * x[1] + s[0] - s[1]": False,
    "3 - x[0] * x[1]": False,
    "9 + x[0]^3 + 0.1 * sin(s[0])": True,
    "8 + x[0]^3 + 0.1 * sin(s[0])": False,
    "5 + sum[i] tanh(s[i] + r)": True,
    "2 + sum[i] tanh(s[i] + r)": False,
}


def least(text: str) -> float:
    """The least of a sum over all values of its units, and some of r."""
    names = {"sin": math.sin, "cos": math.cos, "tanh": math.tanh, "sigmoid": lambda y: 1 / (1 + math.exp(-y))}
    text = text.replace("^", "**").replace("sum[i] tanh(s[i] + r)", "(tanh(s[0] + r) + tanh(s[1] + r))")
    units = itertools.product((-1, 1), (-1, 1), range(-2, 2), range(-2, 2), (-50.0, -1.0, 0.0, 0.3, 1.0, 50.0))
    return min(eval(text, {**names, "s": u[:2], "x": u[2:4], "r": u[4]}) for u in units)


@pytest.mark.parametrize("text", SUMS)
def test_positive(text: str) -> None:
    model = f"visible s[2] : spin\nvisible x[2] : integer[-2, 1]\nparam r\nenergy = log({text}) + sum(x)"
    if SUMS[text]:
        assert least(text) > 0.0
        assert ed.loads(model)
    else:
        with pytest.raises(ed.ModelError, match="E0310"):
            ed.loads(model)
