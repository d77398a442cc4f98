"""Sources, spans, diagnostics and the exceptions that carry them.

Every message a user can cause is a `Diagnostic`: a code, a place, one sentence of rule, and a way out.
The constructors demand a span, so no message can lose its place.
"""

from __future__ import annotations

import bisect
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import PurePath
from typing import Any, Literal, SupportsIndex, TypeVar


@dataclass(frozen=True)
class Source:
    """The text of a model and the name it is shown under: the path as the user gave it.

    used: for a file that another one imports, the place there that leads to it.
    """

    name: str
    text: str
    used: Span | None = field(default=None, repr=False)

    @property
    def short(self) -> str:
        """The name without its folders."""
        return PurePath(self.name).name or self.name

    @cached_property
    def line_starts(self) -> list[int]:
        """Offset of the first character of every line."""
        return [0, *(m.end() for m in re.finditer("\n", self.text))]

    def locate(self, offset: int) -> tuple[int, int]:
        """Line and column of `offset`, both counted from 1."""
        line = bisect.bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its end."""
        start = self.line_starts[number - 1]
        end = self.line_starts[number] if number < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")


@dataclass(frozen=True)
class Span:
    """Half-open range of offsets into a source."""

    source: Source = field(repr=False)
    start: int
    end: int

    def to(self, other: Span) -> Span:
        """The span from the start of this one to the end of `other`."""
        return Span(self.source, self.start, other.end)

    @property
    def text(self) -> str:
        """What stands in the range."""
        return self.source.text[self.start : self.end]

    @property
    def line(self) -> int:
        """Line of the first character, counted from 1."""
        return self.source.locate(self.start)[0]

    @property
    def column(self) -> int:
        """Column of the first character, counted from 1."""
        return self.source.locate(self.start)[1]

    def __str__(self) -> str:
        return f"{self.source.short}:{self.line}"


Word = TypeVar("Word", bound=str)
Part = Literal["error", "warning", "note", "help", "message", "place"]
# Text and its part in a diagnostic -> text, coloured or not.
Paint = Callable[[str, Part], str]


def _plain(text: str, part: Part) -> str:
    return text


@dataclass(frozen=True)
class Note:
    """A second place that explains a diagnostic."""

    message: str
    span: Span | None = None


@dataclass(frozen=True)
class Diagnostic:
    """One finding: what is wrong (or worth knowing), where, by which rule, and what to do."""

    code: str
    message: str
    span: Span | None
    help: str = ""
    notes: tuple[Note, ...] = ()

    @property
    def severity(self) -> Literal["error", "warning"]:
        """By the first letter of the code: `E` is an error, `W` a warning."""
        return "warning" if self.code.startswith("W") else "error"

    @property
    def all_notes(self) -> tuple[Note, ...]:
        """The notes and, where the place is in a file that another one imports, the places that lead to it."""
        found = list(self.notes)
        used = self.span.source.used if self.span else None
        while used is not None:
            found.append(Note("used here", used))
            used = used.source.used
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """The diagnostic as `--json` prints it."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            **_place(self.span),
            "notes": [{"message": n.message, **_place(n.span)} for n in self.all_notes],
            "help": self.help,
        }

    def render(self, paint: Paint = _plain) -> str:
        """The diagnostic for a person: headline, source line, carets, notes, help; `paint` colours what plays a part."""
        parts = [f"{paint(f'{self.severity}[{self.code}]', self.severity)}: {paint(self.message, 'message')}"]
        if self.span is not None:
            parts.append(_excerpt(self.span, paint, self.severity))
        for note in self.all_notes:
            parts.append(f"  {paint('note', 'note')}: {note.message}")
            if note.span is not None:
                parts.append(_excerpt(note.span, paint, "note"))
        if self.help:
            parts.append(f"  {paint('help', 'help')}: {self.help}")
        return "\n".join(parts)


def _place(span: Span | None) -> dict[str, str | int | None]:
    keys = ("file", "line", "column", "end_line", "end_column")
    if span is None:
        return dict.fromkeys(keys)
    source = span.source
    return dict(zip(keys, (source.name, *source.locate(span.start), *source.locate(span.end)), strict=True))


def _excerpt(span: Span, paint: Paint, part: Part) -> str:
    line, column = span.source.locate(span.start)
    text = span.source.line(line).replace("\t", " ")
    width = max(1, min(span.end - span.start, len(text) - column + 1))
    shift = max(0, column - 80) if len(text) > 120 else 0
    gutter = len(str(line))
    return (
        f"{' ' * gutter}{paint('-->', 'place')} {span.source.name}:{line}:{column}\n"
        f" {paint(f'{line} |', 'place')} {text[shift : shift + 120]}\n"
        f" {' ' * gutter} {paint('|', 'place')} {' ' * (column - 1 - shift)}{paint('^' * min(width, 120), part)}"
    )


def render_all(diagnostics: Iterable[Diagnostic], paint: Paint = _plain) -> str:
    """All diagnostics for a person, in the order of their places."""
    return "\n\n".join(d.render(paint) for d in in_order(diagnostics))


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Diagnostics sorted by place, each once."""
    unique = dict.fromkeys(diagnostics)
    return sorted(unique, key=lambda d: (_in_text(d), d.code))


def _in_text(found: Diagnostic) -> tuple[int, ...]:
    """Where a diagnostic comes in a report: in a file that another one imports, after the place that leads to it."""
    places: list[int] = []
    span = found.span
    while span is not None:
        places.append(span.start)
        span = span.source.used
    return (*reversed(places),) or (-1,)


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?` for an unknown name, or nothing."""
    close = nearest(name, known)
    return f"did you mean `{close}`?" if close else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like another, or nothing where none is near."""
    names = list(known)
    close = [n for n in names if n.lower() == name.lower()] or get_close_matches(name, names, n=1, cutoff=0.6)
    return close[0] if close else ""


def one_of(argument: str, value: object, known: Iterable[Word]) -> Word:
    """The value of an argument that is one of some words. Raises `ArgumentError`, with a guess where it is misspelt."""
    words = list(known)
    for word in words:
        if isinstance(value, str) and value == word:
            return word
    close = suggestion(value, words) if isinstance(value, str) else ""
    raise ArgumentError(f"{argument} must be one of {', '.join(words)}, not {value!r}{f': {close}' if close else ''}")


def a_kind(value: object) -> str:
    """What a wrong argument is, for a message: `a str`, `nothing`."""
    return "nothing" if value is None else f"a {type(value).__name__.lower()}"


class EnergyError(Exception):
    """Base of every error that a user can cause."""

    @property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """What went wrong, as data; a plain error has one diagnostic without a place."""
        return (Diagnostic("E0000", str(self), None),)


class ModelError(EnergyError):
    """The model is at fault; `diagnostics` says where and why."""

    def __init__(self, diagnostics: Iterable[Diagnostic]):
        self._diagnostics = tuple(in_order(diagnostics))
        super().__init__(render_all(self._diagnostics))

    @property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """What is at fault, in the order of the text."""
        return self._diagnostics

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as what it was made from: an error raised in a worker process reaches its caller."""
        return type(self), (self._diagnostics,)


class DataError(ModelError):
    """The data, a graph, or a file of parameters does not fit the model (E0401, E0402, E0403)."""

    @classmethod
    def of(cls, message: str, help: str = "", code: str = "E0401") -> DataError:
        """An error with a single diagnostic; data have no place in the model's text."""
        return cls([Diagnostic(code, message, None, help)])


class ArgumentError(EnergyError, ValueError):
    """An argument of a public function has a wrong type, or a value that is not admissible."""


def whole_number(name: str, value: object, least: int = 0) -> int:
    """An argument that is a whole number, Python's or NumPy's, `least` or more. Raises `ArgumentError`."""
    number = least - 1
    if isinstance(value, SupportsIndex):
        with suppress(TypeError):  # of an array with several entries
            number = operator.index(value)
    if number < least:
        raise ArgumentError(f"{name} must be a whole number, {least} or more, not {value!r}")
    return number


class TooLarge(EnergyError):
    """An exact computation would cost too much; the message says how much."""


class NotApplicable(EnergyError):
    """A training method or an estimator cannot be applied to this model; the message says why."""


class NotNormalisable(EnergyError):
    """The joint density cannot be normalised at the given parameters, so there is no likelihood."""


class EstimateError(EnergyError):
    """An estimate is refused because it contradicts what is known; the message says what."""


class TrainingError(EnergyError):
    """Training stopped because a parameter became NaN or infinite; the message names it, the update and the likely cause."""
