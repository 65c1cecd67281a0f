"""How many facts of one kind a charger may add in a day.

One that boots and changes its status without a pause would add gigabytes a day for ever. Beyond the ceiling its facts
are counted, and one FactsCounted an hour stands for them. Transactions and readings have no such ceiling.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from levity_trio.events import TRANSACTION_FACTS, Fact, FactsCounted
from levity_trio.store.writes.origin import minutes_before

DAILY_FACTS: Final = 1_000
DAILY_EVIDENCE: Final = 20
"""Of over-long messages, which may have half a megabyte each."""
TOLD_MINUTES: Final = 60
DATE: Final = slice(10)
"""Of a time as the database spells it."""

COUNT: Final = (
    "INSERT INTO fact_count (cp_id, kind, day, facts) VALUES (?, ?, ?, 1) ON CONFLICT (cp_id, kind) DO UPDATE"
    " SET facts = CASE day WHEN excluded.day THEN facts + 1 ELSE 1 END, day = excluded.day RETURNING facts"
)
ONLY_COUNT: Final = (
    "UPDATE fact_count SET counted = counted + 1 WHERE cp_id = ? AND kind = ? RETURNING counted - told, told_at"
)
TOLD: Final = "UPDATE fact_count SET told = counted, told_at = ? WHERE cp_id = ? AND kind = ?"


def is_below(connection: sqlite3.Connection, charger: str, kind: str, at: str, most: int) -> bool:
    """Count a fact; False where more than `most` of its kind came on this day."""
    ((facts,),) = connection.execute(COUNT, (charger, kind, at[DATE])).fetchall()
    return bool(facts <= most)


def only_count(connection: sqlite3.Connection, charger: str, kind: str, at: str) -> FactsCounted | None:
    """Count a fact that is not kept; gives what to tell of those before, once an hour."""
    ((count, told_at),) = connection.execute(ONLY_COUNT, (charger, kind)).fetchall()
    if told_at is not None and told_at > minutes_before(at, TOLD_MINUTES):
        return None
    connection.execute(TOLD, (at, charger, kind))
    return FactsCounted(charger=charger, at=at, kind=kind, count=count)


def has_ceiling(fact: Fact) -> bool:
    """Whether a fact is one that its charger could repeat without end and that moves no bill."""
    return not isinstance(fact, TRANSACTION_FACTS)
