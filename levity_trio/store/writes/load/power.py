"""Stores the energy of transactions by the quarter of an hour, and deletes it after two years."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.transactions.power import TakenEnergy

_DELETE: Final = "DELETE FROM power WHERE tx_id = ? AND day >= ?"
_KEEP: Final = "INSERT INTO power (tx_id, day, since, wh) VALUES (?, ?, ?, ?)"
_DONE: Final = (
    "INSERT INTO power_work (id, revision) VALUES (1, ?) ON CONFLICT (id) "
    "DO UPDATE SET revision = max(power_work.revision, excluded.revision)"
)


def keep(db: UnitOfWork, found: Sequence[TakenEnergy], revision: int | None = None) -> None:
    """Store what transactions took in place of what was stored of them, and up to which revision of
    bill_work that is done."""
    for one in found:
        db.execute(_DELETE, (one.transaction, one.from_day))
        for day in one.days:
            db.execute(_KEEP, (one.transaction, *day))
    if revision is not None:
        db.execute(_DONE, (revision,))


def delete_before(db: UnitOfWork, day: int, seconds: float) -> tuple[int, bool]:
    """Delete the oldest days up to this one, for at most `seconds`; return how many rows, and
    whether none is left."""
    until, rows = time.monotonic() + seconds, 0
    while True:
        ((first,),) = db.rows("SELECT min(day) FROM power")
        is_all = first is None or first >= day
        if is_all or (rows and time.monotonic() > until):
            return rows, is_all
        rows += db.changed("DELETE FROM power WHERE day = ?", (first,))
