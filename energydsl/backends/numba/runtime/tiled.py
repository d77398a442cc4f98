"""Products of matrices in single precision, by the tiles of the processor.

Blocks of the first matrix are packed as tiles once, those of the second for 32 columns at a time, which stay in the cache meanwhile. A
sum runs along the inner axis in the same order wherever a product is cut, so it does not hang on the cuts.
"""

from __future__ import annotations

import os
from typing import Any

import numba
import numpy as np
from numba import carray, types

from energydsl.backends.numba.runtime.compiling import SINGLE, fast, scalar, wide
from energydsl.backends.numba.runtime.given import FLOAT
from energydsl.backends.numba.runtime.pool import exchange, look
from energydsl.backends.numba.runtime.tasks import matrix, pointer
from energydsl.backends.numba.runtime.tiles import (
    DEPTH,
    SIDE,
    SIGNS,
    TERMS,
    TILE,
    add_111,
    add_113,
    add_131,
    add_133,
    add_211,
    add_213,
    add_231,
    add_233,
    all_columns_across,
    all_columns_along,
    all_rows_across,
    all_rows_along,
    begin_tiles,
    clear_tiles,
    end_tiles,
    fetch,
    fetch_own,
    rows_across,
    rows_along,
    tiles_here,
    write_tiles,
)
from energydsl.backends.numpy.runtime.arrays import Array

# Numbers of the inner axis that are packed at once, and of the first matrix; the least length of a side that pays, and multiplications.
INNER, CACHED, NARROW, LARGE = 1024, 1 << 18, 32, 1 << 21
# Bytes of a room, as many as a large page of memory has: whether it is taken, what tiles are, tiles of both matrices (1.7 million), sums, and
# numbers at an edge.
ROOM = 1 << 21


def fits_tiles(m: int, n: int, k: int) -> bool:
    """Whether a product is done on tiles; on one machine this hangs on its sizes alone, for tiles round in another way."""
    return SINGLE and min(m, n, k) >= NARROW and m * n * k >= LARGE and tiles_here()


class Rooms:
    """Memory for tiles, a room for each thread that multiplies at a time. The system gives it when it is first written to."""

    count = numba.config.NUMBA_NUM_THREADS
    memory = np.empty((count + 1) * ROOM // 8, np.int64)
    address = -(-memory.ctypes.data // ROOM) * ROOM

    @classmethod
    def leave(cls) -> None:
        """Nobody is in them: so at first, and in a forked process. Each begins with a number that is 1 while somebody is."""
        first = (cls.address - cls.memory.ctypes.data) // 8
        cls.memory[first : first + cls.count * ROOM // 8 : ROOM // 8] = 0


Rooms.leave()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Rooms.leave)


@scalar
def enter(rooms: int, count: int) -> int:
    """Go into a room that is free."""
    found = 0
    while found == 0:
        for k in range(count):
            if found == 0 and look(rooms + k * ROOM) == 0 and exchange(rooms + k * ROOM, 0, 1):
                found = rooms + k * ROOM
    return found


@fast
def filled_up(source: int, lead: int, along: int, high: int, deep: int, spare: int) -> int:
    """Copy what there is of a tile, `high` rows (or columns) of `deep` numbers, and zeros beside it; the bytes from one to the next."""
    width = DEPTH if along else SIDE
    rows, columns = (high, deep) if along else (deep, high)
    found = carray(pointer(source, FLOAT(0.0)), ((rows - 1) * lead + columns,))
    block = matrix(spare, SIDE * DEPTH // width, width)
    block[:] = FLOAT(0.0)
    for r in range(rows):
        for c in range(columns):
            block[r, c] = found[r * lead + c]
    return 4 * width


@fast
def pack_rows(source: int, lead: int, along: int, rows: int, inner: int, target: int, size: int, spare: int) -> int:
    """Pack a block of the first matrix, tile by tile along its rows; the number of its terms, `size` bytes apart.

    lead: numbers from row to row (along = 1), or from column to column. spare: where 512 numbers may be kept.
    """
    terms = 1
    for every in range(2):
        left = 0
        for i in range(0, rows, SIDE):
            for q in range(0, inner, DEPTH):
                start, step = source + 4 * (i * lead + q if along else q * lead + i), 4 * lead
                if every == 0 and not along:
                    for p in range(DEPTH):
                        fetch(start + step * (DEPTH + p))
                if i + SIDE > rows or q + DEPTH > inner:
                    step = filled_up(start, lead, along, min(SIDE, rows - i), min(DEPTH, inner - q), spare)
                    start = spare
                if every == 0:
                    left |= (
                        rows_along(start, step, target, size, 0) if along else rows_across(start, step, target, size, 0)
                    )
                elif along:
                    all_rows_along(start, step, target, size, 0)
                else:
                    all_rows_across(start, step, target, size, 0)
                target += TILE
        if every == 1 or left == 0:
            break
        terms = TERMS
        target -= (rows + SIDE - 1) // SIDE * ((inner + DEPTH - 1) // DEPTH) * TILE
    return terms


@fast
def pack_columns(
    source: int, lead: int, along: int, columns: int, inner: int, target: int, size: int, spare: int, minus: int
) -> int:
    """Pack up to 32 columns of the second matrix, two tiles beside one another at a time; the number of their terms, `size` bytes apart.

    lead: numbers from column to column (along = 1), or from row to row. minus: from where on along the inner axis signs are turned over.
    """
    left = 0
    for q in range(0, inner, DEPTH):
        flip = SIGNS if q >= minus else 0
        # The next tiles are on their way meanwhile.
        for p in range(DEPTH):
            ahead = source + 4 * (p * lead + q + DEPTH if along else (p + q + DEPTH) * lead)
            fetch(ahead)
            fetch(ahead + 64)
        for j in range(0, columns, SIDE):
            start, step = source + 4 * (j * lead + q if along else q * lead + j), 4 * lead
            if j + SIDE > columns or q + DEPTH > inner:
                step = filled_up(start, lead, along, min(SIDE, columns - j), min(DEPTH, inner - q), spare)
                start = spare
            goal = target + (q // DEPTH * 2 + j // SIDE) * TILE
            left |= (
                all_columns_along(start, step, goal, size, flip)
                if along
                else all_columns_across(start, step, goal, size, flip)
            )
    return TERMS if left else 1


@fast
def blend(out: Array, block: Array, alpha: Any, beta: Any) -> None:
    """out = alpha block + beta out."""
    wide()
    if beta == FLOAT(0.0):
        for i in range(len(out)):
            out[i] = alpha * block[i]
    else:
        for i in range(len(out)):
            out[i] = alpha * block[i] + beta * out[i]


@fast
def add_up(
    high: int, depth: int, upper: int, lower: int, size: int, terms: int, left: int, other: int, others: int
) -> None:
    """Add products of so many tiles along the inner axis to the sums; sizes and numbers of terms of both matrices."""
    for _ in range(depth):
        right = left + TILE
        if high == 2:
            if terms == 1:
                if others == 1:
                    add_211(upper, lower, size, left, right, other)
                else:
                    add_213(upper, lower, size, left, right, other)
            elif others == 1:
                add_231(upper, lower, size, left, right, other)
            else:
                add_233(upper, lower, size, left, right, other)
        elif terms == 1:
            if others == 1:
                add_111(upper, lower, size, left, right, other)
            else:
                add_113(upper, lower, size, left, right, other)
        elif others == 1:
            add_131(upper, lower, size, left, right, other)
        else:
            add_133(upper, lower, size, left, right, other)
        upper, lower, left = upper + TILE, lower + TILE, left + 2 * TILE


@fast
def tiled(
    a: int,
    lda: int,
    along_a: int,
    b: int,
    ldb: int,
    along_b: int,
    c: int,
    ldc: int,
    m: int,
    n: int,
    k: int,
    alpha: Any,
    beta: Any,
    minus: int,
    room: int,
) -> None:
    """C = alpha A B + beta C. along_a, along_b: whether numbers of the inner axis are neighbours in memory; else rows or columns are.

    minus: from where on along the inner axis products are subtracted, a multiple of `DEPTH`, or k and more. room: one of `Rooms`.
    """
    deep = min(INNER, (k + DEPTH - 1) // DEPTH * DEPTH)
    outer = CACHED // deep // (2 * SIDE) * 2 * SIDE
    size_a, size_b = min(outer, (m + SIDE - 1) // SIDE * SIDE) * deep * 2, 2 * SIDE * deep * 2
    tiles_a = room + 128
    tiles_b = tiles_a + TERMS * size_a
    block = tiles_b + TERMS * size_b
    spare = block + 4 * TILE
    sums = matrix(block, 2 * SIDE, 2 * SIDE)
    # The first of their kind, and of eight tiles the bytes of a row and the rows.
    shape = carray(pointer(room + 64, types.uint8(0)), (64,))
    shape[:] = 0
    shape[0] = 1
    for tile in range(8):
        shape[16 + 2 * tile], shape[48 + tile] = 64, SIDE
    begin_tiles(room + 64)
    for q in range(0, k, INNER):
        inner = min(INNER, k - q)
        depth = (inner + DEPTH - 1) // DEPTH
        old = beta if q == 0 else FLOAT(1.0)
        for i in range(0, m, outer):
            rows = min(outer, m - i)
            terms_a = pack_rows(
                a + 4 * (i * lda + q if along_a else q * lda + i), lda, along_a, rows, inner, tiles_a, size_a, spare
            )
            for j in range(0, n, 2 * SIDE):
                columns = min(2 * SIDE, n - j)
                terms_b = pack_columns(
                    b + 4 * (j * ldb + q if along_b else q * ldb + j),
                    ldb,
                    along_b,
                    columns,
                    inner,
                    tiles_b,
                    size_b,
                    spare,
                    minus - q,
                )
                for r in range(0, rows, 2 * SIDE):
                    first, high = tiles_a + r // SIDE * depth * TILE, 2 if rows - r > SIDE else 1
                    for p in range(min(2 * SIDE, rows - r)):
                        goal = c + 4 * ((i + r + p) * ldc + j)
                        fetch_own(goal)
                        fetch_own(goal + 64)
                    clear_tiles()
                    add_up(high, depth, first, first + depth * TILE, size_a, terms_a, tiles_b, size_b, terms_b)
                    write_tiles(block)
                    for p in range(min(2 * SIDE, rows - r)):
                        out = matrix(c + 4 * ((i + r + p) * ldc + j), 1, columns)[0]
                        blend(out, sums[p, :columns], alpha, old)
    end_tiles()
