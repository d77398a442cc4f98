"""Sweeps of models with few neighbours a unit: chains innermost.

The state of a piece of chains is x: (slots * lanes), a slot a unit (or a state of one), `lanes` chains side by side. Slots of
a part of a sweep lie beside one another. The field of a slot is base[slot] plus the sum of value[e] * x[source[e] + chain]
over its entries e, rows[slot] to rows[slot + 1].
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils

from energydsl.backends.numba.runtime.compiling import SINGLE, WORDS, Number, exact, fast, parallel, primitive
from energydsl.backends.numba.runtime.functions import unit_exp
from energydsl.backends.numba.runtime.given import FLOAT, lane_draw
from energydsl.backends.numba.runtime.stream import as_uniforms, philox4
from energydsl.backends.numpy.runtime.arrays import Array

LANES = 2048


@fast
def lane_uniforms(
    words: Array, units: Array, chains: Array, q: Number, chain: int, block: int, sweep: int, k0: Number, k1: Number
) -> None:
    """Numbers of the units q + units[m], and those a quarter on, of the chains chain + chains[m]."""
    q, b, c, d = np.uint64(q), np.uint64(chain), np.uint64(block), np.uint64(sweep)
    k0, k1 = np.uint64(k0), np.uint64(k1)
    for m in range(len(units)):
        w0, w1, w2, w3 = philox4(q + units[m], b + chains[m], c, d, k0, k1)
        as_uniforms(w0, w1, w2, w3, words, m)


WIDTH = 16 if SINGLE else 8


@primitive
def gather(
    context: Any,
    eta: Array,
    at: int,
    base: Number,
    x: Array,
    shift: int,
    source: Array,
    value: Array,
    start: int,
    stop: int,
) -> Any:
    """eta[at : at + WIDTH] = base + sum over entries e in [start, stop) of value[e] * x[source[e] + shift : ... + WIDTH].

    Written in vectors, for the compiler does not find them in so short a loop.
    """
    whole = types.intp
    signature = types.void(eta, whole, base, x, whole, source, value, whole, whole)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """The instructions, for the types that Numba has found."""
        kinds = signature.args
        eta, x, source, value = (
            context.make_array(kinds[q])(context, builder, arguments[q]).data for q in (0, 3, 5, 6)
        )
        size = context.get_abi_sizeof(context.get_value_type(kinds[2]))
        vector = ir.VectorType(context.get_value_type(kinds[2]), WIDTH)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        nothing = ir.Constant(vector, ir.Undefined)

        def splat(number: Any) -> Any:
            """A vector with the same number in every lane."""
            return builder.shuffle_vector(builder.insert_element(nothing, number, ir.IntType(32)(0)), nothing, zeros)

        def lanes(data: Any, at: Any) -> Any:
            """Where the vector at a place of an array is."""
            return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())

        total = cgutils.alloca_once_value(builder, splat(arguments[2]))
        one = ir.Constant(arguments[7].type, 1)
        with cgutils.for_range_slice(builder, arguments[7], arguments[8], one) as (e, _):
            at = builder.zext(builder.load(builder.gep(source, [e])), arguments[4].type)
            read = builder.load(lanes(x, builder.add(at, arguments[4])), align=size)
            part = builder.fmul(splat(builder.load(builder.gep(value, [e]))), read, flags=["contract"])
            builder.store(builder.fadd(builder.load(total), part, flags=["contract"]), total)
        builder.store(builder.load(total), lanes(eta, arguments[1]), align=size)
        return context.get_dummy_value()

    return signature, code


@fast
def lane_run(
    eta: Array, x: Array, at: int, length: int, b: Number, source: Array, value: Array, start: int, stop: int
) -> None:
    """eta[at : at + length] of a run: its entries, moved on by one place after the other. Places are unsigned on purpose:

    negative ones would have to be wrapped, and the loops not be vector code.
    """
    o, e = np.uint32(at), start
    if stop - e >= 4:
        j0, j1, j2, j3 = source[e], source[e + 1], source[e + 2], source[e + 3]
        v0, v1, v2, v3 = value[e], value[e + 1], value[e + 2], value[e + 3]
        for k in range(length):
            eta[o + k] = b + v0 * x[j0 + k] + v1 * x[j1 + k] + v2 * x[j2 + k] + v3 * x[j3 + k]
        e += 4
    else:
        for k in range(length):
            eta[o + k] = b
    while stop - e >= 2:
        j0, j1, v0, v1 = source[e], source[e + 1], value[e], value[e + 1]
        for k in range(length):
            eta[o + k] += v0 * x[j0 + k] + v1 * x[j1 + k]
        e += 2
    if e < stop:
        j0, v0 = source[e], value[e]
        for k in range(length):
            eta[o + k] += v0 * x[j0 + k]


@fast
def lane_fields(
    eta: Array,
    x: Array,
    first: int,
    count: int,
    lanes: int,
    base: Array,
    rows: Array,
    source: Array,
    value: Array,
    until: Array,
) -> None:
    """eta of the slots first ... first + count - 1 of some chains; x: (slots * lanes); source: slot * lanes.

    until: where the run of each slot ends, or nothing where runs are not to be used.
    """
    m = 0
    while m < count:
        slot = first + m
        start, stop, b = rows[slot], rows[slot + 1], base[slot]
        run = min(count - m, until[slot] - slot) if len(until) > 0 else 1
        if run > 1:
            lane_run(eta, x, m * lanes, run * lanes, b, source, value, start, stop)
        elif lanes % WIDTH == 0:
            for k in range(0, lanes, WIDTH):
                gather(eta, m * lanes + k, b, x, k, source, value, start, stop)
        else:
            for k in range(lanes):
                total = b
                for e in range(start, stop):
                    total += value[e] * x[source[e] + k]
                eta[m * lanes + k] = total
        m += run


@fast
def lane_choose(eta: Array, u: Array, count: int, states: int, lanes: int, x: Array) -> None:
    """One-hot draws for `count` units, states before chains."""
    for m in range(count):
        for k in range(lanes):
            at = m * states * lanes + k
            top = eta[at]
            for s in range(1, states):
                top = max(top, eta[at + s * lanes])
            total = FLOAT(0.0)
            for s in range(states):
                eta[at + s * lanes] = unit_exp(eta[at + s * lanes] - top)
                total += eta[at + s * lanes]
            bound, chosen = total * u[m * lanes + k], states - 1
            total = FLOAT(0.0)
            for s in range(states - 1):
                total += eta[at + s * lanes]
                if total > bound:
                    chosen = s
                    break
            for s in range(states):
                x[at + s * lanes] = FLOAT(0.0)
            x[at + chosen * lanes] = FLOAT(1.0)


@exact
def lane_part(
    x: Array,
    kind: int,
    first: int,
    count: int,
    states: int,
    scan: bool,
    lanes: int,
    chain: int,
    block: int,
    sweep: int,
    k0: int,
    k1: int,
    base: Array,
    second: Array,
    rows: Array,
    source: Array,
    value: Array,
    until: Array,
    u: Array,
    words: Array,
    eta: Array,
    g: Array,
    units: Array,
    chains: Array,
) -> None:
    """Draw one part of a sweep for some chains."""
    quarter = (count + WORDS - 1) // WORDS
    step = max(1, LANES // lanes)
    for q in range(0, quarter, step):
        few = min(step, quarter - q)
        lane_uniforms(words, units, chains, q, chain, block, sweep, k0, k1)
        for w in range(WORDS):
            unit = q + w * quarter
            n = min(few, count - unit)
            if n <= 0:
                continue
            if scan:
                u[unit * lanes : (unit + n) * lanes] = words[w, : n * lanes]
                continue
            slot = first + unit * states
            lane_fields(eta, x, slot, n * states, lanes, base, rows, source, value, until)
            lane_draw(
                kind, eta, second, g, slot, words[w], n, states, lanes, x[slot * lanes : (slot + n * states) * lanes]
            )
    if scan:
        for unit in range(count):
            slot = first + unit * states
            lane_fields(eta, x, slot, states, lanes, base, rows, source, value, until)
            lane_draw(
                kind, eta, second, g, slot, u[unit * lanes : (unit + 1) * lanes], 1, states, lanes,
                x[slot * lanes : (slot + states) * lanes],
            )  # fmt: skip


@parallel(error_model="numpy")
def sparse_sweeps(
    x: Array,
    parts: Array,
    lanes: int,
    k0: int,
    k1: int,
    chain: int,
    sweep: int,
    steps: int,
    base: Array,
    second: Array,
    rows: Array,
    source: Array,
    value: Array,
    until: Array,
) -> None:
    """Sweeps over parts (kind, first slot, units, states, scanned?, block) for pieces of `lanes` chains: x[piece]."""
    longest = 1
    for p in range(len(parts)):
        if parts[p, 4] != 0:
            longest = max(longest, parts[p, 2])
    for piece in prange(len(x)):
        u = np.empty(longest * lanes, FLOAT)
        size = max(1, LANES // lanes) * lanes
        place = np.arange(size)
        units, chains = (place // lanes).astype(np.uint64), (place % lanes).astype(np.uint64)
        words = np.empty((WORDS, size), FLOAT)
        most = size * parts[:, 3].max()
        eta, g = np.empty(most, FLOAT), np.empty(most, FLOAT)
        for s in range(steps):
            for p in range(len(parts)):
                kind, first, count, states, scan, block = parts[p]
                lane_part(
                    x[piece], kind, first, count, states, scan != 0, lanes, chain + piece * lanes, block,
                    (sweep + s) & 0xFFFFFFFF, k0, k1, base, second, rows, source, value, until, u, words, eta, g, units, chains,
                )  # fmt: skip


@parallel()
def into_lanes(x: Array, state: Array, slots: Array, lanes: int) -> None:
    """State (chains, entries) of a layer into x (pieces, slots * lanes), chains innermost."""
    for piece in prange(len(x)):
        top = min(lanes, len(state) - piece * lanes)
        for left in range(0, state.shape[1], 64):
            for k in range(top):
                for e in range(left, min(left + 64, state.shape[1])):
                    x[piece, slots[e] * lanes + k] = state[piece * lanes + k, e]


@parallel()
def out_of_lanes(x: Array, state: Array, slots: Array, lanes: int) -> None:
    """The other way round."""
    for piece in prange(len(x)):
        top = min(lanes, len(state) - piece * lanes)
        for left in range(0, state.shape[1], 64):
            for k in range(top):
                for e in range(left, min(left + 64, state.shape[1])):
                    state[piece * lanes + k, e] = x[piece, slots[e] * lanes + k]
