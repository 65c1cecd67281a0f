"""Reads the facts in their order, for streams."""

from __future__ import annotations

from typing import NamedTuple

from levity_trio.store.engine.database import Database


class StoredFact(NamedTuple):
    """A row of `event`; `data` is JSON text."""

    id: int
    kind: str
    charger: str | None
    data: str


def newest(db: Database, table: str = "event") -> int:
    """Return the highest id ever assigned, even if its row has been pruned."""
    rows = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchall()
    return int(rows[0][0]) if rows else 0


def before_oldest(db: Database) -> int:
    """Return the id before the oldest fact that is kept."""
    ((oldest,),) = db.execute("SELECT min(id) FROM event").fetchall()
    return newest(db) if oldest is None else int(oldest) - 1


def after(db: Database, last: int, upto: int, limit: int) -> list[StoredFact]:
    """Return the facts after one id, up to another one."""
    rows = db.execute(
        "SELECT id, kind, cp_id, data FROM event WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        (last, upto, limit),
    )
    return [StoredFact(*row) for row in rows.fetchall()]
