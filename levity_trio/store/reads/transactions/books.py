"""The books for verification: all transactions after a mark, with their reviews and life cycle."""

from __future__ import annotations

from typing import Final, NamedTuple

from levity_trio.charging.lifecycle import DECISIONS, rows
from levity_trio.records import record
from levity_trio.store.engine.database import Database

_TRANSACTIONS: Final = (
    "SELECT id, cp_id AS charger, conn_id AS connector, id_tag, start_time, stop_time, "
    "meter_start, meter_stop, energy_delivered AS energy_wh, confidence, told_id, stopped_by, "
    "status "
    "FROM tx WHERE id > ? ORDER BY id"
)
_OPEN_REVIEWS: Final = (
    "SELECT tx_id AS id, code FROM review WHERE tx_id > ? AND resolved_at IS NULL ORDER BY id"
)
_STEPS: Final = (
    "SELECT coalesce(state, '') AS state, coalesce(cause, '') AS cause, kind, count(*) AS times "
    "FROM tx_event WHERE tx_id > ? GROUP BY 1, 2, 3 "
    "ORDER BY 1, 2, 3"
)


@record(kw_only=False)
class Mark:
    """A position in the books: the highest transaction id, and when the last message was set
    aside."""

    transaction: int = 0
    set_aside_at: str = ""


NOTHING: Final = Mark()


@record
class BookedTransaction:
    """A transaction as it would be billed: registers and energy in Wh, billed times; None for
    missing values.

    `told_id` is the transactionId of a stop without a start; `stopped_by` is "system" where no stop
    of the charger was taken; `reviews` are the codes of the open reviews.
    """

    id: int
    charger: str
    connector: int | None = None
    id_tag: str | None = None
    start_time: str | None = None
    stop_time: str | None = None
    meter_start: int | None = None
    meter_stop: int | None = None
    energy_wh: int | None = None
    confidence: str | None = None
    told_id: int | None = None
    stopped_by: str | None = None
    is_open: bool = False
    reviews: tuple[str, ...] = ()


class LifecycleRow(NamedTuple):
    """One row of the life-cycle table: the state before, the cause, the kind of event stored, and
    how often.

    An empty state means that the event began the transaction.
    """

    state: str
    cause: str
    kind: str
    times: int
    is_in_reach: bool = True
    """Whether the cause can occur in a simulation: nobody decides in it."""


@record(kw_only=False)
class BooksSince:
    """The books after a mark: transactions by id, and the charger of each message that was set
    aside."""

    transactions: tuple[BookedTransaction, ...]
    set_aside: tuple[str, ...]
    life: tuple[LifecycleRow, ...] = ()


def mark(db: Database) -> Mark:
    """Return the present position in the books; that of a database without tables is the
    beginning."""
    if not db.version():
        return Mark()
    return Mark(
        db.execute("SELECT coalesce(max(id), 0) FROM tx").fetchone()[0],
        db.execute("SELECT coalesce(max(last_received_at), '') FROM set_aside").fetchone()[0],
    )


def booked_since(db: Database, since: Mark) -> BooksSince:
    """Return the books after a mark, from one snapshot."""
    reviews = _open_reviews(db, since)
    booked = tuple(
        BookedTransaction(
            is_open=row.pop("status") == "Active", reviews=reviews.get(row["id"], ()), **row
        )
        for row in db.query(_TRANSACTIONS, [since.transaction])
    )
    set_aside = db.query(
        "SELECT cp_id FROM set_aside WHERE last_received_at > ?", [since.set_aside_at]
    )
    return BooksSince(
        booked, tuple(row["cp_id"] for row in set_aside), tuple(lifecycle_rows(db, since))
    )


def lifecycle_rows(db: Database, since: Mark = NOTHING) -> list[LifecycleRow]:
    """Return how often transactions after the mark took each row of the life cycle.

    All rows of the table come first, in its order, then events outside the table.
    """
    taken = {
        (row["state"], row["cause"], row["kind"]): row["times"]
        for row in db.query(_STEPS, [since.transaction])
    }
    listed = [
        LifecycleRow(state, cause, kind, taken.pop((state, cause, kind), 0), cause not in DECISIONS)
        for state, cause, kind in rows()
    ]
    return listed + [LifecycleRow(*row, times) for row, times in taken.items()]


def _open_reviews(db: Database, since: Mark) -> dict[int, tuple[str, ...]]:
    """Return the codes of the open reviews by transaction."""
    reviews: dict[int, tuple[str, ...]] = {}
    for row in db.query(_OPEN_REVIEWS, [since.transaction]):
        reviews[row["id"]] = (*reviews.get(row["id"], ()), row["code"])
    return reviews
