"""The open transactions with their curves, read again only where something new was told; which are
silent.

A page asks for the present state again and again, and a curve is made of all readings of its
transaction. So what was read is kept, and a transaction that was told nothing since is not read
again; of one that was, only the new readings are added to its curve. A reading that arrives late,
with a time before the newest one, is not in the curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import POWER, seconds
from levity_trio.records import record
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.transactions.transactions import (
    RunningTransaction,
    open_transactions,
    rate_w,
    reported_w,
)
from levity_trio.wire.times import stamp

_VERSIONS: Final = (
    "SELECT tx.id, tx.cp_id, conn_id, tx.updated_at, last_reading_at, suspended_at, "
    "clock_skew_seconds, own_start_time, min(own_start_time, tx.created_at) "
    "FROM tx JOIN cp ON cp.id = tx.cp_id "
    "WHERE tx.status = 'Active' ORDER BY own_start_time, tx.id"
)
"""What changes with each message about an open transaction, and where its readings are."""
_READINGS: Final = (
    "SELECT timestamp, measurand, phase, value, unit, wh, run_since, run_high FROM meter_val"
    " WHERE cp_id = ? AND conn_id = ?"
    " AND timestamp >= ? AND tx_id = ? AND (wh IS NOT NULL OR measurand = ?) ORDER BY timestamp, id"
)
_Row = tuple[str, str, str, str, str, int | None, str | None, str | None]
Version = tuple[object, ...]
MOST_POINTS: Final = 60
SHORTEST_SECONDS: Final = 60


@record(kw_only=False)
class PowerCurve:
    """The power of a transaction over its time, short enough to be drawn: `highest` is the highest
    power in W by the number of the stretch, each of `step` seconds. A curve grows with the
    transaction: of too many stretches, each two become one."""

    step: int = SHORTEST_SECONDS
    highest: Mapping[int, float] = field(default_factory=dict)

    def extended(self, points: Iterable[tuple[float, float]]) -> PowerCurve:
        """Return the curve with further points: seconds since the start, and W. Earlier ones count
        as at the start."""
        step, highest = self.step, dict(self.highest)
        for at, watts in points:
            while at >= MOST_POINTS * step:
                finer, highest, step = highest, {}, 2 * step
                for place, high in finer.items():
                    highest[place // 2] = max(high, highest.get(place // 2, 0.0))
            place = max(0, int(at // step))
            highest[place] = max(watts, highest.get(place, 0.0))
        return PowerCurve(step, highest)

    def points(self) -> list[tuple[int, float]]:
        """Return the beginning of each stretch in seconds, and its highest power; those without any
        are left out."""
        return [
            (place * self.step, round(watts, 1)) for place, watts in sorted(self.highest.items())
        ]


@record(kw_only=False)
class OpenSession:
    """An open transaction with its curve, and what both were made from. `version` is what had been
    received by then; `read_to` and `register` are the time of the last reading of the curve, and
    its last time and register."""

    known: RunningTransaction
    version: Version
    curve: PowerCurve = field(default_factory=PowerCurve)
    read_to: str = ""
    register: tuple[float, int] | None = None


class OpenSessions:
    """Reads the open transactions, and keeps what was read. Two threads may read at once: each
    replaces the whole."""

    def __init__(self) -> None:
        self._kept: Mapping[int, OpenSession] = {}

    def read(self, db: Database) -> list[OpenSession]:
        """Return the open transactions; the newest of a connector comes last."""
        kept, versions = self._kept, {row[0]: row for row in db.execute(_VERSIONS).fetchall()}
        changed = [
            number
            for number, row in versions.items()
            if number not in kept or kept[number].version != row
        ]
        present = {one.id: one for one in open_transactions(db, changed)} if changed else {}
        now = {
            number: _with_news(db, present[number], row, kept.get(number))
            if number in present
            else kept[number]
            for number, row in versions.items()
        }
        self._kept = now
        return [*now.values()]


def _with_news(
    db: Database, present: RunningTransaction, version: Version, before: OpenSession | None
) -> OpenSession:
    known = before or OpenSession(present, version)
    rows = db.execute(
        _READINGS, (*version[1:3], known.read_to or version[-1], version[0], POWER)
    ).fetchall()
    begun, register, points = seconds(str(version[-2])), known.register, list[tuple[float, float]]()
    runs = [*_runs(rows)]
    points += ((at - begun, one.watts) for one in runs for at in one.minutes(known.read_to))
    for at, watts, wh in _samples(rows):
        is_rate = watts is None and not any(one.since < at < one.until for one in runs)
        power = (
            rate_w(*register, at, wh)
            if is_rate and wh is not None and register is not None
            else watts
        )
        register = register if wh is None else (at, wh)
        if power is not None:
            points.append((at - begun, power))
    read_to = rows[-1][0] if rows else known.read_to
    return OpenSession(present, version, known.curve.extended(points), read_to, register)


class _EqualReadings(NamedTuple):
    """Equal readings of power from one time to another, in seconds, with the highest one in W."""

    since: float
    until: float
    watts: float

    def minutes(self, read_to: str) -> Iterator[float]:
        """Yield each minute that was not read yet, and the end."""
        at = max(self.since, seconds(read_to) if read_to else 0.0)
        while at < self.until:
            yield at
            at += SHORTEST_SECONDS
        yield self.until


def _runs(rows: Sequence[_Row]) -> Iterator[_EqualReadings]:
    found = (row for row in rows if row[1] == POWER and row[6] is not None)
    for (until, since), group in groupby(found, itemgetter(0, 6)):
        watts = reported_w(
            (phase, high or value, unit) for _, _, phase, value, unit, _, _, high in group
        )
        if watts is not None:
            yield _EqualReadings(seconds(since or until), seconds(until), watts)


def _samples(rows: Sequence[_Row]) -> Iterator[tuple[float, float | None, int | None]]:
    """Yield the power in W and the register in Wh of each time, if they were told."""
    for timestamp, group in groupby(rows, itemgetter(0)):
        samples = list(group)
        watts = reported_w((one[2], one[3], one[4]) for one in samples if one[1] == POWER)
        registers = [one[5] for one in samples if one[5] is not None]
        yield seconds(timestamp), watts, registers[-1] if registers else None


INTERVALS: Final = 3
"""A session is silent when it has told nothing for so many sampling intervals."""
UNKNOWN_SECONDS: Final = 300.0
"""The sampling interval of a charger that did not tell it, and whose readings show none yet."""
LEAST_SECONDS: Final = 60.0
"""No session is silent before: a network may take a while."""


class Silence:
    """Judges the age of readings at one time. `intervals` are the MeterValueSampleIntervals of
    chargers, as read.

    The interval of a charger that did not tell it, or tells 0, is the usual time between the
    readings of its session.
    """

    def __init__(self, now: datetime, intervals: Mapping[str, str | None]) -> None:
        self._now = now
        self._intervals = intervals
        self._times: dict[float, str] = {}

    def is_silent(self, one: RunningTransaction) -> bool:
        """Whether a session has told nothing for three intervals; one that is suspended is, for
        now, over."""
        return not one.is_suspended and (one.read_at or one.started_at) < self._oldest(one)

    def power_w(self, one: RunningTransaction) -> float | None:
        """Return the power of a session if it is that of now."""
        return (
            one.power_w if one.power_at is not None and one.power_at >= self._oldest(one) else None
        )

    def phases_a(self, one: RunningTransaction) -> Mapping[str, float]:
        """Return the current of a session by phase if it is that of now; of one that is suspended,
        nothing is known."""
        is_of_now = (
            one.current_at is not None
            and one.current_at >= self._oldest(one)
            and not one.is_suspended
        )
        return one.phases_a if is_of_now else {}

    def is_beginning(self, one: RunningTransaction) -> bool:
        """Whether a session is so young that its first power need not have come."""
        return one.power_at is None and one.started_at >= self._before(
            max(LEAST_SECONDS, self._interval(one))
        )

    def _oldest(self, one: RunningTransaction) -> str:
        return self._before(max(LEAST_SECONDS, INTERVALS * self._interval(one)))

    def _interval(self, transaction: RunningTransaction) -> float:
        told = self._intervals.get(transaction.charger) or ""
        interval = int(told) if told.isascii() and told.isdecimal() and len(told) < 7 else 0
        return interval or transaction.pace_seconds or UNKNOWN_SECONDS

    def _before(self, seconds: float) -> str:
        if seconds not in self._times:
            self._times[seconds] = stamp(self._now - timedelta(seconds=seconds))
        return self._times[seconds]
