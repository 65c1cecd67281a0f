"""Prepaid accounts: when one is spent, whose tags are Blocked then, and what the local lists have
of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from levity_trio.access.tags import Index
from levity_trio.billing.ledger import LedgerKind, WalletStanding, WalletTerms
from levity_trio.billing.ownership import BillBy, Thing, What
from levity_trio.config import ServerConfig
from levity_trio.events import TransactionStarted, WalletTermsChanged
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.reader import Reader
from levity_trio.store.reads.transactions.costs import policy_of
from levity_trio.store.upkeep.following import open_tags
from levity_trio.store.writes.people.accounts import ChangeRefused, RefusalCode
from levity_trio.store.writes.people.tags import judge_tag
from tests.charger.parts import InlineWriter
from tests.store.books import Books, Station
from tests.store.list_keeping import Keeping
from tests.store.owning import SPACE
from tests.store.reading import SlowReader
from tests.store.template import new_database
from tests.store.wallets import ANNA, BEN, Purses

SPENT, COVERED = ("WalletSpent", ANNA), ("WalletCovered", ANNA)


@pytest.fixture
def purses(books: Books) -> Purses:
    purses = Purses(books)
    purses.give(ANNA, "Card")
    purses.give(BEN, "Other")
    return purses


def verdict(station: Station, tag: str, connector: int = 1) -> str:
    """The verdict on a start, with the transaction stopped again."""
    started = station.start_with_verdict(1000, connector, tag, None)
    station.books.wait(1)
    station.stop(started.transaction, 1000)
    station.books.wait(1)
    return started.verdict.status


def test_a_prepaid_account_without_money_may_not_charge(purses: Purses, station: Station) -> None:
    assert (purses.judge("card"), verdict(station, "card")) == ("Accepted", "Accepted")
    assert purses.prepay()
    assert purses.turns() == [SPENT]
    assert (purses.judge("card"), verdict(station, "CARD ")) == ("Blocked", "Blocked")
    assert (
        purses.books.run(judge_tag, purses.books.policy, "Card", purses.books.at).status
        == "Blocked"
    )
    assert (purses.judge("Other"), verdict(station, "Other")) == ("Accepted", "Accepted")
    purses.enter(LedgerKind.TOP_UP, 1)
    assert purses.turns() == [SPENT, COVERED]
    assert (purses.judge("card"), verdict(station, "card")) == ("Accepted", "Accepted")
    assert len(purses.books.recorded(TransactionStarted)) == 4  # a refused one is kept, too


def test_the_limit(purses: Purses) -> None:
    purses.enter(LedgerKind.TOP_UP, 500)
    purses.prepay(limit=499)
    assert purses.standing() == WalletStanding(500, 0, True, 499)
    purses.enter(LedgerKind.CORRECTION, -1)  # at the limit
    assert purses.turns() == [SPENT]
    purses.prepay(limit=-1000)  # a credit line
    assert purses.turns() == [SPENT, COVERED]
    purses.enter(LedgerKind.CHARGEBACK, -1499)
    assert purses.turns() == [SPENT, COVERED, SPENT]
    assert not purses.prepay(limit=-1000)
    purses.prepay(terms=WalletTerms.POSTPAID)
    assert purses.turns() == [SPENT, COVERED, SPENT, COVERED]
    assert len(purses.books.recorded(WalletTermsChanged)) == 3
    limits = purses.books.rows("SELECT limit_amount FROM wallet_terms ORDER BY id")
    assert [limit for (limit,) in limits] == [499, -1000, 0]
    work = purses.books.value("SELECT max(revision) FROM bill_work WHERE account_id = 1")
    assert work == purses.books.value("SELECT max(revision) FROM bill_work")


def test_a_limit_that_is_no_amount(purses: Purses) -> None:
    with pytest.raises(ChangeRefused) as caught:
        purses.prepay(limit=10**13)
    assert (caught.value.code, caught.value.field) == (RefusalCode.INVALID, "limit")
    with pytest.raises(ChangeRefused):
        purses.prepay(9)


def test_prepaid_without_a_break(purses: Purses) -> None:
    """A limit may change meanwhile; what ended while the account was postpaid is left to its
    statement."""
    purses.prepay()
    since = purses.books.value("SELECT prepaid_since FROM wallet")
    purses.books.wait(60)
    purses.prepay(limit=5)
    assert purses.books.value("SELECT prepaid_since FROM wallet") == since
    purses.prepay(terms=WalletTerms.POSTPAID)
    purses.books.wait(60)
    purses.prepay()
    assert purses.books.value("SELECT prepaid_since FROM wallet") > since


def test_a_tag_that_changes_hands(purses: Purses, station: Station) -> None:
    """The period of a tag counts, also one that ends or begins later; a voided one does not."""
    purses.prepay()
    later = "2026-03-01T13:00:00.000Z"
    purses.give(BEN, "Card", since=later)
    assert purses.judge("Card") == "Blocked"
    purses.books.wait(61)
    assert (purses.judge("Card"), verdict(station, "Card")) == ("Accepted", "Accepted")
    purses.give(ANNA, "Other", since="2026-02-01T00:00:00.000Z", until=later, reason="it was hers")
    assert purses.judge("Other") == "Accepted"
    purses.give(ANNA, "Other", since="2026-02-01T00:00:00.000Z", reason="it is hers")
    assert (purses.judge("Other"), verdict(station, "Other")) == ("Blocked", "Blocked")
    purses.take(ANNA, "Other", since="2026-02-01T00:00:00.000Z", reason="it is nobody's")
    assert (purses.judge("Other"), verdict(station, "Other")) == ("Accepted", "Accepted")


@pytest.mark.parametrize(
    ("bill_by", "blocked"),
    [(BillBy.TAG, ["Card", "Guest"]), (BillBy.CONNECTOR, ["Card", "Guest", "Other"])],
)
def test_who_would_pay(books: Books, station: Station, bill_by: BillBy, blocked: list[str]) -> None:
    """On a space of a spent account a guest may not charge; Ben may, if his own tag is what he is
    billed by."""
    books.policy = policy_of(ServerConfig(bill_by=bill_by))
    purses = Purses(books, bill_by)
    purses.give(ANNA, "Card")
    purses.give(BEN, "Other")
    purses.give(ANNA, SPACE._replace(connector=2))
    purses.prepay()
    assert [
        tag for tag in ("Card", "Guest", "Other") if verdict(station, tag, 2) == "Blocked"
    ] == blocked
    assert verdict(station, "Card") == "Blocked"  # wherever it is
    assert (verdict(station, "Guest"), purses.judge("Guest")) == ("Accepted", "Accepted")
    purses.give(BEN, Thing(What.SPACE, "CP-1"))
    assert verdict(station, "Guest") == "Accepted"  # Ben pays


def test_a_blocked_tag_leaves_the_local_lists_and_comes_back(
    purses: Purses, station: Station
) -> None:
    keeping = Keeping(station)
    for tag in ("Card", "Other"):
        keeping.add(tag)
    keeping.settle()
    purses.prepay()
    assert keeping.status().behind == 1
    keeping.settle()
    assert {tag: entry["status"] for tag, entry in keeping.memory.local_list.items()} == {
        "card": "Blocked",
        "other": "Accepted",
    }
    assert keeping.status().behind == 0
    later = "2026-03-02T00:00:00.000Z"
    purses.give(BEN, "Card", since=later)
    assert keeping.next_turn() == later
    purses.enter(LedgerKind.TOP_UP, 1)
    assert (keeping.status().behind, keeping.next_turn()) == (1, later), (
        "it is of another group from then on"
    )
    keeping.settle()
    assert keeping.memory.local_list["card"]["status"] == "Accepted"


async def test_a_start_of_the_server_knows_them_at_once(tmp_path: Path) -> None:
    with new_database(tmp_path / "site.db") as connection:
        books = Books(connection)
        purses = Purses(books)
        purses.give(ANNA, "Card-1")
        purses.prepay()
        index = Index(replace(books.policy, strip=re.compile("-[0-9]")))
        reader = Reader(tmp_path / "site.db")
        async with open_tags(
            cast(Writer, InlineWriter(connection)), reader, index, lambda: books.now
        ):
            assert index.judge("CARD-7", books.at).status == "Blocked"
            assert index.judge("Other", books.at).status == "Accepted"


async def test_what_changes_while_a_start_reads(tmp_path: Path) -> None:
    """At another server: Anna pays after it was read that she is spent, and Ben's tag is taken
    after it was read."""
    with new_database(tmp_path / "site.db") as connection:
        books = Books(connection)
        purses, index = Purses(books), Index(books.policy)
        for account, tag in ((ANNA, "Card"), (BEN, "Other"), (BEN, "Key")):
            purses.give(account, tag)
            purses.prepay(account)

        def learn(change: Callable[[], object]) -> None:
            known = len(books.facts)
            change()
            for fact in books.facts[known:]:
                index.observe(fact)

        reader = SlowReader(tmp_path / "site.db")
        reader.meanwhile = [
            lambda: learn(lambda: purses.take(BEN, "Other", since=books.at)),
            lambda: learn(lambda: purses.enter(LedgerKind.TOP_UP, 1)),
        ]
        async with open_tags(
            cast(Writer, InlineWriter(connection)), reader, index, lambda: books.now
        ):
            found = {tag: index.judge(tag, books.at).status for tag in ("Card", "Other", "Key")}
        assert found == {"Card": "Accepted", "Other": "Accepted", "Key": "Blocked"}
        assert not reader.meanwhile
