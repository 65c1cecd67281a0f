"""What is known about an account besides its transactions, entries and statements; and what people decided about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from levity_trio.access.tags import Policy
from levity_trio.records import record
from levity_trio.store.cases.settled import NO_PERSONS
from levity_trio.store.engine.database import Database
from levity_trio.store.reads import accounts, users, wallets
from levity_trio.store.reads.accounts import Account, Vehicle
from levity_trio.store.reads.belongings import Belonging, belongings_of
from levity_trio.store.reads.personal import PersonalDeletion, deletion
from levity_trio.store.reads.tags import TagRow, periods
from levity_trio.store.reads.transactions import TransactionEvent, events_of
from levity_trio.store.reads.users import LoginRow, UserRow
from levity_trio.store.reads.wallets import TermsRow, WalletRow


@record
class About:
    """An account, what belonged to it and when, and what its tags were while they were its own. Its drivers, and their
    log-ins."""

    account: Account
    belongings: list[Belonging]
    tags: list[TagRow]
    vehicles: list[Vehicle]
    wallet: WalletRow | None
    terms: list[TermsRow]
    drivers: list[UserRow]
    logins: list[LoginRow]
    deletion: PersonalDeletion | None


def about(db: Database, account: int, policy: Policy) -> About | None:
    """Return what is known about an account, None if there is none."""
    db.execute("BEGIN")
    found = accounts.account(db, account)
    if found is None:
        return None
    belongings = belongings_of(db, account)
    vehicles = [accounts.vehicle(db, one) for one in sorted({one.vehicle for one in belongings if one.vehicle})]
    return About(
        account=found,
        belongings=belongings,
        tags=list(_tags(db, belongings, policy)),
        vehicles=[one for one in vehicles if one is not None],
        wallet=wallets.wallet(db, account),
        terms=wallets.terms(db, account),
        drivers=users.drivers_of(db, account),
        logins=users.logins_of(db, account),
        deletion=deletion(db, account),
    )


def _tags(db: Database, belongings: Sequence[Belonging], policy: Policy) -> Iterator[TagRow]:
    owned = [one for one in belongings if one.tag is not None and one.voided_at is None]
    for key in sorted({policy.key(one.tag) for one in owned if one.tag is not None}):
        spans = [(one.since, one.until or "9999") for one in owned if one.tag and policy.key(one.tag) == key]
        for row in periods(db, key):
            if any(row.created_at < until and (row.ended_at or "9999") > since for since, until in spans):
                yield row


def decided(db: Database, transactions: Sequence[int]) -> list[tuple[int, TransactionEvent]]:
    """Return what people decided about some transactions."""
    return [(tx, one) for tx in transactions for one in events_of(db, tx) if one.who not in NO_PERSONS]
