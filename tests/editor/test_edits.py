"""Edits at random: every feature answers, whatever is written, and a keystroke is cheap."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pygls")

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from energydsl.diagnostics import EnergyError
from energydsl.editor.document import Document, analyse
from energydsl.editor.problems import diagnostics
from energydsl.editor.server import DERIVED, READ
from tests.conftest import ZOO
from tests.editor.client import Session, session
from tests.test_fuzz import BITS, SEEDS

# A keystroke must take less, in seconds of the processor; slow machines have twice as long.
KEYSTROKE = 0.05
MARGIN = 2
ODD = ["🙂", "𝒙", "\r", "\r\n", "\t", "\u2028", "\ud800", "é", "```", "\n", " "]


def edit(text: str, chance: random.Random) -> str:
    """A text after an edit: something is written, left out, moved, or cut off."""
    place = chance.randrange(len(text) + 1)
    end = min(len(text), place + chance.choice([1, 1, 2, 5, 30]))
    return chance.choice([
        text[:place] + chance.choice(BITS + ODD) + text[place:],
        text[:place] + text[end:],
        text[:place] + text[end : end + 20] + text[place:],
        text[:place],
    ])  # fmt: skip


def asked(document: Document, chance: random.Random) -> Any:
    """The arguments of any feature, somewhere in a document."""
    offset = chance.randrange(len(document.source.text) + 2)
    position = document.places.position(min(offset, len(document.source.text)))
    return SimpleNamespace(
        position=position,
        range=lsp.Range(lsp.Position(0, 0), position),
        new_name=chance.choice(["x", "h", "W", "sum", "é", "🙂", ""]),
        context=SimpleNamespace(include_declaration=chance.random() < 0.5),
    )


@pytest.mark.parametrize("seed", range(6))
def test_every_feature_answers_whatever_is_written(seed: int) -> None:
    chance = random.Random(seed)
    for start in chance.sample(SEEDS, 12):
        text = start
        for _ in range(4):
            text = edit(text, chance)
            document = analyse("file:///m.energy", "m.energy", text, encoding=chance.choice(["utf-8", "utf-16"]))
            for method, answer in {**READ, **DERIVED, "diagnostics": lambda d, _: diagnostics(d)}.items():
                try:
                    answer(document, asked(document, chance))
                except EnergyError:
                    assert method == lsp.TEXT_DOCUMENT_RENAME


async def refusal(asked: Awaitable[Any]) -> int | None:
    """The code with which a request is refused, if it is."""
    try:
        await asked
    except JsonRpcException as error:
        return error.code
    return None


def test_a_session_of_random_edits_ends_in_order() -> None:
    """The server says of every text what `analyse` says of it, and answers or cancels all that it is asked."""
    chance = random.Random(0)

    async def play(s: Session) -> list[tuple[list[str], list[str]]]:
        said = []
        text = ZOO[0].read_text()
        for _ in range(40):
            text = edit(text, chance) or chance.choice(SEEDS)
            s.write(text.encode("utf-8", "replace").decode())
            place = lsp.Position(chance.randrange(12), chance.randrange(40))
            at: dict[str, Any] = {"text_document": s.document, "position": place}
            if chance.random() < 0.5:
                await s.client.text_document_completion_async(lsp.CompletionParams(**at))
                await s.client.text_document_hover_async(lsp.HoverParams(**at))
                await s.client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(s.document))
                assert await refusal(s.client.text_document_rename_async(lsp.RenameParams(new_name="x", **at))) in (
                    None,
                    lsp.LSPErrorCodes.RequestFailed.value,
                )
            if chance.random() < 0.2:
                found = analyse("", "", s.text).diagnostics
                said.append(([str(d.code) for d in await s.diagnostics()], [d.code for d in found]))
        return said

    said = session(play)
    assert said
    assert all(told == found for told, found in said)


def keystroke(document: Document, position: lsp.Position) -> None:
    """What an editor asks for at every keystroke."""
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(9999, 0))
    params = SimpleNamespace(position=position, range=whole)
    for method in (
        lsp.TEXT_DOCUMENT_COMPLETION,
        lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL,
        lsp.TEXT_DOCUMENT_INLAY_HINT,
        lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL,
        lsp.TEXT_DOCUMENT_FOLDING_RANGE,
        lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT,
    ):
        READ[method](document, params)
    diagnostics(document)


def seconds(path: Path, work: Callable[[Document, lsp.Position], None]) -> float:
    """The median over keystrokes at the end of a model, each of another text."""
    text, taken = path.read_text(), []
    for cut in range(9):
        now = text.rstrip()[: len(text.rstrip()) - cut]
        begun = time.process_time()
        document = analyse("file:///m.energy", "m.energy", now, path.parent)
        work(document, document.places.position(len(now)))
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def test_a_keystroke_is_cheap_in_every_model_of_the_zoo() -> None:
    seconds(ZOO[0], keystroke)
    slow = {p.stem: s for p in ZOO if (s := seconds(p, keystroke)) > MARGIN * KEYSTROKE}
    assert not slow


def test_what_is_derived_is_derived_when_it_is_asked_for() -> None:
    document = analyse("", "", ZOO[0].read_text(), ZOO[0].parent)
    keystroke(document, lsp.Position(0, 0))
    assert "compiled" not in vars(document)
    DERIVED[lsp.TEXT_DOCUMENT_HOVER](
        document, SimpleNamespace(position=document.places.position(document.source.text.index("energy ")))
    )
