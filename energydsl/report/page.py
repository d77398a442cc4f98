"""A page that one can send: one file with its style and pictures inside, which loads nothing and runs nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from xml.etree.ElementTree import Element

from energydsl.markup import Child, element, html, table
from energydsl.version import __version__

# What a browser is to refuse, whatever is in the page.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: tuple[Element, ...]


def page(title: str, lead: str, sections: Sequence[Section]) -> str:
    """A whole page: title, a sentence, a table of contents, the sections."""
    numbered = [(f"s{number}", s) for number, s in enumerate(sections, 1)]
    contents = [element("li", element("a", s.title, href=f"#{anchor}")) for anchor, s in numbered]
    style = resources.files("energydsl.report").joinpath("page.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy"}, content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="icon", href="data:,"),
        element("style", style),
    )
    body = element(
        "body",
        element("header", element("h1", title), element("p", lead, class_="lead")),
        element("nav", element("ol", *contents), **{"aria-label": "Contents"}),
        element("main", *(element("section", element("h2", s.title), *s.parts, id=a) for a, s in numbered)),
        element("footer", element("p", f"written by energydsl {__version__}")),
    )
    return f"<!DOCTYPE html>\n{html(element('html', head, body, lang='en'))}\n"


def picture(data: bytes, kind: str, says: str, caption: str = "") -> Element:
    """A picture inside the page; kind: "png" or "svg+xml"; says: what one sees, in words."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    below = [element("figcaption", caption)] if caption else []
    return element("figure", element("img", src=source, alt=says), *below)


def facts(pairs: Sequence[tuple[str, Child]]) -> Element:
    """Names and what they are, of those that are anything."""
    return table((), [(name, value) for name, value in pairs if value != ""])
