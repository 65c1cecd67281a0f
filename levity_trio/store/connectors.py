"""The connectors of a charger that a table names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

Rows = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Runs a SELECT and returns all its rows."""


def connectors(rows: Rows, charger: str, table: Literal["tx", "meter_val", "status"]) -> list[int]:
    """Return the connectors of a charger in a table, with one index look-up for each."""
    first = f"SELECT min(conn_id) FROM {table} WHERE cp_id = ?"  # noqa: S608 - our own names
    every = (
        f"WITH RECURSIVE each (number) AS ({first} UNION ALL SELECT ({first} AND conn_id > each.number)"  # noqa: S608
        " FROM each WHERE each.number IS NOT NULL) SELECT number FROM each WHERE number IS NOT NULL"
    )
    return [number for (number,) in rows(every, (charger, charger))]
