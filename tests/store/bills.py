"""An owner who bills the house of `owning.House`, month by month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import trio

from levity_trio.billing.assignments import Scope, TariffTarget
from levity_trio.billing.ledger import LedgerKind
from levity_trio.billing.months import Month
from levity_trio.billing.ownership import BillBy
from levity_trio.billing.statement import Statement
from levity_trio.billing.tariff_file import parse
from levity_trio.notify.delivery import sheet_text
from levity_trio.store.billing.drafting import Draft, Terms, draft
from levity_trio.store.billing.numbering import Closable, Order, closable
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.statements import statement
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.money.months import MonthPreview, preview
from levity_trio.store.writes.money import ledger, tariffs
from levity_trio.store.writes.money.ledger import Closed, LedgerEntry, enter
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.books import Books, Station
from tests.store.owning import House
from tests.store.reading import reading

T = TypeVar("T")
ANNA, BEN = 1, 2
HOUR = 60
BERLIN = ZoneInfo("Europe/Berlin")
FLAT = """
name = "Flat"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19

[energy]
price = 0.30
"""


def rule_of(books: Books, bill_by: BillBy = BillBy.TAG) -> Rule:
    """Return by what transactions are billed in Berlin."""
    return Rule(BERLIN, books.policy, bill_by)


class InlineReader:
    """The reader's interface on the books themselves."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def run(self, read: Callable[[Database], T]) -> T:
        with reading(self._books) as db:
            return read(db)


class Line(NamedTuple):
    """A position of a statement, as the tests look at it."""

    kind: str
    tx: int | None
    wh: int
    amount: int


class Biller:
    """Previews and closes months. Everybody has the flat tariff of 0.30 a kWh unless a test adds
    others."""

    def __init__(
        self, house: House, begun_on: date = date(2026, 3, 1), *, has_begun: bool = False
    ) -> None:
        self.house = house
        self.books = house.books
        self.zone = BERLIN
        self.carry_below = 0
        self.language: str | None = None
        if has_begun:
            return
        self.assign(self.add(FLAT), date(2026, 1, 1))
        self.books.run(ledger.begin_billing, begun_on, self.books.at, "cleo")
        self.books.connection.execute(
            "INSERT INTO biller (name, payment_days, set_at, set_by) "
            "VALUES ('Owner', 14, '', 'cleo')"
        )

    @property
    def _writer(self) -> Any:
        books = self.books

        class Writer:
            async def run(self, write: Any, *args: Any) -> Any:
                await trio.lowlevel.checkpoint()
                return books.run(write, *args)

        return Writer()

    # What the owner does

    def add(self, toml: str) -> int:
        return self.books.run(
            tariffs.add, tariffs.GivenVersion(toml, parse(toml)), None, self.house.said()
        ).id

    def assign(self, tariff: int | None, since: date, account: int | None = None) -> None:
        target = (
            TariffTarget(Scope.SITE, "")
            if account is None
            else TariffTarget(Scope.ACCOUNT, str(account))
        )
        begins_at = datetime.combine(since, datetime.min.time(), BERLIN).astimezone(UTC).isoformat()
        self.books.run(
            tariffs.assign,
            tariffs.Assigning(target, tariff, since, begins_at),
            None,
            self.house.said(),
        )

    @property
    def terms(self) -> Terms:
        return Terms(Rule(self.zone, self.books.policy, self.house.bill_by), self.carry_below)

    @property
    def order(self) -> Order:
        return Order("cleo", self.books.at, sheet_text, b"salt", self.language)

    def draft(self, month: str, account: int | None = None) -> Draft:
        with reading(self.books) as db:
            return draft(rows_of(db), Month.parse(month), account, self.terms)

    def preview(self, month: str, account: int | None = None) -> MonthPreview:
        with reading(self.books) as db:
            return preview(db, Month.parse(month), account, self.terms, self.books.now)

    def closable(self, month: str, account: int | None = None) -> Closable:
        with reading(self.books) as db:
            return closable(rows_of(db), Month.parse(month), account, self.terms, self.order)

    def close(self, month: str, account: int | None = None) -> Closed:
        closed = self.books.run(ledger.close_month, self.closable(month, account))
        assert closed is not None
        return closed

    # What came of it

    def statement(self, number: int) -> Statement:
        (found,) = self.books.rows("SELECT id FROM statement WHERE number = ?", number)
        with reading(self.books) as db:
            return statement(rows_of(db), found[0])

    def lines(self, account: int, month: str) -> list[Line]:
        """Return the positions of the closed statements of an account for a month."""
        found = self.books.rows(
            "SELECT kind, tx_id, energy_wh, amount FROM position "
            "JOIN statement ON statement.id = statement_id "
            "WHERE statement.account_id = ? AND statement.month = ? "
            "ORDER BY position.id",
            *(account, month),
        )
        return [Line(*row) for row in found]

    def drafted(self, account: int, month: str) -> list[Line]:
        """Return the positions that the statements of an account would have now."""
        found = (
            row
            for one in self.draft(month).statements
            if one.figures.account_id == account
            for row in one.positions
        )
        return [Line(row.kind, row.tx_id, row.energy_wh, row.amount) for row in found]

    def balance(self, account: int) -> int:
        return int(
            self.books.value(
                "SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = ?", account
            )
        )


# What happens in the house


def house_of_two(books: Books) -> House:
    """The house in March: the tag Card is Anna's, the tag Ben is his."""
    books.now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    house = House(books)
    house.give(ANNA, "Card")
    house.give(BEN, "Ben")
    return house


def charge(station: Station, wh: int = 4000, tag: str = "Card") -> int:
    """Return a transaction of an hour."""
    begin = station.books.connection.execute(
        "SELECT coalesce(max(meter_stop), 1000) FROM tx"
    ).fetchone()[0]
    transaction = station.start(begin, 1, tag)
    station.books.wait(HOUR)
    station.stop(transaction, begin + wh)
    station.books.wait(HOUR)
    return transaction


def correct(books: Books, transaction: int, wh: int) -> None:
    correction = decisions.Correction(figure_wh=wh)
    books.run(
        decisions.correct,
        transaction,
        correction,
        Decision("cleo", "read from its display", books.at),
    )


def pay(biller: Biller, amount: int, account: int = ANNA, **given: Any) -> int:
    """Enter a payment, and return its id."""
    named: dict[str, Any] = {"currency": "EUR", "reason": "paid", "at": biller.books.at}
    entry = LedgerEntry(account, LedgerKind.PAYMENT, amount, by="cleo", **named | given)
    return biller.books.run(enter, entry).id


def month_is_over(books: Books, month: int) -> None:
    books.now = datetime(2026, month + 1, 2, 9, tzinfo=UTC)
    books.settle()
