"""Energy by the quarter of an hour: of the site, of a charger, of households.

The table `power` holds the energy of each transaction in each quarter. A transaction is computed as
a whole when it has ended, and again whenever its figure, its times or its readings change; while it
is open, only its end is, from its last quarter on. So a message that is repeated, late, or from a
clock that is corrected later needs no rule of its own.

The use of a charger is a month of it, and what its sessions usually are. A session counts where it
took place, also if it began before the month or is open.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from statistics import median
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from orjson import dumps, loads

from levity_trio.billing.pricing import quarter
from levity_trio.billing.states import BillState
from levity_trio.charging.quarters import SECONDS, Point, Quarters, quarter_of, quarters
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.charging.sent.figures import CORRECTED
from levity_trio.charging.sent.readings import REGISTER, whole_wh
from levity_trio.charging.tolerances import LEAST_CHARGING_W
from levity_trio.records import record
from levity_trio.store.billing.booking import LONGEST
from levity_trio.store.billing.evidence import Billed
from levity_trio.store.billing.quarters import QuarterShares
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.cases.transaction import (
    StoredTransaction,
    by_our_clock,
    find_transaction,
    register,
    span,
)
from levity_trio.store.engine.database import Database, Rows, marks, parts, rows_of
from levity_trio.store.lookups.load_spans import PRICE, spans_of
from levity_trio.store.reads.pages import and_all, given
from levity_trio.store.reads.transactions.transactions import TransactionFilters
from levity_trio.wire.times import from_seconds, in_zone, shifted_stamp, stamp

A_DAY: Final = 96
"""Quarters of a day."""
PENDING: Final = 2
"""Quarters that an open transaction may be behind: its next reading is about to tell of them."""
_FROM: Final = (
    "FROM meter_val WHERE cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?"
)
_READINGS: Final = f"SELECT timestamp, wh {_FROM} AND wh IS NOT NULL ORDER BY timestamp, id"
_BEFORE: Final = (
    f"SELECT timestamp, wh {_FROM} AND wh IS NOT NULL ORDER BY timestamp DESC, id DESC LIMIT 1"
)
_IMPORTED: Final = (
    f"SELECT timestamp, value, unit {_FROM} AND measurand = '{REGISTER}' ORDER BY timestamp, id"
)
_LAST: Final = "SELECT day, since, wh FROM power WHERE tx_id = ? ORDER BY day DESC LIMIT 1"
_OPEN: Final = (
    "SELECT id, coalesce(last_reading_at, ''), updated_at "
    "FROM tx INDEXED BY tx_open WHERE status = 'Active'"
)
LAST_TIME: Final = "9999"


class DayOfTransaction(NamedTuple):
    """What a transaction took on a day of UTC: from its quarter `since` on, as it is stored."""

    day: int
    since: int
    wh: str


class TakenEnergy(NamedTuple):
    """What a transaction took from a day on. What is stored of days before stays."""

    transaction: int
    from_day: int
    days: Sequence[DayOfTransaction]


def known_revision(db: Database) -> int:
    """Return how far the table is: the newest revision of bill_work that it knows."""
    return int(db.execute("SELECT coalesce(max(revision), 0) FROM power_work").fetchone()[0])


def open_now(db: Database) -> Mapping[int, tuple[str, str]]:
    """Return what changes of open transactions with each reading, by their ids."""
    return {number: (read, updated) for number, read, updated in db.execute(_OPEN).fetchall()}


def taken(db: Database, numbers: Sequence[int]) -> list[TakenEnergy]:
    """Return what transactions took, computed as a whole."""
    rows = rows_of(db)
    return [_whole(rows, tx) for one in numbers if (tx := find_transaction(rows, one)) is not None]


def taken_lately(db: Database, numbers: Sequence[int]) -> list[TakenEnergy]:
    """Return what open transactions took since their last quarter that is stored, with that."""
    rows = rows_of(db)
    return [_end(rows, tx) for one in numbers if (tx := find_transaction(rows, one)) is not None]


def _whole(rows: Rows, tx: StoredTransaction) -> TakenEnergy:
    points = [*_readings(rows, tx, *span(tx))]
    ends = _ends(tx)
    points = sorted([*ends, *points]) if ends else points
    found = quarters(points, None if tx.status == "Active" else tx.energy_delivered)
    return TakenEnergy(tx.id, 0, [] if found is None else [*_days(found)])


def _ends(tx: StoredTransaction) -> list[Point]:
    """Return the registers of start and stop, by our clock."""
    begin = register(tx.meter_start if tx.billed_from is None else tx.billed_from)
    end = register(tx.meter_stop if tx.billed_until is None else tx.billed_until)
    found = [] if begin is None else [(seconds(tx.start_time), float(begin))]
    is_told = tx.stopped_by != "system"
    if tx.energy_method == CORRECTED and not is_told and begin is not None:
        is_told, end = True, begin + (tx.energy_delivered or 0)  # as a person saw it
    if tx.status != "Active" and tx.stop_time is not None and end is not None and is_told:
        found.append((seconds(tx.stop_time), float(end)))
    return found


def _end(rows: Rows, tx: StoredTransaction) -> TakenEnergy:
    stored = next((DayOfTransaction(*row) for row in rows(_LAST, (tx.id,))), None)
    if stored is None:
        return _whole(rows, tx)
    values = loads(stored.wh)
    last = stored.day * A_DAY + stored.since + len(values) - 1
    since = _own(tx, last * SECONDS)
    place = tx.charger, tx.connector or 0
    before = [(at, wh) for at, wh in rows(_BEFORE, (*place, span(tx)[0], since, tx.id))]
    points = [*_placed(tx, before), *_readings(rows, tx, since, LAST_TIME)]
    found = quarters(points if before else sorted([*_ends(tx), *points]))
    if found is None:
        return TakenEnergy(tx.id, stored.day + 1, ())
    new = found.wh[max(0, last - found.first) :]
    joined = (
        Quarters(stored.day * A_DAY + stored.since, [*values[:-1], *new])
        if new
        else Quarters(last, values[-1:])
    )
    return TakenEnergy(tx.id, stored.day, [*_days(joined)])


def _readings(rows: Rows, tx: StoredTransaction, since: str, until: str) -> Iterator[Point]:
    values = (tx.charger, tx.connector or 0, since, until, tx.id)
    found = rows(_READINGS, values)
    if not found and tx.status != "Active":  # of an imported one, none counts for the bill
        imported = ((at, whole_wh(value, unit)) for at, value, unit in rows(_IMPORTED, values))
        found = [(at, wh) for at, wh in imported if wh is not None]
    yield from _placed(tx, found)


def _placed(tx: StoredTransaction, found: Sequence[tuple[str, int]]) -> Iterator[Point]:
    """Yield readings by our clock."""
    ahead = _ahead(tx)
    return ((seconds(at) - ahead, float(wh)) for at, wh in found)


def _ahead(tx: StoredTransaction) -> float:
    """Return by how many seconds the clock of its charger was ahead of ours."""
    return seconds(tx.own_start_time) - seconds(by_our_clock(tx, tx.own_start_time))


def _own(tx: StoredTransaction, at: float) -> str:
    return timestamp_of(at + _ahead(tx))


def _days(found: Quarters) -> Iterator[DayOfTransaction]:
    """Yield quarters by days of UTC."""
    first, wh = found
    while wh:
        day, since = divmod(first, A_DAY)
        size = A_DAY - since
        yield DayOfTransaction(day, since, dumps(wh[:size]).decode())
        first, wh = first + size, wh[size:]


# A day of the site


@record
class ChargerPower:
    """What a charger delivered on a day: Wh by the quarter of an hour, null where that is not
    known.

    `energy_wh` is all that is known to have flowed, also in quarters that are not complete yet.
    `number` says which of all chargers it is, in the order in which they came: pictures colour it
    by that.
    """

    charger: str
    name: str | None
    number: int
    energy_wh: int
    quarters: list[int | None]


@record
class PowerGap:
    """A time of which a charger that had a session has told nothing, or told only later how much
    flowed in it."""

    charger: str
    name: str | None
    since: str
    until: str


@record
class DayPower:
    """The energy of the site on a local day by the quarter of an hour, as far as it is complete,
    and on the day before.

    Four times the Wh of a quarter are its mean power in W. `quarters` are the sums of what is known
    of each charger, null where nothing is. The figures come from registers; of sessions in doubt
    they may differ from what is billed.
    """

    day: str
    time_zone: str
    since: str
    until: str
    step_seconds: int
    quarters: list[int | None]
    before: list[int | None]
    chargers: list[ChargerPower]
    gaps: list[PowerGap]


class QuarterSpan(NamedTuple):
    """The quarters from one to another, which is not among them."""

    since: int
    until: int

    @classmethod
    def between(cls, since: str, until: str) -> QuarterSpan:
        return cls(quarter_of(seconds(since)), quarter_of(seconds(until)))


Series = dict[str, dict[int, int | None]]
"""The Wh of each charger in each quarter, None if that is not known."""
_STORED: Final = (
    "SELECT cp_id, tx.id, status = 'Active', power.day, power.since, power.wh "
    "FROM power INDEXED BY power_of_day JOIN tx ON tx.id = tx_id "
    "WHERE power.day BETWEEN ? AND ? ORDER BY tx.id, power.day"
)
_NAMES: Final = "SELECT id, name, row_number() OVER (ORDER BY created_at, id) FROM cp"
_FIRST: Final = "SELECT coalesce(min(created_at), '1970-01-01T00:00:00.000Z') FROM cp"
"""The time since when there is a charger: nothing is known of the time before."""


def power_of_day(db: Database, day: str, zone: str, times: Sequence[str], now: str) -> DayPower:
    """Return the power of a day; `times` are the beginnings of the day before, of the day, and of
    the next one."""
    whole = QuarterSpan.between(times[0], times[2])
    stored = tuple(db.execute(_STORED, (whole.since // A_DAY, whole.until // A_DAY)).fetchall())
    names = tuple(db.execute(_NAMES).fetchall())
    return _made(day, zone, tuple(times), quarter_of(seconds(now)), _first(db), stored, names)


@lru_cache(maxsize=4)
def _made(
    day: str,
    zone: str,
    times: tuple[str, str, str],
    at: int,
    first: int,
    stored: tuple[tuple[str, int, int, int, int, str], ...],
    named: tuple[tuple[str, str | None, int], ...],
) -> DayPower:
    """Return a day from its rows: of the same ones it is the same, for a quarter of an hour."""
    earlier, since, until = times
    found, complete = _series(stored, at)
    before, whole = QuarterSpan.between(earlier, since), QuarterSpan.between(since, until)
    today = whole._replace(until=min(whole.until, max(whole.since, complete)))
    names = {charger: (name, number) for charger, name, number in named}
    return DayPower(
        day=day,
        time_zone=zone,
        since=since,
        until=until,
        step_seconds=SECONDS,
        quarters=_summed(found, today),
        before=_summed(found, before, first),
        chargers=[*_chargers(found, today, whole, names)],
        gaps=[*_gaps(found, today, names)],
    )


def _series(stored: Sequence[tuple[str, int, int, int, int, str]], at: int) -> tuple[Series, int]:
    """Return what chargers delivered, and until which quarter that is complete."""
    found: Series = defaultdict(dict)
    last: dict[int, tuple[str, int]] = {}
    for charger, number, is_open, day, since, wh in stored:
        first, values, of_charger = day * A_DAY + since, loads(wh), found[charger]
        for one, value in enumerate(values, first):
            told = of_charger.get(one, 0)
            of_charger[one] = None if told is None or value is None else told + value
        if is_open:
            last[number] = charger, first + len(values) - 1
    complete = at
    for charger, one in last.values():
        if one >= at - PENDING:
            complete = min(complete, one)
        else:
            found[charger] |= dict.fromkeys(range(one, at))
    return found, complete


def _first(db: Database) -> int:
    """Return the first quarter of which something is known."""
    return quarter_of(seconds(db.execute(_FIRST).fetchall()[0][0]))


def _summed(found: Series, within: QuarterSpan, first: int = 0) -> list[int | None]:
    sums: list[int | None] = []
    for one in range(*within):
        values = [by_quarter[one] for by_quarter in found.values() if one in by_quarter]
        told = [value for value in values if value is not None]
        is_known = any(told) or (len(told) == len(values) and one >= first)
        sums.append(sum(told) if is_known else None)
    return sums


def _chargers(
    found: Series,
    within: QuarterSpan,
    day: QuarterSpan,
    names: Mapping[str, tuple[str | None, int]],
) -> Iterator[ChargerPower]:
    for charger in sorted(found, key=lambda one: names[one][1]):
        wh = [found[charger].get(one, 0) for one in range(*within)]
        if energy := sum(found[charger].get(one) or 0 for one in range(*day)):
            name, number = names[charger]
            yield ChargerPower(
                charger=charger, name=name, number=number, energy_wh=energy, quarters=wh
            )


def _gaps(
    found: Series, within: QuarterSpan, names: Mapping[str, tuple[str | None, int]]
) -> Iterator[PowerGap]:
    for charger, by_quarter in found.items():
        begin: int | None = None
        for one in range(within.since, within.until + 1):
            is_unknown = one < within.until and by_quarter.get(one, 0) is None
            if is_unknown and begin is None:
                begin = one
            elif not is_unknown and begin is not None:
                since, until = timestamp_of(begin * SECONDS), timestamp_of(one * SECONDS)
                yield PowerGap(charger=charger, name=names[charger][0], since=since, until=until)
                begin = None


# The hours of a week


@record
class WeekHistory:
    """The energy between two times by the hour of the week, from Monday 00:00 of the site's time
    zone on.

    `unknown_wh` is the energy of sessions of which it is not known when it flowed. The figures come
    from registers.
    """

    time_zone: str
    since: str
    before: str
    hours: list[int]
    energy_wh: int
    unknown_wh: int


class OfWeek(NamedTuple):
    """What is asked for: from when to when, in which zone, and whose (None: all)."""

    since: str
    before: str
    zone: ZoneInfo
    charger: str | None = None
    account: int | None = None


_BETWEEN: Final = (
    "SELECT power.day, power.since, power.wh, tx.id, coalesce(energy_delivered, 0) "
    "FROM power INDEXED BY power_of_day "
    "JOIN tx ON tx.id = power.tx_id "
    "JOIN booked ON booked.tx_id = tx.id "
    "WHERE power.day BETWEEN ? AND ?"
)
HOURS: Final = 7 * 24
_QUARTERS: Final = 4


def hours_of_week(db: Database, wanted: OfWeek) -> WeekHistory:
    """Return the energy by the hour of the week."""
    span = QuarterSpan.between(wanted.since, wanted.before)
    hours, places = [0] * (HOURS + 1), dict[int, Sequence[int]]()
    doubtful = dict[int, int]()
    for day, since, text, number, energy in _wanted_rows(db, wanted, span):
        if day not in places:
            places[day] = _places(day, wanted.zone, span)
        of_day = places[day]
        for place, wh in enumerate(loads(text), since):
            if wh:
                hours[of_day[place]] += wh
            elif wh is None:
                doubtful[number] = energy
    hours.pop()  # of what lies beyond the edges
    return WeekHistory(
        time_zone=str(wanted.zone),
        since=wanted.since,
        before=wanted.before,
        hours=hours,
        energy_wh=sum(hours),
        unknown_wh=_unknown(db, doubtful),
    )


def _wanted_rows(
    db: Database, wanted: OfWeek, span: QuarterSpan
) -> Iterator[tuple[int, int, str, int, int]]:
    """Yield the rows of what is wanted: day, first quarter, Wh by quarter, transaction and its
    judged Wh."""
    more, values = and_all(
        given(("tx.cp_id = ?", wanted.charger), ("account_id = ?", wanted.account))
    )
    yield from db.execute(
        _BETWEEN + more, (span.since // A_DAY, (span.until - 1) // A_DAY, *values)
    )


def _places(day: int, zone: ZoneInfo, span: QuarterSpan) -> list[int]:
    """Return the hour of the week of each quarter of a day of UTC; HOURS for those beyond the
    edges."""
    begin = day * A_DAY
    edges = [in_zone(from_seconds(begin * SECONDS + hour * 3600), zone) for hour in (0, 24)]
    if edges[0].utcoffset() == edges[1].utcoffset():  # on all days but two of a year
        first = (edges[0].weekday() * 24 + edges[0].hour) * _QUARTERS + edges[0].minute // 15
        found = [(first + place) // _QUARTERS % HOURS for place in range(A_DAY)]
    else:
        local = [in_zone(from_seconds((begin + place) * SECONDS), zone) for place in range(A_DAY)]
        found = [one.weekday() * 24 + one.hour for one in local]
    return [
        hour if span.since <= begin + place < span.until else HOURS
        for place, hour in enumerate(found)
    ]


def _unknown(db: Database, doubtful: Mapping[int, int]) -> int:
    """Return the energy of transactions beyond what is known of their quarters."""
    known = 0
    for some in parts([*doubtful]):
        found = db.execute(
            f"SELECT wh FROM power WHERE tx_id IN ({marks(some)})",  # noqa: S608
            tuple(some),
        ).fetchall()
        known += sum(one or 0 for (text,) in found for one in loads(text))
    return max(0, sum(doubtful.values()) - known)


# Before a time

_FLOWED: Final = (
    "SELECT power.day, power.since, power.wh "
    "FROM power INDEXED BY power_of_day JOIN booked ON booked.tx_id = power.tx_id{} "
    "AND power.day BETWEEN ? AND ?"
)
_LONGEST_DAYS: Final = 7
"""What flowed earlier is not looked for."""


def flowed_before(rows: Rows, at: str, *filters: TransactionFilters) -> int:
    """Return how much of the energy of transactions flowed before a time, as far as that is
    known."""
    first, flowed_wh = quarter_of(seconds(at)), 0
    today = first // A_DAY
    for one in filters:
        clause, values = one.where()
        span = today - _LONGEST_DAYS, today
        for day, since, text in rows(_FLOWED.format(clause), (*values, *span)):
            flowed_wh += sum(wh or 0 for wh in loads(text)[: max(0, first - day * A_DAY - since)])
    return flowed_wh


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
_UNDER_WAY: Final = (
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
    sessions = _sessions_within(db, asked.charger, asked.since, until)
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


def _sessions_within(db: Database, charger: str, since: str, until: str) -> list[_UsageRow]:
    ended = db.execute(_ENDED, (charger, since, until)).fetchall()
    return sorted(
        _UsageRow(*row) for row in (*ended, *db.execute(_UNDER_WAY, (charger, until)).fetchall())
    )


def _flows(db: Database, numbers: Sequence[int]) -> dict[int, _SessionFlow]:
    found = {number: _SessionFlow([], []) for number in numbers}
    for some in parts(numbers):
        for number, day, since, wh in db.execute(_POWER.format(marks(some)), tuple(some)):
            charging, unknown = [*found[number].charging], [*found[number].unknown]
            for index, one in enumerate(loads(wh), day * A_DAY + since):
                if one is None:
                    unknown.append(index)
                elif one >= _LEAST_WH:
                    charging.append(index)
            found[number] = _SessionFlow(charging, unknown)
    return found


def _held(db: Database, sessions: Sequence[_UsageRow], since: str, before: str) -> int:
    """Return for how many seconds between two times load management gave cars too little to
    charge."""
    held = 0.0
    for one in sessions:
        for spell in spans_of(rows_of(db), one.id):
            if spell.why == PRICE:
                continue
            until = min(spell.until or before, one.until or before, before)
            held += max(0.0, seconds(until) - seconds(max(spell.since, since)))
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
        for one in _sessions_within(db, asked.charger, shifted_stamp(until, -HABIT_DAYS), until)
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


_HOUSEHOLDS: Final = (
    "SELECT account.id, name, min(started_at) FROM booked "
    "JOIN account ON account.id = booked.account_id "
    "WHERE started_at < ? AND is_imported = 0{} GROUP BY account.id, name ORDER BY account.id"
)
_SESSIONS: Final = (
    "SELECT tx.id, tx.cp_id, start_time, coalesce(stop_time, last_reading_at, start_time), "
    "coalesce(energy_delivered, 0), booked.is_open, state, start_behind_seconds, "
    "stop_behind_seconds FROM booked JOIN tx ON tx.id = booked.tx_id "
    "WHERE booked.account_id = ? AND booked.started_at < ? AND booked.is_imported = 0 "
    "AND (booked.is_open = 1 OR booked.ended_at > ?) ORDER BY booked.started_at, tx.id"
)
_TICK: Final = timedelta(microseconds=1)


class HouseholdSpan(NamedTuple):
    """A household, and when its first session began."""

    account: int
    name: str
    first: str


class _CountedSession(NamedTuple):
    id: int
    charger: str
    since: str
    until: str
    wh: int
    is_open: int
    state: str
    start_behind: int
    stop_behind: int


class HouseholdQuarter(NamedTuple):
    """What a household took in a quarter, which counts from 1970 in UTC, None if nothing of it is
    certain. `sun_wh` is None where no sun was measured."""

    quarter: int
    wh: int | None
    sun_wh: int | None
    state: str
    """measured; divided: readings do not show what flowed in it alone; missing: a session of it has
    no certain figure, and counts nothing."""
    sun_state: str
    """measured; partly: the rest of the quarter counts as grid; missing: all of it does."""


def households(db: Database, until: str, account: int | None) -> list[HouseholdSpan]:
    """Return the households, or the one, that had sessions before a time."""
    only, values = and_all(given(("account.id = ?", account)))
    found = db.execute(_HOUSEHOLDS.format(only), (until, *values)).fetchall()
    return [HouseholdSpan(*row) for row in found]


def _counted(rows: Rows, account: int, since: datetime, until: datetime) -> list[_CountedSession]:
    """Return the sessions of a household between two times, open ones with what is known so
    far."""
    found = [
        _CountedSession(*row) for row in rows(_SESSIONS, (account, stamp(until), stamp(since)))
    ]
    so_far = energies_so_far(rows, [one.id for one in found if one.is_open])
    return [one._replace(wh=so_far.get(one.id, one.wh)) for one in found]


def household_quarters(
    db: Database, account: int, since: datetime, until: datetime
) -> list[HouseholdQuarter]:
    """Return the quarters between two times in which a household took energy, or in which it is not
    certain how much."""
    rows, span = rows_of(db), range(quarter(since), quarter(until))
    sharing = QuarterShares(rows)
    taken, sun = defaultdict[int, int](int), defaultdict[int, int](int)
    divided, missing = set[int](), set[int]()
    for one in _counted(rows, account, since, until):
        begin, end = datetime.fromisoformat(one.since), datetime.fromisoformat(one.until)
        end = max(begin, end)
        if one.state == BillState.HELD_BACK or end - begin > LONGEST:
            first, last = quarter(begin), quarter(max(begin, end - _TICK))
            missing.update(range(max(first, span.start), min(last + 1, span.stop)))
            continue
        is_kept = not (one.is_open or one.start_behind or one.stop_behind)
        energy = sharing.energy(Billed(one.id, begin, end, max(0, one.wh)), is_kept=is_kept)
        for number, wh in energy.items:
            if wh and number in span:
                taken[number] += wh
        divided |= energy.divided
        for number, wh in sharing.sun(one.id, one.charger, energy).items():
            sun[number] += wh

    measured = sharing.measured(span.start, span.stop - 1)
    found: list[HouseholdQuarter] = []
    for number in sorted({*taken, *missing}):
        state = "divided" if number in divided else "measured"
        if number in missing:
            state = "missing"
        sun_wh, sun_state = None, "missing"
        if number in measured:
            sun_wh = sun[number]
            sun_state = "measured" if measured[number].is_whole else "partly"
        found.append(HouseholdQuarter(number, taken.get(number), sun_wh, state, sun_state))
    return found
