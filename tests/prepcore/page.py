"""A page taken apart: what it is made of, and what of that could be at work."""

from __future__ import annotations

from html.parser import HTMLParser

HARMLESS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "header",
        "section",
        "h1",
        "h2",
        "h3",
        "p",
        "div",
        "span",
    ),
    *(
        "b",
        "br",
        "i",
        "em",
        "code",
        "pre",
        "small",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "figure",
        "figcaption",
        "details",
    ),
    *("summary", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "line", "text"),
}
"""Elements that fetch nothing and run nothing."""

ATTRIBUTES = {
    *(
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "role",
        "aria-label",
        "height",
        "width",
        "x",
        "y",
    ),
    *("x1", "x2", "y1", "y2", "rx", "dx", "text-anchor"),
}


class Page(HTMLParser):
    """What a page is made of: elements, attributes, text, the style."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.policy = ""
        self.style = ""
        self.text = ""
        self._open: list[str] = []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"] or ""
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.style += data
        else:
            self.text += data
