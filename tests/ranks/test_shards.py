"""Shards in one process: what they add up to, what they draw, and what cannot be cut."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import energydsl as ed
from energydsl.learning.objective import sharded
from energydsl.random import Rng
from energydsl.ranks import ALONE, Shards, in_shards, shards_of
from energydsl.ranks.team import Alone
from tests.ranks.programme import RBM, rows


def by_tree(parts: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Halves added up apart, then added: no code of the package."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return by_tree(parts[:middle]) + by_tree(parts[middle:])


def fills(parts: list[np.ndarray[Any, Any]]) -> Iterator[Callable[[Any], None]]:
    for part in parts:
        yield lambda buffer, part=part: np.copyto(buffer, part)


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_shards_are_added_along_one_tree(count: int) -> None:
    parts = list(np.random.default_rng(count).standard_normal((count, 1000)).astype(np.float32))
    shards = Shards(ALONE, count)
    found = shards.add(fills(parts), [np.empty(1000, np.float32) for _ in range(shards.depth)])
    assert found.tobytes() == by_tree(parts).tobytes()
    assert count < 4 or found.tobytes() != sum(parts[1:], parts[0]).tobytes()


def runs(shards: int | None, method: Any) -> ed.Run:
    return ed.train(
        ed.loads(RBM).compile("numpy", "float64"), rows(), method, ed.SGD(lr=0.1), 4, batch=48, validation=0.04, shards=shards
    )  # fmt: skip


METHODS = [
    ed.CD(),
    ed.PCD(chains=24),
    ed.PCD(chains=24, centred=True, positive="mean-field"),
    ed.MCMC(k=2, chains=8),
    ed.FastPCD(chains=16),
    ed.ParallelTempering(chains=8),
    ed.PseudoLikelihood(),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_shards_draw_and_find_what_one_piece_does(method: Any) -> None:
    whole, cut = runs(None, method), runs(8, method)
    for name, array in whole.params.items():
        np.testing.assert_allclose(cut.params[name], array, rtol=0, atol=1e-12)
    for name, array in whole.chains.items():
        assert np.array_equal(cut.chains[name], array)


def test_a_shard_that_draws_the_numbers_of_the_first_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: every shard at chain 0."""

    def alike(shards: Shards, random: Rng, count: int) -> Iterator[slice]:
        begun = random.sweep, random.block
        for number in shards.local:
            random.sweep, random.block = begun
            yield shards.part(number, count)

    monkeypatch.setattr(sharded, "each_shard", alike)
    whole, cut = (runs(shards, ed.PCD(chains=24)) for shards in (None, 8))
    assert any(abs(cut.params[name] - array).max() > 1e-6 for name, array in whole.params.items())


class Of(Alone):
    """A rank of a team that is not there."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


def test_every_row_and_chain_has_one_owner() -> None:
    for size in (1, 2, 4, 8):
        teams = [Shards(Of(rank, size), 8) for rank in range(size)]
        owned = [k for shards in teams for k in range(21)[shards.own(21)]]
        assert owned == list(range(21))
        assert [n for shards in teams for n in shards.local] == list(range(8))


def test_chains_in_shards_are_those_of_one_piece() -> None:
    def drawn(random: Rng) -> Callable[..., dict[str, Any]]:
        return lambda part, _: {"u": random(np.empty((part.stop - part.start, 3)))}

    one, many = Rng(1), Rng(1)
    whole, cut = (in_shards(Shards(ALONE, n), r, 21, drawn(r)) for n, r in ((1, one), (8, many)))
    assert np.array_equal(whole["u"], cut["u"])
    assert one.state() == many.state()


def test_samples_in_shards_are_those_of_one_piece() -> None:
    program = ed.loads(RBM).compile("numpy")
    whole, cut = (ed.sample(program, n=21, steps=10, shards=shards) for shards in (None, 4))
    assert all(np.array_equal(whole[name], cut[name]) for name in whole)


@pytest.mark.parametrize(
    ("size", "count", "divided", "wanted"),
    [(1, None, (100,), 1), (4, None, (96, 64), 8), (4, None, (100, 100), 4), (2, None, (96, 0), 8), (2, 16, (1,), 16)],
)
def test_how_many_shards_there_are(size: int, count: int | None, divided: tuple[int, ...], wanted: int) -> None:
    assert shards_of(Of(0, size), count, *divided).count == wanted


@pytest.mark.parametrize(
    ("size", "count", "said"),
    [(3, 8, "run 1, 2, 4 or 8 ranks"), (16, 8, "by 16 ranks"), (1, 6, "power of two"), (2, 1, "must be divisible")],
)
def test_shards_that_ranks_cannot_share_are_refused(size: int, count: int, said: str) -> None:
    with pytest.raises(ed.ArgumentError, match=said):
        shards_of(Of(0, size), count)


@pytest.mark.parametrize(
    ("method", "optimizer", "said"),
    [
        (ed.PCD(chains=24, lag=0.25), ed.SGD(), "with a lag"),
        (ed.UnbiasedCD(), ed.SGD(), "pairs of chains"),
        (ed.TrajectoryTempering(chains=24), ed.SGD(), "models of its past"),
        (ed.PCD(chains=24, sampler="hmc"), ed.SGD(), "does not fit"),
        (ed.PCD(chains=25), ed.SGD(), "take 24 or 32 chains"),
        (ed.Exact(), ed.SGD(), "made anew in every shard"),
        (ed.NoiseContrastive(), ed.SGD(), "log Z is found anew"),
        (ed.PCD(chains=24, impute=True), ed.SGD(), "missing entries"),
        (ed.PCD(chains=24), ed.Natural(), "natural takes variances"),
        (ed.PCD(chains=24), ed.SGD(max_kl=0.1), "max_kl takes variances"),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_what_cannot_be_cut_is_refused_with_the_reason(method: Any, optimizer: Any, said: str) -> None:
    text = "visible v[6] : binary\nhidden h[4] : binary\nlayers v -- h\n"
    with pytest.raises(ed.EnergyError, match=said):
        ed.train(
            ed.loads(text).compile("numpy"), rows()[:, :6], method, optimizer, 1, batch=48, validation=0.04, shards=8
        )


def test_samplers_that_adapt_and_unequal_batches_are_refused() -> None:
    program = ed.loads("visible x[3] : real\nparam b[3]\nenergy = sum[i](x[i]^2 / 2 - b[i]*x[i])").compile("numpy")
    data = np.random.default_rng(0).standard_normal((64, 3))
    with pytest.raises(ed.NotApplicable, match="adapts to all chains"):
        ed.train(program, data, ed.PCD(chains=16, sampler="hmc"), epochs=1, batch=16, shards=4)
    with pytest.raises(ed.ArgumentError, match="take a batch of 8 or 16 rows"):
        ed.train(program, data, ed.CD(), epochs=1, batch=12, validation=0.0, shards=8)
