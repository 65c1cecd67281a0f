"""An owner who bills the house of `owning.House`, month by month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import trio

from levity_trio.billing.assignments import Scope, Target
from levity_trio.billing.months import Month
from levity_trio.billing.ownership import BillBy
from levity_trio.billing.statement import Statement
from levity_trio.billing.tariff_file import parse
from levity_trio.notify.statements import sheet_text
from levity_trio.store.billing.drafting import Closables, Order
from levity_trio.store.billing.due import Plan, Terms
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.statements import statement
from levity_trio.store.engine.database import Database
from levity_trio.store.reads import billing as reads
from levity_trio.store.reads.shapes import rows_of
from levity_trio.store.upkeep.preparing import Preparing, Progress
from levity_trio.store.writes import tariffs
from levity_trio.store.writes.billing import closing
from levity_trio.store.writes.billing.closing import Closed
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
    """Prepares and closes months. Everybody has the flat tariff of 0.30 a kWh unless a test adds others."""

    def __init__(self, house: House, begun_on: date = date(2026, 3, 1), *, has_begun: bool = False) -> None:
        self.house = house
        self.books = house.books
        self.zone = BERLIN
        self.carry_below = 0
        self.language: str | None = None
        self.preparing = Preparing(InlineReader(self.books), self._writer, self._now)  # type: ignore[arg-type]
        if has_begun:
            return
        self.assign(self.add(FLAT), date(2026, 1, 1))
        self.books.run(closing.begin, begun_on, self.books.at, "cleo")
        self.books.connection.execute(
            "INSERT INTO biller (name, payment_days, set_at, set_by) VALUES ('Owner', 14, '', 'cleo')"
        )

    @property
    def _writer(self) -> Any:
        books = self.books

        class Writer:
            async def run(self, write: Any, *args: Any) -> Any:
                await trio.lowlevel.checkpoint()
                return books.run(write, *args)

        return Writer()

    def _now(self) -> datetime:
        return self.books.now

    # What the owner does

    def add(self, toml: str) -> int:
        return self.books.run(tariffs.add, tariffs.Given(toml, parse(toml)), None, self.house.said()).id

    def assign(self, tariff: int | None, since: date, account: int | None = None) -> None:
        target = Target(Scope.SITE, "") if account is None else Target(Scope.ACCOUNT, str(account))
        begins_at = datetime.combine(since, datetime.min.time(), BERLIN).astimezone(UTC).isoformat()
        self.books.run(tariffs.assign, tariffs.Assigning(target, tariff, since, begins_at), None, self.house.said())

    def prepare(self, month: str, account: int | None = None, seconds: float = 60) -> Progress:
        _, progress = trio.run(self._prepare, month, account, seconds)
        return progress

    async def _prepare(self, month: str, account: int | None, seconds: float) -> tuple[Plan, Progress]:
        return await self.preparing.prepare(Month.parse(month), account, self.terms, seconds)

    @property
    def terms(self) -> Terms:
        return Terms(Rule(self.zone, self.books.policy, self.house.bill_by), self.carry_below)

    def prepared(self, month: str) -> Plan:
        planned, progress = trio.run(self._prepare, month, None, 60)
        assert progress.is_ready
        return planned

    @property
    def order(self) -> Order:
        return Order("cleo", self.books.at, sheet_text, b"salt", self.language)

    def closable(self, draft: int) -> Closables:
        with reading(self.books) as db:
            return reads.closable(db, draft, self.order)

    def close(self, month: str, account: int | None = None) -> Closed:
        """Prepare a month and close it, and delete what that settled."""
        planned, progress = trio.run(self._prepare, month, account, 60)
        assert progress.is_ready
        closed = self.books.run(closing.close, planned, self.order, self.closable(progress.draft))
        trio.run(self.preparing.discard, progress.draft)
        if account is None:
            self.books.run(closing.settle, planned, 1000)
        return closed

    # What came of it

    def statement(self, number: int) -> Statement:
        (found,) = self.books.rows("SELECT id FROM statement WHERE number = ?", number)
        with reading(self.books) as db:
            return statement(rows_of(db), found[0])

    def lines(self, account: int, month: str, *, is_closed: bool = True) -> list[Line]:
        """Return the positions of the statements of an account for a month."""
        which = "NOT NULL" if is_closed else "NULL"
        found = self.books.rows(
            "SELECT kind, tx_id, energy_wh, amount FROM position JOIN statement ON statement.id = statement_id"
            f" WHERE statement.account_id = ? AND statement.month = ? AND number IS {which} ORDER BY position.id",
            *(account, month),
        )
        return [Line(*row) for row in found]

    def balance(self, account: int) -> int:
        return int(self.books.value("SELECT coalesce(sum(amount), 0) FROM ledger WHERE account_id = ?", account))

    def sums(self, progress: Progress, month: str) -> reads.DraftSums:
        planned, _ = trio.run(self._prepare, month, None, 60)
        with reading(self.books) as db:
            return reads.draft_sums(db, progress.draft, planned)


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
    begin = station.books.connection.execute("SELECT coalesce(max(meter_stop), 1000) FROM tx").fetchone()[0]
    transaction = station.start(begin, 1, tag)
    station.books.wait(HOUR)
    station.stop(transaction, begin + wh)
    station.books.wait(HOUR)
    return transaction


def correct(books: Books, transaction: int, wh: int) -> None:
    correction = decisions.Correction(figure_wh=wh)
    books.run(decisions.correct, transaction, correction, Decision("cleo", "read from its display", books.at))


def month_is_over(books: Books, month: int) -> None:
    books.now = datetime(2026, month + 1, 2, 9, tzinfo=UTC)
    books.settle()
