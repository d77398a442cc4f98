"""`KernelProgram` -> text of a Numba module: the NumPy module with its products and draws in parallel.

A draw is one kernel a domain, generated from the domain's scalar formulas: uniform number, sample and moments of a chain
in one pass over its units. These kernels know no model, so they are compiled once for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from energydsl.backends import numba_runtime, numpy_runtime
from energydsl.backends.numpy_printer import INFIX, Lines, Printer, body_of, comment
from energydsl.domains import DOMAINS, Domain
from energydsl.domains.scalar import AXIS, Num, Op, Scalar, Var
from energydsl.kernels.program import BATCH, LayerKernels

_HEAD = """
import base64
import contextlib
import ctypes
import math
import threading
import zlib
from contextlib import contextmanager
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


class NumbaPrinter(Printer):
    """Prints what differs from NumPy: the runtime, and how a layer is drawn."""

    def runtime(self) -> str:
        return runtime_text(self.dtype)

    def sample(self, layer: LayerKernels) -> Lines:
        name = layer.layer
        states = layer.energy_shape[len(layer.shape) :]
        count = states[0] if states else 1
        kernel = f"draw_{layer.domain.name}"
        lines = [
            *self.moments(layer),
            "",
            "",
            f"def sample_{name}(p, x, s, random, w, colour=None, means=None):",
            f'    """Draw `{name}` given all other layers, into x; and its moments into `means` if that is given."""',
        ]
        if name in self.colours:
            etas = ["eta1", "eta2"][: len(layer.fields)]
            taken = [f"at_units({a}, units, {layer.shape!r}, {states!r})" for a in etas]
            inner = "".join(f", {n}" for n in states)
            return [
                *lines,
                f"    {', '.join(etas)}, = fields_{name}(p, x, s, w)",
                *self.units_of(layer),
                f"    draw({kernel}, {', '.join(taken)}{', None' * (2 - len(taken))}, random, new, {count})",
                f'    x["{name}"].reshape(rows(x), -1{inner})[:, units] = new',
            ]
        square = f'means["{name}^2"]' if len(layer.fields) > 1 else "None"
        lines.append(f'    moments = (None, None) if means is None else (means["{name}"], {square})')
        product = self.fused(layer)
        if product is None:
            lines.append(f"    eta1 = eta1_{name}(p, x, s, w)")
        else:
            lines += product
        lines.append(f"    eta2 = eta2_{name}(p, x, s, w)" if len(layer.fields) > 1 else "    eta2 = None")
        more = "" if product is None else ", product, scale, base"
        return [*lines, f'    draw({kernel}, eta1, eta2, random, x["{name}"], {count}, moments{more})']

    def path(self, layer: LayerKernels) -> Lines:
        name, domain = layer.layer, layer.domain.name
        states = layer.energy_shape[len(layer.shape) :]
        return [
            *self.apart(layer),
            "",
            "",
            *self.gain(layer, f"gain_{domain}"),
            "",
            "",
            f"def draw_moved_{name}(etas, at, random, out, w):",
            f'    """Draw `{name}` at natural parameters scale * eta + offset; at: (scale, offsets)."""',
            "    scale, offsets = at",
            "    eta2 = None if len(etas) == 1 else scale * etas[1] + offsets[1]",
            f"    draw(draw_{domain}, etas[0], eta2, random, out, {states[0] if states else 1}, scale=scale, base=offsets[0])",
        ]

    def apart(self, layer: LayerKernels) -> Lines:
        product = self.fused(layer)
        if product is None or len(layer.fields) > 1:
            return super().apart(layer)
        until = next(n for n, line in enumerate(product) if "if scale" in line)
        return [
            f"def apart_{layer.layer}(p, x, s, w):",
            f'    """Fields of `{layer.layer}` in two: one varies with the chains, the other is the same for all."""',
            *product[:until],
            "    left, right, add = product",
            "    matmul(left, right, out=eta1.reshape(rows(x), -1), add=add)",
            "    if scale != 1.0:",
            "        eta1 *= scale",
            "        base = scale * base",
            "    return (eta1,), (base,)",
        ]

    def fused(self, layer: LayerKernels) -> Lines | None:
        """eta1 = scale * (products) + base, the last product left to the draw; None where the field is not of that kind."""
        kernel = layer.fields[0]
        letters = (BATCH, *kernel.letters)
        batched = [s for s in kernel.sections if s.batched]
        if not batched or len({s.label for s in kernel.sections}) > 1:
            return None
        if any(s.coefficient != 1.0 for s in batched) or any(s.target is not None for s in kernel.sections):
            return None
        lines = [
            f"    # {comment(kernel.equation)}",
            f'    eta1 = w("{kernel.name}:{layer.layer}", (rows(x), {", ".join(map(str, kernel.shape))},))',
            f'    scale, base = s.beta * s.weights["{kernel.sections[0].label}"], 0.0',
        ]
        for number, section in enumerate(batched):
            factors = self.factors(section, letters)
            if factors is None:
                return None
            steps, (left, right) = factors
            product = f"({left}, {right}, {number > 0})"
            if number < len(batched) - 1:
                flat = "eta1" if len(letters) <= 2 else "eta1.reshape(rows(x), -1)"
                lines += [*steps, f"    matmul({left}, {right}, out={flat}{', add=True' if number else ''})"]
            else:
                lines += [*steps, f"    product = {product}"]
        for section in kernel.sections:
            if not section.batched:
                steps, value = self.value(section, {})
                aligned = self.align(self.times(value, section, ""), self.result_letters(section), kernel.letters)
                lines += [*steps, f"    base = base + {aligned}"]
        return [
            *lines,
            "    if scale != 1.0:",
            "        base = scale * base",
            f'    if "{layer.layer}" in s.external:',
            f'        base = base + s.external["{layer.layer}"][0]',
        ]


@lru_cache
def runtime_text(dtype: str) -> str:
    """Everything that does not depend on the model: both runtimes and the draws of all domains."""
    draws = [line for domain in DOMAINS.values() if domain.derived for line in ["", "", *_draw(domain)]]
    draws += [line for domain in DOMAINS.values() if domain.derived for line in ["", "", *_gain(domain)]]
    draws += ["", "", *_lane_draw()]
    parts = [
        "\n".join(Printer.docstring("NumPy, Numba and threadpoolctl")),
        _HEAD.format(dtype=dtype),
        "",
        body_of(numpy_runtime, "class Workspace"),
        "\n",
        body_of(numba_runtime, "class Blas"),
        *draws,
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
        "        top, bottom = rows * t // parts, rows * (t + 1) // parts",
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
        f"                o[j] = {scalar(domain.sample)}",
        "            if len(mean) > 0:",
        "                m = mean[r]",
        "                for j in range(units):",
        f"                    m[j] = {scalar(domain.mean)}",
    ]
    if len(domain.powers) > 1:
        assert domain.variance is not None
        lines += [
            "            if len(square) > 0:",
            "                v, m = square[r], mean[r]",
            "                for j in range(units):",
            f"                    v[j] = m[j] * m[j] + {scalar(domain.variance)}",
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
            f"                total += {scalar(domain.log_partition, after)} - {scalar(domain.log_partition, before)}",
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
        lines += ["        for j in range(units * lanes):", f"            o[j] = {scalar(domain.sample)}"]
    return lines


_VARIABLES = {"eta1": "e[j]", "eta2": "g[j]", "u": "u[j]"}


def scalar(node: Scalar, variables: Mapping[str, str] = _VARIABLES) -> str:
    """A formula as one scalar expression of the unit j."""
    match node:
        case Var(name=name):
            return variables[name]
        case Num(value=value):
            return f"FLOAT({value!r})"
        case Op(name="negative", arguments=(inner,)):
            return f"(-{scalar(inner, variables)})"
        case Op(name="less", arguments=(left, Op(name="sigmoid", arguments=(right,)))):
            # u < 1 / (1 + exp(-x)) without the division
            product = f"{scalar(left, variables)} * (FLOAT(1.0) + unit_exp(-{scalar(right, variables)}))"
            return f"(FLOAT(1.0) if {product} < FLOAT(1.0) else FLOAT(0.0))"
        case Op(name="less", arguments=(left, right)):
            return f"(FLOAT(1.0) if {scalar(left, variables)} < {scalar(right, variables)} else FLOAT(0.0))"
        case Op(name=name, arguments=(left, right)) if name in INFIX:
            return f"({scalar(left, variables)} {INFIX[name]} {scalar(right, variables)})"
        case Op(name=name, arguments=arguments):
            return f"unit_{name}({', '.join(scalar(a, variables) for a in arguments)})"
    raise AssertionError(node)
