"""`explain --cost`: the structure that is chosen, and figures that can be counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import energydsl as ed
from energydsl.cli.main import cli
from energydsl.report.costs import as_text, costs
from tests.conftest import zoo

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_dense_products_are_counted() -> None:
    found = costs(ed.load(MODELS / "rbm.energy", {"I": 30, "J": 20}).compiled)
    assert [k["operations"] for k in found["sweep"]] == [2 * 30 * 20] * 2
    assert {k["structure"] for k in found["sweep"]} == {"matrix product"}
    assert found["draws"] == 50
    assert found["chain_bytes"] == 4 * 2 * 50
    assert found["parameter_bytes"] == 3 * 4 * (30 * 20 + 30 + 20)
    assert found["most_chains"] == (found["memory_bytes"] - found["parameter_bytes"]) // found["chain_bytes"]


@pytest.mark.parametrize(
    ("name", "structure", "operations"),
    [
        ("ising", "stencil", 2 * 4 * 64 * 64),
        ("spin_glass", "sparse rows", 2 * 3 * 1000),
        ("convolutional_rbm", "convolution", 2 * 25 * 8 * 24 * 24),
    ],
)
def test_structure_is_found(name: str, structure: str, operations: int) -> None:
    last = costs(ed.load(MODELS / f"{name}.energy").compiled)["sweep"][-1]
    assert last["structure"].startswith(structure)
    assert last["operations"] == operations


def test_every_zoo_model_has_a_cost(zoo_path: Path) -> None:
    result = CliRunner().invoke(cli, ["explain", "--cost", str(zoo_path)])
    assert result.exit_code == 0, result.output
    assert "chains that fit" in result.output
    assert as_text(costs(zoo(zoo_path).compiled)) == result.output.rstrip("\n")
