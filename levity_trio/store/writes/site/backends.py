"""The backends that get a copy of what chargers tell, and how far each one's copy has come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from levity_trio.records import record
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.told import stored


@record
class CopyOutcome:
    """What became of a message: answered or refused there, or not told at all. `log_id` is the
    frame that it was, None if it was none."""

    backend: int
    charger: str
    at: str = ""
    log_id: int | None = None
    is_told: bool = True
    is_made: bool = False
    transaction: int | None = None
    begins: bool = False
    """Whether it is the start of `transaction`, which is `their_id` there."""
    their_id: int | None = None
    is_reading: bool = False
    """Whether it is a MeterValues of `transaction`."""
    ends: bool = False
    """Whether nothing more is told of `transaction`."""
    is_closed: bool = False
    """Whether its end is one that the server made."""
    kind: str | None = None
    """What is kept of it: refused, late or number; None: nothing."""
    action: str = ""
    payload: Mapping[str, Any] | None = None
    answer: str = ""


def keep(db: UnitOfWork, outcome: CopyOutcome) -> None:
    """Store what became of a message, before the next message of its charger is told."""
    place = outcome.backend, outcome.charger
    told, is_reading = int(outcome.is_told), outcome.is_reading
    db.execute(
        "UPDATE backend_cp SET log_id = max(log_id, ?), attempts = 0, "
        "told = told + ?, made = made + ?, told_at = CASE WHEN ? = 1 THEN ? ELSE told_at END "
        "WHERE backend_id = ? AND cp_id = ?",
        (outcome.log_id or 0, told, told * int(outcome.is_made), told, outcome.at, *place),
    )
    kind, answer = outcome.kind, outcome.answer
    if outcome.begins:
        if outcome.their_id is not None and (
            outcome.their_id <= 0
            or db.row(
                "SELECT 1 FROM backend_tx WHERE backend_id = ? AND their_id = ?",
                (outcome.backend, outcome.their_id),
            )
        ):
            kind, answer = "number", str(outcome.their_id)
        db.execute(
            "INSERT INTO backend_tx (backend_id, tx_id, their_id, started_at, stopped_at) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                *(outcome.backend, outcome.transaction, outcome.their_id, outcome.at),
                outcome.at if outcome.their_id is None else None,
            ),
        )
    elif outcome.transaction is not None:
        db.execute(
            "UPDATE backend_tx SET readings = readings + ?, made = made + ?, is_closed = ?, "
            "stopped_at = CASE WHEN ? = 1 THEN coalesce(stopped_at, ?) ELSE stopped_at END "
            "WHERE backend_id = ? AND tx_id = ?",
            (
                *(int(is_reading and not outcome.is_made), int(is_reading and outcome.is_made)),
                *(int(outcome.is_closed), int(outcome.ends), outcome.at),
                *(outcome.backend, outcome.transaction),
            ),
        )
    if kind is not None:
        db.execute(
            "INSERT INTO backend_refused (backend_id, cp_id, at, kind, action, payload, tx_id, "
            "answer) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(*place, outcome.at, kind, outcome.action),
                *(orjson.dumps(outcome.payload).decode(), outcome.transaction, answer),
            ),
        )


def try_again(db: UnitOfWork, backend: int, charger: str) -> None:
    """Store that the next message was answered with an error once more."""
    db.execute(
        "UPDATE backend_cp SET attempts = attempts + 1 WHERE backend_id = ? AND cp_id = ?",
        (backend, charger),
    )


def note_registration(
    db: UnitOfWork, backend: int, charger: str, is_accepted: bool | None, own: Mapping[str, int]
) -> None:
    """Store whether the boot of a charger was accepted (None: as before), and the intervals that
    the backend set."""
    accepted = None if is_accepted is None else int(is_accepted)
    db.execute(
        "UPDATE backend_cp SET is_accepted = coalesce(?, is_accepted), own = ? "
        "WHERE backend_id = ? AND cp_id = ?",
        (accepted, orjson.dumps(own).decode(), backend, charger),
    )


def note_link(
    db: UnitOfWork,
    backend: int,
    charger: str,
    is_connected: bool,
    problem: str | None,
    behind_since: str | None,
    at: str,
) -> None:
    """Store whether a charger is connected to a backend, why it is not or waits, and since when it
    is behind."""
    db.execute(
        "UPDATE backend_cp SET problem = ?, behind_since = ?, "
        "since = CASE WHEN is_connected = ? AND since IS NOT NULL THEN since ELSE ? END, "
        "is_connected = ? WHERE backend_id = ? AND cp_id = ?",
        (
            *(None if problem is None else stored(problem), behind_since),
            *(int(is_connected), at, int(is_connected), backend, charger),
        ),
    )
