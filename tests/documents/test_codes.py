"""The sheet of codes: a label for each connector, the same words on paper and screen, codes that
say the URL."""

from __future__ import annotations

import re
from typing import Final

from levity_trio.documents.paper import WORDS, CodeSheet, DocumentForm, Label
from levity_trio.documents.printing import documents
from levity_trio.documents.qr import text_code
from tests.documents.reading import html_texts, parsed, pdf_text, squashed

URL: Final = "https://charge.bauhof12.example/d/at/CP-1"
HOSTILE: Final = "<script>alert(1)</script>"
LABELS_OF_A_PAGE: Final = 8


def label(number: int = 1, charger: str = "Space 4") -> Label:
    return Label(
        site="Bauhof 12", charger=charger, connector=f"Connector {number}", url=f"{URL}/{number}"
    )


async def made(form: DocumentForm, *labels: Label) -> bytes:
    (file,) = await documents([CodeSheet(labels)], form)
    return file


async def test_a_label_says_where_it_is_and_where_it_leads() -> None:
    words = ["Bauhof 12", "Space 4", "Connector 2", WORDS, f"{URL}/2"]
    texts = html_texts((await made(DocumentForm.HTML, label(2))).decode())
    assert texts[-len(words) :] == words
    assert squashed(pdf_text(await made(DocumentForm.PDF, label(2)))) == squashed("".join(words))


async def test_the_code_says_the_address_beneath_it() -> None:
    page = parsed((await made(DocumentForm.HTML, label(1), label(2))).decode())
    drawn = [given["d"] or "" for tag, given in page.tags if tag == "path"]
    assert [_dark(one) for one in drawn] == [_dark_of(f"{URL}/1"), _dark_of(f"{URL}/2")]


def _dark(path: str) -> set[tuple[int, int]]:
    return {(int(x) - 4, int(y) - 4) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)}


def _dark_of(text: str) -> set[tuple[int, int]]:
    rows = text_code(text)
    return {(x, y) for y, row in enumerate(rows) for x, module in enumerate(row) if module == "1"}


async def test_a_page_holds_eight_and_the_next_one_goes_on() -> None:
    labels = [label(number) for number in range(1, LABELS_OF_A_PAGE + 2)]
    first, second, *rest = pdf_text(await made(DocumentForm.PDF, *labels)).split("\f")
    assert first.count(WORDS) == LABELS_OF_A_PAGE
    assert f"Connector {LABELS_OF_A_PAGE + 1}" in second
    assert "".join(rest) == ""


async def test_a_long_name_is_smaller_and_whole() -> None:
    name = "Tiefgarage Nord, Stellplatz 117 neben der Säule"
    assert squashed(name) in squashed(pdf_text(await made(DocumentForm.PDF, label(charger=name))))


async def test_names_stay_words() -> None:
    page = parsed((await made(DocumentForm.HTML, label(charger=HOSTILE))).decode())
    assert HOSTILE in page.texts
    assert not [tag for tag, _ in page.tags if tag == "script"]


async def test_without_chargers_it_says_so() -> None:
    assert "There is no charger yet" in (await made(DocumentForm.HTML)).decode()
    assert (await made(DocumentForm.PDF)).startswith(b"%PDF-")
