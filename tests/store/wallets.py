"""The wallets of a house: what is entered, and how its accounts stand."""

from __future__ import annotations

from typing import Any

from levity_trio.access.tags import Index
from levity_trio.billing.ledger import LedgerKind, WalletStanding, WalletTerms
from levity_trio.billing.ownership import BillBy
from levity_trio.events import WalletCovered, WalletSpent
from levity_trio.store.lookups.places import standing_of
from levity_trio.store.reads.money.wallets import owned_tags, spent_accounts
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.money.ledger import EntryResult, LedgerEntry, NewTerms
from tests.store.books import Books
from tests.store.owning import House
from tests.store.reading import reading

ANNA, BEN = 1, 2


class Purses(House):
    """A house whose accounts have wallets."""

    def __init__(self, books: Books, bill_by: BillBy = BillBy.TAG) -> None:
        super().__init__(books, bill_by)
        self.tags = Index(books.policy)

    def entry(
        self, kind: LedgerKind, amount: int, account: int = ANNA, **given: Any
    ) -> LedgerEntry:
        named = {"currency": "EUR", "reason": "why", "at": self.books.at, "by": "cleo"} | given
        return LedgerEntry(account, kind, amount, **named)

    def enter(
        self, kind: LedgerKind, amount: int, account: int = ANNA, **given: Any
    ) -> EntryResult:
        return self.books.run(ledger.enter, self.entry(kind, amount, account, **given))

    def prepay(
        self, account: int = ANNA, limit: int = 0, terms: WalletTerms = WalletTerms.PREPAID
    ) -> bool:
        new = NewTerms(terms, limit, "why", self.books.at, "cleo")
        return self.books.run(ledger.set_terms, account, new)

    def standing(self, account: int = ANNA) -> WalletStanding:
        return self.books.run(lambda db: standing_of(db.rows, account))

    def statement(self, total: int, account: int = ANNA, **given: Any) -> int:
        """Return the id of a closed statement."""
        add, number = self.books.connection.execute, self.books.count("statement") + 1
        of_closing = (
            "month, account_id, terms, statements, previous_digest, digest, closed_at, closed_by"
        )
        add(
            f"INSERT INTO closing ({of_closing}) VALUES ('2026-03', 1, '', 1, '', '', ?, '')",
            (self.books.at,),
        )
        values: dict[str, object] = {
            "month": "2026-03",
            "zone": "UTC",
            "currency": "EUR",
            "prices": "gross",
        }
        values |= {
            "taxes": "[]",
            "charged": total,
            "carried_in": 0,
            "is_carried": int(total < 0),
            "content": "",
        }
        values |= {
            "closing_id": number,
            "number": number,
            "printed_number": str(number),
            "party_digest": "",
            "previous_digest": "",
        }
        values |= {"digest": str(number), "account_id": account, "total": total} | given
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        add(f"INSERT INTO statement ({names}) VALUES ({marks})", tuple(values.values()))
        return number

    def turns(self) -> list[tuple[str, int]]:
        """The facts about accounts that were spent or covered."""
        facts = [fact for fact in self.books.facts if isinstance(fact, WalletSpent | WalletCovered)]
        return [(type(fact).__name__, fact.account) for fact in facts]

    def judge(self, id_tag: str) -> str:
        """Return the verdict of the memory on a tag; it follows all facts, and so does one that
        begins now."""
        followed, begun = Index(self.books.policy), Index(self.books.policy)
        for fact in self.books.facts:
            followed.observe(fact)
        with reading(self.books) as db:
            begun.wallets.load(owned_tags(db), spent_accounts(db))
        found = {index.judge(id_tag, self.books.at).status for index in (followed, begun)}
        (status,) = found
        return status
