"""The checklists of CONTRIBUTING: a new entry of a table without its pieces fails here, and the message says which is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import energydsl as ed
from energydsl import defaults
from energydsl.backends import registry
from energydsl.domains import DOMAINS, FAMILIES, Domain
from energydsl.domains.scalar import AXIS, Op, Scalar
from energydsl.functions import FUNCTIONS, WRITTEN, ElementaryFunction
from energydsl.learning.methods import METHODS
from energydsl.learning.optimizer import OPTIMIZERS
from energydsl.options import BACKENDS
from energydsl.verification import oracle
from tests.domains.test_identities import CASES

ROOT = Path(__file__).resolve().parents[1]
RBM = "visible v[2] : binary\nhidden h[2] : binary\nlayers v -- h"


def source(backend: str) -> str:
    """The module of a small model as a backend prints it, runtime and all."""
    return registry.printed(ed.loads(RBM).derived, "float64", backend).text


# --- a function


def check_function(function: ElementaryFunction) -> None:
    name = function.name
    if function.written:
        documented = (ROOT / "docs" / "language.md").read_text()
        assert re.search(rf"\b{name}\b", documented), f"docs/language.md does not name `{name}`"
        assert name in oracle._FUNCTIONS, f"the oracle has no value of `{name}` of its own: verification/oracle.py"
    assert function.array, f"`{name}` has no name in printed modules: `array`"
    if not function.array.startswith("np."):
        for backend in BACKENDS[1:]:
            assert f"def {function.array}(" in source(backend), (
                f"the {backend} runtime does not define {function.array}"
            )
    if function.written or name in used_by_units():
        assert function.unit, f"kernels of one unit, and scans over forms, need a name of `{name}`: `unit`"
    if function.unit:
        for backend in ("numba", "cupy"):
            assert f"{function.unit}(" in source(backend), f"the {backend} runtime does not define {function.unit}"


def used_by_units() -> set[str]:
    """Functions in formulas of families, whose kernels go unit by unit."""

    def names(node: Scalar) -> set[str]:
        return {node.name, *(n for a in node.arguments for n in names(a))} if isinstance(node, Op) else set()

    formulas = (s for f in FAMILIES.values() for s in (f.log_partition, f.mean, f.variance, f.sample, f.mode))
    return {n for formula in formulas for n in names(formula)} & set(FUNCTIONS)


def printed() -> set[str]:
    """Functions that kernels may hold: those of models with their derivatives, of families, and log-sum-exp."""
    slopes = {n for f in FUNCTIONS.values() if f.written for _, product in f.derivative or () for n, _ in product}
    return {f.name for f in FUNCTIONS.values() if f.written or f.aggregate} | slopes | used_by_units()


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n in printed() - {""}])
def test_a_function_has_all_its_pieces(name: str) -> None:
    check_function(FUNCTIONS[name])


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"name": "erf"}, "docs/language.md"),
        ({"name": "sum"}, "oracle"),
        ({"array": ""}, "printed modules"),
        ({"array": "erf"}, "numpy runtime"),
        ({"unit": ""}, "kernels of one unit"),
        ({"unit": "unit_erf"}, "numba runtime"),
    ],
)
def test_a_function_without_a_piece_is_told_which(changes: dict[str, str], missing: str) -> None:
    with pytest.raises(AssertionError, match=missing):
        check_function(replace(FUNCTIONS["exp"], **changes))


# --- a domain


def check_domain(domain: Domain) -> None:
    name = domain.name
    assert (ROOT / "energydsl" / "domains" / f"{name}.py").exists(), f"domain {name} needs a file: domains/{name}.py"
    assert DOMAINS.get(name) is domain, f"domain {name} needs a line in domains/__init__.py"
    for family in domain.families:
        assert any(c.split()[0] == family.name for c in CASES), (
            f"{family.name} has no case in tests/domains/test_identities.py"
        )
        statistics = family.formula or family.powers == (1, 2)
        assert statistics, f"{family.name} says neither how it is shown (`formula`) nor that it is a Normal"
        for formula in (family.log_partition, family.mean, family.variance, family.sample, family.entropy, family.mode):
            assert isinstance(formula, Scalar), f"{family.name} lacks a formula"
    written = f"{name}[{', '.join(['3', '7'][-len(domain.arguments) :])}]" if domain.arguments else name
    documented = (ROOT / "docs" / "language.md").read_text()
    assert f"`{name}" in documented, f"docs/language.md does not name the domain {name}"
    layers = ed.loads(f"visible v[2] : binary\nhidden h[2] : {written}\nlayers v -- h")
    certificate = layers.verify()
    assert certificate.ok, (
        f"a layer of domain {name} in a graph of layers is derived wrong, or the oracle does not know it: {certificate}"
    )
    models = [p for p in (ROOT / "models").glob("*.energy") if re.search(rf": {name}\b", p.read_text())]
    assert models, f"no model of models/ has a layer of domain {name}"
    assert all(p.read_text().startswith("#") for p in models), (
        f"a model of domain {name} begins with its equation, as a comment"
    )


@pytest.mark.parametrize("name", DOMAINS)
def test_a_domain_has_all_its_pieces(name: str) -> None:
    check_domain(DOMAINS[name])


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"name": "circle"}, "domains/circle.py"),
        ({"support": "R+"}, "domains/__init__.py"),
        ({"name": "table"}, "domains/__init__.py"),
    ],
)
def test_a_domain_without_a_piece_is_told_which(changes: dict[str, str], missing: str) -> None:
    with pytest.raises(AssertionError, match=missing):
        check_domain(replace(DOMAINS["real"], **changes))


def test_a_family_without_its_pieces_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    [family] = DOMAINS["binary"].families
    for changes, missing in (({"name": "erlang"}, "test_identities"), ({"formula": None}, "how it is shown")):
        domain = replace(DOMAINS["binary"], families=(replace(family, **changes),))
        monkeypatch.setitem(DOMAINS, "binary", domain)
        with pytest.raises(AssertionError, match=missing):
            check_domain(domain)


# --- a backend


def check_backend(name: str) -> None:
    assert name in registry.TABLE, f"backend {name} needs a line in energydsl/backends/registry.py"
    folder = ROOT / "energydsl" / "backends" / name
    for file in ("printer.py", "loader.py"):
        assert (folder / file).exists(), f"backend {name} needs energydsl/backends/{name}/{file}"
    compared = (ROOT / "tests" / "backends" / "conftest.py").read_text()
    assert f'"{name}"' in compared, (
        f"backend {name} is no parameter of the fixture `backend` in tests/backends/conftest.py"
    )


@pytest.mark.parametrize("name", BACKENDS[1:])
def test_a_backend_has_all_its_pieces(name: str) -> None:
    check_backend(name)


def test_a_backend_without_a_piece_is_told_which() -> None:
    with pytest.raises(AssertionError, match="registry"):
        check_backend("opencl")


# --- an objective


def check_objective(name: str) -> None:
    models = [ed.load(ROOT / "models" / f"{n}.energy") for n in ("rbm", "dbn", "gaussian_rbm", "bernoulli_mixture")]
    entry = METHODS[name].entry or name if name in METHODS else name
    for model in models:
        verdicts = {v.name: v for v in model.applicability() if v.kind == "objective"}
        assert entry in verdicts, f"derive/applicability.py has no verdict on {name} for the model {model.name}"
        assert verdicts[entry].why, f"the verdict on {name} does not say why"
    assert any(v.ok for m in models for v in m.applicability() if v.name == entry), f"{name} fits no model of models/"
    texts = "".join(p.read_text() for p in (ROOT / "tests" / "learning").rglob("test_*.py"))
    assert re.search(rf"\b{METHODS[name].__name__}\(", texts), (
        f"no test of tests/learning trains with {METHODS[name].__name__}"
    )


@pytest.mark.parametrize("name", METHODS)
def test_an_objective_has_all_its_pieces(name: str) -> None:
    check_objective(name)


def test_an_objective_without_a_piece_is_told_which() -> None:
    with pytest.raises(AssertionError, match="applicability"):
        check_objective("telepathy")


# --- an optimiser


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimiser_has_all_its_pieces(name: str) -> None:
    assert name in defaults.RATES, f"energydsl/defaults.py has no learning rates of {name}"
    assert f"`{name}`" in (ROOT / "docs" / "guides.md").read_text(), f"docs/guides.md does not say what {name} is"
    texts = "".join(p.read_text() for p in (ROOT / "tests" / "learning").rglob("test_*.py"))
    assert f"ed.{OPTIMIZERS[name].__name__}(" in texts, f"no test of tests/learning trains with {name}"


def test_every_verdict_on_an_objective_is_on_one_that_exists() -> None:
    verdicts = ed.load(ROOT / "models" / "rbm.energy").applicability()
    assert {v.name for v in verdicts if v.kind == "objective"} == {m.entry or n for n, m in METHODS.items()}


# --- the checklists themselves


def test_there_is_a_checklist_for_each_table() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for what in ("a function", "a domain", "a backend", "an objective", "an optimiser"):
        assert f"## Add {what}\n" in text, f"CONTRIBUTING.md has no checklist to add {what}"


def test_axis_functions_are_no_elementary_functions() -> None:
    assert not AXIS & set(FUNCTIONS)
    assert set(WRITTEN) <= set(FUNCTIONS)
