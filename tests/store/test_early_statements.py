"""Statements of who moved out, closed before their month: a change of tariffs says what it corrects
of them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from levity_trio.billing.assignments import SITE
from levity_trio.billing.tariff_file import parse
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.keeping import checking
from levity_trio.store.writes.money import tariffs
from levity_trio.store.writes.money.tariffs import (
    Assigning,
    CorrectedStatement,
    GivenVersion,
    correcting,
)
from levity_trio.store.writes.people.accounts import ChangeRefused, ChangeResult, RefusalCode
from tests.store.bills import ANNA, FLAT, Biller, charge, house_of_two, month_is_over, rule_of
from tests.store.books import Books, Station
from tests.store.reading import view

DEARER = FLAT.replace("0.30", "0.50").replace("2026-01-01", "2026-03-02")
NEXT_MONTH = DEARER.replace("2026-03-02", "2026-04-01")


@pytest.fixture
def biller(books: Books) -> Biller:
    """Anna moved out on 16 March, and is billed for 4 kWh; Ben is not billed yet."""
    biller = Biller(house_of_two(books))
    station = Station(books)
    charge(station)
    charge(station, 6000, "Ben")
    books.now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    books.settle()
    books.connection.execute(
        "UPDATE account SET until = '2026-03-15T23:00:00.000Z' WHERE id = ?", (ANNA,)
    )
    biller.close("2026-03", ANNA)
    return biller


def add(biller: Biller, toml: str, *, may_correct: bool) -> list[CorrectedStatement]:
    def change(db: UnitOfWork) -> tuple[ChangeResult, list[CorrectedStatement]]:
        given = GivenVersion(toml, parse(toml))
        return correcting(
            db,
            rule_of(biller.books),
            lambda: tariffs.add(db, given, None, biller.house.said()),
            may_correct=may_correct,
        )

    _, corrected = biller.books.run(change)
    return corrected


def test_a_price_set_back_in_time_is_refused_with_what_it_would_correct(biller: Biller) -> None:
    with pytest.raises(ChangeRefused) as caught:
        add(biller, DEARER, may_correct=False)
    assert (caught.value.code, caught.value.field) == (
        RefusalCode.CORRECTS_STATEMENTS,
        "correct_statements",
    )
    assert "statement 1 (Anna, 2026-03) by +0.80 EUR" in caught.value.words
    assert biller.books.count("tariff_version") == 1


def test_what_was_said_is_what_the_next_statement_asks_for(biller: Biller) -> None:
    (corrected,) = add(biller, DEARER, may_correct=True)
    assert biller.books.value("SELECT correction FROM settlement") == 80
    assert (corrected.statement, corrected.amount, corrected.currency) == (1, 80, "EUR")
    assert add(biller, DEARER.replace("03-02", "03-01"), may_correct=False) == []
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    assert [line.amount for line in biller.lines(ANNA, "2026-03") if line.kind == "correction"] == [
        80
    ]


def test_a_price_from_the_next_month_on_corrects_nothing(biller: Biller) -> None:
    assert add(biller, NEXT_MONTH, may_correct=False) == []


def test_an_assignment_that_reaches_back_is_refused_too(biller: Biller) -> None:
    guests = biller.add(DEARER.replace('"Flat"', '"Guests"'))
    assigning = Assigning(SITE, guests, date(2026, 3, 2), "2026-03-01T23:00:00.000Z")

    def change(db: UnitOfWork) -> tuple[ChangeResult, list[CorrectedStatement]]:
        said = biller.house.said()
        rule = rule_of(biller.books)
        return correcting(
            db, rule, lambda: tariffs.assign(db, assigning, None, said), may_correct=False
        )

    with pytest.raises(ChangeRefused, match=r"by \+0\.80 EUR"):
        biller.books.run(change)


def test_it_says_until_when_and_goes_on_saying_it(biller: Biller) -> None:
    books = biller.books
    assert biller.statement(1).last_day == date(2026, 3, 15)
    books.connection.execute("UPDATE account SET until = NULL WHERE id = ?", (ANNA,))
    assert biller.statement(1).last_day == date(2026, 3, 15)
    assert [*checking.sealed(view(books.connection))] == []
    month_is_over(books, 3)
    biller.close("2026-03")
    assert biller.statement(2).last_day == date(2026, 3, 31)
