"""The tiles of a processor: registers of 16 x 16 numbers which it multiplies as a whole (Intel's AMX).

They multiply numbers of 8 binary digits and add up in single precision. A number of 24 digits is the sum of three such *terms*, exactly,
so the products of their terms add up to a product in single precision; states, which are small whole numbers, have one term alone.

A tile holds pairs of numbers that lie 16 apart along the inner axis, 4 bytes each: 16 rows of 16 pairs of the first matrix, 16 pairs of 16
columns of the second.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numba
from llvmlite import ir
from numba import types

from energydsl.backends.numba.runtime.compiling import primitive

# Rows or columns of a tile; numbers of the inner axis that it holds; its bytes; terms of a number.
SIDE, DEPTH, TILE, TERMS = 16, 32, 1024, 3
# The signs of a pair.
SIGNS = 0x80008000

_LONG, _HALF, _SMALL = ir.IntType(64), ir.IntType(32), ir.IntType(8)
_WORDS, _NUMBERS = ir.VectorType(_HALF, SIDE), ir.VectorType(ir.FloatType(), SIDE)


@functools.cache
def tiles_here() -> bool:
    """Whether this process may use tiles: the processor has them, the system lends them, code is compiled for this processor, and
    ENERGYDSL_TILES=0 does not forbid it.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64" or os.environ.get("ENERGYDSL_TILES") == "0":
        return False
    if numba.config.CPU_NAME or numba.config.CPU_FEATURES:
        return False
    features = llvmlite.binding.get_host_cpu_features()
    if not all(features.get(name) for name in ("amx-tile", "amx-bf16", "avx512f", "avx512bw")):
        return False
    # arch_prctl(ARCH_REQ_XCOMP_PERM, the numbers in tiles)
    return bool(ctypes.CDLL(None).syscall(158, 0x1023, 18) == 0)


def tile_code(builder: Any, name: str, *arguments: Any) -> None:
    """One instruction for tiles; whole numbers of Python are numbers of tiles."""
    values = [ir.Constant(_SMALL, a) if isinstance(a, int) else a for a in arguments]
    kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
    builder.call(builder.module.declare_intrinsic(f"llvm.x86.{name}", (), kind), values)


def tile_at(builder: Any, address: Any, kind: Any = _SMALL) -> Any:
    """An address as a pointer."""
    return builder.inttoptr(address, kind.as_pointer())


def vector(builder: Any, address: Any, step: Any, row: int, kind: Any = _WORDS) -> Any:
    """Where a vector stands, so many steps of bytes after an address."""
    return tile_at(builder, builder.add(address, builder.mul(step, ir.Constant(_LONG, row))), kind)


@primitive
def begin_tiles(context: Any, address: Any) -> Any:
    """Begin to use tiles, as 64 bytes at an address describe them."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction."""
        tile_code(builder, "ldtilecfg", tile_at(builder, arguments[0]))
        return context.get_dummy_value()

    return types.void(types.int64), code


@primitive
def end_tiles(context: Any) -> Any:
    """Use no tiles any more."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """One instruction."""
        tile_code(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), code


@primitive
def clear_tiles(context: Any) -> Any:
    """Sums of nothing, in the first four tiles."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """Four instructions."""
        for tile in range(4):
            tile_code(builder, "tilezero", tile)
        return context.get_dummy_value()

    return types.void(), code


def adder(high: int, first: int, second: int) -> Callable[..., None]:
    """A primitive (upper, lower, size, left, right, other) that adds products of tiles to the sums.

    high: how many tiles of the first matrix there are, one below the other; of the second there are two, side by side. first, second:
    how many terms they have, which lie `size` and `other` bytes apart; products of terms that are too small to be seen are left out.
    """

    def add(context: Any, upper: Any, lower: Any, size: Any, left: Any, right: Any, other: Any) -> Any:
        """Add products of tiles to the sums."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            """Tiles of the first matrix are loaded once a term."""
            step = ir.Constant(_LONG, 64)

            def load(tile: int, address: Any, size: Any, term: int) -> None:
                tile_code(builder, "tileloadd64", tile, vector(builder, address, size, term, _SMALL), step)

            size, other = arguments[2], arguments[5]
            for s in range(first):
                for row in range(high):
                    load(4 + row, arguments[row], size, s)
                for t in range(min(second, TERMS - s)):
                    for column in range(2):
                        load(6 + column, arguments[3 + column], other, t)
                        for row in range(high):
                            tile_code(builder, "tdpbf16ps", 2 * row + column, 4 + row, 6 + column)
            return context.get_dummy_value()

        return types.void(*[types.int64] * 6), code

    return primitive(add)


# By the tiles of the first matrix, its terms, and those of the second.
add_211, add_213, add_231, add_233 = adder(2, 1, 1), adder(2, 1, TERMS), adder(2, TERMS, 1), adder(2, TERMS, TERMS)
add_111, add_113, add_131, add_133 = adder(1, 1, 1), adder(1, 1, TERMS), adder(1, TERMS, 1), adder(1, TERMS, TERMS)


@primitive
def write_tiles(context: Any, address: Any) -> Any:
    """Write the four sums as a block of 32 x 32 numbers."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """Four instructions."""
        for tile in range(4):
            start = builder.add(arguments[0], ir.Constant(_LONG, 64 * (tile % 2) + 128 * SIDE * (tile // 2)))
            tile_code(builder, "tilestored64", tile, tile_at(builder, start), ir.Constant(_LONG, 128))
        return context.get_dummy_value()

    return types.void(types.int64), code


def fetcher(own: int) -> Callable[[int], None]:
    """A primitive (address) that has numbers brought near which will soon be read, or (own = 1) written; nothing where there is no such address."""

    def bring(context: Any, address: Any) -> Any:
        """Have numbers brought near."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            """One instruction."""
            kinds = [_SMALL.as_pointer(), _HALF, _HALF, _HALF]
            routine = builder.module.declare_intrinsic("llvm.prefetch.p0", (), ir.FunctionType(ir.VoidType(), kinds))
            builder.call(routine, [tile_at(builder, arguments[0]), *(ir.Constant(_HALF, n) for n in (own, 3, 1))])
            return context.get_dummy_value()

        return types.void(types.int64), code

    return primitive(bring)


fetch, fetch_own = fetcher(0), fetcher(1)


def words_of(value: int) -> Any:
    """A vector of one whole number."""
    return ir.Constant(_WORDS, [value] * SIDE)


def short(builder: Any, numbers: Any) -> Any:
    """Numbers rounded to 8 binary digits."""
    words = builder.add(builder.bitcast(numbers, _WORDS), words_of(0x8000))
    return builder.bitcast(builder.and_(words, words_of(0xFFFF0000)), _NUMBERS)


def turned(builder: Any, rows: list[Any]) -> list[Any]:
    """16 vectors of 16 lanes, transposed: blocks of 1, 2, 4, 8 lanes change places."""
    rows = list(rows)
    for size in (1, 2, 4, 8):
        keeps = [k if not k & size else SIDE + k - size for k in range(SIDE)]
        takes = [k + size if not k & size else SIDE + k for k in range(SIDE)]
        lanes = [ir.Constant(ir.VectorType(_HALF, SIDE), found) for found in (keeps, takes)]
        for k in range(SIDE):
            if not k & size:
                both = rows[k], rows[k + size]
                rows[k], rows[k + size] = (builder.shuffle_vector(*both, chosen) for chosen in lanes)
    return rows


@primitive
def turn_tile(context: Any, source: Any, target: Any, step: Any) -> Any:
    """Copy 16 rows of 16 numbers, transposed, between places whose rows lie so many bytes apart."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        """All 16 are read before one is written."""
        source, target, step = arguments
        rows = [builder.load(vector(builder, source, step, k), align=64) for k in range(SIDE)]
        for k, words in enumerate(turned(builder, rows)):
            builder.store(words, vector(builder, target, step, k), align=64)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 3), code


def packer(along: bool, first: bool, terms: int) -> Callable[..., int]:
    """A primitive (source, step, target, size, flip) that packs numbers as a tile; term after term lie `size` bytes apart.

    along: whether neighbours along the inner axis are neighbours in memory, so that there is a step of bytes from row (or column) to row.
    first: whether it is a tile of the first matrix. flip: what is turned over in every pair, its signs or nothing. It returns 0 where more
    terms would all be 0. Numbers 16 apart make a pair.
    """

    def pack(context: Any, source: Any, step: Any, target: Any, size: Any, flip: Any) -> Any:
        """Pack numbers as a tile."""

        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            """Row by row its terms, and what is left; they are transposed where they lie."""
            source, step, target, size, flip = arguments
            turns = builder.insert_element(words_of(0), builder.trunc(flip, _HALF), _HALF(0))
            turns = builder.shuffle_vector(turns, turns, words_of(0))
            beyond = builder.add(
                source, ir.Constant(_LONG, 4 * SIDE) if along else builder.mul(step, ir.Constant(_LONG, SIDE))
            )
            goals = [builder.add(target, builder.mul(size, ir.Constant(_LONG, term))) for term in range(terms)]
            row = ir.Constant(_LONG, 64)
            left = words_of(0)
            for k in range(SIDE):
                pair = [builder.load(vector(builder, start, step, k, _NUMBERS), align=4) for start in (source, beyond)]
                for term, goal in enumerate(goals):
                    # What is left for the last of all terms has few digits.
                    parts = pair if term == TERMS - 1 else [short(builder, number) for number in pair]
                    low, high = (builder.bitcast(part, _WORDS) for part in parts)
                    words = builder.xor(builder.or_(builder.lshr(low, words_of(16)), high), turns)
                    builder.store(words, vector(builder, goal, row, k), align=64)
                    pair = [builder.fsub(number, part) for number, part in zip(pair, parts, strict=True)]
                    if term == 0:
                        for number in pair:
                            left = builder.or_(left, builder.bitcast(number, _WORDS))
            for goal in goals if along != first else ():
                rows = [builder.load(vector(builder, goal, row, k), align=64) for k in range(SIDE)]
                for k, words in enumerate(turned(builder, rows)):
                    builder.store(words, vector(builder, goal, row, k), align=64)
            any_left = builder.module.declare_intrinsic(
                "llvm.vector.reduce.or.v16i32", (), ir.FunctionType(_HALF, [_WORDS])
            )
            # A zero may have a sign.
            found = builder.shl(builder.call(any_left, [left]), ir.Constant(_HALF, 1))
            return builder.zext(found, _LONG)

        return types.int64(*[types.int64] * 5), code

    return primitive(pack)


# Of the first matrix, one term or all of them, and of the second: neighbours along the inner axis in memory, or not.
rows_along, rows_across = packer(True, True, 1), packer(False, True, 1)
all_rows_along, all_rows_across = packer(True, True, TERMS), packer(False, True, TERMS)
all_columns_along, all_columns_across = packer(True, False, TERMS), packer(False, False, TERMS)
