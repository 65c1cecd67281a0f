"""A frame log that has grown for months, made in seconds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from levity_trio.clock import stamp
from levity_trio.store.connection import open_database

OLD_DAYS = 100
FRAME = '[2,"%08d","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available","info":"%s"}]'
INFO = "x" * 120


def fill_log(database: Path, rows: int, young: int) -> None:
    """So many rows of twenty chargers, all but the last `young` of them from long ago."""
    now = datetime.now(UTC)
    old, new = stamp(now - timedelta(days=OLD_DAYS)), stamp(now)
    with open_database(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)"
            " INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame)"
            " SELECT printf('OLD-%03d', n % 20), 1, iif(n <= ?, ?, ?), 'recv', printf('\"%08d\"', n),"
            " 'StatusNotification', printf(?, n, ?) FROM number",
            (rows, rows - young, old, new, FRAME, INFO),
        )


def frames_left(database: Path) -> int:
    """How many of them are left: ids have no gaps, and those of others come after them."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        ((oldest, newest),) = connection.execute(
            "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM log WHERE cp_id LIKE 'OLD-%' AND id <= "
            "(SELECT max(id) FROM log)"
        ).fetchall()
    return int(newest) - int(oldest) + 1
