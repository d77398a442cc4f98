"""What a unit may be: one answer, for data, chains, states that are held and states that count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import energydsl as ed
from energydsl import limits
from energydsl.data.sources import as_data
from energydsl.domains import DOMAINS, Domain
from energydsl.domains.own_terms import bias_alone
from energydsl.domains.table import Array
from energydsl.learning.states import outside
from energydsl.verification.oracle import unit_values

NAN, INF = np.nan, np.inf
TRIED = np.array([-2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 3.0, 4.0, 1e9, -INF, INF, NAN])
# domain: arguments, which of the numbers above its units may be, and which may stand for probabilities of them
CASES: dict[str, tuple[tuple[float, ...], list[float], list[float]]] = {
    "binary": ((), [0, 1], [0, 0.25, 1]),
    "spin": ((), [-1, 1], [-1, 1]),
    "categorical": ((3,), [0, 1, 2], [0, 1, 2]),
    "real": ((), [*TRIED[:10]], [*TRIED[:10]]),
    "positive": ((), [0, 0.25, 1, 2, 3, 4, 1e9], [0, 0.25, 1, 2, 3, 4, 1e9]),
    "interval": ((-0.5, 2), [-0.5, 0, 0.25, 1, 2], [-0.5, 0, 0.25, 1, 2]),
    "count": ((), [0, 1, 2, 3, 4, 1e9], [0, 1, 2, 3, 4, 1e9]),
    "integer": ((-1, 3), [-1, 0, 1, 2, 3], [-1, 0, 1, 2, 3]),
}


def check_admitted(domain: Domain) -> None:
    assert domain.name in CASES, f"domain {domain.name} has no case in tests/domains/test_values.py"
    arguments, values, grey = CASES[domain.name]
    assert [*TRIED[domain.admits(TRIED, arguments)]] == values
    assert [*TRIED[domain.admits(TRIED, arguments, grey=True)]] == grey


def check_means(domain: Domain) -> None:
    """Means lie between the least and the greatest value."""
    arguments, values, _ = CASES[domain.name]
    admitted = TRIED[domain.admits_means(TRIED, arguments)]
    if domain.one_hot:
        assert [*admitted] == [0, 0.25, 1]
        return
    inside = TRIED[(min(values) <= TRIED) & (max(values) >= TRIED)]
    assert {*inside} <= {*admitted}
    assert domain.finite is False or {*admitted} == {*inside}


def check_listed(domain: Domain) -> None:
    """Its values are those that the oracle lists, and it admits them; states are as many."""
    if not domain.finite:
        assert domain.values is None
        assert domain.states is None
        return
    arguments = CASES[domain.name][0]
    written = f"{domain.name}{list(arguments) if arguments else ''}".replace(".0", "")
    layer = ed.loads(f"visible x : {written}\nenergy = 0.1 * {'x[0]' if domain.one_hot else 'x'}").layers["x"]
    listed = unit_values(layer)
    if domain.one_hot:
        assert domain.admits_indicators(np.asarray(listed)).all()
        assert domain.states is not None
        assert len(listed) == domain.states(arguments)
        return
    assert domain.values is not None
    assert [*domain.values(arguments)] == [*np.ravel(listed)]
    assert domain.admits(np.asarray(domain.values(arguments)), arguments).all()
    assert domain.points is not None or (domain.states is not None and domain.states(arguments) == len(listed))
    assert domain.points is None or domain.points == (min(listed), max(listed))


def check_arguments(domain: Domain) -> None:
    arguments = CASES[domain.name][0]
    assert len(arguments) == len(domain.arguments)
    assert domain.problem(arguments) == ""
    if len(arguments) == 2:
        assert "are not in order" in domain.problem((2, 1))
        assert "leave one value" in domain.problem((1, 1))


CHECKS = (check_admitted, check_means, check_listed, check_arguments)


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("check", CHECKS)
def test_values(name: str, check: Callable[[Domain], None]) -> None:
    check(DOMAINS[name])


MISTAKES: dict[str, tuple[Callable[[Domain], None], Domain]] = {
    "probabilities taken for spins": (check_admitted, replace(DOMAINS["spin"], grey=True)),
    "counts between whole numbers": (check_admitted, replace(DOMAINS["count"], integer_valued=False)),
    "negative counts": (check_admitted, replace(DOMAINS["count"], bounds=lambda _: (-INF, INF))),
    "one state too many": (check_admitted, replace(DOMAINS["categorical"], states=lambda a: int(a[0]) + 1)),
    "an interval that is half a line": (check_means, replace(DOMAINS["integer"], bounds=lambda a: (a[0], INF))),
    "a value left out": (check_listed, replace(DOMAINS["integer"], values=lambda a: tuple(np.arange(a[0], a[1])))),
    "points that are no values": (check_listed, replace(DOMAINS["spin"], points=(0.0, 1.0))),
    "bounds in any order": (check_arguments, replace(DOMAINS["interval"], problem=lambda _: "")),
    "an argument too few": (check_arguments, replace(DOMAINS["integer"], arguments=("whole",))),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_in_the_table_is_caught(name: str) -> None:
    check, domain = MISTAKES[name]
    with pytest.raises(AssertionError):
        check(domain)


def test_indicators_are_one_hot_or_probabilities() -> None:
    domain = DOMAINS["categorical"]
    rows = np.array(
        [[0, 1, 0], [1, 1, 0], [0, 0, 0], [0.5, 0.25, 0.25], [0.5, 0.5, 0.5], [-0.5, 1, 0.5], [NAN, NAN, NAN]]
    )
    assert [*domain.admits_indicators(rows).all(axis=1)] == [True, False, False, False, False, False, False]
    assert [*domain.admits_indicators(rows, grey=True).all(axis=1)] == [True, False, False, True, False, False, True]


def test_bits_are_the_two_values_of_a_domain() -> None:
    bits: Array = np.array([0.0, 1.0, 1.0], np.float32)
    for name, values in (("binary", [0, 1, 1]), ("spin", [-1, 1, 1])):
        found = DOMAINS[name].from_bits(bits)
        assert [*found] == values
        assert found.dtype == np.float32


def test_everyone_asks_the_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data, chains, states and counted states follow `admits` where it changes."""
    model = ed.loads("visible n[2] : integer[0, 3]\nparam b[2]\nenergy = - b @ n")
    rows = np.array([[0.0, 1.0], [2.0, 3.0]])
    layer, program = model.layers["n"], model.compile("numpy", "float64")
    assert not outside(layer, rows).any()
    program.energy(program.init(0), {"n": rows})
    as_data(model.resolved, {"n": rows}, None, "train")
    monkeypatch.setattr(Domain, "admits", lambda self, values, *_, **__: np.zeros(np.shape(values), bool))
    monkeypatch.setattr(Domain, "admits_means", lambda self, values, *_: np.zeros(np.shape(values), bool))
    assert outside(layer, rows).all()
    with pytest.raises(ed.DataError, match="outside its domain"):
        program.energy(program.init(0), {"n": rows})
    with pytest.raises(ed.DataError, match="not a whole number"):
        as_data(model.resolved, {"n": rows}, None, "train")


def test_a_layer_without_its_own_terms_is_no_normal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "visible v[2] : real\nhidden h[2] : binary\nlayers v -- h"
    assert ed.loads(text).verify().ok
    monkeypatch.setitem(DOMAINS, "real", replace(DOMAINS["real"], own_terms=bias_alone))
    with pytest.raises(ed.ModelError, match="not normalisable"):
        ed.loads(text)


def test_one_limit_of_enumeration_moves_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "visible v[4] : binary\nhidden h[3] : binary\nlayers v -- h"
    model = ed.loads(text)
    assert {v.name: v.ok for v in model.applicability()}["exact"]
    monkeypatch.setattr(limits, "LOG2_STATES", 2.0)
    monkeypatch.setattr(limits, "LOG2_CLIQUE", 1.0)
    small = ed.loads(text)
    program = small.compile("numpy", "float64")
    assert not {v.name: v.ok for v in small.applicability()}["exact"]
    with pytest.raises(ed.TooLarge):
        program.log_partition(program.init(0))
