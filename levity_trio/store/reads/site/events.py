"""Reads the facts in their order, for streams; lists the webhooks that get them, and what was given
up for one; and tells what the broker of MQTT has of them, and which ones are next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.pages import Shape
from levity_trio.wire.times import stamp


class StoredFact(NamedTuple):
    """A row of `event`; `data` is JSON text."""

    id: int
    kind: str
    charger: str | None
    data: str


def newest(db: Database, table: str = "event") -> int:
    """Return the highest id ever assigned, even if its row has been pruned."""
    rows = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchall()
    return int(rows[0][0]) if rows else 0


def before_oldest(db: Database) -> int:
    """Return the id before the oldest fact that is kept."""
    ((oldest,),) = db.execute("SELECT min(id) FROM event").fetchall()
    return newest(db) if oldest is None else int(oldest) - 1


def after(db: Database, last: int, upto: int, limit: int) -> list[StoredFact]:
    """Return the facts after one id, up to another one."""
    rows = db.execute(
        "SELECT id, kind, cp_id, data FROM event WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        (last, upto, limit),
    )
    return [StoredFact(*row) for row in rows.fetchall()]


# Webhooks


@record
class WebhookRow:
    """A webhook, without its secret. `failing` counts the chargers whose facts wait behind a failed
    delivery."""

    id: int
    name: str
    url: str
    kinds: list[str] | None
    charger: str | None
    created_at: str
    created_by: str
    delivered_at: str | None
    failing: int
    failing_since: str | None
    next_at: str | None
    problem: str | None
    given_up: int
    """Facts that were never delivered."""
    removed_at: str | None
    removed_by: str | None


@record
class GivenUpRow:
    """Facts of one charger that were never delivered; `charger` is None for facts of no charger."""

    id: int
    at: str
    charger: str | None
    first_event: int
    last_event: int
    facts: int
    failing_since: str
    problem: str


_WEBHOOK: Final = Shape(
    WebhookRow,
    charger="webhook.cp_id",
    failing="count(webhook_id)",
    failing_since="min(failing_since)",
    next_at="min(next_at)",
    problem="max(problem)",
    given_up=(
        "(SELECT coalesce(sum(facts), 0) FROM webhook_given_up WHERE webhook_id = webhook.id)"
    ),
).with_texts("kinds", "problem")
_GIVEN_UP: Final = Shape(GivenUpRow).with_texts("problem")


def webhooks(db: Database) -> list[WebhookRow]:
    """Return all webhooks, the newest first."""
    rest = "FROM webhook LEFT JOIN webhook_waiting ON webhook_id = id GROUP BY id ORDER BY id DESC"
    return _WEBHOOK.every(db, rest)


def given_up(db: Database, webhook: int, before: int | None, limit: int) -> list[GivenUpRow]:
    """Return what was given up for a webhook with an id below `before`, the newest first."""
    rest = "FROM webhook_given_up WHERE webhook_id = ? AND id < ? ORDER BY id DESC LIMIT ?"
    return _GIVEN_UP.every(db, rest, (webhook, 2**62 if before is None else before, limit))


def of_charger(
    db: Database, charger: str, last: int, upto: int, limit: int
) -> list[tuple[StoredFact, str]]:
    """Return the facts of a charger ('': those of none) after one id up to another one, each with
    its time."""
    whose = "cp_id IS NULL" if charger == "" else "cp_id = ?"
    rows = db.execute(
        (
            "SELECT id, kind, cp_id, data, at FROM event "  # noqa: S608
            f"WHERE {whose} AND id > ? AND id <= ? ORDER BY id LIMIT ?"
        ),
        (*([charger] if charger else []), last, upto, limit),
    )
    return [(StoredFact(*row[:4]), row[4]) for row in rows.fetchall()]


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
