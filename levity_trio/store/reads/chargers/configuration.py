"""The configuration that a charger reported: now, at an earlier time, and what changed in between;
its readings; and the templates of several chargers, and how far these are from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from levity_trio.operations.configuration import (
    MAX_KEYS,
    Before,
    ComparedKey,
    Has,
    compare,
    limit,
    together,
)
from levity_trio.records import ForOperators, record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.chargers.chargers import of_model
from levity_trio.store.reads.pages import ListPage, Shape, WantedPage


@record
class Entry:
    """The value of a key, when it was first read and when last. `is_known`: whether the charger
    knows the key."""

    charger: str
    key: str
    value: str | None
    readonly: bool
    read_at: str
    last_read_at: str
    is_known: bool


@record
class Change:
    """A key whose value differs between two times. None: it had not been read, or the charger did
    not know it."""

    key: str
    before: Entry | None
    after: Entry | None


@record
class ConfigurationReading:
    """A reading of the whole configuration. `keys` is how many were reported, `unknown_keys` how
    many were denied.

    `unanswered` are the keys for which there was no answer, `commands` what the reading is made of.
    """

    id: int
    charger: str
    asked_by: ForOperators[str | None]
    began_at: str
    ended_at: str
    keys: int
    unknown_keys: int
    unanswered: Any
    commands: Any


_ENTRY: Final = Shape(Entry, last_read_at="coalesce(last_read_at, read_at)")
_READING: Final = Shape(ConfigurationReading)
_KEYS: Final = (
    "WITH RECURSIVE each (name) AS (SELECT min(key) FROM configuration WHERE cp_id = ?1 UNION ALL"
    " SELECT (SELECT min(key) FROM configuration WHERE cp_id = ?1 AND key > each.name) FROM each"
    " WHERE each.name IS NOT NULL)"
)
"""The keys of a charger, with one index look-up for each."""
_AT: Final = (
    "FROM each "
    "JOIN configuration ON configuration.id = (SELECT max(id) FROM configuration AS earlier "
    "WHERE earlier.cp_id = ?1 AND earlier.key = each.name AND earlier.read_at <= ?2) "
    "WHERE each.name IS NOT NULL ORDER BY key"
)
_HISTORY: Final = "FROM configuration WHERE cp_id = ? AND key = ? ORDER BY id DESC"
_CHANGED: Final = (
    "SELECT DISTINCT json_extract(payload, '$.key') FROM command "
    "WHERE cp_id = ? AND action = 'ChangeConfiguration' AND state = 'accepted' "
    "AND json_valid(payload)"
)
_WANTED: Final = (
    "SELECT json_each.key "
    "FROM configuration_template AS template, json_each(template.entries) "
    "WHERE ended_at IS NULL AND (EXISTS (SELECT 1 FROM json_each(template.chargers) "
    "WHERE value = ?1) OR model = (SELECT model FROM cp WHERE id = ?1) COLLATE NOCASE)"
)
WRITE_ONLY: Final = "authorizationkey"
ALWAYS: Final = "9999"
"""Sorts after every time."""


def configuration(db: Database, charger: str, at: str = ALWAYS) -> list[Entry]:
    """Return the configuration of a charger as known at a time, by key."""
    return [entry for entry in _with_denied(db, charger, at) if entry.is_known]


def _with_denied(db: Database, charger: str, at: str = ALWAYS) -> list[Entry]:
    """Return the configuration with the keys that the charger does not know."""
    found = db.execute(f"{_KEYS} SELECT {_ENTRY.columns} {_AT}", (charger, at)).fetchall()
    return [_ENTRY.read(row) for row in found]


def of_all(db: Database, charger: str | None, at: str = ALWAYS) -> list[Entry]:
    """Return the configuration of a charger, or of all visible ones, by charger and key."""
    if charger is not None:
        return configuration(db, charger, at)
    every = db.execute(
        "SELECT id FROM cp WHERE id NOT IN (SELECT id FROM hidden_cp) ORDER BY id"
    ).fetchall()
    return [entry for (one,) in every for entry in configuration(db, one, at)]


def history(db: Database, charger: str, key: str) -> list[Entry]:
    """Return the values of one key, the newest first."""
    return _ENTRY.every(db, _HISTORY, (charger, key))


def changes(db: Database, charger: str, since: str, until: str = ALWAYS) -> list[Change]:
    """Return the keys whose value differs between two times, by key."""
    found = _differing(configuration(db, charger, since), configuration(db, charger, until))
    return [Change(key=key, before=before, after=after) for key, before, after in found]


def differences(
    db: Database, this: str, other: str
) -> list[tuple[str, Entry | None, Entry | None]]:
    """Return the keys of which two chargers have different values, or only one has any, by key."""
    return [*_differing(configuration(db, this), configuration(db, other))]


def _differing(
    one: Sequence[Entry], other: Sequence[Entry]
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Yield the keys with another value, or of which the charger says something else."""
    ours, theirs = ({entry.key: entry for entry in entries} for entries in (one, other))
    for key in sorted(ours.keys() | theirs.keys()):
        pair = ours.get(key), theirs.get(key)
        first, second = (entry and (entry.value, entry.readonly) for entry in pair)
        if first != second:
            yield key, *pair


# Readings


def before_reading(db: Database, charger: str) -> Before:
    """Return what is known of the keys of a charger: those that it reported or accepted, and those
    that it denied.

    What a template wants is asked for too, so that the report does not say "never read" after a
    reading.
    """
    entries = _with_denied(db, charger)
    reported = [entry.key for entry in entries if entry.is_known]
    ours = [
        str(key) for sql in (_CHANGED, _WANTED) for (key,) in db.execute(sql, (charger,)).fetchall()
    ]
    most = next((entry.value for entry in entries if entry.key.casefold() == MAX_KEYS), None)
    return Before(
        seen=tuple(key for key in (*ours, *reported) if key.casefold() != WRITE_ONLY),
        unknown=tuple(entry.key for entry in entries if not entry.is_known),
        most=limit(most),
    )


def readings(
    db: Database, charger: str | None, wanted: WantedPage
) -> ListPage[ConfigurationReading]:
    """Return a page of readings, the newest first. Raises NoPage."""
    return _READING.page(db, "configuration_reading", charger, wanted)


def reading(db: Database, number: int) -> ConfigurationReading:
    """Return a reading that was stored."""
    return _READING.every(db, "FROM configuration_reading WHERE id = ?", (number,))[0]


def has(db: Database, charger: str) -> dict[str, Has]:
    """Return what a charger reported of each key, by its lower case. Of two spellings, one that it
    knows is chosen."""
    entries = sorted(
        _with_denied(db, charger), key=lambda entry: (entry.is_known, entry.last_read_at)
    )
    return {
        entry.key.casefold(): Has(
            entry.key, entry.value, entry.readonly, entry.is_known, entry.last_read_at
        )
        for entry in entries
    }


# Templates


@record
class Template:
    """The values that keys must have, at the chargers that are named or at all of a model."""

    name: str
    model: str | None
    chargers: Any
    entries: Any
    created_at: str
    created_by: ForOperators[str | None]


@record
class ChargerStanding:
    """One charger beside a template: same, differs, or not known; and each key of the template."""

    charger: str
    standing: str
    keys: list[ComparedKey]


_TEMPLATE: Final = Shape(Template)
_OF_NOW: Final = "FROM configuration_template WHERE ended_at IS NULL"


def templates(db: Database) -> list[Template]:
    """Return the templates, by name."""
    return _TEMPLATE.every(db, f"{_OF_NOW} ORDER BY name")


def template(db: Database, name: str) -> Template | None:
    """Return a template, None if there is none of this name."""
    return _TEMPLATE.one(db, f"{_OF_NOW} AND name = ?", (name,))


def chargers_of(db: Database, template: Template) -> list[str]:
    """Return the chargers of a template."""
    return of_model(db, template.model) if template.model is not None else list(template.chargers)


def standings(
    db: Database, template: Template, chargers: list[str] | None = None
) -> list[ChargerStanding]:
    """Compare chargers with a template; without them, all of the template."""
    found: list[ChargerStanding] = []
    for one in chargers_of(db, template) if chargers is None else chargers:
        keys = compare(template.entries, has(db, one))
        found.append(ChargerStanding(charger=one, standing=together(keys), keys=keys))
    return found
