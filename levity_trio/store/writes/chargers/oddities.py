"""What is odd about a charger though none of its messages is wrong. Absence is never evidence: a
charger that measures nothing has certain sessions of 0 Wh, so its owner is told.

A car that is full takes nothing either. So a session counts only if its charger reported Charging,
live, for half an hour, and load management held nothing back; and if the meter has ever measured
anything here, only many such sessions count, because some chargers report Charging as long as a car
is plugged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Final

from levity_trio.charging.energy import CERTAIN
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.tolerances import MANY, SEVERAL
from levity_trio.events import ChargerOdd
from levity_trio.store.cases.transaction import SYSTEM, StoredTransaction, begun_before
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.lookups.load_spans import spans_of
from levity_trio.store.writes.origin import Origin
from levity_trio.wire.times import shifted_stamp

MOST_CONNECTIONS: Final = 50
"""A charger that connects more often in a day (of UTC) has a bad network or power supply, or often
restarts."""
CALM: Final = timedelta(days=7)
"""What was not seen for so long is told again; one exchange of a meter, by the register at its end,
never."""
CHARGED_SECONDS: Final = 1800
_SEEN: Final = (
    "UPDATE oddity SET figure = ?4, last_at = CASE cause "
    "WHEN 'meter_exchanged' THEN last_at ELSE ?6 END "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND cause = ?3 AND earlier = ?5 AND (last_at > ?7 "
    "OR cause = 'meter_exchanged')"
)
_NOTE: Final = (
    "INSERT INTO oddity (cp_id, conn_id, cause, figure, earlier, since, last_at) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) "
    "ON CONFLICT (cp_id, conn_id, cause) DO UPDATE "
    "SET figure = excluded.figure, earlier = excluded.earlier, since = excluded.since, "
    "last_at = excluded.last_at"
)
_STATUSES: Final = (
    "SELECT status, received_at FROM status "
    "WHERE cp_id = ? AND conn_id = ? AND received_at BETWEEN ? AND ? "
    "ORDER BY id"
)
_MEASURED: Final = (
    "SELECT 1 "
    "FROM (SELECT energy_delivered FROM tx WHERE cp_id = ? AND conn_id = ? "
    "ORDER BY created_at DESC, id DESC LIMIT 100) AS newest "
    "WHERE energy_delivered > 0 LIMIT 1"
)
"""Whether any of the newest sessions of a connector has energy: a stop does not search years."""


def note(
    db: UnitOfWork, origin: Origin, cause: str, figure: int, connector: int = 0, earlier: int = 0
) -> None:
    """Note what is odd about a charger; record it if that is new."""
    charger, session, at = origin
    noted = (charger, connector, cause, figure, earlier, at)
    if not db.changed(_SEEN, (*noted, shifted_stamp(at, -CALM))):
        db.execute(_NOTE, noted)
        fact = ChargerOdd(
            charger=charger, at=at, cause=cause, connector=connector, figure=figure, earlier=earlier
        )
        db.record(fact, session)


_CHANGED: Final = (
    "SELECT is_other, answered_at, answered_by, reason FROM serial_change "
    "WHERE cp_id = ?1 AND ?2 IN (earlier, serial) AND ?3 IN (earlier, serial) ORDER BY at LIMIT 1"
)
_CHANGE: Final = (
    "INSERT INTO serial_change "
    "(cp_id, at, earlier, serial, is_other, answered_at, answered_by, reason) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)


def follow_serial(
    db: UnitOfWork, origin: Origin, before: Sequence[str | None], told: Sequence[str | None]
) -> None:
    """Ask once for two serial numbers whether a charger is another one since it told the second.
    If a person said so, each further change between them is such a change, too. Of the serial
    numbers of charger and box, the first that was told both times counts."""
    for earlier, serial in zip(map(_plain, before), map(_plain, told), strict=True):
        if not (earlier and serial):
            continue
        charger, session, at = origin
        known = db.row(_CHANGED, (charger, earlier, serial))
        if earlier == serial or (known and not known[0]):
            return
        answer = known or (None,) * 4
        db.execute(_CHANGE, (charger, at, earlier, serial, *answer))
        if known is None:
            fact = ChargerOdd(
                charger=charger, at=at, cause="new_serial", connector=0, figure=0, earlier=0
            )
            db.record(fact, session)
        return


def _plain(serial: str | None) -> str:
    """Return a serial number without what charger and label write otherwise; "" for zeros."""
    plain = "".join((serial or "").split()).upper()
    return plain if plain.strip("0") else ""


def left(db: UnitOfWork, origin: Origin) -> None:
    """Count a connection that ended, perhaps without any message."""
    if not db.count_within(origin.charger, "left", origin.received_at, MOST_CONNECTIONS):
        note(db, origin, "comes_and_goes", MOST_CONNECTIONS)


MEASURES_AGAIN: Final = (
    "DELETE FROM oddity WHERE cp_id = ? AND conn_id = ? AND cause = 'measures_nothing'"
)
"""The statement for a connector that showed energy."""


def measured_nothing(db: UnitOfWork, origin: Origin, tx: StoredTransaction) -> None:
    """Look at a transaction that ended without energy, and at those before it."""
    place = (tx.charger, tx.connector or 0)
    times = 0
    for one in (tx, *begun_before(db.rows, tx.place, MANY + MANY)):
        if one.energy_delivered:
            break
        times += _has_charged(db, one)
    if times >= MANY or (times >= SEVERAL and db.row(_MEASURED, place) is None):
        note(db, origin, "measures_nothing", times, place[1])


def _has_charged(db: UnitOfWork, tx: StoredTransaction) -> bool:
    """Whether the charger reported Charging during a transaction without energy, so long that its
    meter would have counted something."""
    if tx.confidence != CERTAIN or tx.stopped_by == SYSTEM or spans_of(db.rows, tx.id):
        return False
    begun, ended = shifted_stamp(tx.created_at, timedelta(minutes=-1)), tx.stop_received_at or ""
    statuses = (*db.rows(_STATUSES, (tx.charger, tx.connector, begun, ended)), ("", ended))
    spans = (
        seconds(to) - seconds(at)
        for (status, at), (_, to) in pairwise(statuses)
        if status == "Charging"
    )
    return sum(spans) >= CHARGED_SECONDS
