"""Stops without a start: opens a transaction from the first reading that shows energy, for review
(rules.md, Energy).

The charger moved to this server while it charged, or the start was lost. Energy is shown by the
stop's transactionData, or by unassigned readings that lead to this stop, on exactly one connector.
Readings with the stop's transactionId belong to the same transaction, those with another to
another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import NamedTuple

from levity_trio.charging.lifecycle import Kind
from levity_trio.charging.names import is_id, reported_id
from levity_trio.charging.reviews import Code, Doubt
from levity_trio.charging.sent.evidence import is_rising, seconds
from levity_trio.charging.sent.readings import AT_BEGIN, Moment, Reading
from levity_trio.charging.tolerances import CLOCK_SECONDS, FASTEST_W
from levity_trio.store.cases.neighbours import Course
from levity_trio.store.cases.transaction import Known
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.lookups.connectors import connectors
from levity_trio.store.writes.origin import Origin, Stop
from levity_trio.store.writes.people.authorization import ACCEPTED
from levity_trio.store.writes.transactions import starts
from levity_trio.store.writes.transactions.reviews import open_review
from levity_trio.store.writes.transactions.starts import link_earlier, unlink_since
from levity_trio.store.writes.transactions.states import Entry, add_event, newest, open_ones
from levity_trio.told import Told

MOST_READINGS = 1_000
"""The maximum number of readings examined per connector, from the stop backwards."""
_REGISTERS = (
    "FROM meter_val WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp <= ?3 AND wh IS NOT NULL"
)
_BACKWARDS = "ORDER BY timestamp DESC, id DESC LIMIT ?4"
_ASSIGNED = (
    f"SELECT timestamp FROM (SELECT timestamp, tx_id {_REGISTERS} {_BACKWARDS})"  # noqa: S608 - our own names
    " WHERE tx_id IS NOT NULL LIMIT 1"
)
_STOPPED = (
    "SELECT own_stop_time FROM tx "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND own_start_time <= ?3 AND own_stop_time <= ?3 "
    "AND stopped_by <> 'system' "
    "ORDER BY own_start_time DESC LIMIT 1"
)
UNASSIGNED = (
    f"SELECT timestamp, wh, told_id, tx_id, id {_REGISTERS}"
    f" AND timestamp >= max(coalesce(({_ASSIGNED}), ''), coalesce(({_STOPPED}), '')) {_BACKWARDS}"
)
"""The newest readings, back to the last stop and to the first reading of a transaction; of those
with its time, some may be unassigned."""
BESIDE_BEGIN = (
    "SELECT count(CASE WHEN wh > ?6 AND wh <= ?7 AND timestamp < ?8 THEN 1 END), count(CASE "
    "WHEN timestamp >= ?8 AND (told_id = tx_id OR wh < ?7 OR wh > ?9) THEN 1 END) "
    "FROM meter_val "
    "WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5 "
    "AND wh IS NOT NULL"
)
"""How many readings of a transaction show energy before a Transaction.Begin, and how many after it
are none of that."""
LONGEST_PAUSE_SECONDS = 4 * 3600
"""Readings before a longer standstill of the register, or before a longer gap, belong to another
transaction, if no transactionId tells."""


class _Stretch(NamedTuple):
    """Unassigned readings of the billed register on a connector, by time, with at most one
    transactionId (`name`)."""

    connector: int
    name: int | None
    readings: Sequence[tuple[str, int]]


class Shown(NamedTuple):
    """The connector on which readings show the energy of a stop, and since when; None for what is
    unknown."""

    connector: int | None
    began: str | None


def begin(db: UnitOfWork, origin: Origin, request: Stop, data: Sequence[Reading]) -> int | None:
    """Open a transaction for a stop that matches none; return None if no reading shows its
    energy."""
    _release(db, origin, request, data)
    stretch = shown(db, origin, request, data)
    if stretch.began is None:
        return None
    moment = Moment(stretch.began, None, request.moment.is_believable)
    entry = Entry(Kind.START, "system", moment, Told("its start never came"))
    fields = (stretch.connector, request.id_tag, None, None, None)
    tx = starts.insert(db, origin, moment, ACCEPTED, fields, request.transaction)
    added = add_event(db, origin, tx.id, entry)
    if is_id(request.transaction):
        words = Told(
            "its stop names session {1}, which this server never gave out: another server's?",
            request.transaction,
        )
        doubt = Doubt(
            Code.OTHER_SERVER,
            words,
            (f"transactionId {request.transaction}", Told("no such session here")),
        )
        open_review(db, tx.id, doubt, added.id, origin.received_at)
    follow(db, origin, tx)
    return tx.id


def _release(db: UnitOfWork, origin: Origin, request: Stop, data: Sequence[Reading]) -> None:
    """Unlink the readings since Transaction.Begin from an open transaction that had charged before
    it, if all of them are without an id of ours and up to this stop: they belong to the transaction
    of the stop."""
    begin = next((one for one in data if one.context == AT_BEGIN and one.wh is not None), None)
    if begin is None or not request.moment.is_believable:
        return
    for tx in open_ones(db, origin.charger):
        place = (tx.charger, tx.connector, tx.own_start_time, request.moment.understood, tx.id)
        registers = (tx.meter_start or 0, begin.wh, begin.timestamp, request.meter_stop)
        ((charged, others),) = db.rows(BESIDE_BEGIN, (*place, *registers))
        if charged and not others:
            unlink_since(db, tx, begin.timestamp, begin.wh)


def shown(db: UnitOfWork, origin: Origin, request: Stop, data: Sequence[Reading]) -> Shown:
    """Return on which connector readings show the energy of a stop, and since when."""
    connector, since = _shown_by_readings(db, origin, request)
    registers = [(reading.timestamp, reading.wh) for reading in data if reading.wh is not None]
    first = _first_of_rise([*registers, (request.moment.understood, request.meter_stop)], inf, inf)
    began = min((time for time in (since, first) if time is not None), default=None)
    return Shown(connector, began)


def follow(db: UnitOfWork, origin: Origin, tx: Known) -> None:
    """Record that a transaction began, and link the readings that came before."""
    starts.record_start(db, origin, tx, ACCEPTED)
    if tx.connector is not None:
        link_earlier(db, origin, tx, Course(db.rows, tx.charger))


def is_named(db: UnitOfWork, origin: Origin, request: Stop) -> bool:
    """Whether unassigned readings have the transactionId of this stop, which then belongs to no
    other transaction."""
    return reported_id(request.transaction) is not None and any(
        _is_named_by(request, one) for one in _stretches(db, origin, request)
    )


def _is_named_by(request: Stop, one: _Stretch) -> bool:
    return one.name is not None and one.name == reported_id(request.transaction)


def _shown_by_readings(db: UnitOfWork, origin: Origin, request: Stop) -> Shown:
    """Return the only connector whose readings have the transactionId of this stop, or else lead to
    it, and since when they rise; nothing if there are none or several."""
    stretches = list(_stretches(db, origin, request))
    leading = [one for one in stretches if _is_named_by(request, one)]
    leading = leading or [one for one in stretches if _leads_to(one.readings[-1], request)]
    leading = leading or [one for one in stretches if _counts_up_to(db, origin, one, request)]
    found = [(one, since) for one in leading if (since := _since(one, request)) is not None]
    if len(found) != 1:
        return Shown(None, None)
    ((stretch, since),) = found
    return Shown(stretch.connector, since)


def _since(stretch: _Stretch, request: Stop) -> str | None:
    """Return since when readings rise up to a stop, whose register may be older than the last of
    them. With its transactionId, they belong to it even if they stood still for long."""
    until_it = [
        *stretch.readings,
        (request.moment.understood, max(request.meter_stop, stretch.readings[-1][1])),
    ]
    return _first_of_rise(
        until_it, inf if _is_named_by(request, stretch) else LONGEST_PAUSE_SECONDS
    )


def _stretches(db: UnitOfWork, origin: Origin, request: Stop) -> Iterator[_Stretch]:
    for connector in connectors(db.rows, origin.charger, "meter_val"):
        if connector == 0:  # the charger's main meter
            continue
        if (stretch := _unassigned(db, origin, connector, request)).readings:
            yield stretch


def _unassigned(db: UnitOfWork, origin: Origin, connector: int, request: Stop) -> _Stretch:
    """Return the newest readings before a stop, back to the first that is assigned or has another
    transactionId than the stop or the readings after it."""
    newest = db.rows(
        UNASSIGNED, (origin.charger, connector, request.moment.understood, MOST_READINGS)
    )
    wanted, called = reported_id(request.transaction), None
    readings: list[tuple[int, str, int]] = []
    for timestamp, wh, told_id, transaction, number in newest:
        names = {one for one in (reported_id(told_id), called, wanted) if one is not None}
        if transaction is not None or len(names) > 1:
            break
        called = called or reported_id(told_id)
        readings.insert(0, (number, timestamp, wh))
    return _Stretch(connector, called, _in_order(readings))


def _in_order(readings: list[tuple[int, str, int]]) -> Sequence[tuple[str, int]]:
    """Return times and registers in Wh in order of time, or of arrival if the register rises only
    in that.

    Queued readings of a clock that was unset have the times of their receipt, and may be older than
    the next one of the clock that was set meanwhile.
    """
    arrived = sorted(readings)
    is_set = is_rising([wh for *_, wh in arrived]) and not is_rising([wh for *_, wh in readings])
    return [(timestamp, wh) for _, timestamp, wh in (arrived if is_set else readings)]


def _leads_to(last: tuple[str, int], request: Stop) -> bool:
    timestamp, wh = last
    lasted, rise = seconds(request.moment.understood) - seconds(timestamp), request.meter_stop - wh
    return (
        lasted <= LONGEST_PAUSE_SECONDS and 0 <= rise <= FASTEST_W * (lasted + CLOCK_SECONDS) / 3600
    )


def _counts_up_to(db: UnitOfWork, origin: Origin, stretch: _Stretch, request: Stop) -> bool:
    """Whether readings rise that count from 0 in each transaction, and lead to as much as flowed
    since the previous stop."""
    before = newest(db, origin.charger, stretch.connector, request.moment.understood)
    if before is None or before.status == "Active" or before.billed_until is None:
        return False
    is_counted = (
        stretch.readings[0][1] < before.billed_until
        and _first_of_rise(stretch.readings) is not None
    )
    counted = replace(request, meter_stop=request.meter_stop - before.billed_until)
    return is_counted and _leads_to(stretch.readings[-1], counted)


def _first_of_rise(
    readings: Sequence[tuple[str, int]],
    pause: float = LONGEST_PAUSE_SECONDS,
    gap: float = LONGEST_PAUSE_SECONDS,
) -> str | None:
    """Return the time of the reading from which the register rises to the last one, without a
    longer pause or a longer gap between two readings, in seconds; None if it never rises."""
    first: str | None = None
    steady = list(_without_strays(readings))
    still_since, level = steady[-1]
    for (timestamp, wh), (later, _) in zip(
        reversed(steady[:-1]), reversed(steady[1:]), strict=True
    ):
        is_silent = seconds(later) - seconds(timestamp) > gap
        is_still = wh == level and seconds(still_since) - seconds(timestamp) > pause
        is_still = is_still and first is not None  # a full car may stay until its stop
        if wh > level or is_silent or is_still:
            break
        if wh < level:
            first, still_since, level = timestamp, timestamp, wh
    return first


def _without_strays(readings: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Leave out single readings that are lower or higher than both of their neighbours, which
    rise."""
    for number, (timestamp, wh) in enumerate(readings):
        around = [level for _, level in readings[max(0, number - 1) : number + 2 : 2]]
        if len(around) < 2 or around[0] > around[1] or around[0] <= wh <= around[1]:
            yield timestamp, wh
