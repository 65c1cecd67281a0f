"""Whatever people call themselves: no document breaks, none says something else than the others."""

from __future__ import annotations

import csv
import io

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.documents.cells import plain
from levity_trio.documents.csv_file import csv_text
from levity_trio.documents.fonts import open_fonts
from levity_trio.documents.html import html
from levity_trio.documents.json_file import StatementDocument, json_bytes
from levity_trio.documents.pdf import pdf
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import ENGLISH, tidy
from tests.documents import statements as forms
from tests.documents.reading import html_texts, parsed, pdf_text, squashed
from tests.sizes import size

HOSTILE = [
    "</td><script>x</script>",
    "{{ sheet }} {page} {0}",
    "{nb}",
    "%s \\",
    "\u202e42.00",
    "\u200fא\u200e",
    "a\u0301" * 9,
]
NAMES = st.text(max_size=300) | st.text(
    st.sampled_from("<>&\"'{}%\u202e\u200f\n =+-@א ب😀"), max_size=40
)


@given(NAMES)
def test_html_csv_and_json_keep_any_name(name: str) -> None:
    made = forms.with_names(name)
    sheet = statement_sheet(made, ENGLISH)
    page = html(sheet)
    assert list(map(squashed, html_texts(page))) == [
        squashed(text) for text in sheet.texts() if squashed(text)
    ]
    assert {tag for tag, _ in parsed(page).tags} <= TAGS
    rows = list(csv.DictReader(io.StringIO(csv_text(made, ",", "."), newline="")))
    assert {plain(row["name"]) for row in rows} == {tidy(name)}
    told = msgspec.json.decode(json_bytes(made), type=StatementDocument).to
    assert told is not None
    assert told.name == name


@settings(max_examples=size(25, 8))
@given(NAMES)
def test_a_pdf_is_made_for_any_name(name: str) -> None:
    with open_fonts(None) as fonts:
        file = pdf(statement_sheet(forms.with_names(name), ENGLISH), fonts)
    assert "1.40 EUR" in pdf_text(file)


@pytest.mark.parametrize(
    "name",
    [*HOSTILE, "x" * 300, "Anna " * 60, pytest.param("😀" * size(300, 60), id="code points")],
)
def test_hostile_names_stand_in_the_pdf_as_they_are(name: str) -> None:
    sheet = statement_sheet(forms.with_names(name), ENGLISH)
    with open_fonts(None) as fonts:
        text = pdf_text(pdf(sheet, fonts))
        shown = fonts.printable(tidy(name))
    assert "1.40 EUR" in text
    assert "Page 1 of " in text
    if shown.isascii():
        assert squashed(shown) in squashed(text)


TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "div",
    "p",
    "h1",
    "h2",
    "section",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "dl",
    "dt",
    "dd",
    "footer",
    "figure",
    "figcaption",
    "svg",
    "rect",
    "path",
}
