"""Mutated models of several files: diagnostics with places in the files that were written, and no traceback."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from pathlib import Path

import pytest

import energydsl as ed
from energydsl.cli.fmt_command import formatted
from energydsl.diagnostics import Diagnostic, ModelError, Source
from tests.modules.test_files import MAIN
from tests.modules.test_refused import TABLE
from tests.modules.test_whole import FILES, PAIRS
from tests.test_fuzz import mutated

MAINS = [MAIN.replace("parts/", ""), *(used for used, _ in PAIRS.values()), *(text for _, _, text, _ in TABLE)]
OTHERS = [*FILES.values(), *(text for *_, files in TABLE for text in files.values() if len(text) < 5000)]
NAMES = [*FILES, "a.energy", "b.energy", "f.energy"]


def diagnosed(folder: Path, text: str) -> tuple[Diagnostic, ...]:
    """What is found in a text of the folder: no exception but `ModelError`."""
    try:
        model = ed.loads(text, folder=folder)
    except ModelError as error:
        return tuple(error.diagnostics)
    assert ed.loads(model.source.text).energy == model.energy
    return model.warnings


@pytest.mark.parametrize("seed", range(8))
def test_mutants_of_models_of_several_files(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    for _ in range(80):
        text = mutated(rng, MAINS) if rng.random() < 0.6 else rng.choice(MAINS)
        name = rng.choice(NAMES)
        (tmp_path / name).write_text(mutated(rng, OTHERS), encoding="utf-8", errors="surrogatepass")
        started = time.process_time()
        for found in diagnosed(tmp_path, text):
            assert found.render()
            assert found.as_dict()
            source = found.span.source if found.span else None
            assert source is None or source.text == text or source.used or source.name == "model.energy", found
            assert source is None or found.span.start <= len(source.text), found  # type: ignore[union-attr]
        assert time.process_time() - started < 5, text
        with suppress(
            ModelError
        ):  # what cannot be read is not formatted; anything else would be a fault of the formatter
            formatted(Source("m.energy", text))
