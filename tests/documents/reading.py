"""Documents as their readers see them: the texts of an HTML page, and those of a PDF by poppler's
pdftotext."""

from __future__ import annotations

import re
import subprocess
import tempfile
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
    done = subprocess.run(
        ["pdftotext", "-raw", "-", "-"], input=file, capture_output=True, check=True
    )
    return done.stdout.decode()


def pdf_structure(file: bytes) -> list[tuple[str, str]]:
    """The elements of a tagged PDF in the order of reading: what each is, and its text."""
    with tempfile.NamedTemporaryFile(suffix=".pdf") as kept:
        kept.write(file)
        kept.flush()
        done = subprocess.run(
            ["pdfinfo", "-struct-text", kept.name], capture_output=True, check=True, text=True
        )
    assert not done.stderr
    found: list[tuple[str, str]] = []
    for line in done.stdout.splitlines()[1:]:
        if '"' in line:
            kind, text = found.pop()
            found.append((kind, f"{text} {line.strip()[1:-1]}".strip()))
        else:
            found.append((line.split()[0], ""))
    return found


def pdf_fields(file: bytes) -> dict[str, str]:
    """What a PDF says of itself: title, language, day with its offset from UTC, descriptions of
    pictures."""
    fields = {
        "Lang": rb"/Lang \((.*?)\)",
        "CreationDate": rb"/CreationDate \(D:(.*?)\)",
        "Alt": rb"/Alt \((.*?)\)",
    }
    found = {name: re.findall(pattern, file) for name, pattern in fields.items()}
    done = subprocess.run(["pdfinfo", "-"], input=file, capture_output=True, check=True)
    told = dict(line.split(":", 1) for line in done.stdout.decode().splitlines())
    shown = {name: told.get(name, "").strip() for name in ("Title", "Tagged")}
    return {name: b" ".join(values).decode() for name, values in found.items()} | shown


def squashed(text: str) -> str:
    """A text without what a renderer may choose: spaces, breaks, compositions."""
    return "".join(unicodedata.normalize("NFC", text).split())
