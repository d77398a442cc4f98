"""A session with the server, edits and all, through a client: its transcript is compared."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pygls")

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from energydsl.editor.document import analyse
from tests.editor.client import Session, session

TRANSCRIPT = Path(__file__).with_name("transcript.txt")
BEGUN = "# 🙂 first\nvisible v[3] : binary # 🙂\nhidden h[2] : bin"
FINISHED = """# 🙂 first
visible v[3] : binary # 🙂
hidden h[2] : binary
param W[3, 2] = normal(sd = 0.1), 𝒃[3]
energy = - 𝒃 @ v - v @ W @ h
"""


def shown(place: lsp.Range) -> str:
    """A range in short."""
    return f"{place.start.line}:{place.start.character}-{place.end.line}:{place.end.character}"


async def told(s: Session) -> list[str]:
    """The diagnostics of the text that was written last."""
    return [f"  {d.code} {shown(d.range)} {d.message!r}" for d in await s.diagnostics()]


async def play(s: Session) -> list[str]:
    """What a user does, and what is answered."""
    client = s.client
    s.write(BEGUN)
    lines = ["begun", *await told(s)]
    end = lsp.Position(2, len("hidden h[2] : bin"))
    offered = await client.text_document_completion_async(lsp.CompletionParams(s.document, end))
    assert isinstance(offered, lsp.CompletionList)
    lines += [
        f"  offered {i.label} {shown(i.text_edit.range)}"
        for i in offered.items
        if isinstance(i.text_edit, lsp.TextEdit)
    ]
    s.write(FINISHED.replace("@ W", "@ w"))
    lines += ["misspelt", *await told(s)]
    asked = lsp.Range(s.place("w @"), s.place("w @"))
    fixes = await client.text_document_code_action_async(
        lsp.CodeActionParams(s.document, asked, lsp.CodeActionContext([]))
    )
    for fix in fixes or []:
        assert isinstance(fix, lsp.CodeAction)
        assert fix.edit is not None
        assert fix.edit.changes is not None
        lines += [f"  {fix.title}: {shown(e.range)} {e.new_text!r}" for e in fix.edit.changes[s.document.uri]]
    s.write(FINISHED)
    lines += ["finished", *await told(s)]
    for word in ("v[3]", "h[2]", "W[3", "𝒃[3", "energy"):
        hover = await client.text_document_hover_async(lsp.HoverParams(**s.at(word)))
        assert hover is not None
        assert hover.range is not None
        assert isinstance(hover.contents, lsp.MarkupContent)
        lines += [f"hover {word} {shown(hover.range)}", *(f"  {x}" for x in hover.contents.value.split("\n"))]
    whole = lsp.Range(lsp.Position(0, 0), lsp.Position(99, 0))
    hints = await client.text_document_inlay_hint_async(lsp.InlayHintParams(s.document, whole))
    lines += [f"hint {h.position.line}:{h.position.character} {h.label}" for h in hints or []]
    definition = await client.text_document_definition_async(lsp.DefinitionParams(**s.at("𝒃 @")))
    assert isinstance(definition, lsp.Location)
    lines += [f"definition {shown(definition.range)}"]
    uses = await client.text_document_references_async(lsp.ReferenceParams(lsp.ReferenceContext(False), **s.at("v[3]")))
    lines += [f"use {shown(u.range)}" for u in uses or []]
    marks = await client.text_document_document_highlight_async(lsp.DocumentHighlightParams(**s.at("v[3]")))
    lines += [f"mark {shown(m.range)} {m.kind}" for m in marks or []]
    place = await client.text_document_prepare_rename_async(lsp.PrepareRenameParams(**s.at("v[3]")))
    assert isinstance(place, lsp.Range)
    edit = await client.text_document_rename_async(lsp.RenameParams(new_name="x", **s.at("v[3]")))
    assert edit is not None
    assert edit.changes is not None
    lines += [f"rename {shown(e.range)} {e.new_text}" for e in edit.changes[s.document.uri]]
    with pytest.raises(JsonRpcException, match="another model"):
        await client.text_document_rename_async(lsp.RenameParams(new_name="h", **s.at("v[3]")))
    symbols = await client.text_document_document_symbol_async(lsp.DocumentSymbolParams(s.document))
    lines += [f"outline {x.name} {x.detail}" for x in symbols or [] if isinstance(x, lsp.DocumentSymbol)]
    coloured = await client.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(s.document))
    assert coloured is not None
    lines += [f"tokens {len(coloured.data) // 5}, the last {coloured.data[-5:]}"]
    folds = await client.text_document_folding_range_async(lsp.FoldingRangeParams(s.document))
    lines += [f"fold {f.start_line}-{f.end_line}" for f in folds or []]
    options = lsp.FormattingOptions(tab_size=4, insert_spaces=True)
    edits = await client.text_document_formatting_async(lsp.DocumentFormattingParams(s.document, options))
    lines += [f"format {shown(e.range)} {e.new_text!r}" for e in edits or []]
    client.text_document_did_close(lsp.DidCloseTextDocumentParams(s.document))
    closed = await s.published.get()
    return [*lines, f"closed {list(closed.diagnostics)}"]


def test_the_transcript_of_a_session() -> None:
    found = "\n".join(session(play)) + "\n"
    assert found == TRANSCRIPT.read_text(encoding="utf-8")


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 25), ("utf-16", 23), ("utf-32", 22)])
def test_an_editor_may_count_in_other_units(encoding: str, column: int) -> None:
    async def ask(s: Session) -> int:
        s.write("visible v[2] : spin # 🙂\nparam 𝒃[2]\nenergy = sum(𝒃 * v) + zz")
        (found,) = await s.diagnostics()
        return found.range.start.character

    assert session(ask, [lsp.PositionEncodingKind(encoding)]) == column


def test_what_takes_long_does_not_block() -> None:
    """A text whose reading takes far longer than an answer: what is written after it is answered at once."""

    async def ask(s: Session) -> tuple[float, int]:
        for extra in range(20):
            s.write("visible v[2] : spin\nenergy = " + " + ".join(["sum(v)"] * 8_000) + " " * extra)
        begun = time.monotonic()
        other = lsp.TextDocumentIdentifier("file:///nowhere/other.energy")
        assert await s.client.text_document_folding_range_async(lsp.FoldingRangeParams(other)) is None
        waited = time.monotonic() - begun
        s.write("visible v[2] : spin\nenergy = sum(v)")
        return waited, len(await s.diagnostics())

    begun = time.monotonic()
    assert analyse("", "", "visible v[2] : spin\nenergy = " + " + ".join(["sum(v)"] * 8_000)).occurrences
    once = time.monotonic() - begun
    waited, problems = session(ask)
    assert problems == 0
    assert waited < max(1.0, 3 * once), "every text was read, and none answered before"


def test_without_its_library_the_command_says_what_is_missing() -> None:
    code = "import sys; sys.modules['pygls'] = sys.modules['lsprotocol'] = None\nfrom energydsl.cli.main import main\nsys.argv = ['energydsl', 'lsp']\nmain()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert 'pip install "energydsl[editor]"' in found.stderr
    assert "Traceback" not in found.stderr


def test_a_request_for_an_older_text_is_cancelled_or_answered() -> None:
    async def ask(s: Session) -> bool:
        s.write(FINISHED)
        asked = [s.client.text_document_hover_async(lsp.HoverParams(**s.at("v[3]"))) for _ in range(5)]
        s.write(FINISHED + " ")
        found = await asyncio.gather(*asked, return_exceptions=True)
        return all(isinstance(f, lsp.Hover | JsonRpcException) for f in found) and not await s.diagnostics()

    assert session(ask)
