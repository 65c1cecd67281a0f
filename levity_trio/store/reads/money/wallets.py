"""The wallets of accounts: what they have, what was entered by whom, and what their charging has
used so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from levity_trio.access.wallets import OwnedTag
from levity_trio.records import Personal, copied, record
from levity_trio.store.billing.settling import settlement_of
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.lookups.wallets import currency_of, standing_of
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Shape,
    Sort,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)
from levity_trio.told import N_, Told


@record
class WalletRow:
    """The wallet of an account. Amounts are minor units of `currency`, null while nothing is
    entered on this site.

    `owed` is what is to be paid now: what the balance lacks, without what corrections take off
    until the next statement says so; `to_come` is the credit that comes with that.

    `available` is `balance` without `reserved`, what charging has used and was not charged for yet.
    Prepaid, the account is spent while `available` is at or below `limit`: then its tags are
    Blocked.
    """

    account: int
    name: str
    terms: str
    since: str | None
    limit: int
    currency: str | None
    balance: int
    owed: int
    to_come: int
    reserved: int
    available: int
    spent_since: str | None


@record
class EntryRow:
    """An entry of a ledger; `amount` is positive in the account's favour.

    `reason` is its text, `paid_on` the local day on which the money moved, `source` how the entry
    came here, `printed_number` that of its statement as it stands on the paper. `service_id` is who
    gave which id to it.
    """

    id: int
    account: int
    kind: str
    amount: int
    currency: str
    statement: int | None
    printed_number: str | None
    transaction: int | None
    service_id: str | None
    reason: Personal[str]
    entered_at: str
    entered_by: str
    paid_on: str | None
    source: str | None


@record
class ReservationRow:
    """What a transaction has used so far, which its account was not charged for yet."""

    transaction: int
    amount: int
    reserved_at: str
    stop_asked_at: str | None


@record
class TermsRow:
    """How an account was to pay from `since` on, and who said so."""

    terms: str
    limit: int
    since: str
    set_by: str
    reason: Personal[str]


@record
class WalletFilters:
    """A filter of wallets; None means all."""

    is_prepaid: bool | None = None
    is_spent: bool | None = None


WALLET_COLUMNS: Final[Mapping[str, str]] = {
    "name": "name",
    "terms": "prepaid_since IS NULL",
    "balance": "(SELECT coalesce(sum(amount), 0) FROM ledger WHERE ledger.account_id = account.id)",
}
"""The columns by which wallets can be sorted."""
_OF_STATEMENT: Final = "(SELECT {} FROM statement WHERE statement.id = statement_id)"
_ENTRY: Final = Shape(
    EntryRow,
    account="account_id",
    statement=_OF_STATEMENT.format("number"),
    printed_number=_OF_STATEMENT.format("printed_number"),
    transaction="tx_id",
)
_RESERVATION: Final = Shape(ReservationRow, transaction="tx_id")
_TERMS: Final = Shape(TermsRow, terms="kind", limit="limit_amount")
_WALLET: Final = (
    "SELECT name, CASE "
    "WHEN prepaid_since IS NULL THEN 'postpaid' ELSE 'prepaid' END, prepaid_since, spent_since "
    "FROM account LEFT JOIN wallet ON account_id = account.id "
    "WHERE account.id = ?"
)


def wallets(
    db: Database, filters: WalletFilters, wanted: WantedPage, sort: Sort | None = None
) -> ListPage[WalletRow]:
    """Return a page of wallets, by the names of their accounts if nothing else is asked for. Raises
    NoPage."""
    wants = {"prepaid_since": filters.is_prepaid, "spent_since": filters.is_spent}
    conditions = [
        WhereCondition(f"{name} IS {'NOT ' if is_so else ''}NULL")
        for name, is_so in wants.items()
        if is_so is not None
    ]
    source = "account LEFT JOIN wallet ON account_id = account.id"
    listing = by_name(source, conditions, sort=sort)
    page = read_page(db, listing, wanted, lambda key: wallet(db, key[-1]))
    return page.of_rows([one for one in page.data if one is not None])


def wallet(db: Database, account: int) -> WalletRow | None:
    """Return the wallet of an account, None if there is no such account."""
    stored = db.execute(_WALLET, (account,)).fetchall()
    if not stored:
        return None
    name, terms, since, spent_since = stored[0]
    standing = standing_of(rows_of(db), account)
    settlement = settlement_of(rows_of(db), account)
    return copied(
        WalletRow,
        standing,
        account=account,
        name=name,
        terms=terms,
        since=since,
        owed=settlement.owed,
        to_come=settlement.to_come,
        currency=currency_of(rows_of(db)),
        spent_since=spent_since,
    )


def to_pay_out(db: Database, at: str) -> list[WalletRow]:
    """Return the wallets of who moved out and has something left, which no statement takes off."""
    wanted = (
        "SELECT id FROM account WHERE until <= ? AND (SELECT coalesce(sum(amount), 0) FROM ledger "
        "WHERE account_id = account.id) > 0 ORDER BY id"
    )
    found = [wallet(db, account) for (account,) in db.execute(wanted, (at,)).fetchall()]
    return [one for one in found if one is not None]


def entries(db: Database, account: int, kind: str | None, wanted: WantedPage) -> ListPage[EntryRow]:
    """Return a page of the entries of an account, the newest first. Raises NoPage."""
    conditions = given(("account_id = ?", account), ("kind = ?", kind))
    listing = ListKeys([Branch("ledger INDEXED BY ledger_of_account", conditions)])
    load = _ENTRY.by_id(db, "ledger")
    return read_page(db, listing, wanted, lambda key: _told(load(key)))


def entry(db: Database, number: int) -> EntryRow:
    """Return one entry."""
    return _told(_ENTRY.every(db, "FROM ledger WHERE id = ?", (number,))[0])


_OWN_REASONS: Final[Mapping[str, str]] = N_(
    {
        "statement {}": "statement {1}",
        "transaction {}": "session {1}",
        "transaction {} belongs to another account now": (
            "session {1} belongs to another household now"
        ),
        "transaction {} belongs to this account again": (
            "session {1} belongs to this household again"
        ),
    }
)
"""The reasons that the program enters itself, as they are stored, and as they are told."""


def _told(entry: EntryRow) -> EntryRow:
    """Return an entry with the reason as a text, if it is the program's own."""
    number = entry.statement if entry.transaction is None else entry.transaction
    for stored, told in _OWN_REASONS.items():
        if number is not None and entry.reason == stored.format(number):
            shown = number if entry.transaction else entry.printed_number
            return replace(entry, reason=Told(told, shown or ""))
    return entry


def reservations(db: Database, account: int, most: int) -> list[ReservationRow]:
    """Return what the transactions of an account have used so far, the newest first."""
    rest = "FROM wallet_reservation WHERE account_id = ? ORDER BY tx_id DESC LIMIT ?"
    return _RESERVATION.every(db, rest, (account, most))


def terms(db: Database, account: int) -> list[TermsRow]:
    """Return how an account was to pay, the newest first."""
    return _TERMS.every(
        db, "FROM wallet_terms WHERE account_id = ? ORDER BY id DESC LIMIT 100", (account,)
    )


def spent_accounts(db: Database) -> list[int]:
    """Return the accounts that are spent."""
    found = db.execute(
        "SELECT account_id FROM wallet INDEXED BY wallet_spent WHERE spent_since IS NOT NULL"
    )
    return [account for (account,) in found.fetchall()]


def limits_reached(db: Database, at: str) -> list[tuple[tuple[str, str], str]]:
    """Return the tags and accounts that have used what they may, and until when."""
    found = db.execute(
        "SELECT what, key, until FROM month_standing WHERE reached_at IS NOT NULL AND until > ?",
        (at,),
    )
    return [((what, key), until) for what, key, until in found.fetchall()]


def owned_tags(db: Database) -> list[OwnedTag]:
    """Return the tags that belong to accounts, did or will."""
    sql = (
        "SELECT id, key, account_id, since, until FROM ownership "
        "WHERE what = 'tag' AND voided_at IS NULL"
    )
    return [OwnedTag(*row) for row in db.execute(sql).fetchall()]
