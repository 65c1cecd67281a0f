"""Price series in the database: what a source may tell, and what a person corrects."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from levity_trio.charging.quarters import quarter_of
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.money.tariffs import AddedPrices, SeriesData, add_prices, set_series
from levity_trio.store.writes.people.accounts import ChangeRefused, ChangeResult, RefusalCode
from levity_trio.store.writes.people.ownership import Said
from tests.store.bills import HOUR, Biller, charge, house_of_two
from tests.store.books import NOON, Books, Station
from tests.store.test_quarters import MOVING

DAY_AHEAD = SeriesData(name="Day-ahead", currency="EUR", prices="net")
SOURCE = "https://prices.example"
FIRST = quarter_of(NOON.timestamp())


def changed(books: Books, number: int | None = None, **fields: Any) -> ChangeResult:
    given = {"name": "Day-ahead", "currency": "EUR", "prices": "net"} | fields
    return books.run(set_series, SeriesData(**given), Said(books.at, "cleo"), number)


def told(
    books: Books, *prices: str, first: int = FIRST, by: str = SOURCE, reason: str | None = None
) -> AddedPrices:
    values = {first + place: Decimal(price) for place, price in enumerate(prices)}
    return books.run(add_prices, "day-AHEAD", values, Said(books.at, by, reason))


def stored(books: Books) -> list[tuple[int, str, str, str | None]]:
    return books.rows(
        "SELECT quarter - ?, price, by, reason FROM series_value AS value"
        " JOIN series_batch ON id = batch_id ORDER BY quarter, batch_id",
        FIRST,
    )


@pytest.fixture
def series(books: Books) -> Books:
    assert changed(books) == ChangeResult(1, "added")
    return books


def test_what_a_source_told_before_stays_and_the_rest_is_stored(series: Books) -> None:
    assert told(series, "0.10", "-0.0005") == AddedPrices(2, 0, {})
    series.wait(60)
    again = told(series, "0.100", "0.2", "1e-7")
    assert again == AddedPrices(1, 1, {FIRST + 1: (Decimal("-0.0005"), Decimal("0.2"))})
    assert stored(series) == [
        (0, "0.10", SOURCE, None),
        (1, "-0.0005", SOURCE, None),
        (2, "0.0000001", SOURCE, None),
    ]
    assert series.count("series_batch") == 2


def test_what_says_nothing_new_makes_no_batch(series: Books) -> None:
    told(series, "0.10")
    assert told(series, "0.1") == AddedPrices(0, 1, {})
    assert told(series, "0.2").kept
    assert told(series) == AddedPrices(0, 0, {})
    assert series.count("series_batch") == 1


def test_a_person_corrects_with_a_reason_and_both_prices_are_kept(series: Books) -> None:
    told(series, "0.10", "0.20")
    assert told(series, "0.11", "0.20", by="cleo", reason="misprint") == AddedPrices(1, 1, {})
    assert stored(series) == [
        (0, "0.10", SOURCE, None),
        (0, "0.11", "cleo", "misprint"),
        (1, "0.20", SOURCE, None),
    ]
    # The newest counts: the source is compared with the correction.
    assert told(series, "0.10").kept == {FIRST: (Decimal("0.11"), Decimal("0.10"))}


def test_sessions_of_these_quarters_are_priced_again_unless_a_statement_has_them(
    books: Books, station: Station
) -> None:
    biller = Biller(house_of_two(books))
    changed(books)
    march = quarter_of(books.now.timestamp())
    charge(station)
    books.wait(31 * 24 * HOUR)
    biller.close("2026-03")
    april = quarter_of(books.now.timestamp())
    session = charge(station)
    books.run(list_nothing)

    for place in (march, april - 100, april + 100):
        told(books, "0.10", first=place)
        assert books.rows("SELECT tx_id FROM to_book") == []
    told(books, "0.10", first=april + 1)
    assert books.rows("SELECT tx_id FROM to_book") == [(session,)]

    # The mean of a month concerns all its sessions.
    books.run(list_nothing)
    moving = MOVING.replace("Moving", "Mean").replace("Market", "Day-ahead")
    biller.add(moving + '"aver\\u0061ge" = true\n')
    books.run(list_nothing)
    told(books, "0.10", first=april - 101)
    assert books.rows("SELECT tx_id FROM to_book") == [(session,)]


def list_nothing(db: UnitOfWork) -> None:
    db.execute("DELETE FROM to_book")


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"name": "7"}, RefusalCode.INVALID, "would be taken for the number of one"),
        (
            {"name": "Other", "currency": "EURO"},
            RefusalCode.INVALID,
            "EURO is not the code of a currency",
        ),
        ({"name": "DAY-ahead"}, RefusalCode.IN_USE, "price series 1 has this name"),
    ],
)
def test_a_series_that_makes_no_sense_is_refused(
    series: Books, fields: dict[str, Any], code: RefusalCode, words: str
) -> None:
    with pytest.raises(ChangeRefused, match=words) as caught:
        changed(series, **fields)
    assert caught.value.code == code


def test_the_meaning_of_prices_changes_only_while_there_are_none(series: Books) -> None:
    assert changed(series, 1, prices="gross") == ChangeResult(1, "changed")
    assert changed(series, 1, prices="gross") == ChangeResult(1, "same")
    told(series, "0.10")
    with pytest.raises(ChangeRefused, match="Day-ahead has prices already"):
        changed(series, 1)
    assert changed(series, 1, prices="gross", source="{}") == ChangeResult(1, "changed")
    with pytest.raises(ChangeRefused, match="there is no price series 2"):
        changed(series, 2, name="Other")


def test_a_series_that_tariffs_name_keeps_its_name(series: Books) -> None:
    assert changed(series, 1, name="Spot") == ChangeResult(1, "changed")
    series.run(
        lambda db: db.execute(
            "INSERT INTO tariff (name, currency, prices) VALUES ('Moving', 'EUR', 'gross')"
        )
    )
    series.run(
        lambda db: db.execute(
            "INSERT INTO tariff_version (tariff_id, since, toml, digest, added_at, added_by)"
            " VALUES (1, '2026-01-01', ?, '', '', '')",
            (MOVING.replace("Market", "sp\\u006ft"),),
        )
    )
    with pytest.raises(ChangeRefused, match="tariffs name Spot"):
        changed(series, 1, name="Day-ahead")
    assert changed(series, 1, name="SPOT") == ChangeResult(1, "changed")
