"""The owner's own words and formats: what is wrong in them is told, all at once."""

from __future__ import annotations

import pytest

from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import ENGLISH_TEXT, TemplateProblem, parse
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
        ('credit = "', 'credit_ = "', "words.credit is missing (in English: 'Your credit: we pay it to you')"),
        ('credit = "', 'credt = "x"\ncredit = "', "words.credt is unknown; look for a spelling mistake"),
        ('sum = "Sum"', "sum = 3", "words.sum must be a text"),
        ("by {date}", "by {day}", "words.to_pay_by has the unknown field {day}; possible here: {date}"),
        ("by {date}", "soon", "words.to_pay_by needs the field {date}"),
        ("{amount} {currency}", "{amount}", "money.pattern needs the field {currency}"),
        ("{day} {short}", "{day} {mon}", "dates.short has the unknown field {mon}; possible here: {day}, {day2}, "),
        ("by {date}", "by {date", "words.to_pay_by: "),
        ("by {date}", "by {date.__class__}", "words.to_pay_by: the field {date.__class__} must be a plain name"),
        ("by {date}", "by {date!r}", "words.to_pay_by: the field {date} must be a plain name"),
        ("by {date}", "by {date:9999999999}", "words.to_pay_by: the field {date} must be a plain name"),
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
    assert len(faults(('sum = "Sum"', "sum = 3"), ("by {date}", "soon"), ('paper = "A4"', 'paper = "A3"'))) == 3


def test_another_file_is_one_short_fault() -> None:
    with pytest.raises(TemplateProblem) as caught:
        parse('name = "Day and night"\ncurrency = "EUR"\n[energy]\nprice = 0.34\n')
    (fault,) = caught.value.args
    assert fault.startswith("this is no template, which has language, paper, ")
    assert len(fault) < 160


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
