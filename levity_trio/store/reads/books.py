"""The books as whoever checks them sees them: every transaction since a mark, its reviews, its life cycle.

A database of an older version has less to say (no table of reviews, no corrected times): what is missing is read from
what stood for it then, or left out. So one program can check both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlite_utils import Database

_WANTED: Final = {
    "id": "id",
    "charger": "cp_id",
    "connector": "conn_id",
    "id_tag": "id_tag",
    "start_time": "start_time",
    "stop_time": "stop_time",
    "meter_start": "meter_start",
    "meter_stop": "meter_stop",
    "energy_wh": "energy_delivered",
    "confidence": "confidence",
    "told_id": "told_id",
}
"""What is read of a transaction, by the column that has it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the books go: the highest transaction, and when the last message was set aside."""

    transaction: int = 0
    set_aside_at: str = ""


NOTHING: Final = Mark()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedTransaction:
    """A transaction as it would be billed: registers and energy in Wh, times as for bills, None where there is none.

    `told_id` is the transactionId of a stop that arrived alone; `reviews` are the codes of those that are open.
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
    is_open: bool = False
    reviews: tuple[str, ...] = ()


class LifecycleRow(NamedTuple):
    """One row of the table of a transaction's life: its state before, what befell it, what was noted, how often."""

    state: str
    cause: str
    kind: str
    times: int


@dataclass(frozen=True, slots=True)
class Booked:
    """What came after a mark: transactions in their order, and the charger of each message that was set aside."""

    transactions: tuple[BookedTransaction, ...]
    set_aside: tuple[str, ...]
    life: tuple[LifecycleRow, ...] = ()


def mark(db: Database) -> Mark:
    """How far the books go now; one that has no tables yet has not begun."""
    if "tx" not in db.table_names():
        return Mark()
    return Mark(
        next(db.query("SELECT coalesce(max(id), 0) AS id FROM tx"))["id"],
        next(db.query("SELECT coalesce(max(last_received_at), '') AS at FROM set_aside"))["at"],
    )


def booked_since(db: Database, since: Mark) -> Booked:
    """What came after a mark, as of one moment."""
    db.execute("BEGIN")
    reviews = _open_reviews(db, since)
    booked = tuple(
        BookedTransaction(**row, is_open=status == "Active", reviews=reviews.get(row["id"], ()))
        for row, status in _transactions(db, since)
    )
    set_aside = db.query("SELECT cp_id FROM set_aside WHERE last_received_at > ?", [since.set_aside_at])
    return Booked(booked, tuple(row["cp_id"] for row in set_aside), tuple(lifecycle_rows(db, since)))


def lifecycle_rows(db: Database, since: Mark = NOTHING) -> list[LifecycleRow]:
    """How often each row of the life cycle was taken by a transaction after the mark; none where it was not noted."""
    if not {"state", "cause"} <= _columns(db, "tx_event"):
        return []
    rows = db.query(
        "SELECT coalesce(state, '') AS state, coalesce(cause, '') AS cause, kind, count(*) AS times FROM tx_event"
        " WHERE tx_id > ? GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        [since.transaction],
    )
    return [LifecycleRow(**row) for row in rows]


def _transactions(db: Database, since: Mark) -> list[tuple[dict[str, Any], str]]:
    there = _columns(db, "tx")
    names = {name: column for name, column in _WANTED.items() if column in there}
    picked = ", ".join(f"{column} AS {name}" for name, column in names.items())
    rows = db.query(f"SELECT {picked}, status FROM tx WHERE id > ? ORDER BY id", [since.transaction])  # noqa: S608
    return [({name: row[name] for name in names}, row["status"]) for row in rows]


def _open_reviews(db: Database, since: Mark) -> dict[int, tuple[str, ...]]:
    """The codes of the open reviews by transaction; before there was a table of them, the text itself."""
    found: dict[int, tuple[str, ...]] = {}
    is_table = "review" in db.table_names()
    sql = (
        "SELECT tx_id AS id, code FROM review WHERE tx_id > ? AND resolved_at IS NULL ORDER BY id"
        if is_table
        else "SELECT id, review AS code FROM tx WHERE id > ? AND review IS NOT NULL"
    )
    for row in db.query(sql, [since.transaction]):
        found[row["id"]] = (*found.get(row["id"], ()), row["code"])
    return found


def _columns(db: Database, table: str) -> set[str]:
    return {row["name"] for row in db.query("SELECT name FROM pragma_table_info(?)", [table])}
