"""What transactions cost prepaid accounts now: those that changed, those that are open, and those
that are reserved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from levity_trio.access.tags import Policy, Unknown
from levity_trio.billing.money import tax_sums
from levity_trio.billing.ownership import BillBy
from levity_trio.billing.statement import PositionKind
from levity_trio.config import ServerConfig
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.engine.database import Database, marks, rows_of
from levity_trio.wire.times import stamp

_CHANGED: Final = (
    "SELECT tx_id, revision FROM bill_work "
    "WHERE revision > ? AND tx_id IS NOT NULL ORDER BY revision LIMIT ?"
)
_OPEN: Final = (
    "SELECT id FROM tx INDEXED BY tx_open WHERE status = 'Active' AND id > ?1 ORDER BY id LIMIT ?2"
)
_RESERVED: Final = "SELECT tx_id FROM wallet_reservation WHERE tx_id > ?1 ORDER BY tx_id LIMIT ?2"
_REVISIONS: Final = "SELECT tx_id, revision FROM bill_work WHERE tx_id IN ({})"
_TOUCHED: Final = (
    "SELECT tx_id FROM ledger WHERE kind = 'charge' AND tx_id IN ({0})"
    " UNION SELECT tx_id FROM wallet_reservation WHERE tx_id IN ({0})"
)
_PREPAID: Final = "SELECT account_id FROM wallet WHERE prepaid_since IS NOT NULL"
_TO_STOP: Final = (
    "SELECT tx_id, cp_id FROM wallet INDEXED BY wallet_spent "
    "CROSS JOIN wallet_reservation USING (account_id) "
    "JOIN tx ON tx.id = tx_id "
    "WHERE spent_since IS NOT NULL AND status = 'Active' AND coalesce(stop_asked_at, '') <= ?"
)


class TransactionCharge(NamedTuple):
    """What a transaction costs its account now, in minor units; what it is reckoned with while its
    price is not known; None where neither can be told.

    `revision` is the one of its last change that the price knows, 0 without any. `ended_at` is None
    while it is open.
    """

    transaction: int
    revision: int
    account: int | None
    amount: int | None
    currency: str
    is_certain: bool
    ended_at: str | None


class ChargesFound(NamedTuple):
    """The transactions that were found, and whereafter to look next; None at the end."""

    transactions: list[int]
    next: int | None


def policy_of(config: ServerConfig) -> Policy:
    """Return the settings by which tags are judged. Without its answer, the authorizer's own rule
    goes before ours."""
    unknown = config.authorizer_away if config.authorizer else config.unknown_tags
    own = config.auto_start_id_tag if config.auto_start else None
    return Policy(
        Unknown(unknown),
        config.tag_strip,
        own,
        has_authorizer=config.authorizer is not None,
        bills_connector_first=config.bill_by == "connector",
    )


def rule_of(config: ServerConfig, policy: Policy) -> Rule:
    """Return by what transactions are billed."""
    return Rule(config.time_zone, policy, BillBy(config.bill_by))


def are_kept(db: Database) -> bool:
    """Whether any account has, or had, terms."""
    return bool(db.execute("SELECT 1 FROM wallet LIMIT 1").fetchall())


def changed(db: Database, after: int, most: int) -> ChargesFound:
    """Return the next transactions that changed after a revision."""
    found = db.execute(_CHANGED, (after, most)).fetchall()
    return ChargesFound([number for number, _ in found], found[-1][1] if found else None)


def present(db: Database, after: int, most: int) -> ChargesFound:
    """Return the next transactions after an id that are open or reserved."""
    rows = rows_of(db)
    numbers = sorted(
        {number for sql in (_OPEN, _RESERVED) for (number,) in rows(sql, (after, most))}
    )[:most]
    return ChargesFound(numbers, numbers[-1] if numbers else None)


def to_stop(db: Database, before: str) -> list[tuple[int, str]]:
    """Return the open transactions of spent accounts, with their chargers, that were not asked to
    stop since a time."""
    return db.execute(_TO_STOP, (before,)).fetchall()


def used(db: Database, numbers: Sequence[int], rule: Rule) -> list[TransactionCharge]:
    """Return what transactions cost, as far as wallets are concerned."""
    if not numbers:
        return []
    rows = rows_of(db)
    pricer, among = Pricer(rows, rule), marks(numbers)
    prepaid = {account for (account,) in rows(_PREPAID, ())}
    touched = {number for (number,) in rows(_TOUCHED.format(among), (*numbers, *numbers))}
    owners = pricer.owners(numbers)
    touched |= {number for number, owner in owners.items() if owner.account in prepaid}
    kept = [number for number in numbers if number in touched]
    revisions: dict[int, int] = dict(rows(_REVISIONS.format(among), numbers))
    priced = pricer.price(kept)
    return [_one(number, priced[number], revisions.get(number, 0)) for number in kept]


def _one(number: int, priced: Priced, revision: int) -> TransactionCharge:
    is_certain = priced.kind in (PositionKind.SESSION, PositionKind.FREE) and not priced.waits
    ended_at = priced.position.ended_at
    priced = priced.reckoned or priced
    return TransactionCharge(
        transaction=number,
        revision=revision,
        account=priced.account,
        amount=gross_of(priced),
        currency="" if priced.versions is None else next(iter(priced.versions)).currency.code,
        is_certain=is_certain,
        ended_at=None if priced.is_open or ended_at is None else stamp(ended_at),
    )


def gross_of(priced: Priced) -> int | None:
    """Return what a transaction costs with tax, None without a price."""
    if priced.versions is None or priced.kind not in (PositionKind.SESSION, PositionKind.FREE):
        return None
    are_gross = next(iter(priced.versions)).are_gross
    return sum(tax.gross for tax in tax_sums(priced.position.lines, are_gross=are_gross))
