"""The configuration that a charger reported: now, at an earlier time, and what changed in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlite_utils import Database

from levity_trio.store.reads.shapes import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The value of a key, and when it was first read. A value that is read again unchanged keeps its time."""

    charger: str
    key: str
    value: str | None
    readonly: bool
    read_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A key whose value differs between two times. None: the key had not been read."""

    key: str
    before: Entry | None
    after: Entry


_ENTRY: Final = Shape(Entry)
_KEYS: Final = (
    "WITH RECURSIVE each (name) AS (SELECT min(key) FROM configuration WHERE cp_id = ?1 UNION ALL"
    " SELECT (SELECT min(key) FROM configuration WHERE cp_id = ?1 AND key > each.name) FROM each"
    " WHERE each.name IS NOT NULL)"
)
"""The keys of a charger, with one index look-up for each."""
_AT: Final = (
    "FROM each JOIN configuration ON configuration.id = (SELECT max(id) FROM configuration AS earlier"
    " WHERE earlier.cp_id = ?1 AND earlier.key = each.name AND earlier.read_at <= ?2)"
    " WHERE each.name IS NOT NULL ORDER BY key"
)
_HISTORY: Final = "FROM configuration WHERE cp_id = ? AND key = ? ORDER BY id DESC"
ALWAYS: Final = "9999"
"""Sorts after every time."""


def configuration(db: Database, charger: str, at: str = ALWAYS) -> list[Entry]:
    """Return the configuration of a charger as known at a time, by key."""
    found = db.execute(f"{_KEYS} SELECT {_ENTRY.columns} {_AT}", (charger, at)).fetchall()
    return [_ENTRY.read(row) for row in found]


def of_all(db: Database, charger: str | None, at: str = ALWAYS) -> list[Entry]:
    """Return the configuration of a charger, or of all visible ones, by charger and key."""
    db.execute("BEGIN")
    if charger is not None:
        return configuration(db, charger, at)
    every = db.execute("SELECT id FROM cp WHERE id NOT IN (SELECT id FROM hidden_cp) ORDER BY id").fetchall()
    return [entry for (one,) in every for entry in configuration(db, one, at)]


def history(db: Database, charger: str, key: str) -> list[Entry]:
    """Return the values of one key, the newest first."""
    return _ENTRY.every(db, _HISTORY, (charger, key))


def changes(db: Database, charger: str, since: str, until: str = ALWAYS) -> list[Change]:
    """Return the keys whose value differs between two times, by key."""
    db.execute("BEGIN")
    before = {entry.key: entry for entry in configuration(db, charger, since)}
    return [
        Change(key=after.key, before=before.get(after.key), after=after)
        for after in configuration(db, charger, until)
        if _said(before.get(after.key)) != _said(after)
    ]


def _said(entry: Entry | None) -> tuple[str | None, bool] | None:
    return None if entry is None else (entry.value, entry.readonly)


def differences(db: Database, one: str, other: str) -> list[tuple[str, Entry | None, Entry | None]]:
    """Return the keys of which two chargers have different values, or only one has any, by key."""
    db.execute("BEGIN")
    ours, theirs = ({entry.key: entry for entry in configuration(db, charger)} for charger in (one, other))
    pairs = ((key, ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys()))
    return [pair for pair in pairs if _said(pair[1]) != _said(pair[2])]
