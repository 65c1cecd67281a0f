"""The head of a paper: the window of an envelope, what a bookkeeper looks for first, and what is
said about tax."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from levity_trio.billing.statement import Owner, Party, Statement
from levity_trio.documents.covering_sheet import covering_sheet
from levity_trio.documents.csv_file import csv_text
from levity_trio.documents.fonts import open_fonts
from levity_trio.documents.html import html
from levity_trio.documents.json_file import document_of
from levity_trio.documents.letter_pdf import letter_pdf
from levity_trio.documents.paper import name_of
from levity_trio.documents.pdf import pdf
from levity_trio.documents.sheet import Sheet
from levity_trio.documents.statement_sheet import payment_code, statement_sheet
from levity_trio.documents.template import ENGLISH, ENGLISH_TEXT, of_program, parse
from levity_trio.locale import speaking
from tests.browser.player import browser_path
from tests.documents import statements as forms
from tests.documents.reading import html_texts
from tests.documents.test_letter import LETTER

POINT = 72 / 25.4
LEFT, TOP, WIDTH, HEIGHT = 20, 45, 85, 45
"""The field of an address in mm: DIN 5008, form B."""


class Word(NamedTuple):
    """A word on the first page of a PDF, and its edges in mm from the left and the top."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


def words_of(file: bytes) -> list[Word]:
    done = subprocess.run(
        ["pdftotext", "-bbox", "-", "-"], input=file, capture_output=True, check=True
    )
    (first, *_) = re.findall(r"<page.*?</page>", done.stdout.decode(), re.DOTALL)
    edges = r'xMin="(.*?)" yMin="(.*?)" xMax="(.*?)" yMax="(.*?)"'
    found = re.findall(rf"<word {edges}>(.*?)</word>", first)
    return [Word(text, *(float(edge) / POINT for edge in of_word)) for *of_word, text in found]


def in_window(file: bytes) -> list[str]:
    """Return the words that the window shows; none may be cut by its edge."""
    seen = []
    for word in words_of(file):
        is_off = word.right < LEFT or word.left > LEFT + WIDTH
        if is_off or word.bottom < TOP or word.top > TOP + HEIGHT:
            continue
        assert word.left >= LEFT
        assert word.top >= TOP
        assert word.right <= LEFT + WIDTH
        assert word.bottom <= TOP + HEIGHT
        seen.append(word.text)
    return seen


def printed(sheet: Sheet) -> bytes:
    with open_fonts(None) as fonts:
        return pdf(sheet, fonts)


def to(
    *address: str, name: str = "Anna Schäfer", made: Callable[[], Statement] = forms.one_line
) -> Statement:
    party = Party(name=name, address=address, contact="anna@mail.example")
    return replace(made(), to=party)


SEEN = ["Bauhof", "12", "eG", "·", "Bauhof", "12", "·", "10115", "Berlin"]
ADDRESS = ("Bauhof 12, Haus B", "10115 Berlin")
RECIPIENT = ["Anna", "Schäfer", "Bauhof", "12,", "Haus", "B", "10115", "Berlin"]
LONG = [f"Line {number} of an address that is far too long for one line" for number in range(4)]


@pytest.mark.parametrize("made", [forms.one_line, forms.draft])
def test_an_envelope_shows_the_recipient_below_the_sender(made: Callable[[], Statement]) -> None:
    sheet = statement_sheet(to(*ADDRESS, made=made), ENGLISH)
    assert in_window(printed(sheet)) == [*SEEN, *RECIPIENT]


def test_it_shows_a_long_address_and_what_follows_stands_below() -> None:
    file = printed(statement_sheet(to(*LONG), ENGLISH))
    assert in_window(file).count("Line") == len(LONG)
    title = next(word for word in words_of(file) if word.text == "Statement")
    assert title.top > TOP + HEIGHT


@pytest.mark.parametrize("made", [forms.one_line, forms.draft])
def test_so_it_does_when_a_browser_prints_the_page(
    made: Callable[[], Statement], tmp_path: Path
) -> None:
    page, file = tmp_path / "page.html", tmp_path / "page.pdf"
    page.write_text(html(statement_sheet(to(*ADDRESS, made=made), ENGLISH)))
    flags = ["--no-sandbox", "--no-pdf-header-footer", f"--print-to-pdf={file}"]
    subprocess.run([browser_path(), *flags, page.as_uri()], check=True, capture_output=True)
    assert in_window(file.read_bytes()) == [*SEEN, *RECIPIENT]


def test_so_does_the_letter_with_a_log_in() -> None:
    letter = replace(LETTER, sender="Bauhof 12 eG · 10115 Berlin")
    with open_fonts(None) as fonts:
        seen = in_window(letter_pdf(letter, fonts))
    sender, recipient = ["Bauhof", "12", "eG", "·", "10115", "Berlin"], ["Flat", "9,", "Dora"]
    assert seen == [*sender, *recipient, "Bauhof", "12", "10115", "Berlin"]


@pytest.mark.parametrize(
    ("name", "address", "shown"),
    [
        ("Anna Schäfer", ("anna  schäfer", "Weg 1"), ("Anna Schäfer", "Weg 1")),
        ("Anna", ("Anna Schäfer", "Weg 1"), ("Anna Schäfer", "Weg 1")),
        ("Flat 3, Anna", ("Anna", "Weg 1"), ("Flat 3, Anna", "Weg 1")),
        ("Ann", ("Annaweg", "Ulm"), ("Ann", "Annaweg", "Ulm")),
        ("Bauhof", ("Bauhof 12", "Ulm"), ("Bauhof", "Bauhof 12", "Ulm")),
        ("Anna", (), ("Anna",)),
    ],
)
def test_a_name_stands_once_in_the_window_and_its_contact_never(
    name: str, address: Sequence[str], shown: Sequence[str]
) -> None:
    sheet = statement_sheet(to(*address, name=name), ENGLISH)
    assert sheet.recipient == tuple(shown)
    assert "anna@mail.example" not in sheet.texts()


# Number, days


def of_owner(made: Statement, **fields: Any) -> Statement:
    return replace(made, owner=replace(made.owner, **fields))


def test_the_head_has_number_date_period_and_the_day_to_pay_by() -> None:
    made = replace(forms.one_line(), number="7", printed_number="2026/7")
    sheet = statement_sheet(made, ENGLISH)
    assert sheet.facts == (
        ("Number", "2026/7"),
        ("Date", "3 November 2026"),
        ("Period of supply", "1–31 October 2026"),
        ("To be paid by", "17 November 2026"),
    )
    assert sheet.reference == "Statement 2026/7, Anna Schäfer"
    assert payment_code(made, sheet.reference).endswith("\nStatement 2026/7, Anna Schäfer")
    assert name_of(made) == "2026-10 Anna Schäfer statement 2026-7"
    assert "Statement 2026/7, closed on 3 November 2026." in "".join(sheet.small)
    assert "2026/7" in covering_sheet([made], ENGLISH).texts()
    assert csv_text(made, ",", ".").splitlines()[1].startswith("line,2026/7,")


def test_who_moved_out_is_billed_until_that_day_and_nobody_pays_what_is_carried() -> None:
    made = forms.statement([forms.position(5, forms.line(quantity=4_000))], is_carried=True)
    sheet = statement_sheet(replace(made, left_on=date(2026, 10, 12)), of_program("de"))
    facts = dict(sheet.facts)
    assert facts["Leistungszeitraum"] == "1.–12. Oktober 2026"
    assert len(facts) == 3


@pytest.mark.parametrize(
    ("language", "left_on", "title"),
    [
        ("en", None, "Statement for October 2026"),
        ("en", date(2026, 10, 12), "Last statement, for October 2026"),
        # After a correction, months later, another one is the last.
        ("de", date(2026, 7, 12), "Schlussabrechnung für Oktober 2026"),
    ],
)
def test_a_last_bill_says_that_it_is_one(language: str, left_on: date | None, title: str) -> None:
    made = replace(forms.one_line(), left_on=left_on)
    assert statement_sheet(made, of_program(language)).title == title


@pytest.mark.parametrize(
    ("first", "last", "left_on", "period"),
    [
        ("2026-10-03T10:00Z", "2026-10-31T22:59Z", None, "1–31 October 2026"),
        ("2026-10-30T21:00Z", "2026-10-31T23:01Z", None, "1 October 2026 to 1 November 2026"),
        ("2026-09-30T21:59Z", "2026-09-30T23:00Z", None, "30 September 2026 to 31 October 2026"),
        ("2026-10-12T21:00Z", "2026-10-12T22:01Z", date(2026, 10, 12), "1–13 October 2026"),
        ("2026-07-03T21:00Z", "2026-07-03T22:00Z", date(2026, 7, 12), "1–12 July 2026"),
    ],
)
def test_the_period_of_supply_has_the_sessions_that_cross_its_edge(
    first: str, last: str, left_on: date | None, period: str
) -> None:
    started_at, ended_at = map(datetime.fromisoformat, (first, last))
    session = forms.position(3, forms.line(quantity=4_000))
    crossing = replace(session, started_at=started_at, ended_at=ended_at)
    # What is corrected was billed for a period of its own.
    earlier = replace(session, id=5, started_at=started_at.replace(month=5), corrects=1)
    made = forms.statement([crossing, forms.base_fee(4), earlier])
    made = replace(made, left_on=left_on)
    assert dict(statement_sheet(made, ENGLISH).facts)["Period of supply"] == period
    file = document_of(made)
    assert (file.first_day, file.last_day) == made.period


def test_a_draft_says_what_the_letter_says_without_number_and_days() -> None:
    closed = forms.one_line()
    draft = replace(closed, number=None, printed_number=None, closed_on=None)
    draft = replace(draft, digest=None, previous_digest=None)
    letter, early = (statement_sheet(one, ENGLISH).texts() for one in (closed, draft))
    only_early = [text for text in early if text not in letter]
    assert only_early == [
        *("Draft, not a bill", "–", "–", "To pay within 14 days after closing"),
        "Not closed yet. Times are those of Europe/Berlin.",
    ]
    assert "How to pay" in letter
    assert "How to pay" not in early
    sheets = [covering_sheet([one], ENGLISH) for one in (closed, draft)]
    assert sheets[0].figure == sheets[1].figure != "0.00 EUR"


# Tax


def without_tax(**fields: Any) -> Statement:
    lines = [forms.line(quantity=11_342, rate=Decimal(0))]
    made = forms.statement([forms.position(1, *lines)])
    return of_owner(made, tax_number=None, **fields)


SENTENCE = "Umsatzsteuerfrei nach § 4 Nr. 12 UStG."


@pytest.mark.parametrize(
    ("owner", "says"),
    [
        ({"tax_kind": "exempt", "tax_note": SENTENCE}, SENTENCE),
        ({"tax_kind": "small business", "tax_note": SENTENCE}, SENTENCE),
        ({"tax_kind": "small business"}, "§ 19 UStG"),
        ({"tax_kind": "no business"}, ""),
    ],
)
def test_without_tax_no_paper_speaks_of_rates(owner: dict[str, Any], says: str) -> None:
    made = without_tax(**owner)
    sheet = statement_sheet(made, ENGLISH)
    for text in ("\n".join(sheet.texts()), "\n".join(covering_sheet([made], ENGLISH).texts())):
        assert not re.search(r"\btax\b|Tax|Net|Gross|0 %", text.replace(SENTENCE, ""))
    assert says in "\n".join(sheet.small)
    assert "\ntax," not in csv_text(made, ",", ".")


def test_a_small_business_says_so_in_the_language_of_the_paper() -> None:
    with speaking("de"):
        sheet = statement_sheet(without_tax(tax_kind="small business"), of_program("de"))
    assert sheet.small[0] == (
        "Es wird keine Umsatzsteuer berechnet: Es gilt die Steuerbefreiung für Kleinunternehmer "
        "(§ 19 UStG)."
    )


@pytest.mark.parametrize("kind", ["exempt", "small business", "no business"])
def test_tax_that_was_charged_is_shown_and_not_denied(kind: Any) -> None:
    """Its amounts stay. A paper that shows tax and denies it would be wrong twice."""
    sheet = statement_sheet(of_owner(forms.one_line(), tax_kind=kind, tax_note=SENTENCE), ENGLISH)
    assert "Prices include tax." in sheet.small
    assert "19 %" in sheet.texts()
    assert SENTENCE not in sheet.texts()


def test_who_has_not_said_how_he_is_taxed_goes_on_as_before() -> None:
    for kind in (None, "taxed"):
        sheet = statement_sheet(without_tax(tax_kind=kind), ENGLISH)
        assert {"0 %", "Prices include tax."} <= set(sheet.texts())


def test_a_number_for_vat_has_its_own_word() -> None:
    both: dict[str, str | None] = {"tax_number": "30/123/45678", "vat_number": "DE123456789"}
    sheet = statement_sheet(of_owner(forms.one_line(), **both), ENGLISH)
    assert sheet.sender[-2:] == ("Tax number: 30/123/45678", "VAT number: DE123456789")
    assert html_texts(html(sheet)) == list(sheet.texts())


def test_an_own_file_of_before_gets_the_new_words_in_its_language() -> None:
    later = ("vat_number", "small_business", "period", "due", "days_of_month")
    lines = [line for line in ENGLISH_TEXT.splitlines() if line.partition(" =")[0] not in later]
    text = "\n".join(lines)
    assert parse(text).say("period") == "Period of supply"
    german = text.replace('language = "en"', 'language = "de-AT"')
    assert parse(german).say("period") == "Leistungszeitraum"
    danish = text.replace('language = "en"', 'language = "da"')
    assert parse(danish).say("period") == "Period of supply"


def test_nobody_bills_yet() -> None:
    nobody = replace(forms.draft(), owner=Owner(party=Party(name="", address=())))
    assert statement_sheet(nobody, ENGLISH).sender_line == ""
