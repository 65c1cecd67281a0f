"""Documents as their readers see them: the texts of an HTML page, and those of a PDF by poppler's pdftotext."""

from __future__ import annotations

import subprocess
import unicodedata
from html.parser import HTMLParser

VOID = ("meta", "img", "rect", "path")


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if "body" in self.open:
            self.texts[-1] += data


def parsed(page: str) -> _Texts:
    parser = _Texts()
    parser.feed(page)
    parser.close()
    assert not parser.open
    return parser


def html_texts(page: str) -> list[str]:
    """The visible texts of a page in their order."""
    return [text.strip() for text in parsed(page).texts if text.strip()]


def pdf_text(file: bytes) -> str:
    """All text of a PDF in the order in which it was written, pages divided by form feeds."""
    done = subprocess.run(["pdftotext", "-raw", "-", "-"], input=file, capture_output=True, check=True)
    return done.stdout.decode()


def squashed(text: str) -> str:
    """A text without what a renderer may choose: spaces, breaks, compositions."""
    return "".join(unicodedata.normalize("NFC", text).split())
