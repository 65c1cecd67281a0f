"""What was done to whole households and whether it can be undone; what moving out ends; and cards
that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import orjson

from levity_trio.access.tags import Policy
from levity_trio.records import record
from levity_trio.store.engine.database import Database, Rows, rows_of
from levity_trio.store.reads.money import wallets
from levity_trio.store.reads.pages import Shape
from levity_trio.store.reads.people import accounts, users
from levity_trio.store.reads.people.accounts import Belonging, belongings_of
from levity_trio.store.reads.people.tags import look_alikes
from levity_trio.told import N_, Told
from levity_trio.wire.times import in_zone

MOST: Final = 20
RECENT_FACTS: Final = 2000
"""Among so many of the newest facts an unknown card is looked for."""
_OPEN: Final = (
    "SELECT tx_id FROM booked "
    "WHERE account_id = ? AND tx_id IN (SELECT id FROM tx WHERE status = 'Active') "
    "ORDER BY started_at DESC, tx_id DESC"
)
_AFTER: Final = "SELECT count(*) FROM booked WHERE account_id = ? AND started_at >= ?"
_TASKS: Final = (
    "FROM household_task JOIN household_task_account ON task_id = id"
    " WHERE account_id = ? ORDER BY id DESC LIMIT ?"
)
_PRESENTED: Final = (
    "SELECT cp_id, at, data FROM (SELECT * FROM event ORDER BY id DESC LIMIT ?) AS newest"
    " WHERE kind IN ('TagPresented', 'TransactionStarted') AND at >= ? ORDER BY id DESC"
)
_IS_KNOWN: Final = (
    "SELECT 1 FROM tag WHERE key = ?1 AND ended_at IS NULL "
    "UNION ALL SELECT 1 FROM ownership "
    "WHERE what = 'tag' AND key = ?1 AND conn_id = 0 AND voided_at IS NULL "
    "AND coalesce(until, '9999') > ?2 "
    "LIMIT 1"
)

_OF_TASK: Final = (
    "FROM household_task JOIN household_task_account ON task_id = household_task.id"
    " JOIN account ON account.id = household_task_account.account_id"
)
_NEW: Final = "WHERE household_task.id = ? AND account.created_at >= done_at LIMIT 1"
"""The condition for households that a task added: others are older than it."""
_BILLED: Final = (
    f"SELECT printed_number, account.name {_OF_TASK} "
    "JOIN statement ON statement.account_id = account.id "
    "JOIN closing ON closing.id = closing_id "
    "WHERE household_task.id = ? AND closed_at > done_at LIMIT 1"
)
_PAID: Final = (
    f"SELECT account.name {_OF_TASK} JOIN ledger ON ledger.account_id = account.id {_NEW}"
)
_BY_HAND: Final = (
    f"SELECT tx_id, account.name {_OF_TASK} "
    f"JOIN tx_account ON tx_account.account_id = account.id {_NEW}"
)
_OBSTACLES: Final = (
    (_BILLED, N_("statement {1} of {2} was closed since, so it is billed")),
    (_PAID, N_("money of {1} was entered since")),
    (_BY_HAND, N_("session {1} was given to {2} by hand since")),
)
"""What is in the way of undoing a task."""


def obstacle(rows: Rows, task: int) -> str | None:
    """Return why a task cannot be undone any longer, None if it can."""
    for sql, words in _OBSTACLES:
        for row in rows(sql, (task,)):
            return Told(words, *row)
    return None


@record
class Task:
    """What was done to households in one go: entered, moved in or moved out. `households` are how
    many it concerned.

    `obstacle` is why it cannot be undone any longer, null if it can; one that was undone has
    `undone_at`.
    """

    id: int
    kind: str
    done_at: str
    done_by: str
    households: int
    obstacle: str | None
    undone_at: str | None
    undone_by: str | None


_TASK: Final = Shape(Task, households="(SELECT count(*) FROM json_each(results))", obstacle="NULL")


@record
class UnknownCard:
    """A card that was presented and that nobody knows: at which charger, and when last.
    `looks_like` as of those that wait for an operator."""

    id_tag: str
    charger: str
    charger_name: str | None
    at: str
    looks_like: Mapping[str, str]


def tasks_of(db: Database, account: int) -> list[Task]:
    """Return what was done to a household, the newest first."""
    return [
        replace(one, obstacle=None if one.undone_at else obstacle(rows_of(db), one.id))
        for one in _TASK.every(db, _TASKS, (account, MOST))
    ]


def unknown_cards(
    db: Database, policy: Policy, since: str, charger: str | None
) -> list[UnknownCard]:
    """Return the cards that were presented since a time and that nobody knows, the last one first,
    each once."""
    found: dict[str, UnknownCard] = {}
    for at_charger, at, data in db.execute(_PRESENTED, (RECENT_FACTS, since)).fetchall():
        id_tag = orjson.loads(data).get("id_tag")
        key = policy.key(id_tag or "")
        is_elsewhere = charger is not None and at_charger != charger
        if not key or key in found or is_elsewhere or policy.is_own(key):
            continue
        if not db.execute(_IS_KNOWN, (key, since)).fetchall():
            names = db.execute("SELECT name FROM cp WHERE id = ?", (at_charger,)).fetchall()
            name = names[0][0] if names else None
            found[key] = UnknownCard(
                id_tag=id_tag, charger=at_charger, charger_name=name, at=at, looks_like={}
            )
    alike = look_alikes(db, [*found])
    return [replace(one, looks_like=alike[key]) for key, one in found.items()]


# Moving out


@record
class Departure:
    """What ends if a household moves out at `until`: what belongs to it then, and the log-ins of
    its drivers.

    `open_sessions` are still running; `sessions_after` of it began after that, and would be
    nobody's. `balance` is what it owes (negative) or has left, `month` the one of its final bill.
    """

    account: int
    name: str
    until: str
    belongings: list[Belonging]
    drivers: list[str]
    open_sessions: list[int]
    sessions_after: int
    balance: int
    currency: str | None
    month: str


def leaving(db: Database, account: int, until: str, zone: ZoneInfo) -> Departure | None:
    """Return what moving out at a time would end, None without such an account."""
    known = accounts.account(db, account)
    if known is None:
        return None
    held = [
        one
        for one in belongings_of(db, account)
        if one.voided_at is None and (one.until or "9999") > until
    ]
    ((after,),) = db.execute(_AFTER, (account, until)).fetchall()
    wallet = wallets.wallet(db, account)
    last = in_zone(datetime.fromisoformat(until) - datetime.resolution, zone).date()
    return Departure(
        account=account,
        name=known.name,
        until=until,
        belongings=held,
        drivers=[one.name for one in users.drivers_of(db, account) if one.removed_at is None],
        open_sessions=[number for (number,) in db.execute(_OPEN, (account,)).fetchall()],
        sessions_after=after,
        balance=0 if wallet is None else -wallet.owed or max(0, wallet.balance + wallet.to_come),
        currency=None if wallet is None else wallet.currency,
        month=f"{last:%Y-%m}",
    )
