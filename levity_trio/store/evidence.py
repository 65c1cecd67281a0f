"""How the rows of `tx_event` and `set_aside` find the frame of their message in `evidence`, and whose it is.

A stranger is a charger that was not adopted and began no transaction until a day ago. Who can reach the port can
pretend to be a new one at any time, so what strangers leave is limited, each and all together.
"""

from __future__ import annotations

from typing import Final

from levity_trio.store.unit_of_work import UnitOfWork
from levity_trio.store.writes.origin import minutes_before

FRAMES: Final = ("StartTransaction", "StopTransaction")
"""The messages that a transaction consists of."""
NEW_MINUTES: Final = 24 * 60
_IS_KNOWN: Final = (
    "SELECT 1 FROM cp WHERE id = ?1 AND registration = 'adopted'"
    " UNION ALL SELECT 1 WHERE EXISTS (SELECT 1 FROM tx WHERE cp_id = ?1 AND created_at < ?2)"
)


def evidence_of(table: str) -> str:
    """Return SQL that joins `evidence` to the messages of this table."""
    columns = (("session_id", "session_id"), ("message_id", "message_id"), ("at", "received_at"))
    return "evidence ON " + " AND ".join(f"evidence.{one} = {table}.{other}" for one, other in columns)


def is_stranger(db: UnitOfWork, charger: str, at: str) -> bool:
    """Whether a charger is a stranger at this time."""
    return db.row(_IS_KNOWN, (charger, minutes_before(at, NEW_MINUTES))) is None
