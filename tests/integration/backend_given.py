"""Backends that a database has before its server starts, and when nothing waits for them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.integration.serving import query
from tests.store.template import put_new

EARLY: Final = "2000-01-01T00:00:00.000Z"
LATE_SECONDS: Final = 60.0
SETTINGS: Final = {
    "is_repaired": 0,
    "tells_authorize": 1,
    "with_cards": 1,
    "other_cards": None,
    "begins_at": EARLY,
}


def give_backend(
    database: Path,
    port: int,
    chargers: Sequence[str],
    *,
    name: str = "second",
    path: str = "ws/",
    without: Sequence[int] = (),
    **settings: Any,
) -> None:
    """Add a backend at a port of this machine, for these chargers by the same names. A database
    that is missing is made."""
    if not database.exists():
        put_new(database)
    values = SETTINGS | {"name": name, "url": f"ws://127.0.0.1:{port}/{path}"} | settings
    values |= {"added_at": EARLY, "added_by": "test"}
    places = ", ".join(f":{name}" for name in values)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        number = connection.execute(
            f"INSERT INTO backend ({', '.join(values)}) VALUES ({places})", values
        ).lastrowid
        for charger in chargers:
            connection.execute(
                "INSERT OR IGNORE INTO cp (id, created_at, updated_at) VALUES (?, ?, ?)",
                (charger, EARLY, EARLY),
            )
            connection.execute(
                "INSERT INTO backend_cp (backend_id, cp_id, identity, without, begins_at, log_id) "
                "VALUES (?, ?, ?, ?, ?, 0)",
                (number, charger, charger, json.dumps(list(without)), values["begins_at"]),
            )


UNTOLD: Final = (
    "SELECT tx.id FROM tx JOIN backend_cp USING (cp_id) "
    "LEFT JOIN backend_tx ON backend_tx.tx_id = tx.id "
    "AND backend_tx.backend_id = backend_cp.backend_id "
    "LEFT JOIN backend_waiting ON backend_waiting.tx_id = tx.id "
    "AND backend_waiting.backend_id = backend_cp.backend_id "
    "WHERE tx.created_at >= begins_at AND (backend_tx.tx_id IS NULL OR next_at IS NOT NULL OR "
    "(tx.status = 'Completed' AND backend_tx.stopped_at IS NULL)) "
    "AND (backend_waiting.tx_id IS NULL OR next_at IS NOT NULL)"
)
"""Sessions of which a start or a stop was not told yet, and which were not set aside."""
WAITING: Final = (
    "SELECT log.id, log.action FROM log JOIN backend_cp USING (cp_id) "
    "WHERE id > log_id AND at >= begins_at "
    "AND direction = 'recv' AND action IN "
    "('BootNotification', 'StatusNotification', 'MeterValues', 'Authorize')"
)
"""Frames that were not told yet."""


def wait_until_told(database: Path, seconds: float = LATE_SECONDS) -> None:
    """Wait until nothing waits any more."""
    until = time.monotonic() + seconds
    while waiting := query(database, UNTOLD) + query(database, WAITING):
        assert time.monotonic() < until, (waiting, query(database, "SELECT * FROM backend_cp"))
        time.sleep(0.05)
