"""The book: after whatever is written, it says what it would say if all were booked anew."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from levity_trio.access.tags import Policy
from levity_trio.billing.ledger import LedgerKind
from levity_trio.billing.ownership import BillBy, TimeSpan
from levity_trio.store.billing import booking
from levity_trio.store.billing.booking import Book, differences, due, store_prices
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, UnitOfWork, rows_of
from levity_trio.store.engine.faults import DatabaseFault
from levity_trio.store.reads.money.meters import reconciliation
from levity_trio.store.reads.now.present import waiting
from levity_trio.store.reads.transactions.bill import bill_of
from levity_trio.store.upkeep.derived import Booking
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.money.ledger import LedgerEntry
from levity_trio.store.writes.people import accounts, ownership
from levity_trio.store.writes.people.accounts import ChangeRefused
from tests.both_stores import both_in_memory
from tests.charger.parts import InlineWriter
from tests.sizes import size
from tests.store.bills import (
    ANNA,
    BERLIN,
    FLAT,
    Biller,
    charge,
    correct,
    house_of_two,
    month_is_over,
)
from tests.store.books import Books, Station
from tests.store.moving.watching import in_child
from tests.store.owning import SPACE
from tests.store.reading import reading
from tests.store.template import new_database
from tests.store.test_statement_stories import EVENTS, TAGS, Event, Year

T = TypeVar("T")
WAITING = "SELECT tx_id FROM to_book WHERE step = ? ORDER BY tx_id"


def price(books: Books) -> None:
    """Compute the prices that are due, and store them."""
    numbers = [number for (number,) in books.rows(WAITING, 1)]
    if numbers:
        books.run(_in_order, numbers)
        with reading(books) as db:
            found = due(rows_of(db), books.rule, numbers)
        books.run(store_prices, found)


def _in_order(db: UnitOfWork, numbers: list[int]) -> None:
    """Give the same revisions on both stores: those of one change have no order."""
    for number in numbers:
        db.execute("DELETE FROM to_book WHERE tx_id = ?", (number,))
        db.execute("INSERT INTO to_book (tx_id, step) VALUES (?, 1)", (number,))


def wrong(books: Books) -> list[int]:
    """Return the sessions of which the book is wrong; after prices were computed, none may wait."""
    price(books)
    assert books.rows("SELECT tx_id, step FROM to_book") == []
    with reading(books) as db:
        return differences(
            rows_of(db),
            books.rule,
            [number for (number,) in books.rows("SELECT id FROM tx")] or [0],
        )


def _live(year: Year, events: list[Event]) -> None:
    for event in events:
        if year.month < 11:
            year.live(event)
            assert wrong(year.books) == [], event
    year.close()
    assert wrong(year.books) == []


@settings(max_examples=size(40, 8), deadline=None)
@given(EVENTS)
def test_after_months_of_a_house_the_book_is_as_if_all_were_booked_anew(
    events: list[Event],
) -> None:
    _live(Year(), events)


STAYING = (
    FLAT.replace('"Flat"', '"Staying"')
    + """
[[window]]
name = "noon"
price = 0.20
times = "10:30-14:00"

[blocking]
price = 0.10
grace_minutes = 10
until_available = true
"""
)
MORE: Final = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *(
                    "charge",
                    "charge",
                    "charge",
                    "begin",
                    "end",
                    "status",
                    "status",
                    "late status",
                    "tariff",
                    "move",
                ),
                *("prepay", "space", "take", "correct", "give", "close"),
            )
        ),
        st.integers(0, 20),
        st.integers(50, 40_000),
    ),
    max_size=20,
)


class Busy(Year):
    """A house in which more happens: fees for staying, other tariffs, accounts and spaces that
    change hands."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[int] = []
        self.tariffs = [1, self.biller.add(STAYING), None]
        self.biller.assign(self.tariffs[1], date(2026, 3, 1))

    def live(self, event: Event) -> None:
        what, which, wh = event
        more: dict[str, Callable[[], object]] = {
            "begin": lambda: self.begin(TAGS[which % 3]),
            "end": self.end,
            "status": lambda: self.tell(which, wh % 600),
            "late status": lambda: self.tell(which, -wh % 6000),
            "tariff": lambda: self.assign(which, wh),
            "move": lambda: self.move(1 + which % 2, wh),
            "prepay": lambda: self.prepay(which, wh),
            "space": lambda: self.house.give(
                1 + which % 2, SPACE, since=self.books.at, reason="moved"
            ),
            "take": lambda: self.house.take(
                1 + which % 2, TAGS[which % 2], self.books.at, reason="lost"
            ),
        }
        if what not in more:
            if what in ("charge", "close"):
                self.end()
            super().live(event)
            return
        with suppress(ChangeRefused):
            more[what]()

    def begin(self, tag: str) -> None:
        if not self.open:
            self.open.append(self.station.start(self.register, 1, tag))

    def end(self) -> None:
        if self.open:
            self.books.wait(90)
            self.register += 7000
            self.station.stop(self.open[0], self.register)
            self.made.append(self.open.pop())

    def tell(self, which: int, minutes: int) -> None:
        self.books.wait(max(minutes, 1))
        status = ("Available", "Finishing", "SuspendedEV", "Charging")[which % 4]
        self.station.status(status, at=self.station.clock(max(0, -minutes)))

    def assign(self, which: int, wh: int) -> None:
        account = (None, 1, 2)[wh % 3]
        self.biller.assign(self.tariffs[which % 3], date(2026, self.month, 1 + wh % 28), account)

    def move(self, account: int, wh: int) -> None:
        until = None if wh % 2 else self.books.at
        self.books.run(accounts.change, account, {"until": until}, self.books.at, "cleo")

    def prepay(self, which: int, wh: int) -> None:
        if self.made:
            tx = self.made[which % len(self.made)]
            entry = LedgerEntry(
                1, LedgerKind.CHARGE, -wh, "EUR", "why", self.books.at, "cleo", transaction=tx
            )
            self.books.run(ledger.enter, entry)


@settings(max_examples=size(40, 8), deadline=None)
@given(MORE)
def test_after_whatever_changes_it_is_as_if_all_were_booked_anew(events: list[Event]) -> None:
    _live(Busy(), events)


def test_on_both_stores_too() -> None:
    """Days of each kind, on PostgreSQL and SQLite at once, whose rows must be equal."""
    with both_in_memory() as connection:
        year = Year(connection)
        what = ("charge", "charge", "charge", "correct", "give", "close", "take back", "charge")
        _live(year, [(one, number, 4000 + number) for number, one in enumerate((*what, *what))])
        year.mix_up("Card", 2)  # at the end: bill_work lists what it concerns in no order
        assert wrong(year.books) == []


def test_a_session_is_booked_in_the_commit_that_starts_it(books: Books, station: Station) -> None:
    house_of_two(books)
    started = station.start(1000, 1, "Card")
    columns = "SELECT account_id, ground, state, price, key, ended_at FROM booked WHERE tx_id = ?"
    assert books.row(columns, started) == (1, "tag", "open", "running", "card", None)
    assert books.count("to_book") == 0


def test_what_it_costs_is_stored_unless_something_changed_meanwhile(
    books: Books, station: Station
) -> None:
    house = house_of_two(books)
    Biller(house)
    number = charge(station)
    with reading(books) as db:
        found = due(rows_of(db), books.rule, [number])
    house.give_by_hand(number, 2)
    books.run(store_prices, found)
    assert books.count("booked_cost") == 0
    assert wrong(books) == []
    assert books.rows("SELECT * FROM booked_cost") == [(number, 2, 0, "EUR", "gross", "19", 120)]


def test_a_closed_statement_is_copied(books: Books, station: Station) -> None:
    biller = Biller(house_of_two(books))
    number = charge(station)
    price(books)
    month_is_over(books, 3)
    biller.close("2026-03")
    assert books.row("SELECT state, price FROM booked WHERE tx_id = ?", number) == (
        "billed",
        "billed",
    )
    assert books.rows("SELECT * FROM booked_cost") == [(number, 1, 1, "EUR", "gross", "19", 120)]
    assert books.count("to_book") == 0


def test_other_settings_book_all_anew(books: Books, station: Station) -> None:
    house_of_two(books)
    books.run(booking.book_all, books.rule)
    number = charge(station)
    books.run(lambda db: db.execute("UPDATE booked SET state = 'free'"))
    books.run(booking.book_all, books.rule)
    assert wrong(books) == [number]
    books.run(booking.book_all, books.rule._replace(bill_by=BillBy.CONNECTOR))
    assert wrong(books) == []


@pytest.mark.sqlite
@pytest.mark.parametrize("statement", range(4, 64, 8))
def test_a_kill_leaves_the_book_with_what_it_follows_from(tmp_path: Path, statement: int) -> None:
    """A process dies at a statement of a start or of a stop."""
    path = tmp_path / "site.db"

    def charge_until_killed() -> None:
        with new_database(path) as connection:
            books = Books(connection)
            station = Station(books)
            charge(station)
            left = iter(range(statement))
            connection.set_trace_callback(
                lambda _: None if next(left, None) is not None else os.kill(os.getpid(), 9)
            )
            charge(station)

    assert in_child(charge_until_killed) == 9
    with closing(sqlite3.connect(path)) as connection:
        numbers = [number for (number,) in connection.execute("SELECT id FROM tx")]
        assert 1 <= len(numbers) <= 2
        assert connection.execute("SELECT count(*) FROM to_book WHERE step = 0").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM booked").fetchone() == (len(numbers),)
        rule = Rule(BERLIN, Policy(), BillBy.TAG)
        assert (
            differences(
                lambda sql, values: connection.execute(sql, values).fetchall(), rule, numbers
            )
            == []
        )


class _Reader:
    """The reader's interface on the books themselves."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def run(self, read: Callable[[Database], T]) -> T:
        await trio.lowlevel.checkpoint()
        with reading(self._books) as db:
            return read(db)


def _keeping(books: Books) -> Booking:
    writer: Any = InlineWriter(books.connection)
    reader: Any = _Reader(books)
    return Booking(writer, reader, lambda: books.now, books.rule)


@pytest.mark.logs_errors
@pytest.mark.usefixtures("autojump_clock")
async def test_at_night_what_differs_is_an_alert_and_booked_anew(
    books: Books, station: Station
) -> None:
    Biller(house_of_two(books))
    numbers = [charge(station) for _ in range(3)]
    keeping = _keeping(books)
    await keeping.begin()
    await keeping.look()
    books.run(
        lambda db: db.execute("UPDATE booked_cost SET amount = 5 WHERE tx_id = ?", (numbers[1],))
    )
    await keeping.compare()
    assert books.row("SELECT compared_on, differing FROM book") == ("2026-03-02", 1)
    with reading(books) as db:
        assert waiting(db).not_booked == 1
    await keeping.look()
    await keeping.compare()
    assert books.value("SELECT differing FROM book") == 1  # once a night
    books.wait(24 * 60)
    await keeping.compare()
    assert books.row("SELECT compared_on, differing FROM book") == ("2026-03-03", 0)
    assert wrong(books) == []


@pytest.mark.logs_errors
@pytest.mark.usefixtures("autojump_clock")
async def test_what_could_not_be_booked_is_tried_again_alone(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    Biller(house_of_two(books))
    with monkeypatch.context() as patch:
        patch.setattr(booking, "_store", fail_with(OF_A_BUG))
        number = charge(station)
    assert books.rows(WAITING, 2) == [(number,)]
    with reading(books) as db:
        assert waiting(db).not_booked == 1
        assert bill_of(db, number, books.rule).state == "to be billed"
        month = reconciliation(
            db,
            "2026-03",
            TimeSpan("2026-02-28T23:00:00.000Z", "2026-03-31T22:00:00.000Z"),
            books.at,
        )
        assert [line.state for line in month.site.states if line.transactions] == ["held back"]
    await _keeping(books).look()
    assert books.rows("SELECT state, price FROM booked") == [("to be billed", "booked")]
    assert wrong(books) == []


def test_another_form_of_cards_books_all_anew(books: Books, station: Station) -> None:
    """The server books at its start, before it brings the forms of cards up to date."""
    house_of_two(books)
    number = station.start(1000, 1, "Card-01")
    books.policy = Policy(strip=re.compile("-.*"))
    books.connection.book = Book(books.rule)
    books.run(booking.book_all, books.rule)
    assert books.row("SELECT account_id, key FROM booked WHERE tx_id = ?", number) == (1, "card")
    books.policy = Policy(strip=re.compile("rd"))
    books.connection.book = Book(books.rule)
    books.run(booking.book_all, books.rule)
    books.run(ownership.rekey, books.policy)
    assert books.row("SELECT account_id, key FROM booked WHERE tx_id = ?", number) == (
        None,
        "ca-01",
    )
    assert wrong(books) == []


def _error(kind: type[sqlite3.Error], code: int) -> sqlite3.Error:
    error = kind("as asked for")
    error.sqlite_errorcode = code
    return error


def fail_with(error: Exception) -> Callable[..., None]:
    def fail(*_: Any) -> None:
        raise error

    return fail


OF_A_BUG = ValueError("a bug")
OF_A_STATEMENT = _error(sqlite3.IntegrityError, sqlite3.SQLITE_CONSTRAINT)
OF_A_PAGE = _error(sqlite3.DatabaseError, sqlite3.SQLITE_CORRUPT)


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    "error", [OF_A_BUG, OF_A_STATEMENT, OF_A_PAGE], ids=["bug", "statement", "page"]
)
def test_what_cannot_be_booked_is_stored_all_the_same(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(booking, "_store", fail_with(error))
        number = station.start(1000, 1, "Card")
        books.wait(60)
        station.stop(number, 5000)
    assert books.value("SELECT energy_delivered FROM tx WHERE id = ?", number) == 4000
    assert books.rows(WAITING, 2) == [(number,)]
    books.run(lambda db: db.execute("UPDATE to_book SET step = 0"))
    assert wrong(books) == []


@pytest.mark.logs_errors
async def test_a_household_whose_statements_cannot_be_noted_stays_listed(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is noted as soon as that can be done, without another change."""
    biller = Biller(house_of_two(books))
    number = charge(station)
    month_is_over(books, 3)
    biller.close("2026-03")
    keeping, asked = _keeping(books), "SELECT asked FROM settlement"
    with monkeypatch.context() as patch:
        patch.setattr(booking, "note_settlement", fail_with(OF_A_BUG))
        correct(books, number, 1000)
        assert books.value(asked) == 120
        assert books.rows("SELECT account_id FROM to_book WHERE tx_id IS NULL") == [(ANNA,)]
    books.run(booking.list_all)
    await keeping.look()
    assert books.value(asked) == 30
    assert books.count("to_book") == 0


@pytest.mark.logs_errors
async def test_it_is_stored_even_if_that_cannot_be_noted(books: Books, station: Station) -> None:
    """And a server begins, instead of trying for ever."""

    class Broken(Book):
        def book(self, db: UnitOfWork) -> None:
            db.changed("DELETE FROM to_book")
            raise ValueError

        set_aside = book

    books.connection.book = Broken(books.rule)
    number = station.start(1000, 1, "Card")
    assert books.rows(WAITING, 0) == [(number,)]
    with trio.fail_after(30):
        await _keeping(books).begin()
    assert books.rows(WAITING, 0) == [(number,)]


def test_a_full_disk_while_booking_is_that_of_the_whole_commit(
    books: Books, station: Station
) -> None:
    class Full(Book):
        def book(self, db: UnitOfWork) -> None:
            raise _error(sqlite3.OperationalError, sqlite3.SQLITE_FULL)

    books.connection.book = Full(books.rule)
    with pytest.raises(DatabaseFault):
        station.start(1000, 1, "Card")
    assert books.count("tx") == 0
