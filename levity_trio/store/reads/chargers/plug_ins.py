"""Cars that are plugged in but not charging, and what happened on their connector since the cable
was connected.

A plug-in begins with the first status after Available, and ends with the next Available.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from levity_trio.store.engine.database import Database
from levity_trio.wire.times import minutes_before

STATUSES: Final = 5000
"""The number of a connector's newest statuses that are searched for its plug-in."""
CLOCK_MINUTES: Final = 5
"""A start that precedes the plug-in by more was sent late and belongs to another; a smaller
difference is clock error. If the plug-in has no time of the charger's own, the two cannot be
compared."""
AVAILABLE: Final = "Available"
ANSWERED: Final = ("accepted", "rejected", "error")


class PlugIn(NamedTuple):
    """A connector in Preparing. `id` identifies its plug-in while the cable stays connected."""

    connector: int
    id: int
    is_unavailable: bool
    """Whether the whole charger is unavailable."""
    open_transaction: int | None
    had_transaction: bool
    was_answered: bool
    """Whether a RemoteStartTransaction during this plug-in was answered."""
    unanswered: int
    """The number of unanswered RemoteStartTransactions during this plug-in."""


class _StatusRow(NamedTuple):
    id: int
    status: str
    received_at: str
    timestamp: str
    is_believable: bool


def plug_ins(db: Database, charger: str) -> list[PlugIn]:
    """Return the connectors of a charger that are in Preparing, from one snapshot."""
    preparing = db.execute(
        "SELECT conn_id, cp.status = 'Unavailable' FROM cp_conn JOIN cp ON cp.id = cp_conn.cp_id"
        " WHERE cp_id = ? AND cp_conn.status = 'Preparing' ORDER BY conn_id",
        (charger,),
    ).fetchall()
    found: list[PlugIn] = []
    for connector, is_unavailable in preparing:
        place, began = (charger, connector), _began(db, charger, connector)
        ((open_one,),) = db.execute(
            "SELECT max(id) FROM tx INDEXED BY tx_open "
            "WHERE cp_id = ? AND conn_id = ? AND status = 'Active'",
            place,
        ).fetchall()
        since = minutes_before(min(began.timestamp, began.received_at), CLOCK_MINUTES)
        had = db.execute(
            "SELECT 1 FROM tx "
            "WHERE cp_id = ? AND conn_id = ? AND created_at >= ? AND (start_time >= ? OR ? = 0) "
            "AND imported_id IS NULL "
            "LIMIT 1",
            (*place, began.received_at, since, began.is_believable),
        ).fetchall()
        # of the RemoteStartTransactions to this connector, whatever their source
        started = db.execute(
            "SELECT payload, state FROM command "
            "WHERE cp_id = ? AND action = 'RemoteStartTransaction' AND requested_at >= ?",
            (charger, began.received_at),
        ).fetchall()
        answers = [
            state in ANSWERED
            for payload, state in started
            if orjson.loads(payload).get("connectorId") in (None, connector)
        ]
        of_plug_in = (open_one, bool(had), any(answers), answers.count(False))
        found.append(PlugIn(connector, began.id, bool(is_unavailable), *of_plug_in))
    return found


def _began(db: Database, charger: str, connector: int) -> _StatusRow:
    """Return the first status after Available, of those that were not late. A time is plausible if
    it was stored."""
    rows = db.execute(
        "SELECT id, status, received_at, timestamp, sent_timestamp IS NOT NULL "
        "AND timestamp <> received_at "
        "FROM status "
        "WHERE cp_id = ? AND conn_id = ? AND is_late = 0 AND id >= coalesce((SELECT id "
        "FROM (SELECT id, status FROM status WHERE cp_id = ? AND conn_id = ? AND is_late = 0 "
        "ORDER BY id DESC LIMIT ?) AS newest WHERE status = ? LIMIT 1), 0) "
        "ORDER BY id DESC LIMIT ?",
        (charger, connector, charger, connector, STATUSES, AVAILABLE, STATUSES),
    ).fetchall()
    first, *following = (_StatusRow(*row) for row in reversed(rows))
    return following[0] if first.status == AVAILABLE and following else first
