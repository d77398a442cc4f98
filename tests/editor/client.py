"""A session with the server over its standard streams, by the client of pygls."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

URI = "file:///nowhere/model.energy"


class Session:
    """An open document, and what the server said of it."""

    def __init__(self, client: LanguageClient) -> None:
        self.client = client
        self.version = 0
        self.text = ""
        self.published: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()

    @property
    def document(self) -> lsp.TextDocumentIdentifier:
        return lsp.TextDocumentIdentifier(URI)

    def write(self, text: str) -> None:
        """The whole text anew, as one keystroke leaves it."""
        self.version, self.text = self.version + 1, text
        if self.version == 1:
            item = lsp.TextDocumentItem(URI, "energy", 1, text)
            self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
            return
        changed = lsp.VersionedTextDocumentIdentifier(self.version, URI)
        whole = [lsp.TextDocumentContentChangeWholeDocument(text)]
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(changed, whole))

    async def diagnostics(self) -> list[lsp.Diagnostic]:
        """What is published for the text that was written last."""
        while True:
            found = await asyncio.wait_for(self.published.get(), 60)
            if found.version == self.version:
                return list(found.diagnostics)

    def place(self, word: str, nth: int = 0) -> lsp.Position:
        """Where a word of the text begins, in UTF-16 units."""
        at = -1
        for _ in range(nth + 1):
            at = self.text.index(word, at + 1)
        line = self.text.count("\n", 0, at)
        before = self.text[self.text.rfind("\n", 0, at) + 1 : at]
        return lsp.Position(line, len(before.encode("utf-16-le")) // 2)

    def at(self, word: str, nth: int = 0) -> dict[str, Any]:
        """The arguments that say where a word is."""
        return {"text_document": self.document, "position": self.place(word, nth)}


def session(play: Callable[[Session], Awaitable[Any]], encodings: list[lsp.PositionEncodingKind] | None = None) -> Any:
    """What a play with a server returns; the server must end by itself, without an error."""

    async def run() -> Any:
        client = LanguageClient("test", "1")
        of = Session(client)

        @client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def published(params: lsp.PublishDiagnosticsParams) -> None:
            of.published.put_nowait(params)

        await client.start_io(sys.executable, "-m", "energydsl", "lsp")
        general = lsp.GeneralClientCapabilities(position_encodings=encodings) if encodings else None
        await client.initialize_async(lsp.InitializeParams(lsp.ClientCapabilities(general=general)))
        client.initialized(lsp.InitializedParams())
        found = await play(of)
        await client.shutdown_async(None)
        client.exit(None)
        server = client._server
        assert server is not None
        code = await asyncio.wait_for(server.wait(), 30)
        assert server.stderr is not None
        errors = await server.stderr.read()
        await client.stop()
        assert (code, errors.decode()) == (0, "")
        return found

    return asyncio.run(run())
