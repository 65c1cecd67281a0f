"""Open transactions: their energy so far, and power and current by their newest readings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from types import MappingProxyType
from typing import Final, NamedTuple

from levity_trio.charging.sent.evidence import CHARGE, CURRENT, POWER, seconds
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import phase_of, watts_of
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.engine.database import Database, marks, rows_of
from levity_trio.wire.times import shifted, stamp

RECENT_READINGS: Final = 60
"""The newest readings of a transaction that are searched for its current, also if there is none."""


LEAST_REGISTERS: Final = 2
"""Readings of the register that are needed to compute power."""


class RunningTransaction(NamedTuple):
    """An open transaction: its energy so far in Wh, its power in W, its current and the offered
    current in A."""

    charger: str
    connector: int | None
    id: int
    id_tag: str | None
    started_at: str
    is_suspended: bool
    energy_wh: int
    power_w: float | None
    current_a: float | None
    limit_a: float | None
    power_at: str | None = None
    """The time of its power, by our clock."""
    read_at: str | None = None
    """The time of its newest reading, by our clock."""
    charge_percent: float | None = None
    """The state of charge of its car."""
    pace_seconds: float | None = None
    """The usual time between two of its readings."""
    phases_a: Mapping[str, float] = MappingProxyType({})
    """Its current as told: in A by phase; of all phases together it is ""."""
    current_at: str | None = None
    """The time of its current, by our clock."""


class _OpenRow(NamedTuple):
    """An open transaction as stored."""

    id: int
    charger: str
    connector: int | None
    id_tag: str | None
    started_at: str
    is_suspended: int
    skew_seconds: int
    read_at: str | None


_OPEN: Final = (
    "SELECT tx.id, tx.cp_id, tx.conn_id, id_tag, start_time, suspended_at IS NOT NULL, "
    "coalesce(clock_skew_seconds, 0), last_reading_at "
    "FROM tx JOIN cp ON cp.id = tx.cp_id "
    "WHERE tx.status = 'Active'{chosen} "
    "ORDER BY own_start_time, tx.id"
)


def open_transactions(db: Database, only: Sequence[int] | None = None) -> list[RunningTransaction]:
    """Read the open transactions of the site, or only these; the newest of a connector comes
    last."""
    chosen = "" if only is None else f" AND tx.id IN ({marks(only)})"
    found = [
        _OpenRow(*row)
        for row in db.execute(_OPEN.format(chosen=chosen), tuple(only or ())).fetchall()
    ]
    energies = energies_so_far(rows_of(db), [row.id for row in found])
    return [_open_transaction(db, row, energies.get(row.id, 0)) for row in found]


def _open_transaction(db: Database, row: _OpenRow, energy_wh: int) -> RunningTransaction:
    recent = _recent(db, row)
    power_w, power_at = (None, None) if row.is_suspended else _power(recent)
    newest = max(recent, key=lambda one: one.timestamp, default=None)
    currents = _newest(recent, CURRENT)
    told = ((phase_of(one.phase), _number(one.value)) for one in currents)
    phases_a = {phase: number for phase, number in told if number is not None}
    return RunningTransaction(
        row.charger,
        row.connector,
        row.id,
        row.id_tag,
        row.started_at,
        bool(row.is_suspended),
        energy_wh,
        power_w,
        max(phases_a.values(), default=None),
        _largest(recent, "Current.Offered"),
        power_at and _by_our_clock(power_at, row),
        row.read_at if newest is None else _by_our_clock(newest, row),
        _largest(recent, CHARGE),
        _pace(recent),
        phases_a,
        _by_our_clock(currents[0], row) if phases_a else None,
    )


def _pace(recent: Sequence[Recent]) -> float | None:
    """Return the median time in seconds between readings; None if there are fewer than three."""
    times = sorted({one.timestamp for one in recent})
    gaps = [seconds(after) - seconds(before) for before, after in pairwise(times)]
    return median(gaps) if len(gaps) > 1 else None


def _by_our_clock(reading: Recent, row: _OpenRow) -> str:
    """Return the time of a reading, without the skew of its charger's clock. No reading is newer
    than its receipt."""
    if not row.skew_seconds:
        return min(reading.timestamp, reading.received_at)
    own = shifted(datetime.fromisoformat(reading.timestamp), timedelta(seconds=-row.skew_seconds))
    return min(stamp(own), reading.received_at)


class Recent(NamedTuple):
    """A recent reading."""

    measurand: str
    timestamp: str
    value: str
    unit: str
    phase: str
    wh: int | None
    received_at: str


def _recent(db: Database, row: _OpenRow) -> list[Recent]:
    """Return the recent readings of its register, power, current, and state of charge, which only
    DC chargers know."""
    rows = db.execute(
        "SELECT measurand, timestamp, value, unit, phase, wh, received_at "
        "FROM (SELECT tx_id, measurand, timestamp, value, unit, phase, wh, received_at "
        "FROM meter_val WHERE cp_id = ? AND conn_id = ? ORDER BY timestamp DESC, id DESC LIMIT ?) "
        "WHERE tx_id = ? AND (wh IS NOT NULL OR measurand IN (?, ?, 'Current.Offered', ?))",
        (row.charger, row.connector, RECENT_READINGS, row.id, POWER, CURRENT, CHARGE),
    ).fetchall()
    return [Recent(*one) for one in rows]


def _power(recent: Sequence[Recent]) -> tuple[float | None, Recent | None]:
    """Return the newest power, summed over phases, and its reading; if none was reported, the rate
    of the register."""
    newest = _newest(recent, POWER)
    reported = reported_w((one.phase, one.value, one.unit) for one in newest)
    if reported is not None:
        return reported, newest[0]
    registers = sorted({(one.timestamp, one.wh) for one in recent if one.wh is not None})
    if len(registers) < LEAST_REGISTERS:
        return None, None
    (before, low), (now, high) = registers[-LEAST_REGISTERS:]
    power = rate_w(seconds(before), low, seconds(now), high)
    return power, next(one for one in recent if one.timestamp == now) if power is not None else None


def reported_w(samples: Iterable[tuple[str, str, str]]) -> float | None:
    """Return the power of one time from its samples (phase, value, unit): the total, else the sum
    of its phases."""
    known = {
        phase: number
        for phase, value, unit in samples
        if (number := watts_of(value, unit)) is not None
    }
    return known.get("", sum(known.values()) if known else None)


def rate_w(before: float, low: int, now: float, high: int) -> float | None:
    """Return the power at which a register rose between two times in seconds; None if these are the
    same."""
    return max(0.0, (high - low) * HOUR / (now - before)) if now > before else None


def _largest(recent: Sequence[Recent], wanted: str) -> float | None:
    """Return the newest value; the largest of several phases."""
    numbers = [_number(one.value) for one in _newest(recent, wanted)]
    return max((number for number in numbers if number is not None), default=None)


def _newest(recent: Sequence[Recent], wanted: str) -> list[Recent]:
    """Return the newest readings of a measurand: one, or one for each phase."""
    found = [one for one in recent if one.measurand == wanted]
    newest = max((one.timestamp for one in found), default=None)
    return [one for one in found if one.timestamp == newest]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
