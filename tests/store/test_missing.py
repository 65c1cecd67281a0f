"""What is missing before a month can be closed, and how much each weighs."""

from __future__ import annotations

from datetime import UTC, date, datetime

from levity_trio.billing.months import Month
from levity_trio.store.billing.drafting import Terms
from levity_trio.store.reads.money.drafts import missing_of
from levity_trio.store.reads.money.missing import MissingPiece
from levity_trio.store.writes.money import closing
from levity_trio.store.writes.people import accounts
from levity_trio.store.writes.people.accounts import AccountData
from tests.store.bills import FLAT, Biller, charge, correct, house_of_two, rule_of
from tests.store.books import Books, Station
from tests.store.reading import reading

OVER = datetime(2026, 4, 2, 9, tzinfo=UTC)


def missing(books: Books, month: str = "2026-03") -> dict[str, MissingPiece]:
    with reading(books) as db:
        found = missing_of(db, Month.parse(month), Terms(rule_of(books), 0), books.now)
        assert found is not None
        return {str(one.code): one for one in found}


def weights(books: Books, month: str = "2026-03") -> dict[str, str]:
    return {code: one.weight for code, one in missing(books, month).items()}


def test_nothing_is_missing_of_a_month_that_is_ready(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    books.connection.execute(
        "INSERT INTO biller (name, bank_account, payment_days, set_at, set_by) "
        "VALUES ('Owner', 'DE02', 14, '', 'cleo')"
    )
    charge(station)
    books.now = OVER
    assert missing(books) == {}
    biller.close("2026-03")
    assert missing(books) == {}


def test_a_running_month_and_one_that_comes_later_wait(books: Books) -> None:
    Biller(house_of_two(books))
    running = missing(books)["not_over"]
    assert (running.weight, running.at) == ("blocks", "2026-03-31T22:00:00.000Z")
    books.now = datetime(2026, 5, 2, 9, tzinfo=UTC)
    assert missing(books, "2026-04")["earlier_month"].month == "2026-03"


def test_who_bills_and_where_to_pay(books: Books) -> None:
    biller = Biller(house_of_two(books), has_begun=True)
    books.run(closing.begin, date(2026, 3, 1), books.at, "cleo")
    books.now = OVER
    assert weights(books) == {"no_biller": "blocks", "no_tariff": "blocks"}
    biller.add(FLAT)
    books.connection.execute(
        "INSERT INTO biller (name, payment_days, set_at, set_by) VALUES ('Owner', 14, '', '')"
    )
    assert weights(books) == {"no_bank_account": "paper"}


def test_sessions_in_doubt_and_of_nobody_come_later(books: Books, station: Station) -> None:
    Biller(house_of_two(books))
    charge(station, 3000, "Nobody")
    doubtful = charge(Station(books, "CP-2"), 500_000)
    books.now = OVER
    found = missing(books)
    assert (found["doubtful"].weight, found["doubtful"].count) == ("later", 1)
    assert (found["nobodys"].weight, found["nobodys"].count, found["nobodys"].energy_wh) == (
        "later",
        1,
        3000,
    )
    correct(books, doubtful, 4000)
    assert "doubtful" not in missing(books)


def test_a_session_without_a_tariff_blocks(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    biller.assign(None, date(2026, 2, 1))
    charge(station)
    books.now = OVER
    assert (missing(books)["unpriced"].weight, missing(books)["unpriced"].energy_wh) == (
        "blocks",
        4000,
    )


def test_a_charger_that_went_away_before_the_end_may_have_sessions(
    books: Books, station: Station
) -> None:
    Biller(house_of_two(books))
    charge(station)
    station.lose()
    away = books.at
    books.now = OVER
    (thing,) = missing(books)["away"].things
    assert (thing.id, thing.since) == ("CP-1", away)
    station.connect()
    station.lose()
    assert "away" not in missing(books)


def test_what_the_papers_lack(books: Books) -> None:
    Biller(house_of_two(books))
    nameless = AccountData(name="Flat 9", since="2026-01-01T00:00:00.000Z")
    books.run(accounts.add, nameless, books.at, "cleo")
    books.connection.execute(
        "INSERT INTO meter (name, class_percent, chargers_percent, since, created_at, created_by, "
        "updated_at) "
        "VALUES ('Yard', 1, 1, '2026-01-01T00:00:00.000Z', '', 'cleo', '')"
    )
    assert [one.name for one in missing(books)["no_address"].things] == ["Flat 9"]
    assert "unread_meter" not in missing(books)
    books.now = OVER
    assert [one.name for one in missing(books)["unread_meter"].things] == ["Yard"]
    books.connection.execute(
        "INSERT INTO meter_reading (meter_id, at, value, unit, wh, source, entered_at, entered_by)"
        " VALUES (1, '2026-04-01T08:00:00.000Z', '1', 'kWh', 1000, 'hand', '', 'cleo')"
    )
    assert "unread_meter" not in missing(books)
