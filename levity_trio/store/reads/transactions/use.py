"""How a charger is used: a month of it, and what its sessions usually are.

A session counts where it took place, also if it began before the month or is open. When energy
flowed is known by the quarter of an hour (power.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from orjson import loads

from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.charging.sent.evidence import seconds
from levity_trio.charging.tolerances import LEAST_CHARGING_W
from levity_trio.records import record
from levity_trio.store.engine.database import Database, marks, parts, rows_of
from levity_trio.store.lookups.load_spans import PRICE, spans_of
from levity_trio.store.reads.transactions.power import A_DAY
from levity_trio.wire.times import in_zone, shifted_stamp

HABIT_DAYS: Final = timedelta(days=90)
"""Habits are those of so many days up to the end of the month."""
LEAST_SESSIONS: Final = 5
"""Fewer sessions show no habit."""
WINDOW: Final = 3
"""Hours within which most sessions begin."""
_LEAST_WH: Final = LEAST_CHARGING_W * SECONDS / 3600
"""A quarter with less is one in which a car rests."""
_HOURS: Final = 24
_ENDED: Final = (
    "SELECT id, start_time, stop_time, energy_delivered FROM tx INDEXED BY tx_by_end"
    " WHERE cp_id = ? AND stop_time >= ? AND start_time < ?"
)
_OPEN: Final = (
    "SELECT id, start_time, NULL, NULL "
    "FROM tx INDEXED BY tx_open "
    "WHERE cp_id = ? AND status = 'Active' AND start_time < ?"
)
_POWER: Final = "SELECT tx_id, day, since, wh FROM power WHERE tx_id IN ({})"
_FAULTS: Final = (
    "SELECT error_code, timestamp, resolved_at FROM cp_err WHERE cp_id = ? AND is_warning = 0"
    " AND coalesce(resolved_at, '9999') >= ? AND timestamp < ? ORDER BY id"
)


@record
class FaultsOfMonth:
    """How often a fault came in a month, and for how long it lasted within it."""

    error_code: str
    count: int
    seconds: int


@record
class Habits:
    """What sessions of the last 90 days have in common, by medians.

    `begin_hour` is the local hour from which on, in three hours, most of them begin: `beginning` of
    all `sessions`. `weekday` (1 is Monday) is the day on which most of them begin.
    """

    sessions: int
    begin_hour: int
    beginning: int
    weekday: int
    energy_wh: int
    plugged_seconds: int
    charging_seconds: int


@record
class ChargerUse:
    """A month of a charger, as far as it is gone. Cars were in sessions for `plugged_seconds`; for
    `charging_seconds` of them energy flowed, for `unknown_seconds` it is not known, and for
    `held_seconds` of the rest load management gave a car too little to charge. `habits` is null if
    sessions are too few."""

    charger: str
    month: str
    since: str
    before: str
    is_over: bool
    sessions: int
    plugged_seconds: int
    charging_seconds: int
    unknown_seconds: int
    held_seconds: int
    faults: list[FaultsOfMonth]
    habits: Habits | None


class UseQuestion(NamedTuple):
    """What is asked for: a charger, a month with its beginning and end, and the present time."""

    charger: str
    month: str
    since: str
    before: str
    now: str
    zone: ZoneInfo


class _UsageRow(NamedTuple):
    id: int
    since: str
    until: str | None
    wh: int | None


class _SessionFlow(NamedTuple):
    """The quarters of a session in which energy flowed, and in which that is not known."""

    charging: Sequence[int]
    unknown: Sequence[int]


def use_of(db: Database, asked: UseQuestion) -> ChargerUse:
    """Return how a charger was used in a month."""
    until = min(asked.before, asked.now)
    sessions = _sessions(db, asked.charger, asked.since, until)
    flows = _flows(db, [one.id for one in sessions])
    within = range(quarter_of(seconds(asked.since)), quarter_of(seconds(until)) + 1)
    plugged = sum(
        seconds(min(one.until or until, until)) - seconds(max(one.since, asked.since))
        for one in sessions
    )
    charging, unknown = (
        sum(quarter in within for one in sessions for quarter in flows[one.id][kind]) * SECONDS
        for kind in (0, 1)
    )
    charging = min(charging, round(plugged))
    unknown = min(unknown, round(plugged) - charging)
    return ChargerUse(
        charger=asked.charger,
        month=asked.month,
        since=asked.since,
        before=asked.before,
        is_over=asked.before <= asked.now,
        sessions=len(sessions),
        plugged_seconds=round(plugged),
        charging_seconds=charging,
        unknown_seconds=unknown,
        held_seconds=min(
            _held(db, sessions, asked.since, until), round(plugged) - charging - unknown
        ),
        faults=_faults(db, asked, until),
        habits=_habits(db, asked, until),
    )


def _sessions(db: Database, charger: str, since: str, until: str) -> list[_UsageRow]:
    ended = db.execute(_ENDED, (charger, since, until)).fetchall()
    return sorted(
        _UsageRow(*row) for row in (*ended, *db.execute(_OPEN, (charger, until)).fetchall())
    )


def _flows(db: Database, numbers: Sequence[int]) -> dict[int, _SessionFlow]:
    found = {number: _SessionFlow([], []) for number in numbers}
    for some in parts(numbers):
        for number, day, since, wh in db.execute(_POWER.format(marks(some)), tuple(some)):
            charging, unknown = [*found[number].charging], [*found[number].unknown]
            for quarter, one in enumerate(loads(wh), day * A_DAY + since):
                if one is None:
                    unknown.append(quarter)
                elif one >= _LEAST_WH:
                    charging.append(quarter)
            found[number] = _SessionFlow(charging, unknown)
    return found


def _held(db: Database, sessions: Sequence[_UsageRow], since: str, before: str) -> int:
    """Return for how many seconds between two times load management gave cars too little to
    charge."""
    held = 0.0
    for one in sessions:
        for span in spans_of(rows_of(db), one.id):
            if span.why == PRICE:
                continue
            until = min(span.until or before, one.until or before, before)
            held += max(0.0, seconds(until) - seconds(max(span.since, since)))
    return round(held)


def _faults(db: Database, asked: UseQuestion, until: str) -> list[FaultsOfMonth]:
    """Return the faults of a month, the one that lasted longest first."""
    counts, lasted = Counter[str](), Counter[str]()
    for code, since, resolved in db.execute(
        _FAULTS, (asked.charger, asked.since, until)
    ).fetchall():
        counts[code] += 1
        lasted[code] += round(
            seconds(min(resolved or until, until)) - seconds(max(since, asked.since))
        )
    return [
        FaultsOfMonth(error_code=code, count=counts[code], seconds=time)
        for code, time in lasted.most_common()
    ]


def _habits(db: Database, asked: UseQuestion, until: str) -> Habits | None:
    sessions = [
        one
        for one in _sessions(db, asked.charger, shifted_stamp(until, -HABIT_DAYS), until)
        if one.until is not None
    ]
    if len(sessions) < LEAST_SESSIONS:
        return None
    begins = [in_zone(datetime.fromisoformat(one.since), asked.zone) for one in sessions]
    hours = Counter(one.hour for one in begins)
    windows = [
        sum(hours[(hour + more) % _HOURS] for more in range(WINDOW)) for hour in range(_HOURS)
    ]
    hour = max(range(_HOURS), key=windows.__getitem__)
    flows = _flows(db, [one.id for one in sessions])
    return Habits(
        sessions=len(sessions),
        begin_hour=hour,
        beginning=windows[hour],
        weekday=Counter(one.isoweekday() for one in begins).most_common(1)[0][0],
        energy_wh=round(median(one.wh or 0 for one in sessions)),
        plugged_seconds=round(
            median(seconds(one.until or one.since) - seconds(one.since) for one in sessions)
        ),
        charging_seconds=round(median(len(flows[one.id].charging) for one in sessions)) * SECONDS,
    )
