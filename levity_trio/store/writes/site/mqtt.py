"""How far the broker of MQTT has come with the facts, and whether it can be reached."""

from __future__ import annotations

from typing import Final

from levity_trio.events import MqttFactRefused, MqttReplayed
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.site.receivers import StoredFact
from levity_trio.told import shortened, stored

LONGEST_PROBLEM: Final = 200
_BEGIN: Final = (
    "INSERT INTO mqtt (id, position, moved_at, since) "
    "VALUES (1, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0), ?, ?) "
    "ON CONFLICT (id) DO NOTHING"
)


def begin(db: UnitOfWork, at: str) -> None:
    """Begin after the newest fact, if MQTT was never used: the past is sent only if somebody asks
    for it."""
    db.execute(_BEGIN, (at, at))


def move(db: UnitOfWork, before: int, after: int, at: str) -> bool:
    """Store that the broker has all facts up to `after`.

    Return False if the position is not `before` any more: a replay was asked for meanwhile, and
    wins.
    """
    return bool(
        db.changed(
            "UPDATE mqtt SET position = ?, moved_at = ? WHERE position = ?", (after, at, before)
        )
    )


def note_refused(db: UnitOfWork, fact: StoredFact, at: str, problem: str) -> None:
    """Store that the broker does not take a fact, which is passed over."""
    if fact.kind != MqttFactRefused.__name__:  # or one would follow the other
        problem = shortened(problem, LONGEST_PROBLEM)
        db.record(
            MqttFactRefused(charger=None, at=at, fact=fact.id, kind=fact.kind, problem=problem)
        )


def note_link(
    db: UnitOfWork, is_connected: bool, at: str, broker: str, problem: str | None
) -> None:
    """Store whether the broker is connected, and why not. `since` stays while that does not
    change."""
    begin(db, at)
    db.execute(
        "UPDATE mqtt SET since = CASE "
        "WHEN is_connected = ? THEN since ELSE ? END, is_connected = ?, broker = ?, problem = ?",
        (int(is_connected), at, int(is_connected), broker, _kept(problem)),
    )


def note_problem(db: UnitOfWork, problem: str | None) -> None:
    """Store why a connected broker takes no facts, None if it takes them."""
    db.execute("UPDATE mqtt SET problem = ?", (_kept(problem),))


def _kept(problem: str | None) -> str | None:
    return None if problem is None else stored(shortened(problem, LONGEST_PROBLEM))


def replay(db: UnitOfWork, position: int, since: str, at: str, by: str) -> int | None:
    """Set the position back, if it is beyond this one, because the facts since a time are wanted
    again.

    Return how many facts the broker gets again; None if MQTT was never used.
    """
    row = db.row("SELECT position FROM mqtt")
    if row is None:
        return None
    again = max(0, int(row[0]) - position)
    if again:
        db.execute("UPDATE mqtt SET position = ?, moved_at = ?", (position, at))
    db.record(MqttReplayed(charger=None, at=at, since=since, facts=again, by=by))
    return again
