"""The random stream: Philox4x32-10 against Random123's vectors, and independent of how chains are cut into batches."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import energydsl as ed
from energydsl.backends.numpy.runtime.stream import philox
from energydsl.random import STREAMS, stream

# kat_vectors of Random123 (Salmon et al. 2011): counter, key, result.
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), VECTORS)
def test_random123_vectors(counter: tuple[int, ...], key: tuple[int, int], result: tuple[int, ...]) -> None:
    words = np.array(counter, np.uint64)[:, None]
    philox(words, list(key), np.empty((2, 1), np.uint64))
    assert tuple(int(w[0]) for w in words) == result


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (5000,)])
def test_a_chain_does_not_depend_on_its_batch(shape: tuple[int, ...], dtype: type) -> None:
    whole = ed.Rng(5)(np.empty((9, *shape), dtype))
    part = ed.Rng(5, chain=4)(np.empty((3, *shape), dtype))
    np.testing.assert_array_equal(whole[4:7], part)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_are_uniform_and_uncorrelated(dtype: type) -> None:
    rng = ed.Rng(1)
    blocks = []
    for _ in range(3):
        rng.next()
        blocks += [rng(np.empty((400, 50), dtype)).ravel() for _ in range(2)]
    values = np.stack(blocks)
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, 20, (0, 1))[0]
    expected = values.size / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8, "chi-square of 19 degrees, p = 0.001"
    off = np.corrcoef(values) - np.eye(len(values))
    assert np.abs(off).max() < 4 / np.sqrt(values.shape[1])


def test_a_stream_goes_on_where_it_was_saved() -> None:
    rng = ed.Rng([3, 1])
    rng.next()
    rng(np.empty((2, 3), np.float32))
    other = ed.Rng(0)
    other.restore(rng.state())
    np.testing.assert_array_equal(rng(np.empty((4, 9))), other(np.empty((4, 9))))


def test_samples_of_half_the_chains_are_half_of_the_samples(rbm: ed.Model) -> None:
    program = rbm.compile("numpy")
    params = program.init(0)
    state = program.init_state(params, 10)
    whole = program.gibbs(params, state, 3, rng=ed.Rng(2))
    part = program.gibbs(params, {n: a[6:] for n, a in state.items()}, 3, rng=ed.Rng(2, chain=6))
    for name in whole:
        np.testing.assert_array_equal(whole[name][6:], part[name])


def test_every_stream_of_random_numbers_is_in_the_table() -> None:
    assert len(set(STREAMS.values())) == len(STREAMS), "one number, one use"
    assert 0 not in STREAMS.values(), "NumPy's seeds are the same with zeros behind them"
    package = Path(ed.__file__).parent
    literal = re.compile(r"(Rng|default_rng|SFC64|SeedSequence)\(\s*\[")
    found = [p.name for p in package.rglob("*.py") if p.name != "random.py" and literal.search(p.read_text())]
    assert not found, f"streams outside the table: {found}"


def test_no_stream_is_used_for_two_things_at_the_start(rbm: ed.Model) -> None:
    """Parameters, rows held out, the order of rows and the first states: other numbers each, at every seed."""
    for seed in (0, 1, 2**40):
        first = [np.random.default_rng(stream(seed, use)).random() for use in STREAMS]
        assert len(set(first)) == len(first)
    program = rbm.compile("numpy")
    assert not np.array_equal(program.init_state({}, 3, 0)["v"], program.init_state({}, 3, 1)["v"])


@pytest.mark.parametrize("seed", [-1, 1.5, "7", None])
def test_a_seed_is_a_whole_number(rbm: ed.Model, seed: object) -> None:
    program = rbm.compile("numpy")
    for call in (ed.Rng, program.init, lambda s: program.init_state({}, 2, s)):
        with pytest.raises(ed.ArgumentError, match="seed is"):
            call(seed)  # type: ignore[operator]


def test_a_seed_may_be_a_number_of_numpys(rbm: ed.Model) -> None:
    program = rbm.compile("numpy")
    np.testing.assert_array_equal(program.init(np.int64(3))["W"], program.init(3)["W"])
    assert ed.Rng(np.uint32(3)).key == ed.Rng(3).key
