"""The Numba runtime with its draws: one kernel a domain, generated from the domain's scalar formulas.

Uniform number, sample and moments of a chain come from one pass over its units.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from energydsl.backends.fused_printer import FusedPrinter, runtimes
from energydsl.backends.numpy_printer import Lines, Printer
from energydsl.backends.scalar_text import scalar
from energydsl.domains import DOMAINS, Domain
from energydsl.domains.scalar import AXIS, Op, Scalar

_HEAD = """
import base64
import contextlib
import ctypes
import math
import threading
import zlib
from types import SimpleNamespace

import numba
import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic
from threadpoolctl import ThreadpoolController

FLOAT = np.{dtype}
"""


class NumbaPrinter(FusedPrinter):
    """The module of a model over the runtime below."""

    def runtime(self) -> str:
        return runtime_text(self.dtype)


_TABLES = (("DRAWS", "draw"), ("GAINS", "gain"))


@lru_cache
def runtime_text(dtype: str) -> str:
    """Everything that does not depend on the model: both runtimes and the draws of all domains."""
    derived = [name for name, domain in DOMAINS.items() if domain.derived]
    draws = [line for name in derived for line in ["", "", *_draw(DOMAINS[name]), "", "", *_gain(DOMAINS[name])]]
    draws += ["", "", *_lane_draw()]
    parts = [
        "\n".join(Printer.docstring("NumPy, Numba and threadpoolctl")),
        _HEAD.format(dtype=dtype),
        "",
        *runtimes("numba_runtime.py", "class Blas"),
        *draws,
        "",
        "",
        *(f"{table} = {{{', '.join(f'{d!r}: {what}_{d}' for d in derived)}}}" for table, what in _TABLES),
    ]
    return "\n".join(parts) + "\n"


def _draw(domain: Domain) -> Lines:
    """The kernel of one domain over (chains, units); `given` holds explicit uniform numbers or nothing."""
    assert domain.sample is not None
    assert domain.mean is not None
    lines = [
        "@njit(parallel=True, cache=True, fastmath=FAST, error_model='numpy')",
        f"def draw_{domain.name}(",
        "    eta1, eta2, base, scale, given, k0, k1, block, sweep, chain, states, out, mean, square, parts,",
        "    address, a, lda, trans_a, b, ldb, trans_b, inner, add,",
        "):",
        f'    """Units in {domain.support}: samples and moments from their fields."""',
        "    rows, entries = out.shape",
        "    scale = FLOAT(scale)",
        "    units = entries // states",
        "    count = (units + WORDS - 1) // WORDS",
        "    for t in prange(parts):",
        "        top, bottom = edge(rows, t, parts), edge(rows, t + 1, parts)",
        "        if address != 0:",
        "            piece(address, a, lda, trans_a, b, ldb, trans_b, inner, eta1, top, bottom, add)",
        "        u, e = np.empty(count * WORDS, FLOAT), np.empty(entries, FLOAT)",
        "        words = np.empty((WORDS, padded(count)), FLOAT)",
        "        for r in range(top, bottom):",
        "            if len(given) > 0:",
        "                u[:units] = given[r]",
        "            else:",
        "                uniforms(u, words, count, chain + r, block, sweep, k0, k1)",
        "            f, o = eta1[r if len(eta1) > 1 else 0], out[r]",
        "            if len(base) > 0:",
        "                c = base[r if len(base) > 1 else 0]",
        "                for j in range(entries):",
        "                    e[j] = scale * f[j] + c[j]",
        "            else:",
        "                for j in range(entries):",
        "                    e[j] = scale * f[j]",
    ]
    if len(domain.powers) > 1:
        lines.append("            g = eta2[r if len(eta2) > 1 else 0]")
    if isinstance(domain.sample, Op) and domain.sample.name in AXIS:
        return [
            *lines,
            "            for j in range(units):",
            "                unit_choose(e, j * states, states, u[j], o)",
            "            if len(mean) > 0:",
            "                for j in range(units):",
            "                    unit_softmax(e, j * states, states, mean[r])",
        ]
    lines += [
        "            for j in range(units):",
        f"                o[j] = {_text(domain.sample)}",
        "            if len(mean) > 0:",
        "                m = mean[r]",
        "                for j in range(units):",
        f"                    m[j] = {_text(domain.mean)}",
    ]
    if len(domain.powers) > 1:
        assert domain.variance is not None
        lines += [
            "            if len(square) > 0:",
            "                v, m = square[r], mean[r]",
            "                for j in range(units):",
            f"                    v[j] = m[j] * m[j] + {_text(domain.variance)}",
        ]
    return lines


def _gain(domain: Domain) -> Lines:
    """What the log-partitions of a domain gain where fields f, g move from s f + c, s g + d to t f + c2, t g + d2."""
    assert domain.log_partition is not None
    lines = [
        "@njit(parallel=True, cache=True, fastmath=FAST, error_model='numpy')",
        f"def gain_{domain.name}(eta1, eta2, c, d, s, c2, d2, t, states, out, parts):",
        "    entries = eta1.shape[1]",
        "    for n in prange(parts):",
        "        a, b = np.empty(entries, FLOAT), np.empty(entries, FLOAT)",
        "        for r in range(len(out) * n // parts, len(out) * (n + 1) // parts):",
        "            f = eta1[r if len(eta1) > 1 else 0]",
    ]
    if len(domain.powers) > 1:
        lines.append("            g = eta2[r if len(eta2) > 1 else 0]")
    lines += [
        "            for j in range(entries):",
        "                a[j] = s * f[j] + c[0, j]",
        "                b[j] = t * f[j] + c2[0, j]",
        "            total = FLOAT(0.0)",
    ]
    if isinstance(domain.log_partition, Op) and domain.log_partition.name in AXIS:
        lines += [
            "            for j in range(0, entries, states):",
            "                total += unit_logsumexp(b, j, states) - unit_logsumexp(a, j, states)",
        ]
    else:
        before, after = (
            {"eta1": f"{x}[j]", "eta2": y} for x, y in (("a", "(s * g[j] + d[0, j])"), ("b", "(t * g[j] + d2[0, j])"))
        )
        lines += [
            "            for j in range(entries):",
            f"                total += {_text(domain.log_partition, after)} - {_text(domain.log_partition, before)}",
        ]
    return [*lines, "            out[r] = total"]


def _lane_draw() -> Lines:
    """Units of any domain for some chains at once; `kind` is the number of the domain in the table."""
    lines = [
        "@njit(fastmath=FAST, error_model='numpy')",
        "def lane_draw(kind, e, second, g, slot, u, units, states, lanes, o):",
        '    """Draw units from their fields e: (units, states, lanes)."""',
    ]
    derived = [d for d in DOMAINS.values() if d.derived]
    for number, domain in enumerate(derived):
        assert domain.sample is not None
        lines.append(f"    if kind == {number}:")
        if isinstance(domain.sample, Op) and domain.sample.name in AXIS:
            lines.append("        lane_choose(e, u, units, states, lanes, o)")
            continue
        if len(domain.powers) > 1:
            lines += [
                "        for m in range(units):",
                "            for k in range(lanes):",
                "                g[m * lanes + k] = second[slot + m]",
            ]
        lines += ["        for j in range(units * lanes):", f"            o[j] = {_text(domain.sample)}"]
    return lines


_VARIABLES = {"eta1": "e[j]", "eta2": "g[j]", "u": "u[j]"}


def _text(formula: Scalar, variables: Mapping[str, str] = _VARIABLES) -> str:
    """A formula of the unit j."""
    return scalar(formula, variables, "(FLOAT(1.0) if {test} else FLOAT(0.0))")
