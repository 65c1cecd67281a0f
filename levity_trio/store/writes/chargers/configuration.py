"""The configuration that chargers report: values, keys that they do not know, readings of a whole,
and templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from levity_trio.operations.configuration import Value, unknown_in, values_in
from levity_trio.records import record
from levity_trio.store.engine.database import DAILY_FACTS, UnitOfWork
from levity_trio.store.writes.origin import Origin
from levity_trio.store.writes.stored import RecordTable
from levity_trio.wire.texts import stored_object

# in lower case: keys are compared without regard to it (§9)
INTERVAL_KEYS: Final = frozenset({"heartbeatinterval"})
LONGEST_INTERVAL_DIGITS: Final = 5
"""Up to 99,999 seconds, slightly more than a day. A longer interval is ignored."""


class UnknownTemplate(Exception):
    """There is no template of this name."""


@record
class NewReading:
    """A reading of a whole configuration: how many keys were answered, those that were not, and its
    commands."""

    charger: str
    asked_by: str
    began_at: str
    ended_at: str
    keys: int
    unknown_keys: int
    unanswered: Sequence[str]
    commands: Sequence[int]


@record
class NewTemplate:
    """What the configuration of some chargers must be: those that are named, or all of a model."""

    name: str
    model: str | None
    chargers: Sequence[str] | None
    entries: Mapping[str, str]


_READING: Final = RecordTable("configuration_reading", NewReading)
_TEMPLATE: Final = RecordTable("configuration_template", NewTemplate)


def keep(db: UnitOfWork, origin: Origin, command: int, response: object) -> list[Value]:
    """Store what the response to GetConfiguration says; return the values.

    A key that the charger does not know is stored if it was asked for; whatever else stands there
    is not our question.
    """
    values = [*values_in(response)]
    for value in values:
        _keep(db, origin, value, is_known=True)
    (payload,) = db.row("SELECT payload FROM command WHERE id = ?", (command,)) or ("{}",)
    known, requested = {value.key.casefold() for value in values}, _asked(payload)
    for key in unknown_in(response):
        if key.casefold() in requested.keys() - known:
            _keep(
                db, origin, Value(requested[key.casefold()], None, readonly=False), is_known=False
            )
    return values


def _asked(payload: str) -> dict[str, str]:
    """Return the keys of a GetConfiguration by their lower case. A raw call may contain anything,
    and may be cut."""
    keys = (stored_object(payload) or {}).get("key")
    return (
        {key.casefold(): key for key in keys if isinstance(key, str)}
        if isinstance(keys, list)
        else {}
    )


def _keep(db: UnitOfWork, origin: Origin, value: Value, *, is_known: bool) -> None:
    """Add a row if the entry has changed; most responses repeat known values, whose time moves on.

    A charger that has a thousand other values in a day lies.
    """
    before = db.row(
        (
            "SELECT id, value, readonly, is_known FROM configuration "
            "WHERE cp_id = ? AND key = ? ORDER BY id DESC LIMIT 1"
        ),
        (origin.charger, value.key),
    )
    if before is not None and before[1:] == (value.value, value.readonly, is_known):
        db.execute(
            "UPDATE configuration SET last_read_at = ? WHERE id = ?",
            (origin.received_at, before[0]),
        )
    elif db.count_within(origin.charger, "configuration", origin.received_at, DAILY_FACTS):
        db.execute(
            "INSERT INTO configuration (cp_id, session_id, key, value, readonly, is_known, read_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (origin.charger, origin.session, *value, is_known, origin.received_at),
        )


def add_reading(db: UnitOfWork, reading: NewReading) -> int:
    """Store a reading of a whole configuration; return its id."""
    return _READING.add(db, reading)


def set_template(db: UnitOfWork, template: NewTemplate, at: str, by: str) -> None:
    """Store a template in place of the one of its name, if there is one."""
    _end_template(db, template.name, at, by)
    _TEMPLATE.put(db, template, created_at=at, created_by=by)


def remove_template(db: UnitOfWork, name: str, at: str, by: str) -> None:
    """End a template. Raises UnknownTemplate."""
    if not _end_template(db, name, at, by):
        raise UnknownTemplate(name)


def replace_charger(db: UnitOfWork, old: str, new: str, at: str, by: str) -> None:
    """Let the templates of a charger hold for the one that took its place."""
    templates = (
        "SELECT name, model, chargers, entries FROM configuration_template "
        "WHERE ended_at IS NULL AND chargers IS NOT NULL"
    )
    for name, model, named, entries in db.rows(templates):
        chargers = orjson.loads(named)
        if old in chargers:
            others = [new if one == old else one for one in chargers]
            template = NewTemplate(
                name=name, model=model, chargers=others, entries=orjson.loads(entries)
            )
            set_template(db, template, at, by)


def _end_template(db: UnitOfWork, name: str, at: str, by: str) -> int:
    ended = (
        "UPDATE configuration_template "
        "SET ended_at = ?, ended_by = ? "
        "WHERE name = ? AND ended_at IS NULL"
    )
    return db.changed(ended, (at, by, name))


def keep_interval(db: UnitOfWork, origin: Origin, key: str, value: str | None) -> None:
    """Store the heartbeat interval, which determines the watchdog's time-out (three intervals)."""
    is_number = (
        value is not None
        and value.isascii()
        and value.isdecimal()
        and len(value) <= LONGEST_INTERVAL_DIGITS
    )
    if key.casefold() in INTERVAL_KEYS and value is not None and is_number:
        reported = "UPDATE cp SET heartbeat_interval = ? WHERE id = ?"
        db.execute(reported, (int(value) or None, origin.charger))
