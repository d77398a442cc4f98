"""Goldens of each stage of the zoo: they say what changed; the certificate says whether it is right."""

from __future__ import annotations

from pathlib import Path

import pytest

import energydsl as ed

GOLDEN = Path(__file__).parent / "golden"
STAGES = ("model", "energy", "graph", "derived", "kernels")


@pytest.mark.parametrize("stage", STAGES)
def test_stage(zoo_path: Path, stage: str, request: pytest.FixtureRequest) -> None:
    text = ed.load(zoo_path).emit(stage) + "\n"
    path = GOLDEN / stage / f"{zoo_path.stem}.txt"
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} changed; --update-golden rewrites it"
