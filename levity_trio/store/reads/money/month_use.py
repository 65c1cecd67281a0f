"""What the transactions of households and cards with a limit of a month have used in it.

A transaction counts as a whole in the month in which it ended, as on a statement; one that is open
counts in the present month. One whose figure is in doubt counts as far as it did before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from levity_trio.billing.statement import PositionKind
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.engine.database import Database, Rows, marks, rows_of
from levity_trio.store.lookups.places import NEWEST
from levity_trio.store.reads.transactions.charges import gross_of
from levity_trio.wire.times import stamp

IS_OF_MONTH: Final = "(month_wh IS NOT NULL OR month_amount IS NOT NULL)"
LIMITED: Final = (
    f"SELECT what, key, month_wh, month_amount FROM usage_limit WHERE {NEWEST} AND {IS_OF_MONTH}"  # noqa: S608
)
_ANY: Final = (
    f"SELECT 1 FROM usage_limit WHERE {IS_OF_MONTH} UNION ALL SELECT 1 FROM month_standing LIMIT 1"  # noqa: S608 - ours
)
_ENDED: Final = (
    "SELECT id FROM tx INDEXED BY tx_ended "
    "WHERE stop_time IS NOT NULL AND stop_time >= ? "
    "ORDER BY stop_time, id"
)
_OPEN: Final = "SELECT id FROM tx INDEXED BY tx_open WHERE status = 'Active' ORDER BY id"
_CHANGED: Final = (
    "SELECT tx_id, revision FROM bill_work "
    "WHERE revision > ? AND tx_id IS NOT NULL ORDER BY revision LIMIT ?"
)
_REVISIONS: Final = "SELECT tx_id, revision FROM bill_work WHERE tx_id IN ({})"
_KEPT: Final = (
    "SELECT tx_id, account_id, key, ended_at, wh, amount FROM month_use WHERE tx_id IN ({})"
)
_TO_STOP: Final = (
    "SELECT tx_id, cp_id "
    "FROM month_standing INDEXED BY month_standing_reached "
    "JOIN month_use ON month_use.ended_at IS NULL AND (what = 'tag' "
    "AND month_use.key = month_standing.key OR what = 'account' "
    "AND month_use.account_id = CAST(month_standing.key AS INTEGER)) "
    "JOIN tx ON tx.id = tx_id "
    "WHERE reached_at IS NOT NULL AND until > ? AND status = 'Active' "
    "AND coalesce(stop_asked_at, '') <= ?"
)


MILLION: Final = 10**6


class CountedTransaction(NamedTuple):
    """What a transaction counts for now. `revision` is the one of its last change that this knows,
    0 without any.

    `account` and `key` are the household and the tag with a limit that it counts for, if any;
    `ended_at` is None while it is open. `amount` is with tax, in millionths of a minor unit: tax is
    rounded once for the month.
    """

    transaction: int
    revision: int
    account: int | None
    key: str | None
    ended_at: str | None
    wh: int
    amount: int


def are_limited(db: Database) -> bool:
    """Whether a card or a household has, or had, a limit of a month."""
    return bool(db.execute(_ANY).fetchall())


def newest_revision(db: Database) -> int:
    """Return the revision of the last change that bills depend on."""
    return int(db.execute("SELECT coalesce(max(revision), 0) FROM bill_work").fetchall()[0][0])


def ended_since(db: Database, since: str) -> list[int]:
    """Return the transactions that ended since a time."""
    return [number for (number,) in db.execute(_ENDED, (since,)).fetchall()]


def changed(db: Database, after: int, most: int) -> list[tuple[int, int]]:
    """Return the next transactions of which something changed after a revision, with the revision
    of the change."""
    return db.execute(_CHANGED, (after, most)).fetchall()


def open_now(db: Database) -> list[int]:
    """Return the open transactions."""
    return [number for (number,) in db.execute(_OPEN).fetchall()]


def to_stop(db: Database, at: str, before: str) -> list[tuple[int, str]]:
    """Return the open transactions of those who have used what they may, with their chargers, that
    were not asked to stop since a time."""
    return [*dict.fromkeys(db.execute(_TO_STOP, (at, before)).fetchall())]


def counted(db: Database, numbers: Sequence[int], rule: Rule) -> list[CountedTransaction]:
    """Return those of the transactions that count for something else than is stored."""
    if not numbers:
        return []
    rows = rows_of(db)
    among = marks(numbers)
    kept = {row[0]: row[1:] for row in rows(_KEPT.format(among), numbers)}
    accounts, keys = _limited(rows)
    pricer = Pricer(rows, rule)
    tags: dict[int, str | None] = dict(
        rows(f"SELECT id, id_tag FROM tx WHERE id IN ({among})", numbers)  # noqa: S608
    )
    owned = {
        number: (owner.account if owner.account in accounts else None)
        for number, owner in pricer.owners(numbers).items()
    }
    keyed = {
        number: key for number, tag in tags.items() if tag and (key := rule.policy.key(tag)) in keys
    }
    concerned = [
        one for one in numbers if one in kept or owned.get(one) is not None or one in keyed
    ]
    revisions: dict[int, int] = dict(rows(_REVISIONS.format(among), numbers))
    found = [
        _counted(
            one, revisions.get(number, 0), owned.get(number), keyed.get(number), kept.get(number)
        )
        for number, one in pricer.price(concerned).items()
    ]
    return [one for one in found if kept.get(one.transaction) != tuple(one[2:])]


def _limited(rows: Rows) -> tuple[set[int], set[str]]:
    """Return the accounts and the normal forms of tags that have a limit of a month."""
    keys: dict[str, set[str]] = {"account": set(), "tag": set()}
    for what, key, *_ in rows(LIMITED, ()):
        keys[what].add(key)
    return {*map(int, keys["account"])}, keys["tag"]


def _counted(
    priced: Priced,
    revision: int,
    account: int | None,
    key: str | None,
    kept: tuple[object, ...] | None,
) -> CountedTransaction:
    position, amount = priced.position, None
    if gross_of(priced) is not None and priced.versions is not None:
        are_gross = next(iter(priced.versions)).are_gross
        amount = sum(
            line.amount * int(MILLION + (0 if are_gross else line.tax_rate * MILLION / 100))
            for line in position.lines
        )
    *_, kept_wh, kept_amount = kept or (0, 0)
    is_doubtful = priced.kind is PositionKind.HELD_BACK
    return CountedTransaction(
        transaction=position.transaction or 0,
        revision=revision,
        account=account,
        key=key,
        ended_at=None if priced.is_open or position.ended_at is None else stamp(position.ended_at),
        wh=int(str(kept_wh)) if is_doubtful else position.energy_wh,
        amount=int(str(kept_amount)) if is_doubtful or amount is None else max(0, amount),
    )
