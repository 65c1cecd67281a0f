"""Transactions for people: lists by any filters, one transaction, its events, and its readings as
sent.

The power and the register of a transaction over its time, with few points, however many readings
it has.

Its time is divided into equal stretches. Of each, the lowest and the highest power and the last
register are read, so that no peak is lost and 100,000 readings make a short answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from levity_trio.billing.states import BillState
from levity_trio.charging import tolerances
from levity_trio.charging.lifecycle import state_of
from levity_trio.charging.sent.evidence import CHARGE, CURRENT, POWER, seconds, timestamp_of
from levity_trio.charging.sent.power import HOUR
from levity_trio.charging.sent.readings import (
    AT_BEGIN,
    BILLED,
    REGISTER,
    phase_of,
    watts_of,
    whole_wh,
)
from levity_trio.records import record
from levity_trio.store.cases.so_far import energies_so_far
from levity_trio.store.cases.transaction import (
    NO_PERSONS,
    StoredTransaction,
    by_our_clock,
    find_transaction,
    span,
)
from levity_trio.store.engine.database import Database, Rows, marks, parts, rows_of
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Shape,
    WantedPage,
    WhereCondition,
    given,
    read_page,
    where,
)
from levity_trio.told import Told
from levity_trio.wire.times import shifted, stamp

ACTIVE: Final = "Active"
COMPLETED: Final = "Completed"
_OPEN: Final = "SELECT tx_id FROM booked{} AND is_open = 1"


@record
class TransactionFilters:
    """A filter of transactions; None means all. Times in the database's format: started since, and
    before, ended since, and before.

    `review` is whether a person should look at it, `bill` its state for the bill, `account` whose
    it is.
    """

    charger: str | None = None
    connector: int | None = None
    status: str | None = None
    tag: str | None = None
    since: str | None = None
    before: str | None = None
    ended_since: str | None = None
    ended_before: str | None = None
    review: bool | None = None
    bill: BillState | None = None
    account: int | None = None
    is_unowned: bool = False
    """Only transactions of nobody, without imported ones."""

    @property
    def time(self) -> str:
        """The time by which these are listed: that of the end if it is asked for."""
        return (
            "started_at" if self.ended_since is None and self.ended_before is None else "ended_at"
        )

    def where(self) -> tuple[str, tuple[object, ...]]:
        """Return the WHERE clause of these in the book, and its values."""
        conditions = given(
            ("cp_id = ?", self.charger),
            ("conn_id = ?", self.connector),
            ("id_tag = ?", self.tag),
            ("started_at >= ?", self.since),
            ("started_at < ?", self.before),
            ("ended_at >= ?", self.ended_since),
            ("ended_at < ?", self.ended_before),
            ("booked.account_id = ?", self.account),
            ("state = ?", self.bill),
        )
        if self.review is not None:
            conditions.append(WhereCondition(f"is_in_review = {int(self.review)}"))
        if self.status is not None:
            conditions.append(WhereCondition(f"is_open = {int(self.status == ACTIVE)}"))
        if self.is_unowned:
            conditions.append(WhereCondition("booked.account_id IS NULL AND is_imported = 0"))
        return where(conditions or [WhereCondition("true")])


class OpenTransactions(NamedTuple):
    """How many transactions are open, and what they have delivered so far, in Wh."""

    sessions: int
    wh: int


def open_among(rows: Rows, filters: TransactionFilters) -> OpenTransactions:
    """Return what is open of the transactions that a filter lets pass."""
    clause, values = filters.where()
    numbers = [number for (number,) in rows(_OPEN.format(clause), values)]
    so_far = energies_so_far(rows, numbers) if numbers else {}
    return OpenTransactions(len(numbers), sum(so_far.values()))


@record
class Transaction:
    """A transaction as it is known now. Registers and energy in Wh.

    `verdict_reason` is why a card that may charge might not here or then: space, chargers, spent or
    month. `state` is one of levity_trio.charging.lifecycle. `energy_wh` is the judged figure of an
    ended transaction; `energy_so_far_wh` and `power_w` are those of an open one. `imported_id` is
    the id of an imported one in the system that it comes from.
    """

    id: int
    charger: str
    connector: int | None
    id_tag: str | None
    verdict: str
    verdict_reason: str | None
    status: str
    state: str
    start_time: str
    stop_time: str | None
    sent_start_time: str | None
    sent_stop_time: str | None
    meter_start_wh: int | None
    meter_stop_wh: int | None
    energy_wh: int | None
    energy_so_far_wh: int | None
    power_w: float | None
    energy_method: str | None
    confidence: str | None
    review: str | None
    stop_reason: str | None
    stop_id_tag: str | None
    stopped_by: str | None
    suspended_at: str | None
    reservation_id: int | None
    unbilled_wh: int | None
    last_reading_at: str | None
    last_register_wh: int | None
    billed_from_wh: int | None
    billed_until_wh: int | None
    rules: int | None
    judged_at: str | None
    told_id: int | None
    imported_id: int | None
    created_at: str
    updated_at: str


SHAPE: Final = {
    "meter_start_wh": "meter_start",
    "meter_stop_wh": "meter_stop",
    "energy_wh": "energy_delivered",
    "energy_so_far_wh": "NULL",
    "power_w": "NULL",
    "state": "CASE WHEN suspended_at IS NULL THEN '' ELSE 'suspended' END",
}
_SHAPE: Final = Shape(Transaction, **SHAPE).beside(review="review_told")


def transaction(db: Database, number: int) -> Transaction | None:
    """Return one transaction."""
    found = transaction_rows(db, (number,))
    return found[0] if found else None


def transaction_rows(db: Database, numbers: Sequence[int]) -> list[Transaction]:
    """Return the transactions with these ids in their order, within a read that has begun."""
    return with_present(
        db, numbers, lambda some: _SHAPE.every(db, f"FROM tx WHERE id IN ({marks(some)})", some)
    )


S = TypeVar("S", bound=Transaction)


def with_present(
    db: Database, numbers: Sequence[int], read: Callable[[Sequence[int]], Iterable[S]]
) -> list[S]:
    """Read transactions and return them in the order of their ids, with their states, and with what
    is known of open ones only."""
    by_id = {one.id: one for some in parts(numbers) for one in read(some)}
    transactions = [by_id[number] for number in numbers if number in by_id]
    opened = [one.id for one in transactions if one.status == ACTIVE]
    charging = {one.id: one for one in open_transactions(db, opened)} if opened else {}
    return [_with_state(one, charging.get(one.id)) for one in transactions]


def _with_state(transaction: S, now: RunningTransaction | None) -> S:
    state = state_of(transaction.status, bool(transaction.state), transaction.stopped_by)
    if now is None:
        return replace(transaction, state=state)
    return replace(transaction, state=state, energy_so_far_wh=now.energy_wh, power_w=now.power_w)


# Events


@record
class TransactionEvent:
    """What happened to a transaction: who, why, when by our clock, by the charger's and as sent,
    and the payload."""

    id: int
    kind: str
    who: str
    reason: str | None
    state: str | None
    cause: str | None
    received_at: str
    timestamp: str
    sent_timestamp: str | None
    session: int | None
    message_id: str | None
    payload: Any
    count: int
    last_received_at: str


_EVENTS: Final = Shape(TransactionEvent).beside(reason="told")


OPERATOR: Final = Told("an operator")


def anonymous_event(event: TransactionEvent) -> TransactionEvent:
    """Return an event without its frame, and without the name and reason of an operator."""
    frameless = replace(event, payload=None, message_id=None)
    return frameless if event.who in NO_PERSONS else replace(frameless, who=OPERATOR, reason=None)


def events_of(db: Database, number: int) -> list[TransactionEvent]:
    """Return the events of a transaction, in order of receipt."""
    return _EVENTS.every(db, "FROM tx_event WHERE tx_id = ? ORDER BY id", (number,))


@record
class Reading:
    """One sampled value: as sent, and in Wh if it is the billed register.

    A charger under load management reports often. Its equal readings are two: the first, and the
    last, which stands for `run_count` of them since `run_since`, with values from `run_low` to
    `run_high`.
    """

    id: int
    transaction: int | None
    charger: str
    connector: int
    timestamp: str
    sent_timestamp: str | None
    received_at: str
    measurand: str
    value: str
    unit: str
    context: str
    location: str
    phase: str
    format: str
    source: str
    wh: int | None
    run_since: str | None
    run_low: str | None
    run_high: str | None
    run_count: int | None


_READING: Final = Shape(Reading)
_ORDER: Final = ("timestamp", "id")


def of_transaction(
    db: Database, number: int, measurand: str | None, wanted: WantedPage
) -> ListPage[Reading] | None:
    """Return a page of the readings of a transaction, the oldest first; None if it does not exist.
    Raises NoPage."""
    tx = find_transaction(rows_of(db), number)
    if tx is None:
        return None
    of_it = "cp_id = ? AND conn_id = ? AND timestamp BETWEEN ? AND ? AND tx_id = ?"
    conditions = [
        WhereCondition(of_it, (tx.charger, tx.connector or 0, *span(tx), tx.id)),
        *given(("measurand = ?", measurand)),
    ]
    listing = ListKeys([Branch("meter_val", conditions)], _ORDER, is_newest_first=False)
    return read_page(db, listing, wanted, _READING.by_id(db, "meter_val"))


def of_charger(
    db: Database,
    charger: str,
    connector: int | None,
    since: str | None,
    before: str | None,
    wanted: WantedPage,
) -> ListPage[Reading]:
    """Return a page of the readings of a charger, the newest first. Raises NoPage."""
    numbers = (
        connector_numbers(rows_of(db), charger, "meter_val") if connector is None else [connector]
    )
    within = given(("timestamp >= ?", since), ("timestamp < ?", before))
    of_each = [
        [WhereCondition("cp_id = ? AND conn_id = ?", (charger, number)), *within]
        for number in numbers
    ]
    branches = [Branch("meter_val", conditions) for conditions in of_each]
    return read_page(db, ListKeys(branches, _ORDER), wanted, _READING.by_id(db, "meter_val"))


STRETCHES: Final = 240

Power = tuple[float, float, float]
"""Seconds since the beginning, the lowest and the highest W."""
Register = tuple[float, int]
"""Seconds since the beginning, and Wh."""


@record
class Curve:
    """The power and the register of a transaction from `since` to `until`, at most one point for
    each 240th of it.

    A point of `power` is [seconds since `since`, lowest W, highest W]; one of `register` is
    [seconds, Wh]. Where no power was told, it is computed from the register (`is_power_computed`).
    The registers of start and stop are among the points where the readings continue them.
    """

    transaction: int
    since: str
    until: str
    is_power_computed: bool
    power: tuple[Power, ...]
    register: tuple[Register, ...]


_OF_IT: Final = (
    "FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp <= ? AND tx_id = ?"
)
_ENDS: Final = tuple(
    f"SELECT timestamp {_OF_IT} ORDER BY timestamp {order} LIMIT 1" for order in ("ASC", "DESC")
)
_WATTS: Final = (
    "CASE WHEN value GLOB '*[^0-9.]*' OR value = '' THEN NULL WHEN unit IN ('kW', 'kVA')"
    " THEN CAST(value AS REAL) * 1000 ELSE CAST(value AS REAL) END"
)
_STRETCH: Final = (
    "FROM meter_val "
    "WHERE cp_id = ? AND conn_id = ? AND timestamp >= ? AND timestamp < ? AND tx_id = ?"
)
_HIGHEST: Final = (
    f"SELECT min(timestamp), min({_WATTS}), max({_WATTS}), max(phase) {_STRETCH} "
    f"AND measurand = '{POWER}'"
)
_SUM: Final = "coalesce(max(CASE WHEN phase = '' THEN {0} END), sum({0}))"
_OF_PHASES: Final = (
    "SELECT min(at), min(w), max(w) FROM (SELECT timestamp AS at,"  # noqa: S608 - our own names
    f" {_SUM.format(_WATTS)} AS w"
    f" {_STRETCH} AND measurand = '{POWER}' GROUP BY timestamp)"
)
_RUNS: Final = (
    "SELECT timestamp, run_since, {}, {} "  # noqa: S608
    "FROM meter_val INDEXED BY meter_val_run "
    f"WHERE tx_id = ? AND run_since IS NOT NULL AND measurand <> '{REGISTER}' "
    f"AND measurand = '{POWER}' "
    "GROUP BY timestamp, run_since"
).format(*(_SUM.format(_WATTS.replace("value", one)) for one in ("run_low", "run_high")))
"""The power between the first and the last of equal readings, of which only these two are stored at
their times."""
_LAST: Final = (
    f"SELECT timestamp, wh {_STRETCH} AND wh IS NOT NULL ORDER BY timestamp DESC, id DESC LIMIT 1"
)
_IMPORTED_STOP: Final = "SELECT stop_time FROM tx WHERE id = ? AND imported_id IS NOT NULL"
_LAST_IMPORTED: Final = (
    f"SELECT timestamp, value, unit {_STRETCH} AND source = 'import' "
    f"AND measurand = '{BILLED[0]}' AND location = '{BILLED[1]}' AND format = '{BILLED[2]}' "
    f"AND phase = '' AND context <> '{AT_BEGIN}' "
    "ORDER BY timestamp DESC, id DESC LIMIT 1"
)
"""Their wh is empty, because nothing here is judged by them. What they say is shown."""


class _CurveStart(NamedTuple):
    """The place of a transaction's readings, and what a curve of it begins with."""

    rows: Rows
    of_it: tuple[str, int]
    number: int
    begun: float


def curve(db: Database, number: int) -> Curve | None:
    """Return the curve of a transaction; None if it does not exist."""
    rows = rows_of(db)
    tx = find_transaction(rows, number)
    if tx is None:
        return None
    imported_stop = next((at for (at,) in rows(_IMPORTED_STOP, (number,))), None)
    own_stop = (
        by_our_clock(tx, tx.own_stop_time) if tx.own_stop_time and tx.status != "Active" else None
    )
    since, until = _ends(rows, tx, imported_stop or own_stop)
    # by the charger's clock
    begun, ended = (timestamp_of(seconds(at) - tx.start_behind) for at in (since, until))
    place = _CurveStart(rows, (tx.charger, tx.connector or 0), tx.id, seconds(begun))
    stretches = [*_stretches(begun, ended)]
    register = [*_registers(place, stretches, is_imported=bool(imported_stop))]
    register = _with_ends(tx, register, seconds(ended) - place.begun)
    told = [*_powers(place, stretches)]
    return Curve(
        transaction=number,
        since=since,
        until=until,
        is_power_computed=not told,
        power=tuple(told or _computed(register)),
        register=tuple(register),
    )


def _ends(rows: Rows, tx: StoredTransaction, stop: str | None) -> tuple[str, str]:
    """Return when it began and ended, or the time of its first and its last reading if they are
    beyond."""
    values = (tx.charger, tx.connector or 0, *span(tx), tx.id)
    first, last = (next((at for (at,) in rows(sql, values)), tx.start_time) for sql in _ENDS)
    if tx.start_behind:
        first, last = by_our_clock(tx, first), by_our_clock(tx, last)
    return min(tx.start_time, first), max(tx.start_time, last, stop or tx.start_time)


def _stretches(since: str, until: str) -> Iterator[tuple[str, str]]:
    """Yield the begin and the end of each stretch, none shorter than a second."""
    begun = int(seconds(since))
    step = max(1.0, (seconds(until) + 1 - begun) / STRETCHES)
    count = min(STRETCHES, int((seconds(until) - begun) / step) + 1)
    edges = [timestamp_of(begun + place * step) for place in range(count + 1)]
    yield from pairwise(edges)


def _powers(place: _CurveStart, stretches: Sequence[tuple[str, str]]) -> Iterator[Power]:
    runs = place.rows(_RUNS, (place.number,))
    for since, until in stretches:
        values = (*place.of_it, since, until, place.number)
        ((at, least, most, phase),) = place.rows(_HIGHEST, values)
        if phase:
            ((at, least, most),) = place.rows(_OF_PHASES, values)
        told = [] if most is None else [(at, least, most)]
        told += [
            (max(since, began), *watts)
            for ended, began, *watts in runs
            if began < until and since <= ended
        ]
        if told and (most := max(high for _, _, high in told)) <= tolerances.FASTEST_W:
            yield (
                _since(place, min(told)[0]),
                round(min(low for _, low, _ in told), 1),
                round(most, 1),
            )


def _registers(
    place: _CurveStart, stretches: Sequence[tuple[str, str]], *, is_imported: bool
) -> Iterator[Register]:
    for stretch in stretches:
        last = place.rows(
            _LAST_IMPORTED if is_imported else _LAST, (*place.of_it, *stretch, place.number)
        )
        for at, *told in last:
            if (wh := whole_wh(*told) if is_imported else told[0]) is not None:
                yield _since(place, at), wh


def _since(place: _CurveStart, at: str) -> float:
    return round(seconds(at) - place.begun, 1)


def _with_ends(tx: StoredTransaction, register: list[Register], ended: float) -> list[Register]:
    """Return the readings with the registers of start and stop, where these are on the same
    counter."""
    start, stop = (
        tx.meter_start,
        None if tx.status == "Active" or tx.stopped_by == "system" else tx.meter_stop,
    )
    if register and start is not None:
        # what the fastest car takes, and a rounded reading
        most = tolerances.FASTEST_W * register[0][0] / HOUR + 1000
        if not 0 <= register[0][1] - start <= most:
            return register
    before = [] if start is None or (register and register[0][0] <= 0) else [(0.0, start)]
    last = (register or before or [(0.0, 0)])[-1][1]
    is_after = stop is not None and stop >= last and (not register or register[-1][0] < ended)
    return [
        *before,
        *register,
        *([(round(ended, 1), stop)] if is_after and stop is not None else []),
    ]


def _computed(register: Sequence[Register]) -> Iterator[Power]:
    """Yield the power between neighbouring registers, at the time of the later one."""
    for (before, low), (at, high) in pairwise(register):
        if at > before and high >= low:
            watts = round((high - low) * HOUR / (at - before), 1)
            yield at, watts, watts


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


_UNDER_WAY: Final = (
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
        for row in db.execute(_UNDER_WAY.format(chosen=chosen), tuple(only or ())).fetchall()
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
