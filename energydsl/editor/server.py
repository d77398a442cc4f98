"""The language server: which function answers which request, and in which thread.

Nothing is computed in the thread that reads from the editor. One thread reads texts, and answers what can be read from them;
another derives, which may take seconds. What is asked of a text is cancelled by the next keystroke.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from energydsl.diagnostics import EnergyError
from energydsl.editor import navigation, tokens
from energydsl.editor.axes import hints
from energydsl.editor.completion import completion
from energydsl.editor.document import Document, analyse
from energydsl.editor.hover import hover
from energydsl.editor.outline import folds, formatting, outline
from energydsl.editor.problems import actions, diagnostics
from energydsl.version import __version__

Answer = Callable[[Document, Any], Any]

# What is answered from the text as it is read.
READ: dict[str, Answer] = {
    lsp.TEXT_DOCUMENT_DEFINITION: lambda d, p: navigation.definition(d, p.position),
    lsp.TEXT_DOCUMENT_REFERENCES: lambda d, p: navigation.references(d, p.position, p.context.include_declaration),
    lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT: lambda d, p: navigation.highlights(d, p.position),
    lsp.TEXT_DOCUMENT_PREPARE_RENAME: lambda d, p: navigation.renameable(d, p.position),
    lsp.TEXT_DOCUMENT_RENAME: lambda d, p: navigation.rename(d, p.position, p.new_name),
    lsp.TEXT_DOCUMENT_COMPLETION: lambda d, p: completion(d, p.position),
    lsp.TEXT_DOCUMENT_FORMATTING: lambda d, p: formatting(d),
    lsp.TEXT_DOCUMENT_FOLDING_RANGE: lambda d, p: folds(d),
    lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL: lambda d, p: outline(d),
    lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL: lambda d, p: tokens.tokens(d),
    lsp.TEXT_DOCUMENT_INLAY_HINT: lambda d, p: hints(d, p.range),
}
# What asks for what follows from the model.
DERIVED: dict[str, Answer] = {
    lsp.TEXT_DOCUMENT_HOVER: lambda d, p: hover(d, p.position),
    lsp.TEXT_DOCUMENT_CODE_ACTION: lambda d, p: actions(d, p.range),
}
OPTIONS: dict[str, Any] = {
    lsp.TEXT_DOCUMENT_COMPLETION: lsp.CompletionOptions(trigger_characters=[":", "[", "(", "="]),
    lsp.TEXT_DOCUMENT_CODE_ACTION: lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix]),
    lsp.TEXT_DOCUMENT_RENAME: lsp.RenameOptions(prepare_provider=True),
    lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL: tokens.LEGEND,
}


class Server(LanguageServer):
    """The documents that are open, each read once for every text that it has."""

    def __init__(self) -> None:
        super().__init__("energydsl", __version__, lsp.TextDocumentSyncKind.Full)
        self.reader, self.deriver = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self.documents: dict[str, asyncio.Future[Document]] = {}
        self.publishing: dict[str, asyncio.Task[None]] = {}

    def read(self, uri: str) -> None:
        """Read what stands in a document now, and publish what is wrong with it; what is under way for an older text ends."""
        self.forget(uri)
        text = self.workspace.get_text_document(uri)
        path = to_fs_path(uri) if uri.startswith("file:") else None
        asked = (uri, path or uri, text.source, Path(path).parent if path else None, self.encoding)
        self.documents[uri] = asyncio.get_running_loop().run_in_executor(self.reader, analyse, *asked)
        self.publishing[uri] = asyncio.create_task(self.publish(uri, text.version))

    def forget(self, uri: str) -> None:
        """End what is under way for a document."""
        for of in (self.publishing, self.documents):
            pending = of.pop(uri, None)
            if pending is not None:
                pending.cancel()

    @property
    def encoding(self) -> str:
        """What columns count, as the editor chose."""
        chosen = self.workspace.position_encoding or lsp.PositionEncodingKind.Utf16
        return str(chosen.value if isinstance(chosen, lsp.PositionEncodingKind) else chosen)

    async def publish(self, uri: str, version: int | None) -> None:
        """Tell the editor what is wrong with a document, if that is not over before: a keystroke later, it is another."""
        found = await self.answer(self.deriver, uri, lambda d, _: diagnostics(d), None)
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found, version))

    async def answer(self, pool: ThreadPoolExecutor, uri: str, answer: Answer, params: Any) -> Any:
        """The answer of a feature, for a document as it is now. A refusal is told the editor, without a traceback."""
        if uri not in self.documents:
            return None
        document = await asyncio.shield(self.documents[uri])
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, answer, document, params)
        except EnergyError as error:
            raise JsonRpcException(str(error), lsp.LSPErrorCodes.RequestFailed) from None


def make() -> Server:
    """A server with every feature."""
    server = Server()
    for pool, features in ((server.reader, READ), (server.deriver, DERIVED)):
        for method, answer in features.items():
            server.feature(method, OPTIONS.get(method))(_handler(server, pool, answer))

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    @server.feature(lsp.TEXT_DOCUMENT_DID_CHANGE)
    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def changed(params: Any) -> None:
        server.read(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    async def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.forget(params.text_document.uri)
        server.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(params.text_document.uri, []))

    return server


def _handler(server: Server, pool: ThreadPoolExecutor, answer: Answer) -> Callable[[Any], Any]:
    async def handle(params: Any) -> Any:
        return await server.answer(pool, params.text_document.uri, answer, params)

    return handle


def serve() -> None:
    """Serve the editor that started this process, over standard input and output."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    make().start_io()
