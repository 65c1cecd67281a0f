"""A frame log that has grown for months, made in seconds."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from levity_trio.store.engine.file_store import open_database
from levity_trio.wire.times import stamp
from tests.integration.serving import query

OLD_DAYS = 100
FRAME = (
    '[2,"%08d","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available",'
    '"info":"%s"}]'
)
INFO = "x" * 120


def fill_log(database: Path, rows: int, young: int) -> None:
    """So many rows of twenty chargers in a new database, all but the last `young` of them from long
    ago."""
    now = datetime.now(UTC)
    old, new = stamp(now - timedelta(days=OLD_DAYS)), stamp(now)
    with open_database(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number "
            "WHERE n < ?) INSERT INTO log (cp_id, session_id, at, direction, message_id, action, "
            "frame) "
            "SELECT printf('OLD-%03d', n % 20), 1, iif(n <= ?, ?, ?), 'recv', printf('\"%08d\"', "
            "n), 'StatusNotification', printf(?, n, ?) "
            "FROM number",
            (rows, rows - young, old, new, FRAME, INFO),
        )
    os.sync()  # else the server's first commit waits for all of it


def frames_left(database: Path, rows: int) -> int:
    """How many of these rows are left: ids have no gaps, and what was said since comes after
    them."""
    ((oldest,),) = query(database, "SELECT coalesce(min(id), ?) FROM log", rows + 1)
    return max(0, rows + 1 - int(oldest))


def free_bytes(database: Path) -> int:
    """How much of the file is free pages."""
    ((pages,),), ((page_bytes,),) = (
        query(database, "PRAGMA freelist_count"),
        query(database, "PRAGMA page_size"),
    )
    return int(pages * page_bytes)
