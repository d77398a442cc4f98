"""HTML, MathML and SVG as trees that the standard library writes: what is text is escaped there, whatever it holds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, tostring

Child = Element | str
_ODD = {"Cc", "Cf", "Cs", "Co", "Cn"}


def plain(text: str) -> str:
    """Text as a page can show it: what is no character, or turns the direction of others, as U+FFFD; lines stay."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in _ODD else "\ufffd" for c in text)


def element(tag: str, *children: Child, **attributes: str) -> Element:
    """An element with elements and texts inside; `class_` is the attribute class."""
    made = Element(tag, {name.rstrip("_"): plain(value) for name, value in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + plain(child)
        else:
            made.text = (made.text or "") + plain(child)
    return made


def html(*parts: Element) -> str:
    """Elements as HTML, one after another."""
    return "".join(tostring(part, encoding="unicode", method="html") for part in parts)


def table(head: Sequence[str], rows: Iterable[Sequence[Child]]) -> Element:
    """A table in a box of its own, which scrolls where the page is narrow; the first column names the row."""
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:])) for row in rows
    ]
    top = [element("thead", element("tr", *(element("th", name, scope="col") for name in head)))] if head else []
    return element("div", element("table", *top, element("tbody", *body)), class_="scroll", tabindex="0")


def bullets(lines: Iterable[Child]) -> Element:
    """A list of lines."""
    return element("ul", *(element("li", line) for line in lines))
