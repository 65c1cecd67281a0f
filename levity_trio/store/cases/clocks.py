"""By how much the clock was behind that dated a transaction, from the stored times of its charger's messages.

Only reads, so the writer and read-only connections share it. Nearly all transactions begin and end with a message that
is hardly late, and then nothing is read. Otherwise, of each connection, only what is nearest to a message counts: a
clock is set again and again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.sent.timeline import RIGHT, Behind, Stretch, Told, behind_of, stretches
from levity_trio.charging.tolerances import CLOCK, CLOCK_SECONDS, LATE_SECONDS, SAME_BEHIND_SECONDS
from levity_trio.store.cases.settled import SYSTEM
from levity_trio.store.cases.transaction import LAST_TIME, TIMES, Known, of_readings
from levity_trio.store.connectors import Rows, connectors
from levity_trio.wire.times import clock_time

NEAREST: Final = 10
"""So many statuses, and so many transactions, of each connector count before a message, and as many after it."""
CONNECTIONS: Final = 4
"""That of the message, and those before it in which a message is looked for that shows the clock."""
MOST_SPEED: Final = 60
"""If a simulated clock runs faster, seconds in which a busy machine sends nothing look like a clock that is behind."""
_TOO_FAST: Final = "SELECT 1 FROM simulated_time WHERE speed > ?"
_CONNECTIONS: Final = (
    "SELECT id, connected_at, coalesce(ended_at, '9998-12-31T00:00:00.000Z'), clock_trusted FROM session"
    " WHERE cp_id = ? AND connected_at <= ? AND imported_from IS NULL ORDER BY connected_at DESC, id DESC LIMIT ?"
)
_STATUSES: Final = (
    "SELECT sent_timestamp, received_at FROM status WHERE cp_id = ? AND conn_id = ? AND received_at {0} ?"
    " AND received_at <= ? AND session_id = ? ORDER BY received_at {1}, id {1} LIMIT ?"
)
_TRANSACTIONS: Final = (
    "SELECT sent_start_time, created_at, session_id, sent_stop_time, stop_received_at FROM tx WHERE cp_id = ?"
    " AND conn_id = ? AND created_at {0} ? AND created_at <= ? AND imported_id IS NULL AND id <> ?"
    " ORDER BY created_at {1}, id {1} LIMIT ?"
)


class Dating(NamedTuple):
    """By how much the clocks were behind that dated the start and the end of a transaction."""

    start: Behind = RIGHT
    stop: Behind = RIGHT

    @property
    def is_sure(self) -> bool:
        """Whether the offset of both is known, and the clock was not set in between."""
        return self.start.is_sure and self.stop.is_sure and self.is_one

    @property
    def is_one(self) -> bool:
        return abs(self.start.seconds - self.stop.seconds) <= SAME_BEHIND_SECONDS


class _Connection(NamedTuple):
    """A connection of a charger, the times between which its messages were received, and whether we knew the time."""

    id: int
    since: str
    until: str
    is_trusted: int


def dating(rows: Rows, tx: Known, until: str = LAST_TIME) -> Dating:
    """Return by how much the clock was behind at the start and at the end of a transaction, as received by `until`.

    Of one without a stop of its charger, the start shows the clock; of one without a start, the stop.
    """
    start, stop = _start(tx), _stop(tx)
    if all(one is None or one.late <= LATE_SECONDS for one in (start, stop)) or rows(_TOO_FAST, (MOST_SPEED,)):
        return Dating()
    evidence = _Evidence(rows, tx, until)
    first = None if start is None else evidence.around(tx.created_at)
    found = [first, None if stop is None else evidence.around(tx.stop_received_at or tx.created_at, first)]
    near = [stretch for of_one in found if of_one is not None for stretch in of_one.own]
    started, stopped = (
        None if one is None or around is None else behind_of(one, around.own, around.before, near)
        for one, around in zip((start, stop), found, strict=True)
    )
    return Dating(started or stopped or RIGHT, stopped or started or RIGHT)


def _start(tx: Known) -> Told | None:
    """Return what the start tells; None if it has no time, or one that was not believed."""
    if tx.told_id is not None or tx.start_skew is None or not tx.is_start_timed:
        return None
    return _told(tx.sent_start_time, tx.created_at)


def _stop(tx: Known) -> Told | None:
    if tx.stopped_by == SYSTEM or tx.stop_skew is None or tx.stop_received_at is None or tx.own_stop_time is None:
        return None
    told = _told(tx.sent_stop_time, tx.stop_received_at)
    return told if told is not None and abs(told.own - seconds(tx.own_stop_time)) < 1 else None


def _told(sent: str | None, received_at: str | None) -> Told | None:
    own = clock_time(sent) if sent else None
    return None if own is None or received_at is None else Told(own.timestamp(), seconds(received_at))


def clock_words(tx: Known) -> str:
    """Say how the times of a transaction are corrected."""
    if not (tx.start_behind or tx.stop_behind):
        return "its charger's clock was not behind: its times are those sent"
    if abs(tx.start_behind - tx.stop_behind) <= SAME_BEHIND_SECONDS:
        return f"its charger's clock was {length(tx.start_behind)} behind: its times are corrected by that"
    start, stop = (length(one) if one else "not" for one in (tx.start_behind, tx.stop_behind))
    return f"its charger's clock was {start} behind at its start and {stop} behind at its end: its times are corrected"


def length(seconds: float) -> str:
    """Return a length of time in words, to the nearest unit: 5 minutes, nearly 3 hours, 12 days."""
    minutes = int(seconds / _UNITS["minutes"] + 0.5)
    unit = next((unit for unit, one in _UNITS.items() if minutes * 60 >= 2 * one), "minutes")
    count = int(seconds / _UNITS[unit] + 0.5)
    return f"{'nearly ' if count * _UNITS[unit] > seconds + CLOCK else ''}{count} {unit}"


_UNITS: Final = {"days": 86_400, "hours": 3600, "minutes": 60}
_Order: TypeAlias = tuple[str, str]


class _Around(NamedTuple):
    """What the connection of a message shows of its clock, and what the last one before shows that shows anything."""

    received_at: str
    own: Sequence[Stretch]
    before: Sequence[Stretch]


class _Evidence:
    """The messages of a charger around those of one transaction, as received by a time."""

    def __init__(self, rows: Rows, tx: Known, until: str) -> None:
        self._rows = rows
        self._tx = tx
        self._until = until
        self._reporting = connectors(rows, tx.charger, "status")
        self._charging = connectors(rows, tx.charger, "tx")
        self._own = [one for one in (_start(tx), _stop(tx)) if one is not None]
        self._own += [
            Told(seconds(timestamp), seconds(received_at), is_reading=True)
            for timestamp, received_at in rows(TIMES, of_readings(tx, until))
        ]

    def around(self, received_at: str, known: _Around | None = None) -> _Around:
        """Return what is known of the clock around a message; what is `known` of one that came just before will do."""
        if known is not None and seconds(received_at) - seconds(known.received_at) <= CLOCK_SECONDS:
            return known
        found = self._rows(_CONNECTIONS, (self._tx.charger, received_at, CONNECTIONS))  # its own, then those before
        connections = [one._replace(until=min(one.until, self._until)) for one in map(_Connection._make, found)]
        if not connections or not connections[0].is_trusted:
            return _Around(received_at, (), ())
        own, *earlier = connections
        shown = stretches(list(self._messages(own, received_at)))
        for connection in earlier:
            told = list(self._messages(connection, connection.until)) if connection.is_trusted else []
            if before := stretches(told) or list(_alike(told, shown)):
                return _Around(received_at, shown, before)
        return _Around(received_at, shown, ())

    def _messages(self, connection: _Connection, near: str) -> Iterator[Told]:
        """Yield the messages of a connection nearest to a time, and those of the transaction."""
        middle = min(near, connection.until)
        for since, until, order in (("", middle, (">=", "DESC")), (middle, connection.until, (">", "ASC"))):
            yield from self._statuses(connection, since, until, order)
            yield from self._transactions(connection, since, until, order)
        first, last = seconds(connection.since), seconds(connection.until)
        yield from (one for one in self._own if first <= one.received <= last)

    def _statuses(self, connection: _Connection, since: str, until: str, order: _Order) -> Iterator[Told]:
        for number in self._reporting:
            values = (self._tx.charger, number, max(since, connection.since), until, connection.id, NEAREST)
            told = (_told(*row) for row in self._rows(_STATUSES.format(*order), values))
            yield from (one._replace(is_status=True) for one in told if one is not None)

    def _transactions(self, connection: _Connection, since: str, until: str, order: _Order) -> Iterator[Told]:
        for number in self._charging:
            values = (self._tx.charger, number, since, until, self._tx.id, NEAREST)
            for start, created_at, session, stop, stopped_at in self._rows(_TRANSACTIONS.format(*order), values):
                started = _told(start, created_at) if session == connection.id else None
                is_stopped = connection.since <= (stopped_at or "") <= connection.until
                stopped = _told(stop, stopped_at) if is_stopped else None
                yield from (one for one in (started, stopped) if one is not None)


def _alike(told: Sequence[Told], shown: Sequence[Stretch]) -> Iterator[Stretch]:
    """Yield the stretches of a later connection that also fit a message of this one, though it alone shows none."""
    for one in shown:
        fits = [other.received for other in told if abs(other.late - one.behind) <= SAME_BEHIND_SECONDS]
        if one.behind and fits:
            yield one._replace(since=min(fits), until=max(fits))
