"""Properties every page must have, whatever it shows."""

import re
from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "col"}
OUTSIDE = re.compile(r"https?:|<link|<script|<iframe|@import|url\((?!#)|\bsrc=", re.IGNORECASE)


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.texts, self.targets = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self._collect(attrs)

    def handle_startendtag(self, tag, attrs):
        self._collect(attrs)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element, line {self.getpos()[0]}"

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    def _collect(self, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            elif name == "href":
                self.targets.append(value.removeprefix("#"))
            elif name == "clip-path":
                self.targets.append(value.removeprefix("url(#").removesuffix(")"))
            elif name == "aria-labelledby":
                self.targets.extend(value.split())


def read(page: str) -> str:
    """Return the page's text after checking that its elements are balanced and its ids exist."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    assert len(reader.ids) == len(set(reader.ids)), "an id is used twice"
    assert set(reader.targets) <= set(reader.ids), "a reference leads nowhere"
    return re.sub(r"[ \n]+", " ", " ".join(reader.texts))


def reaches_outside(page: str) -> list[str]:
    """Return what in the page would make a browser ask for something else."""
    return OUTSIDE.findall(page)
