"""`augment` and `marginalise` as statements, commands and methods; the energies that the issue names."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.energy.terms import Energy
from energydsl.syntax import parse, print_module
from tests.augment.test_rules import HEAD

SOFTPLUS_RBM = (
    "dim I = 784, J = 500\nvisible v[I] : binary\nparam W[I, J] = normal(sd = 0.01), b[I] = base_rate(v), c[J]\n"
    "energy bias = - b @ v\nenergy experts = - {experts}\naugment experts (h)\n"
)
HOPFIELD = (
    "visible x[100] : binary\nparam W[100, 20] = normal(sd = 0.05), a[100]\n"
    "energy bias = - a @ x\nenergy memory = - {memory}\naugment memory (z)\n"
)


def unlabelled(energy: Energy) -> Energy:
    """An energy with all its terms under one name, as where it is written as one statement."""
    terms = sorted((replace(t, label="energy") for t in energy.terms), key=lambda t: repr(t.monomial))
    return Energy(tuple(terms))


@pytest.mark.parametrize(
    "experts",
    ["sum(softplus(c + v @ W))", "sum[j] softplus(c[j] + sum[i] v[i]*W[i, j])", "sum(log(1 + exp(c + v @ W)))"],
)
def test_softplus_energy_becomes_the_rbm(experts: str) -> None:
    model, rbm = ed.loads(SOFTPLUS_RBM.format(experts=experts)), ed.zoo("rbm")
    assert unlabelled(model.energy) == unlabelled(rbm.energy)
    assert {n: str(c) for n, c in model.conditionals.items()} == {n: str(c) for n, c in rbm.conditionals.items()}
    assert model.layers == rbm.layers


@pytest.mark.parametrize(
    "memory",
    [
        "0.5 * sum((W' @ x)^2)",
        "0.5 * sum((x @ W)^2)",
        "0.5 * x @ W @ W' @ x",
        "0.5 * sum[p] (sum[i] x[i]*W[i, p])^2",
        "0.5 * (x @ W) @ (x @ W)",
    ],
)
def test_hopfield_energy_of_low_rank_becomes_gaussian_latents(memory: str) -> None:
    model, gaussian = ed.loads(HOPFIELD.format(memory=memory)), ed.zoo("hopfield_gaussian")
    assert unlabelled(model.energy) == unlabelled(gaussian.energy)
    assert model.layers == gaussian.layers


def test_the_record_tells_other_energies_apart() -> None:
    rbm = ed.zoo("rbm")
    other = ed.loads(SOFTPLUS_RBM.format(experts="sum(softplus(2 * c + v @ W))"))
    assert unlabelled(other.energy) != unlabelled(rbm.energy)


MANY = (
    HEAD + "energy bias = - x @ W @ c\nenergy soft = - sum(softplus(u))\nenergy cosh = - sum(logcosh(u))\n"
    "energy mix = - log(sum[k] w[k]*exp(sum[i] V[k, i]*x[i]))\nenergy square = - lam / 2 * sum(u^2)\n"
    "augment soft, cosh (s), mix, square (r)\n"
)


def test_certificate_compares_marginals() -> None:
    model = ed.loads(MANY)
    certificate = model.verify()
    assert certificate.ok, str(certificate)
    assert [c for c in certificate.checks if c.name == "energy = -log of the sum over auxiliary units"]
    assert list(model.layers) == ["x", "z_soft", "s", "z_mix", "r"]
    assert [layer.role for layer in model.layers.values()] == ["visible", *["hidden"] * 4]


def test_latents_are_ordinary_hidden_layers() -> None:
    """The free energy of the augmented model is the energy of the other, and its Gibbs blocks are two."""
    model = ed.loads(MANY)
    plain = ed.loads(MANY.split("augment")[0])
    assert [str(p) for p in plain.schedule()[0]] == ["x*"]
    assert sorted(len(block) for block in model.schedule()) == [1, 4]
    program, original = (m.compile("numpy", "float64") for m in (model, plain))
    params = program.init(seed=3)
    x = np.where(np.random.default_rng(0).random((8, 3)) < 0.5, -1.0, 1.0)
    difference = program.free_energy(params, {"x": x}) - original.energy(params, {"x": x})
    np.testing.assert_allclose(difference, np.full(8, -2 * np.log(2) - np.log(2 * np.pi)), rtol=1e-12)


def test_at_another_beta_only_the_square_is_the_same_distribution() -> None:
    """What the documentation says of beta: z^2 / 2 - sqrt(a) z u at any, the others at 1."""

    def spread(term: str, beta: float) -> float:
        text = HEAD + f"energy t = {term}\n"
        augmented, plain = (ed.loads(t).compile("numpy", "float64") for t in (text + "augment t", text))
        params = {n: np.full(p.shape, 0.4) for n, p in augmented.model.params.items()}
        x = np.array([[-1.0, -1, 1], [1, 1, 1], [1, -1, -1], [-1, -1, -1]])
        found = augmented.free_energy(params, {"x": x}, beta=beta) - beta * plain.energy(params, {"x": x})
        return float(np.ptp(found))

    assert spread("- 0.5 * sum(u^2)", 0.6) < 1e-12
    assert spread("- sum(softplus(u))", 1.0) < 1e-12
    assert spread("- sum(softplus(u))", 0.6) > 1e-2


def test_names_of_layers() -> None:
    text = HEAD + "energy t = - sum(softplus(u)) - sum(logcosh(u))\naugment t"
    assert list(ed.loads(text).layers) == ["x", "z_t", "z_t_2"]
    assert list(ed.loads(text + " (h, s)").layers) == ["x", "h", "s"]
    assert list(ed.loads(text + " (h)").layers) == ["x", "h", "z_t"]


def test_a_schedule_takes_the_new_layers() -> None:
    text = HEAD + "energy t = - sum(softplus(u))\naugment t (h)\n"
    assert [[str(p) for p in b] for b in ed.loads(text + "schedule (x)").schedule()] == [["x"], ["h"]]
    assert [[str(p) for p in b] for b in ed.loads(text + "schedule (h), (x)").schedule()] == [["h"], ["x"]]


def test_sizes_from_outside() -> None:
    model = ed.loads(SOFTPLUS_RBM.format(experts="sum(softplus(c + v @ W))"), dims={"J": 7})
    assert model.layers["h"].shape == (7,)
    assert (
        ed.loads(SOFTPLUS_RBM.format(experts="sum(softplus(c + v @ W))").replace("augment experts (h)", ""))
        .augment("experts")
        .source.text.count("z_experts[J]")
        == 1
    )


def test_printed_and_read_again() -> None:
    model = ed.loads(MANY)
    module = model.module
    assert parse(replace(model.source, text=print_module(module))) == module
    written = ed.loads(model.source.text.replace("augment", "# augment")).augment()
    assert unlabelled(written.energy) != Energy(())
    assert len(written.layers) == 5
    assert copy.deepcopy(model).energy == model.energy


def test_explain_offers_and_shows() -> None:
    text = "dim N = 100, P = 3\nvisible x[N] : spin\nparam W[N, P] = normal(sd = 0.1)\nenergy = - sum(logcosh(x @ W))"
    shown = ed.loads(text).explain()
    assert "with 3 spin units more (`z`): 2 blocks instead of a scan of 100 units" in shown
    assert "instead of a scan" not in ed.zoo("rbm").explain()
    data = ed.loads(MANY).explain("json")
    assert data["written_out"][0] == "hidden z_soft[J] : binary"
    assert data["offers"] == []


def run(*arguments: object) -> str:
    result = CliRunner().invoke(cli, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_commands(tmp_path: Path) -> None:
    file = tmp_path / "m.energy"
    file.write_text(MANY.split("augment")[0])
    text = run("augment", file, "--term", "soft", "--term", "cosh")
    assert list(ed.loads(text).layers) == ["x", "z_soft", "z_cosh"]
    assert json.loads(run("augment", file, "--json"))["text"].count("hidden") == 4
    (tmp_path / "a.energy").write_text(text)
    back = run("marginalise", tmp_path / "a.energy", "--layer", "z_soft", "--layer", "z_cosh")
    assert list(ed.loads(back).layers) == ["x"]
    for arguments in (("augment", file, "--term", "sof"), ("marginalise", file, "--layer", "q")):
        result = CliRunner().invoke(cli, [str(a) for a in arguments])
        assert result.exit_code == 1
        assert "there is no" in result.stderr


REFUSED = (
    "visible n[3] : count\nparam W[3, 2]\nenergy own = sum(lgamma(n + 1))\nenergy experts = - sum(softplus(n @ W))\n"
)


def test_what_auxiliary_units_make_fit_is_offered(tmp_path: Path) -> None:
    with pytest.raises(ed.ModelError, match="with auxiliary units it fits: `energydsl augment`"):
        ed.loads(REFUSED)
    assert ed.loads(REFUSED + "augment experts").verify().ok
    file = tmp_path / "m.energy"
    file.write_text(REFUSED)
    assert list(ed.loads(run("augment", file)).layers) == ["n", "z_experts"]


def test_python() -> None:
    model = ed.loads(MANY.split("augment")[0])
    assert list(model.augment("soft").layers) == ["x", "z_soft"]
    with pytest.raises(ed.ArgumentError, match="did you mean `soft`"):
        model.augment("soften")
    with pytest.raises(ed.ArgumentError, match="there is no layer"):
        model.marginalise("q")
    with pytest.raises(ed.ModelError, match="has an auxiliary unit"):
        model.augment("bias")
