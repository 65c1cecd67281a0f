"""What the broker of MQTT has of the facts, and which ones are next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.shapes import Shape
from levity_trio.store.reads.site.events import StoredFact, after, before_oldest, newest
from levity_trio.wire.times import stamp

_MARGIN: Final = timedelta(minutes=1)
"""The times of facts may be out of the order of their ids by so much."""
_SET: Final = "2020"
"""A fact with an earlier time was stored before the clock was set."""


@record
class MqttState:
    """The broker of MQTT: connected or not, and since when. `problem` is why not, or why it takes
    no facts.

    `waiting` counts the facts that it has not acknowledged; the first of them is from
    `waiting_since`. It last acknowledged facts at `moved_at`.
    """

    broker: str
    is_connected: bool
    since: str
    problem: str | None
    waiting: int
    waiting_since: str | None
    moved_at: str


_STATE: Final = Shape(
    MqttState,
    waiting="position",
    waiting_since="(SELECT at FROM event WHERE event.id > position ORDER BY event.id LIMIT 1)",
).with_texts("problem")


class BrokerProgress(NamedTuple):
    """The position as it is stored, and the last fact that the broker has acknowledged since."""

    stored: int
    reached: int


@record(kw_only=False)
class FactsPage:
    """The facts after what the broker has. `pruned` counts those before them that are kept no
    longer."""

    progress: BrokerProgress
    pruned: int
    facts: list[StoredFact]


def state(db: Database) -> MqttState | None:
    """Return the state of the broker; None if MQTT was never used."""
    found = _STATE.one(db, "FROM mqtt")
    if found is None:
        return None
    return replace(found, waiting=newest(db) - max(found.waiting, before_oldest(db)))


def next_page(db: Database, known: BrokerProgress, limit: int) -> FactsPage | None:
    """Return the next facts for the broker; None if MQTT was never used. A position that is not the
    known one any more was set back, or by another server."""
    for (position,) in db.execute("SELECT position FROM mqtt").fetchall():
        progress = known if known.stored == position else BrokerProgress(position, position)
        pruned = max(0, before_oldest(db) - progress.reached)
        return FactsPage(progress, pruned, after(db, progress.reached, newest(db), limit))
    return None


def before(db: Database, since: str) -> tuple[int, bool]:
    """Return the position before the first fact at or after a time, and whether older ones are kept
    no longer."""
    early = stamp(datetime.fromisoformat(since) - _MARGIN)
    older = db.execute(
        "SELECT id FROM event WHERE at < ? AND at >= ? ORDER BY id DESC LIMIT 1", (early, _SET)
    ).fetchall()
    start = int(older[0][0]) if older else before_oldest(db)
    first = db.execute(
        "SELECT id FROM event WHERE id > ? AND at >= ? ORDER BY id LIMIT 1", (start, since)
    ).fetchall()
    return (int(first[0][0]) - 1 if first else newest(db)), not older and start > 0
