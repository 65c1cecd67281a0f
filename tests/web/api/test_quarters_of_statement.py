"""A closed statement by the quarter of an hour: its household and the owner get each quarter as a
file, and all that reads statements agrees with it."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from levity_trio.locale import speaking
from levity_trio.store.keeping import checking
from levity_trio.store.reads.money.statements import WantedYear, booked_lines
from levity_trio.store.reads.transactions.bill import bill_lines, bill_of
from tests.documents.reading import html_texts
from tests.documents.statements import rounded
from tests.store import telling
from tests.store.bills import ANNA, BERLIN, Biller, correct, month_is_over
from tests.store.books import Station
from tests.store.reading import reading
from tests.store.test_quarters import BEGIN, WITH_SUN, enter, measure
from tests.web.api.driving import Driver, Yard
from tests.web.dashboard.opening import Opening
from tests.web.dashboard.test_settled import page

Rows = list[dict[str, str]]


@pytest.fixture
def biller(yard: Yard) -> Biller:
    """A session of Anna by prices of two quarters, a fallback for the others, and some sun."""
    books = yard.books
    books.now = BEGIN
    yard.house.give(ANNA, "Card")
    biller = Biller(yard.house)
    books.connection.execute(
        "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
        "VALUES ('Market', 'EUR', 'net', '', 'cleo')"
    )
    enter(books, {0: "0.1111111", 1: "-0.05"})
    biller.assign(biller.add(WITH_SUN), date(2026, 1, 1))
    station = Station(books)
    number = station.start(1000, 1, "Card")
    station.stop(number, telling.charge(station, number, 1000, 60, 7200))
    measure(books, 0, generation=600, export=0)
    measure(books, 1, seconds=450, generation=0)
    month_is_over(books, 3)
    biller.close("2026-03")
    correct(books, number, 3600)
    month_is_over(books, 4)
    biller.close("2026-04")
    return biller


async def quarters_of(reader: Driver, number: int) -> Rows:
    reply = await reader.ask("GET", f"/statements/{number}?format=quarters.csv")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert f"statement {number}.quarters.csv" in reply.headers["content-disposition"]
    return list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))


async def test_the_household_gets_its_quarters_and_nobody_else_does(
    yard: Yard, biller: Biller
) -> None:
    assert [one["has_quarters"] for one in (await yard.anna.get("/statements"))["data"]] == [
        True,
        True,
    ]
    refused = await yard.ben.refused("GET", "/statements/1?format=quarters.csv")
    assert refused[:2] == (404, "not_found")

    sums: dict[str, Decimal] = defaultdict(Decimal)
    for number in (1, 2):
        rows = await quarters_of(yard.anna, number)
        (position,) = biller.statement(number).positions
        assert sum(Decimal(row["kwh"]) for row in rows) * 1000 == position.energy_wh
        for line in position.lines:
            own = [
                row
                for row in rows
                if row["window"] == line.window and (Decimal(row["kwh"]) < 0) == (line.quantity < 0)
            ]
            exact = sum((Decimal(row["cost"]) for row in own), Decimal())
            assert rounded(exact * 100) == line.amount, own
        for row in rows:
            assert Decimal(row["cost"]) == Decimal(row["kwh"]) * Decimal(row["price"])
            sums[row["quarter"]] += Decimal(row["kwh"])
    # What the second statement takes back and asks for makes the corrected session.
    assert set(sums.values()) == {Decimal("0.900")}
    assert len(sums) == 4

    rows = await quarters_of(yard.anna, 1)
    assert [(row["quarter"][11:16], row["window"], row["kwh"], row["price"]) for row in rows] == [
        ("10:00", "sun", "0.600", "0.15"),
        ("10:00", "grid", "1.200", "0.2654444299"),
        ("10:15", "grid", "1.800", "0.05455"),
        ("10:30", "grid", "1.800", "0.4"),
        ("10:45", "grid", "1.800", "0.4"),
    ]
    assert [row["marks"] for row in rows] == [
        "",
        "",
        "sun not measured",
        "fallback price; sun not measured",
        "fallback price; sun not measured",
    ]


async def test_owner_paper_check_year_and_bill_agree(yard: Yard, biller: Biller) -> None:
    books = yard.books
    (position,) = biller.statement(1).positions
    with reading(books) as db:
        number = position.transaction or 0
        assert [*checking.sums(db)] == []
        wanted = WantedYear(2026, "energy", date(2026, 5, 1), BERLIN)
        asked = [line.gross for line in booked_lines(db, wanted)]
        words = [*bill_lines(bill_of(db, number, biller.terms.rule, books.now))]
    assert sum(asked) == sum(one.amount for n in (1, 2) for one in biller.statement(n).positions)
    # 1.2 × 0.2654444299 + 1.8 × 0.05455 + 3.6 × 0.4 = 1.85672331588 of 6.6 kWh
    assert "  energy, grid: 6.600 kWh at 0.281322 EUR on average: 1.86 EUR" in words
    assert "  energy, own sun: 0.600 kWh × 0.15 EUR = 0.09 EUR" in words
    assert "  the dearest quarter of an hour: 2026-03-02 11:30, 0.4 EUR a kWh" in words
    assert "  the cheapest quarter of an hour: 2026-03-02 11:15, 0.05455 EUR a kWh" in words

    note = next(
        text
        for text in html_texts((await yard.anna.ask("GET", "/statements/1")).body.decode())
        if "on average" in text
    )
    assert note == (
        "own sun: 0.600 kWh × 0.15 = 0.09; grid: 6.600 kWh at 0.2813 on average: 1.86; dearest "
        "quarter-hour 11:30 (0.4000), cheapest 11:15 (0.0546); divided by the meter's readings; "
        "fallback price, as no price was "
        "known or the times are in doubt (quarter-hours: 2); where sun was not measured, all "
        "counts as grid (quarter-hours: 3)"
    )


@pytest.mark.usefixtures("biller")
async def test_the_pages_lead_to_the_quarters(yard: Yard) -> None:
    month, statement = (page(path) for path in ("/bills/{month}", "/statements/{number}"))
    owner = Opening(yard)
    text = await owner.html(statement, number=1)
    assert "/get/admin/statements/1/document?format=quarters.csv" in text
    assert "grid: 6.600 kWh at 0.2813 on average: 1.86; dearest quarter-hour 11:30 (0.4000)" in text
    assert "/get/admin/quarter-export?month=2026-03" in await owner.html(month, month="2026-03")
    own = await Opening(yard, yard.anna.caller).html(page("/d/statements"))
    assert "/get/me/statements/1?format=quarters.csv" in own
    with speaking("de"):
        text = await owner.html(statement, number=1)
    assert "Netz: 6,600 kWh zu durchschnittlich 0,2813: 1,86; teuerste Viertelstunde" in text


@pytest.mark.usefixtures("biller")
def test_check_finds_a_line_that_is_not_the_sum_of_its_quarters(yard: Yard) -> None:
    with reading(yard.books) as db:
        text: str = db.execute("SELECT lines FROM position ORDER BY id LIMIT 1").fetchone()[0]
    wrong = text.replace(",1200,", ",1201,")
    assert wrong != text
    yard.books.connection.execute("DROP TRIGGER position_stays")
    yard.books.connection.execute("UPDATE position SET lines = ? WHERE lines = ?", (wrong, text))
    with reading(yard.books) as db:
        assert [*checking.sums(db)] == [
            "statement 1: a line is not the sum of its quarters of an hour"
        ]
