"""Pieces of text that every printed module is made of."""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Lines = list[str]


@dataclass(frozen=True)
class Printed:
    """A module in parts: the runtime, the same for all models of a precision, and what belongs to this model.

    kernels: those that are compiled for the functions of this model, over the runtime; none for most.
    """

    runtime: str
    model: str
    kernels: str = ""

    @property
    def text(self) -> str:
        """The standalone module."""
        return "\n\n".join(part for part in (self.runtime, self.kernels, self.model) if part)


def comment(text: str) -> str:
    """Text that can end nothing but itself: printable, one line, no quotes that close a docstring."""
    return re.sub(r"[^\x20-\x7e\u00a1-\uffff]", "?", text).replace("\\", "/").replace('"""', "'''").rstrip('"')


def packed(array: NDArray[Any]) -> str:
    """Whole numbers as a call that unpacks them."""
    # Level 5: on numbers that rise by one, level 9 takes seventy times as long and packs less tightly.
    data = zlib.compress(np.ascontiguousarray(array, "<i4").tobytes(), 5)
    return f"unpack({base64.b85encode(data).decode()!r}, {array.shape!r})"


def listed(sizes: tuple[object, ...]) -> str:
    """Sizes as the inside of a tuple."""
    return ", ".join(map(str, sizes)) + ("," if sizes else "")


def function(name: str, arguments: str, doc: str, body: Lines) -> Lines:
    """A function of a module, with the blank lines before it."""
    return ["", "", f"def {name}({arguments}):", f'    """{doc}"""', *body]
