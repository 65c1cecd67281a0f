"""The owner's own words and formats: what is wrong in them is told, all at once; numbers, days and
times by them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levity_trio.billing.statement import Currency
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import (
    ENGLISH,
    ENGLISH_TEXT,
    TemplateProblem,
    parse,
    price_decimals,
    tidy,
)
from tests.documents import statements as forms


def faults(*changes: tuple[str, str]) -> tuple[str, ...]:
    """What is wrong with the English file after some changes."""
    text = ENGLISH_TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(TemplateProblem) as caught:
        parse(text)
    return caught.value.args


def test_the_english_file_is_right() -> None:
    assert parse(ENGLISH_TEXT).say("page", page=1, pages=2) == "Page 1 of 2"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            'energy = "kWh"',
            'enegy = "kWh"',
            "columns.energy is missing (in English: 'kWh')",
        ),
        (
            'credit = "',
            'credt = "x"\ncredit = "',
            "words.credt is unknown; look for a spelling mistake",
        ),
        ('sum = "Sum"', "sum = 3", "words.sum must be a text"),
        (
            "by {date}",
            "by {day}",
            "words.to_pay_by has the unknown field {day}; possible here: {date}",
        ),
        ("by {date}", "soon", "words.to_pay_by needs the field {date}"),
        ("{amount} {currency}", "{amount}", "money.pattern needs the field {currency}"),
        (
            "{day} {short}",
            "{day} {mon}",
            "dates.short has the unknown field {mon}; possible here: {day}, {day2}, ",
        ),
        ("by {date}", "by {date", "words.to_pay_by: "),
        (
            "by {date}",
            "by {date.__class__}",
            "words.to_pay_by: the field {date.__class__} must be a plain name",
        ),
        ("by {date}", "by {date!r}", "words.to_pay_by: the field {date} must be a plain name"),
        (
            "by {date}",
            "by {date:9999999999}",
            "words.to_pay_by: the field {date} must be a plain name",
        ),
        ("by {date}", "by {}", "words.to_pay_by: the field {} must be a plain name"),
        ('"January", ', "", "dates.months must have 12 entries; it has 11"),
        ('"January", ', '"", ', "dates.months must be a list of texts"),
        ('paper = "A4"', 'paper = "A3"', "paper must be one of 'A4', 'Letter'"),
        ('thousands = ","', 'thousands = "."', "numbers.decimal and numbers.thousands must differ"),
        ('thousands = ","', 'thousands = "0"', "numbers.thousands must be one sign"),
        ('minus = "−"', 'minus = ""', "numbers.minus must not be empty"),
        ('decimal = "."', 'decimal = ";"', "numbers.decimal must be one of '.', ',', '٫'"),
        ('separator = ","', 'separator = "."', "csv.separator must be one of ',', ';', '\\t'"),
        ('["name", ', '["nmae", ', "address.order must have each of name, address, contact once"),
        ('# EUR = "€"', "EUR = 1", "money.symbols.EUR must be a text"),
        ("[csv]", "[csv", "this is no TOML: "),
        ("[columns]", "[column]", "columns is missing"),
    ],
)
def test_a_fault_is_told(old: str, new: str, fault: str) -> None:
    assert any(one.startswith(fault) for one in faults((old, new)))


def test_all_faults_are_told_at_once() -> None:
    assert (
        len(
            faults(
                ('sum = "Sum"', "sum = 3"), ("by {date}", "soon"), ('paper = "A4"', 'paper = "A3"')
            )
        )
        == 3
    )


def test_another_file_is_one_short_fault() -> None:
    with pytest.raises(TemplateProblem) as caught:
        parse('name = "Day and night"\ncurrency = "EUR"\n[energy]\nprice = 0.34\n')
    (fault,) = caught.value.args
    assert fault.startswith("this is no template, which has language, paper, ")
    assert len(fault) < 160


@pytest.mark.parametrize(
    ("language", "words"), [("de-AT", "Zählerstand 1,5 bis 4"), ("nl", "Meter from 1,5 to 4 kWh")]
)
def test_an_older_file_gets_later_words_in_its_language(language: str, words: str) -> None:
    older = re.sub(
        "^(registers|meter_number|charger_number|measured_.*) = .*\n",
        "",
        ENGLISH_TEXT,
        flags=re.MULTILINE,
    )
    found = parse(older.replace('language = "en"', f'language = "{language}"'))
    assert found.say("registers", begin="1,5", end="4").startswith(words)
    assert found.say("lines") == "Charging and fees"


def test_another_language_with_its_own_formats() -> None:
    text = ENGLISH_TEXT
    for old, new in (
        ('decimal = "."\nthousands = ","', 'decimal = ","\nthousands = "."'),
        ("{amount} {currency}", "{currency} {amount}"),
        ('# EUR = "€"', 'EUR = "€"'),
        ('day = "{day} {month} {year}"', 'day = "{day2}.{number2}.{year}"'),
        ('"October"', '"Oktober"'),
        ("Statement for {month}", "Abrechnung {month}"),
        ("Please pay by {date}", "Bitte zahlen bis {date}"),
        ('order = ["name", "address", "contact"]', 'order = ["address", "name", "contact"]'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    made = forms.statement([forms.position(1, forms.line(quantity=12_345_678))])
    sheet = statement_sheet(made, parse(text))
    assert sheet.title == "Abrechnung Oktober 2026"
    assert sheet.figure == "€\N{NO-BREAK SPACE}4.320,99"
    assert sheet.remark == "Bitte zahlen bis 17.11.2026"
    assert sheet.recipient == ("Bauhof 12, Haus B", "10115 Berlin", "Anna Schäfer")


# Numbers, days and times


@pytest.mark.parametrize(
    ("minor", "exponent", "text"),
    [
        (0, 2, "0.00"),
        (5, 2, "0.05"),
        (-5, 2, "−0.05"),
        (123_456_789, 2, "1,234,567.89"),
        (-1_234, 0, "−1,234"),
        (1_234_567, 3, "1,234.567"),
    ],
)
def test_an_amount(minor: int, exponent: int, text: str) -> None:
    assert ENGLISH.amount(minor, Currency(code="XXX", exponent=exponent)) == text


@given(st.integers(-(10**15), 10**15), st.sampled_from([0, 2, 3]))
def test_an_amount_is_exact(minor: int, exponent: int) -> None:
    text = ENGLISH.amount(minor, Currency(code="XXX", exponent=exponent))
    assert Decimal(text.replace(",", "").replace("−", "-")) * 10**exponent == minor


@pytest.mark.parametrize(
    ("rate", "text"), [("19", "19 %"), ("7.70", "7.7 %"), ("0", "0 %"), ("100", "100 %")]
)
def test_a_rate(rate: str, text: str) -> None:
    assert ENGLISH.percent(Decimal(rate)) == text


def test_prices_of_one_statement_have_the_same_decimals() -> None:
    prices = [Decimal("0.35"), Decimal("0.227500"), Decimal(1)]
    places = price_decimals(prices, Currency(code="EUR", exponent=2))
    assert [ENGLISH.price(price, places) for price in prices] == ["0.3500", "0.2275", "1.0000"]


@pytest.mark.parametrize(
    ("zone", "start", "end", "text"),
    [
        ("Europe/Berlin", (2026, 10, 1, 16, 4), (2026, 10, 1, 19, 21), "18:04 – 21:21"),
        ("Europe/Berlin", (2026, 10, 1, 16, 4), (2026, 10, 1, 22, 0), "18:04 – 2 Oct 00:00"),
        ("Europe/Berlin", (2026, 10, 25, 0, 10), (2026, 10, 25, 1, 40), "02:10 CEST – 02:40 CET"),
        ("Europe/Berlin", (2026, 3, 29, 0, 30), (2026, 3, 29, 1, 30), "01:30 CET – 03:30 CEST"),
        (
            "Australia/Lord_Howe",
            (2026, 4, 4, 14, 45),
            (2026, 4, 4, 15, 15),
            "01:45 +11 – 01:45 +1030",
        ),
        ("Europe/Berlin", (2026, 10, 1, 16, 4), None, "18:04 –"),
    ],
)
def test_times_are_local_and_never_ambiguous(
    zone: str, start: tuple[int, ...], end: tuple[int, ...] | None, text: str
) -> None:
    first = datetime(*start, tzinfo=UTC)  # type: ignore[arg-type,misc]
    last = datetime(*end, tzinfo=UTC) if end else None  # type: ignore[arg-type,misc]
    assert ENGLISH.span(first, last, ZoneInfo(zone)) == text


def test_a_text_of_somebody_else_is_one_line_that_turns_nothing_round() -> None:
    assert tidy(" Anna\n\x00 \t\u202eSchäfer\u2067\u2028x ") == "Anna Schäfer x"
    assert tidy("\u200fשלום") == "\u200fשלום"
