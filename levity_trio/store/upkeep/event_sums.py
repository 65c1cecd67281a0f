"""Deletes old events and, in the same transaction, adds them to the sums from which counters are rebuilt."""

from __future__ import annotations

import time
from typing import Final

from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.reads.totals import COUNTED, sums_of

ROWS_AT_ONCE: Final = 200
ADD: Final = (
    "INSERT INTO event_sum (cp_id, counter, what, amount)"  # noqa: S608 - our own words
    f" SELECT * FROM ({sums_of(f'event NOT INDEXED WHERE id BETWEEN ?1 AND ?2 AND kind IN {COUNTED}')}) WHERE true"
    " ON CONFLICT (cp_id, counter, what) DO UPDATE SET amount = event_sum.amount + excluded.amount"
)


def delete(db: UnitOfWork, last: int, seconds: float) -> tuple[int, bool]:
    """Sum and delete the oldest events up to this id, for at most `seconds`.

    Return the number of deleted events, and whether none is left to delete.
    """
    until, rows = time.monotonic() + seconds, 0
    while True:
        ((first,),) = db.rows("SELECT min(id) FROM event")
        is_all = first is None or first > last
        if is_all or (rows and time.monotonic() > until):
            return rows, is_all
        span = (first, min(last, first + ROWS_AT_ONCE - 1))
        db.execute(ADD, span)
        rows += db.changed("DELETE FROM event WHERE id BETWEEN ? AND ?", span)
