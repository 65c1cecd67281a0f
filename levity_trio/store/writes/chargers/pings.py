"""Whether a charger tolerates WebSocket pings. Some close the connection after each ping (seen:
Grizzl-E Smart), so with pings every 20 seconds no session of such a charger lasts longer.

Pings to a charger are disabled when three consecutive sessions were closed just after a ping,
unless it has ever answered one with its present firmware. New firmware enables them again.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from levity_trio.events import PingsSwitchedOff
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers.sessions import ConnectionEnd, session_of

CLOSINGS: Final = 3
FIRMWARE_CHARACTERS: Final = 64
"""The length to which a firmware version is cut, as in `repair`."""


class PingOutcome(Enum):
    """The outcome of the pings of a session."""

    ANSWERED = auto()
    """The charger answered at least one."""
    CLOSED = auto()
    """It answered none, and closed the connection just after one."""
    BORNE = auto()
    """It answered none, and kept the connection open."""


class _PingHabit(NamedTuple):
    firmware: str
    answered_at: str | None = None
    closings: int = 0
    off_at: str | None = None


def note(db: UnitOfWork, ending: ConnectionEnd, outcome: PingOutcome) -> None:
    """Store the outcome of the pings of an ended connection, also of one in which a known charger
    sent nothing."""
    known = _known(db, ending.charger)
    if known is None or (now := _after(known, outcome, ending.at)) == known:
        return
    db.execute(
        "INSERT INTO ping (cp_id, firmware, answered_at, closings, off_at) "
        "VALUES (?, ?, ?, ?, ?) ON CONFLICT (cp_id) DO UPDATE "
        "SET firmware = excluded.firmware, answered_at = excluded.answered_at, "
        "closings = excluded.closings, off_at = excluded.off_at",
        (ending.charger, *now),
    )
    if now.off_at is not None and known.off_at is None:
        fact = PingsSwitchedOff(charger=ending.charger, at=ending.at, firmware_version=now.firmware)
        db.record(fact, session_of(db, ending))


def are_off(db: UnitOfWork, charger: str) -> bool:
    """Whether pings to this charger are disabled."""
    known = _known(db, charger)
    return known is not None and known.off_at is not None


def _known(db: UnitOfWork, charger: str) -> _PingHabit | None:
    """Return what is known with the present firmware; None for an unknown charger."""
    reported = db.row("SELECT firmware_version FROM cp WHERE id = ?", (charger,))
    if reported is None:
        return None
    firmware = (reported[0] or "")[:FIRMWARE_CHARACTERS]
    row = db.row(
        "SELECT firmware, answered_at, closings, off_at FROM ping WHERE cp_id = ?", (charger,)
    )
    return _PingHabit(*row) if row is not None and row[0] == firmware else _PingHabit(firmware)


def _after(known: _PingHabit, outcome: PingOutcome, at: str) -> _PingHabit:
    if outcome is PingOutcome.ANSWERED:
        return known._replace(answered_at=known.answered_at or at, closings=0)
    if outcome is PingOutcome.BORNE or known.answered_at is not None:
        return known._replace(closings=0)
    closings = known.closings + 1
    return known._replace(
        closings=closings, off_at=known.off_at or (at if closings >= CLOSINGS else None)
    )
