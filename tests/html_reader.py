"""A page as a browser would take it apart: elements with their attributes, and texts."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """What stands in a page; it fails where elements do not close in order."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    @property
    def text(self) -> str:
        return " ".join(data for tag, data in self.texts if tag != "style")

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def loads(self) -> list[str]:
        """Every address that stands in an attribute, but for places in the page and data inside it."""
        values = [(name, value or "") for _, attributes in self.elements for name, value in attributes.items()]
        assert not [name for name, _ in values if name.startswith("on")]
        found = [value for name, value in values if name in ("src", "href", "srcset", "action", "data", "style")]
        return [value for value in found if not value.startswith(("#", "data:"))]
