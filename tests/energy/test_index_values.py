"""Indices as numbers: coefficients, powers and functions of them."""

from __future__ import annotations

import itertools
import math

import numpy as np

import energydsl as ed

DISTANCES = "visible s[6] : spin\nenergy = - sum[i < k] s[i]*s[k] / (k - i)^2"


def test_values_are_those_of_a_plain_loop() -> None:
    program = ed.loads(DISTANCES).compile("numpy", dtype="float64")
    states = np.array(list(itertools.product([-1.0, 1.0], repeat=6)))
    by_hand = [-sum(s[i] * s[k] / (k - i) ** 2 for i in range(6) for k in range(i + 1, 6)) for s in states]
    np.testing.assert_allclose(program.energy({}, {"s": states}), by_hand, rtol=1e-12)
    log_z = math.log(sum(math.exp(-e) for e in by_hand))
    np.testing.assert_allclose(program.log_partition({}), log_z, rtol=1e-12)


def test_equal_energies_are_equal_records() -> None:
    text = "visible v[4] : binary\nenergy = {}"
    one = ed.loads(text.format("sum[n] (n + 0.5)*v[n]"))
    two = ed.loads(text.format("sum[k] k*v[k] + 0.5 * sum(v)"))
    assert one.energy == two.energy


def test_shown_in_the_letters_of_readers() -> None:
    shown = ed.loads("dim J = 2, N = 3\nvisible h[J, N] : binary\nenergy = sum[j, n] n*h[j, n] / (j + 1)").explain()
    assert "+ sum_{jn} n h_jn / (1 + j)" in shown
