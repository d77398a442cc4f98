"""Sweeps of models with few neighbours a unit: chains innermost.

The state of a piece of chains is x: (slots * lanes), a slot a unit (or a state of one), `lanes` chains side by side. Slots of
a part of a sweep lie beside one another. The field of a slot is base[slot] plus the sum of value[e] * x[source[e] + chain]
over its entries e, rows[slot] to rows[slot + 1].

Where the entries of the units of a part are all states of one-hot units, `group` states each, only one of each counts: the fields of
a unit are the sum of one row of a table for each unit that it meets, the row of its state, which `codes` hold as a number. tables[slot]
is where the rows of the unit whose first state is that slot begin, one an entry. The sum is the same, for other states add nothing.
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


@primitive
def picked(
    context: Any,
    out: Array,
    at: int,
    base: Array,
    column: int,
    codes: Array,
    shift: int,
    source: Array,
    start: int,
    stop: int,
    step: int,
    table: Array,
    row: int,
    length: int,
) -> Any:
    """out[at : at + WIDTH] = base[column : ... + WIDTH] + one row of a table for every `step` entries from start to stop.

    That row is the one of the entry e + codes[source[e] + shift]; the rows of all entries, `length` long, begin at `row`.
    """
    whole = types.intp
    signature = types.void(out, whole, base, whole, codes, whole, source, whole, whole, whole, table, whole, whole)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """The instructions, for the types that Numba has found."""
        kinds = signature.args
        out, base, codes, source, table = (
            context.make_array(kinds[q])(context, builder, arguments[q]).data for q in (0, 2, 4, 6, 10)
        )
        at, column, shift, start, stop, step, row, length = (arguments[q] for q in (1, 3, 5, 7, 8, 9, 11, 12))
        size = context.get_abi_sizeof(context.get_value_type(kinds[0].dtype))
        vector = ir.VectorType(context.get_value_type(kinds[0].dtype), WIDTH)

        def lanes(data: Any, at: Any) -> Any:
            """Where the vector at a place of an array is."""
            return builder.bitcast(builder.gep(data, [at]), vector.as_pointer())

        total = cgutils.alloca_once_value(builder, builder.load(lanes(base, column), align=size))
        with cgutils.for_range_slice(builder, start, stop, step) as (e, _):
            place = builder.add(builder.zext(builder.load(builder.gep(source, [e])), shift.type), shift)
            state = builder.sext(builder.load(builder.gep(codes, [place])), shift.type)
            chosen = builder.mul(builder.add(builder.sub(e, start), state), length)
            read = builder.load(lanes(table, builder.add(builder.add(row, chosen), column)), align=size)
            builder.store(builder.fadd(builder.load(total), read), total)
        builder.store(builder.load(total), lanes(out, at), align=size)
        return context.get_dummy_value()

    return signature, code


@fast
def lane_picked(
    eta: Array,
    slot: int,
    states: int,
    lanes: int,
    base: Array,
    rows: Array,
    source: Array,
    codes: Array,
    group: int,
    table: Array,
    row: int,
    own: Array,
) -> None:
    """eta of the states of one unit, by the codes of those that it meets; own: room for a row, and for one of each chain."""
    length = (states + WIDTH - 1) // WIDTH * WIDTH
    for a in range(length):
        own[a] = base[slot + a] if a < states else FLOAT(0.0)
    for k in range(lanes):
        for column in range(0, length, WIDTH):
            at = length + k * length + column
            picked(own, at, own, column, codes, k, source, rows[slot], rows[slot + 1], group, table, row, length)
    for a in range(states):
        for k in range(lanes):
            eta[a * lanes + k] = own[length + k * length + a]


@exact
def lane_codes(x: Array, codes: Array, slot: int, states: int, lanes: int, top: int) -> bool:
    """Write the states of a unit as numbers, at its first slot; False where one of `top` chains is not in one of them."""
    right = True
    for k in range(top):
        code, total = 0, FLOAT(0.0)
        for s in range(states):
            entry = x[(slot + s) * lanes + k]
            code = s if entry == FLOAT(1.0) else code
            right &= entry == FLOAT(1.0) or entry == FLOAT(0.0)
            total += entry
        codes[slot * lanes + k] = code
        right &= total == FLOAT(1.0)
    return right


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
def lane_etas(
    eta: Array,
    x: Array,
    slot: int,
    count: int,
    states: int,
    lanes: int,
    base: Array,
    rows: Array,
    source: Array,
    value: Array,
    until: Array,
    group: int,
    codes: Array,
    tables: Array,
    table: Array,
    own: Array,
) -> None:
    """eta of `count` units from a slot on, by the codes of the units that they meet where they have tables."""
    if group == 0:
        lane_fields(eta, x, slot, count * states, lanes, base, rows, source, value, until)
        return
    for m in range(count):
        at = slot + m * states
        part = eta[m * states * lanes :]
        lane_picked(part, at, states, lanes, base, rows, source, codes, group, table, tables[at], own)


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
    group: int,
    coded: bool,
    codes: Array,
    tables: Array,
    table: Array,
    own: Array,
) -> None:
    """Draw one part of a sweep for some chains. group: of its entries, 0 where the sum is over all; coded: whether to write codes."""
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
            lane_etas(
                eta, x, slot, n, states, lanes, base, rows, source, value, until, group, codes, tables, table, own
            )
            lane_draw(
                kind, eta, second, g, slot, words[w], n, states, lanes, x[slot * lanes : (slot + n * states) * lanes]
            )
    if scan:
        for unit in range(count):
            slot = first + unit * states
            lane_etas(
                eta, x, slot, 1, states, lanes, base, rows, source, value, until, group, codes, tables, table, own
            )
            lane_draw(
                kind, eta, second, g, slot, u[unit * lanes : (unit + 1) * lanes], 1, states, lanes,
                x[slot * lanes : (slot + states) * lanes],
            )  # fmt: skip
            if coded:
                lane_codes(x, codes, slot, states, lanes, lanes)
    elif coded:
        for unit in range(count):
            lane_codes(x, codes, first + unit * states, states, lanes, lanes)


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
    count: int,
    coded: Array,
    tables: Array,
    table: Array,
) -> None:
    """Sweeps over parts (kind, first slot, units, states, scanned?, block, group, coded?) for pieces of `lanes` chains: x[piece].

    count: of the chains. coded: first slot and states of the units that have codes.
    """
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
        codes = np.empty(x.shape[1] if len(coded) > 0 else 0, np.int32)
        own = np.empty((lanes + 1) * (parts[:, 3].max() + WIDTH), FLOAT)
        top, known = min(lanes, count - piece * lanes), True
        codes[:] = 0
        for c in range(len(coded)):
            known &= lane_codes(x[piece], codes, coded[c, 0], coded[c, 1], lanes, top)
        for s in range(steps):
            for p in range(len(parts)):
                kind, first, units_of, states, scan, block, group, writes = parts[p]
                lane_part(
                    x[piece], kind, first, units_of, states, scan != 0, lanes, chain + piece * lanes, block,
                    (sweep + s) & 0xFFFFFFFF, k0, k1, base, second, rows, source, value, until, u, words, eta, g, units, chains,
                    group if known else 0, writes != 0, codes, tables, table, own,
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
