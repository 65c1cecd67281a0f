"""The daily ceilings on facts of one kind: from one charger, and from all strangers.

A charger that boots or changes its status continuously would otherwise add gigabytes a day. Facts beyond the ceiling
are only counted, and one FactsCounted an hour reports their number. Transactions, readings and what an operator asked
for have no such ceiling.

A stranger is a charger that was not adopted and began no transaction until a day ago. Who can reach the port can have
any number of names, so beyond the first facts of each, all strangers have a ceiling together.
"""

from __future__ import annotations

from typing import Final

from levity_trio.events import OWN_FACTS, TRANSACTION_FACTS, Fact, FactsCounted
from levity_trio.store.engine.database import Connection
from levity_trio.wire.times import minutes_before

DAILY_FACTS: Final = 1_000
FIRST_FACTS, STRANGERS_FACTS = 3, 10_000
"""The facts of one kind that each stranger has for itself on a day, and those of all strangers beyond them."""
NEW_MINUTES: Final = 24 * 60
REPORT_MINUTES: Final = 60
DATE: Final = slice(10)
"""The date in a time of the database's format."""

COUNT: Final = (
    "INSERT INTO fact_count (cp_id, kind, day, facts) VALUES (?, ?, ?, ?) ON CONFLICT (cp_id, kind) DO UPDATE"
    " SET facts = CASE fact_count.day WHEN excluded.day THEN fact_count.facts ELSE 0 END + excluded.facts,"
    " day = excluded.day RETURNING facts"
)
COUNT_OF_SITE: Final = (
    "INSERT INTO site_count (kind, day, amount) VALUES (?, ?, ?) ON CONFLICT (kind) DO UPDATE"
    " SET amount = CASE site_count.day WHEN excluded.day THEN site_count.amount ELSE 0 END + excluded.amount,"
    " day = excluded.day RETURNING amount"
)
ONLY_COUNT: Final = (
    "UPDATE fact_count SET counted = counted + 1 WHERE cp_id = ? AND kind = ? RETURNING counted - told, told_at"
)
IS_KNOWN: Final = (
    "SELECT 1 FROM cp WHERE id = ?1 AND registration = 'adopted'"
    " UNION ALL SELECT 1 WHERE EXISTS (SELECT 1 FROM tx WHERE cp_id = ?1 AND created_at < ?2)"
)
REPORTED: Final = "UPDATE fact_count SET told = counted, told_at = ? WHERE cp_id = ? AND kind = ?"


def is_below(connection: Connection, charger: str | None, kind: str, at: str, most: int, amount: int = 1) -> bool:
    """Count an amount of a kind for a charger, or for the site; return False if it exceeds `most` on this day."""
    if charger is None:
        ((counted,),) = connection.execute(COUNT_OF_SITE, (kind, at[DATE], amount)).fetchall()
    else:
        ((counted,),) = connection.execute(COUNT, (charger, kind, at[DATE], amount)).fetchall()
    return bool(counted <= most)


def is_kept(connection: Connection, charger: str, kind: str, at: str) -> bool:
    """Count a fact; return whether it is within its ceilings."""
    ((facts,),) = connection.execute(COUNT, (charger, kind, at[DATE], 1)).fetchall()
    if not FIRST_FACTS < facts <= DAILY_FACTS or not is_stranger(connection, charger, at):
        return bool(facts <= DAILY_FACTS)
    return is_below(connection, None, f"{kind} of strangers", at, STRANGERS_FACTS)


def may_come(
    connection: Connection, charger: str, kind: str, at: str, most: int, *, first: int = 0, amount: int = 1
) -> bool:
    """Count an amount of a kind, if it is a stranger's: among the `first` of this one on this day, or else among the
    `most` of all strangers; return False if it exceeds these."""
    if not is_stranger(connection, charger, at):
        return True
    if first and is_below(connection, charger, f"first {kind}", at, first):
        return True
    return is_below(connection, None, f"{kind} of new chargers", at, most, amount)


def is_stranger(connection: Connection, charger: str, at: str) -> bool:
    """Whether a charger is a stranger at this time."""
    return not connection.execute(IS_KNOWN, (charger, minutes_before(at, NEW_MINUTES))).fetchall()


def only_count(connection: Connection, charger: str, kind: str, at: str) -> FactsCounted | None:
    """Count a fact that is not stored; return a report of such facts at most once an hour, else None."""
    ((count, reported_at),) = connection.execute(ONLY_COUNT, (charger, kind)).fetchall()
    if reported_at is not None and reported_at > minutes_before(at, REPORT_MINUTES):
        return None
    connection.execute(REPORTED, (at, charger, kind))
    return FactsCounted(charger=charger, at=at, kind=kind, count=count)


def has_ceiling(fact: Fact) -> bool:
    """Whether a fact has a daily ceiling: its charger could repeat it without end, and it affects no bill."""
    return not isinstance(fact, (*TRANSACTION_FACTS, *OWN_FACTS))
