"""Whose places are, and where cards may charge: for memory, for the pages, and for those who were refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from levity_trio.access.places import Limit, Space
from levity_trio.store import places as stored
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.shapes import rows_of


class Loaded(NamedTuple):
    """What memory takes of it."""

    spaces: list[Space]
    connectors: list[tuple[str, int]]
    limits: Mapping[tuple[str, str], Limit]


def load_places(db: Database) -> Loaded:
    """Return whose places are, which connectors are known, and the limits."""
    db.execute("BEGIN")
    rows = rows_of(db)
    return Loaded([*stored.spaces(rows)], stored.connectors(rows), stored.limits(rows))
