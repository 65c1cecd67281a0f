"""An operator who gives and takes, and whose transactions then are."""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import BillBy, Thing, TimeSpan, What
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.reads.pages import WantedPage
from levity_trio.store.reads.people.households import owned, transactions_of, unowned
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.store.writes.people import accounts, ownership
from levity_trio.store.writes.people.accounts import AccountData
from levity_trio.store.writes.people.ownership import NamedThing, Said
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.books import Books
from tests.store.reading import reading

BERLIN = ZoneInfo("Europe/Berlin")
LONG_AGO = "2026-01-01T00:00:00.000Z"
SPACE = Thing(What.SPACE, "CP-1")


class House:
    """The accounts of a site: 1 is Anna's, 2 is Ben's."""

    def __init__(self, books: Books, bill_by: BillBy = BillBy.TAG) -> None:
        self.books = books
        self.bill_by = bill_by
        if not books.count("account"):
            for name in ("Anna", "Ben"):
                self.add(name)

    @property
    def bill_by(self) -> BillBy:
        """What comes first; others are those of a server that was started again with them."""
        return self.books.bill_by

    @bill_by.setter
    def bill_by(self, bill_by: BillBy) -> None:
        if bill_by is not self.books.bill_by:
            self.books.bill_by = bill_by
            self.books.book_anew()

    @property
    def rule(self) -> Rule:
        return Rule(BERLIN, self.books.policy, self.bill_by)

    def add(self, name: str, since: str = LONG_AGO) -> int:
        return self.books.run(
            accounts.add,
            AccountData(name=name, address="Street 1", since=since),
            self.books.at,
            "cleo",
        )

    def said(self, reason: str | None = None) -> Said:
        return Said(self.books.at, "cleo", reason)

    def give(
        self,
        account: int,
        thing: Thing | str,
        since: str = LONG_AGO,
        until: str | None = None,
        reason: str | None = None,
        vehicle: int | None = None,
        exclusive: bool | None = None,
    ) -> bool:
        belonging = (
            self.tag(thing, vehicle)
            if isinstance(thing, str)
            else NamedThing(thing, is_exclusive=exclusive)
        )
        return bool(
            self.books.run(
                ownership.give, account, belonging, TimeSpan(since, until), self.said(reason)
            )
        )

    def take(self, account: int, thing: Thing | str, since: str, reason: str | None = None) -> None:
        thing = self.tag(thing).thing if isinstance(thing, str) else thing
        self.books.run(ownership.take, account, thing, since, self.said(reason))

    def tag(self, text: str, vehicle: int | None = None) -> NamedThing:
        return NamedThing(Thing(What.TAG, self.books.policy.key(text)), text, vehicle)

    def give_by_hand(self, transaction: int, account: int, reason: str = "a guest") -> None:
        self.books.run(
            decisions.give, transaction, account, Decision("cleo", reason, self.books.at)
        )

    def take_back(self, transaction: int) -> None:
        self.books.run(
            decisions.take_back, transaction, Decision("cleo", "a mistake", self.books.at)
        )

    def whose(self, transaction: int) -> int | None:
        with reading(self.books) as db:
            found = owned(db, transaction, self.rule)
        assert found is not None
        return found.account

    def of(self, account: int, limit: int = 50) -> list[int]:
        """Return the transactions of an account, read page by page, the newest first."""
        found, cursor = list[int](), None
        with reading(self.books) as db:
            while True:
                page = transactions_of(
                    db, TransactionFilters(account=account), WantedPage(limit=limit, cursor=cursor)
                )
                found += [one.transaction.id for one in page.data]
                if (cursor := page.next_cursor) is None:
                    return found

    def of_nobody(self, limit: int = 50, filters: TransactionFilters | None = None) -> list[int]:
        found, cursor = list[int](), None
        with reading(self.books) as db:
            while True:
                page = unowned(
                    db, filters or TransactionFilters(), WantedPage(limit=limit, cursor=cursor)
                )
                found += [one.id for one in page.data]
                if (cursor := page.next_cursor) is None:
                    return found

    def disregard(self, pattern: str) -> None:
        """Start again with --tag-strip."""
        self.books.policy = Policy(strip=re.compile(rf"(?:{pattern})\Z"))
        self.books.book_anew()
