"""The connectors of a charger: those that a table names, and what a person said about one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

Rows = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Runs a SELECT and returns all its rows."""
_SAID: Final = (
    "SELECT max_w FROM connector_data WHERE cp_id = ? AND conn_id = ? AND said_at <= ? ORDER BY id DESC LIMIT 1"
)


def connectors(rows: Rows, charger: str, table: Literal["tx", "meter_val", "status"]) -> list[int]:
    """Return the connectors of a charger in a table, with one index look-up for each."""
    first = f"SELECT min(conn_id) FROM {table} WHERE cp_id = ?"  # noqa: S608 - our own names
    every = (
        f"WITH RECURSIVE each (number) AS ({first} UNION ALL SELECT ({first} AND conn_id > each.number)"  # noqa: S608
        " FROM each WHERE each.number IS NOT NULL) SELECT number FROM each WHERE number IS NOT NULL"
    )
    return [number for (number,) in rows(every, (charger, charger))]


def maximum_w(rows: Rows, charger: str, connector: int | None, until: str) -> int | None:
    """Return the highest power of a connector in W, as a person had said by this time; None if nobody had."""
    found = rows(_SAID, (charger, connector, until))
    return found[0][0] if found else None
