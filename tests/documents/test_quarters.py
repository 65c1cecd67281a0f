"""What is billed by the quarter of an hour: its mean, its dearest and cheapest quarter and what was
not measured on paper; each quarter in a file."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from levity_trio.billing.money import decimal_of
from levity_trio.billing.statement import Line, Position, Split, Statement
from levity_trio.documents.csv_file import csv_text, quarters_text
from levity_trio.documents.html import html
from levity_trio.documents.json_file import json_bytes
from levity_trio.documents.statement_sheet import statement_sheet
from levity_trio.documents.template import ENGLISH, of_program
from levity_trio.locale import speaking
from tests.documents import statements as forms
from tests.documents.reading import html_texts

EVENING = datetime(2026, 10, 24, 21, 50, tzinfo=UTC)
"""The clock goes back in the night that follows, in Berlin."""
NIGHT = EVENING.replace(minute=45)
GRID = ((300, "0.31"), (1000, "0.4205"), (1000, "0.287654321"), (2000, "-0.05"))
SUN = ((0, "0.18"), (500, "0.18"))


def charged(*lines: Line, hours: float = 5.0, split: Split = Split.REGISTER) -> Position:
    return replace(
        forms.position(3, *lines),
        started_at=EVENING,
        ended_at=EVENING + timedelta(hours=hours),
        split=split,
    )


def notes_of(made: Statement, language: str = "en") -> tuple[str, ...]:
    with speaking(language):
        (table, *_) = statement_sheet(made, of_program(language)).blocks
    return table.rows[0].notes  # type: ignore[union-attr]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_one_moving_price_has_its_mean_in_the_column_and_two_quarters_beneath() -> None:
    made = forms.statement([charged(forms.moving(NIGHT, *GRID))])
    (table, *_) = statement_sheet(made, ENGLISH).blocks
    row = table.rows[0]  # type: ignore[union-attr]
    # 0.093 + 0.4205 + 0.287654321 - 0.1 = 0.701154321 for 4.3 kWh
    assert row.cells[4:] == ("4.300", "avg. 0.1631", "0.70")
    assert row.notes == (
        (
            "dearest quarter-hour 25 Oct 00:00 (0.4205), cheapest 25 Oct 00:30 (−0.0500); "
            "divided by the meter's readings"
        ),
    )
    assert sum("added up" in text for text in html_texts(html(statement_sheet(made, ENGLISH)))) == 1
    plain = forms.statement([forms.position(3, forms.line(quantity=4300))])
    assert not any("added up" in text for text in statement_sheet(plain, ENGLISH).small)


def test_no_mean_is_multiplied_and_an_exact_price_of_sun_is() -> None:
    lines = (
        forms.moving(NIGHT, *GRID, window="grid", is_unmeasured=True),
        forms.moving(NIGHT, *SUN, window="sun"),
    )
    made = forms.statement([charged(*lines)])
    (english,), (german,) = notes_of(made), notes_of(made, "de")
    assert english == (
        "grid: 4.300 kWh at 0.1631 on average: 0.70; own sun: 0.500 kWh × 0.18 = 0.09; "
        "dearest quarter-hour 25 Oct 00:00 (0.4205), cheapest 25 Oct 00:30 (−0.0500); "
        "divided by the meter's readings; "
        "where sun was not measured, all counts as grid (quarter-hours: 4)"
    )
    assert german == (
        "Netz: 4,300 kWh zu durchschnittlich 0,1631: 0,70; "
        "eigener Sonnenstrom: 0,500 kWh × 0,18 = 0,09; "
        "teuerste Viertelstunde 25. Okt. 00:00 (0,4205), günstigste 25. Okt. 00:30 (−0,0500); "
        "nach den Zählerständen aufgeteilt; "
        "wo Sonne nicht gemessen wurde, zählt alles als Netz (Viertelstunden: 4)"
    )


def test_in_the_doubled_hour_a_quarter_says_which_one_it_is() -> None:
    prices = [(100, "0.3")] * 9 + [(100, "0.2")] + [(100, "0.3")] * 4 + [(100, "0.4")]
    (note,) = notes_of(forms.statement([charged(forms.moving(NIGHT, *prices))]))
    assert note == (
        "dearest quarter-hour 25 Oct 02:15 CET (0.4000), cheapest 25 Oct 02:00 (0.2000); "
        "divided by the meter's readings"
    )


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (Split.POWER, "divided by the reported power, as no meter readings fit"),
        (Split.EVENLY, "divided evenly over the time, as no readings fit"),
    ],
)
def test_marks_are_said_in_words(split: Split, words: str) -> None:
    line = forms.moving(NIGHT, (100, "0.3"), (100, "0.3"), is_divided=True, is_fallback=True)
    (note,) = notes_of(forms.statement([charged(line, split=split)]))
    assert note == (
        f"{words} (quarter-hours: 2); fallback price, as no price was known or the times are in "
        "doubt (quarter-hours: 2)"
    )


def test_the_file_of_quarters_has_each_exactly_and_sums_to_the_amounts() -> None:
    lines = (forms.moving(NIGHT, *GRID, window="grid"), forms.moving(NIGHT, *SUN, window="sun"))
    wrong = tuple(replace(one, wh=-one.wh) for one in lines[0].quarters)
    taken_back = replace(lines[0], quantity=-4300, amount=-lines[0].amount, quarters=wrong)
    better = forms.moving(NIGHT, (4000, "0.25"), window="grid", is_divided=True)
    fixed = replace(charged(taken_back, better), id=4, corrects=3, corrected_statement="1")
    made = forms.statement([charged(*lines), fixed])
    rows = rows_of(quarters_text(made, ",", "."))
    assert len(rows) == 4 + 2 + 4 + 1
    assert rows[1] == {
        "statement": "2026-0007",
        "position": "3",
        "transaction": "1003",
        "charger": "GRIZZL-4",
        "connector": "1",
        "quarter": "2026-10-24T22:00:00Z",
        "local_time": "2026-10-25T00:00:00+02:00",
        "kwh": "1.000",
        "price": "0.4205",
        "cost": "0.4205",
        "currency": "EUR",
        "window": "grid",
        "marks": "",
    }
    assert (rows[-1]["kwh"], rows[-1]["marks"]) == ("4.000", "divided")
    for position in made.positions:
        of_position = [row for row in rows if row["position"] == str(position.id)]
        assert sum(Decimal(row["kwh"]) for row in of_position) * 1000 == position.energy_wh
        for line in position.lines:
            sign = -1 if line.quantity < 0 else 1
            mine = [
                row
                for row in of_position
                if row["window"] == line.window and Decimal(row["kwh"]) * sign >= 0
            ]
            assert (
                forms.rounded(sum((Decimal(row["cost"]) for row in mine), Decimal()) * 100)
                == line.amount
            )
    summed = json.loads(json_bytes(made))["positions"]
    assert summed[0]["by_quarter"] == {
        "dearest": {"at": "2026-10-24T22:00:00Z", "price": "0.4205"},
        "cheapest": {"at": "2026-10-24T22:30:00Z", "price": "-0.05"},
        "divided": 0,
        "fallback": 0,
        "unmeasured": 0,
    }
    # What is taken back is no quarter of the session.
    assert summed[1]["by_quarter"]["dearest"] is None
    assert summed[1]["by_quarter"]["divided"] == 1
    (of_statement, *_) = rows_of(csv_text(made, ",", "."))
    assert (of_statement["is_mean"], of_statement["amount"]) == ("1", "0.70")


def test_a_statement_without_moving_prices_has_a_file_without_rows() -> None:
    assert rows_of(quarters_text(forms.one_line(), ",", ".")) == []


@pytest.mark.parametrize(
    ("exact", "places", "written"),
    [
        (Fraction(1, 3), 6, "0.333333"),
        (Fraction(-1, 2), 0, "-1"),
        (Fraction(10), 6, "10"),
        (Fraction("0.2052915"), 18, "0.2052915"),
        (Fraction("123456789.123456789123456789"), 18, "123456789.123456789123456789"),
        (Fraction(0), 4, "0"),
    ],
)
def test_a_number_is_exact_or_rounded(exact: Fraction, places: int, written: str) -> None:
    assert f"{decimal_of(exact, places)}" == written
