"""Offsets into a text and positions of the protocol: lines from 0, and columns in units of an encoding."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property

from lsprotocol import types as lsp

from energydsl.diagnostics import Span

UTF8, UTF16 = str(lsp.PositionEncodingKind.Utf8.value), str(lsp.PositionEncodingKind.Utf16.value)


def _width(character: str, encoding: str) -> int:
    """The units of one character."""
    point = ord(character)
    if encoding == UTF8:
        return 1 + (point > 0x7F) + (point > 0x7FF) + (point > 0xFFFF)
    return 1 + (encoding == UTF16 and point > 0xFFFF)


@dataclass(frozen=True)
class Places:
    """The places of a text. encoding: what columns count, as client and server agreed."""

    text: str
    encoding: str = UTF16

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(m.end() for m in re.finditer(r"\r\n|\r|\n", self.text))]

    @cached_property
    def _wide(self) -> list[int]:
        """The offset of each character of more than one unit, once for each further unit."""
        if self.text.isascii():
            return []
        return [at for at, c in enumerate(self.text) for _ in range(_width(c, self.encoding) - 1)]

    def _units(self, start: int, end: int) -> int:
        return end - start + bisect_left(self._wide, end) - bisect_left(self._wide, start)

    def position(self, offset: int) -> lsp.Position:
        """The position of an offset."""
        line = bisect_right(self._starts, offset) - 1
        return lsp.Position(line, self._units(self._starts[line], offset))

    def offset(self, position: lsp.Position) -> int:
        """The offset of a position; past the end of a line, or of the text, that end."""
        if position.line >= len(self._starts):
            return len(self.text)
        start = self._starts[position.line]
        end = self._starts[position.line + 1] if position.line + 1 < len(self._starts) else len(self.text)
        end -= len(self.text[start:end]) - len(self.text[start:end].rstrip("\r\n"))
        return bisect_left(range(end), position.character, lo=start, key=lambda at: self._units(start, at))

    def between(self, start: int, end: int) -> lsp.Range:
        """The range between two offsets."""
        return lsp.Range(self.position(start), self.position(end))

    def range(self, span: Span) -> lsp.Range:
        """The range of a span."""
        return self.between(span.start, span.end)

    @property
    def whole(self) -> lsp.Range:
        """The range of the whole text."""
        return self.between(0, len(self.text))
