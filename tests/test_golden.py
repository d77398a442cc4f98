"""Goldens of each stage of the zoo: they say what changed; the certificate says whether it is right."""

from __future__ import annotations

from pathlib import Path

import pytest

import energydsl as ed
from energydsl.backends.registry import printed
from tests.conftest import ROOT, zoo

GOLDEN = Path(__file__).parent / "golden"
STAGES = ("syntax", "model", "energy", "graph", "derived", "kernels")
# Models that show a product, sums over neighbours, units of infinitely many values, and units of several states.
PRINTED = ("rbm", "ising", "gaussian_rbm", "potts_rbm")


@pytest.mark.parametrize("stage", STAGES)
def test_stage(zoo_path: Path, stage: str, request: pytest.FixtureRequest) -> None:
    compare(zoo(zoo_path).emit(stage) + "\n", GOLDEN / stage / f"{zoo_path.stem}.txt", request)


@pytest.mark.parametrize("name", PRINTED)
def test_source(name: str, request: pytest.FixtureRequest) -> None:
    """What is printed of a model for NumPy, without the runtime, which all models share."""
    text = printed(ed.load(ROOT / "models" / f"{name}.energy").derived).model
    compare(text, GOLDEN / "source" / f"{name}.txt", request)


def compare(text: str, path: Path, request: pytest.FixtureRequest) -> None:
    """Fails where a golden file has another text, or is rewritten."""
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} changed; --update-golden rewrites it"
