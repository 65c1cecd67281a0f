"""Stops without a start: opens a transaction from the first reading that shows energy, for
review.

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
from levity_trio.store.cases.neighbours import ChargerHistory
from levity_trio.store.cases.transaction import StoredTransaction
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.lookups.connectors import connectors
from levity_trio.store.writes.origin import Origin, Stop
from levity_trio.store.writes.people.authorization import ACCEPTED
from levity_trio.store.writes.transactions import starts
from levity_trio.store.writes.transactions.reviews import open_review
from levity_trio.store.writes.transactions.starts import StartFields, link_earlier, unlink_since
from levity_trio.store.writes.transactions.states import (
    EventEntry,
    add_event,
    newest,
    open_ones,
)
from levity_trio.told import Told

MOST_READINGS = 1_000
"""The maximum number of readings examined per connector, from the stop backwards."""
LONGEST_PAUSE_SECONDS = 4 * 3600
"""Readings before a longer standstill of the register, or before a longer gap, belong to another
transaction, if no transactionId tells."""


class _UnassignedReadings(NamedTuple):
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
    energy = shown(db, origin, request, data)
    if energy.began is None:
        return None
    moment = Moment(energy.began, None, request.moment.is_believable)
    fields = StartFields(energy.connector, request.id_tag, None)
    tx = starts.insert(db, origin, moment, ACCEPTED, fields, request.transaction)
    entry = EventEntry(Kind.START, "system", moment, Told("its start never came"))
    added = add_event(db, origin, tx.id, entry)
    if is_id(request.transaction):
        words = Told(
            "its stop names session {1}, which this server never gave out: another server's?",
            request.transaction,
        )
        evidence = (f"transactionId {request.transaction}", Told("no such session here"))
        doubt = Doubt(Code.OTHER_SERVER, words, evidence)
        open_review(db, tx.id, doubt, added.id, origin.received_at)
    follow(db, origin, tx)
    return tx.id


_BESIDE_BEGIN = """
    SELECT
        count(CASE WHEN wh > ?6 AND wh <= ?7 AND timestamp < ?8 THEN 1 END),
        count(CASE WHEN timestamp >= ?8 AND (told_id = tx_id OR wh < ?7 OR wh > ?9) THEN 1 END)
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp BETWEEN ?3 AND ?4 AND tx_id = ?5
        AND wh IS NOT NULL
"""
"""How many readings of a transaction show energy before a Transaction.Begin, and how many after it
are none of that."""


def _release(db: UnitOfWork, origin: Origin, request: Stop, data: Sequence[Reading]) -> None:
    """Unlink the readings since Transaction.Begin from an open transaction that had charged before
    it, if all of them are without an id of ours and up to this stop: they belong to the transaction
    of the stop."""
    if not request.moment.is_believable:
        return
    begins = [reading for reading in data if reading.context == AT_BEGIN]
    begins = [reading for reading in begins if reading.wh is not None]
    if not begins:
        return
    first = begins[0]
    for tx in open_ones(db, origin.charger):
        span = (tx.own_start_time, request.moment.understood)
        registers = (tx.meter_start or 0, first.wh, first.timestamp, request.meter_stop)
        place = (tx.charger, tx.connector, *span, tx.id)
        ((charged, others),) = db.rows(_BESIDE_BEGIN, (*place, *registers))
        if charged and not others:
            unlink_since(db, tx, first.timestamp, first.wh)


def follow(db: UnitOfWork, origin: Origin, tx: StoredTransaction) -> None:
    """Record that a transaction began, and link the readings that came before."""
    starts.record_start(db, origin, tx, ACCEPTED)
    if tx.connector is not None:
        link_earlier(db, origin, tx, ChargerHistory(db.rows, tx.charger))


def shown(db: UnitOfWork, origin: Origin, request: Stop, data: Sequence[Reading]) -> Shown:
    """Return on which connector readings show the energy of a stop, and since when."""
    # Readings with its transactionId are its own; without any, those that lead to its register.
    name = reported_id(request.transaction)
    everywhere = list(_unassigned(db, origin, request))
    leading = [one for one in everywhere if one.name is not None and one.name == name]
    is_named = bool(leading)
    if not leading:
        leading = [one for one in everywhere if _leads_to(one.readings[-1], request)]
    if not leading:
        leading = [one for one in everywhere if _counts_up_to(db, origin, one, request)]

    rising: list[tuple[int, str]] = []
    for unassigned in leading:
        # The register of the stop may be older than the last of them.
        last_wh = max(request.meter_stop, unassigned.readings[-1][1])
        until_it = [*unassigned.readings, (request.moment.understood, last_wh)]
        # With its transactionId, they belong to it even if they stood still for long.
        since = _first_of_rise(until_it, inf if is_named else LONGEST_PAUSE_SECONDS)
        if since is not None:
            rising.append((unassigned.connector, since))
    # If there are several, none is the only one possible.
    connector, began = rising[0] if len(rising) == 1 else (None, None)

    registers = [(reading.timestamp, reading.wh) for reading in data if reading.wh is not None]
    registers.append((request.moment.understood, request.meter_stop))
    by_data = _first_of_rise(registers, inf, inf)
    known = [at for at in (began, by_data) if at is not None]
    return Shown(connector, min(known, default=None))


def is_named(db: UnitOfWork, origin: Origin, request: Stop) -> bool:
    """Whether unassigned readings have the transactionId of this stop, which then belongs to no
    other transaction."""
    name = reported_id(request.transaction)
    if name is None:
        return False
    return any(unassigned.name == name for unassigned in _unassigned(db, origin, request))


_REGISTERS = """
    FROM meter_val
    WHERE cp_id = ?1 AND conn_id = ?2 AND timestamp <= ?3 AND wh IS NOT NULL
"""
_BACKWARDS = "ORDER BY timestamp DESC, id DESC LIMIT ?4"
_UNASSIGNED = f"""
    SELECT timestamp, wh, told_id, tx_id, id
    {_REGISTERS}
        AND timestamp >= max(
            coalesce((
                SELECT timestamp
                FROM (SELECT timestamp, tx_id {_REGISTERS} {_BACKWARDS})
                WHERE tx_id IS NOT NULL
                LIMIT 1
            ), ''),
            coalesce((
                SELECT own_stop_time
                FROM tx
                WHERE cp_id = ?1 AND conn_id = ?2 AND own_start_time <= ?3 AND own_stop_time <= ?3
                    AND stopped_by <> 'system'
                ORDER BY own_start_time DESC
                LIMIT 1
            ), '')
        )
    {_BACKWARDS}
"""  # noqa: S608 - our own names
"""The newest readings, back to the last stop and to the first reading of a transaction; of those
with its time, some may be unassigned."""


def _unassigned(db: UnitOfWork, origin: Origin, request: Stop) -> Iterator[_UnassignedReadings]:
    """Yield, for each connector, the newest readings before a stop, back to the first that is
    assigned or has another transactionId than the stop or the readings after it."""
    wanted = reported_id(request.transaction)
    for connector in connectors(db.rows, origin.charger, "meter_val"):
        if connector == 0:  # the charger's main meter
            continue
        place = (origin.charger, connector, request.moment.understood, MOST_READINGS)
        called: int | None = None
        readings: list[tuple[int, str, int]] = []
        for timestamp, wh, told_id, transaction, number in db.rows(_UNASSIGNED, place):
            name = reported_id(told_id)
            names = {known for known in (name, called, wanted) if known is not None}
            if transaction is not None or len(names) > 1:
                break
            called = called or name
            readings.append((number, timestamp, wh))
        if readings:
            readings.reverse()
            yield _UnassignedReadings(connector, called, _in_order(readings))


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
    lasted = seconds(request.moment.understood) - seconds(timestamp)
    most = FASTEST_W * (lasted + CLOCK_SECONDS) / 3600
    return lasted <= LONGEST_PAUSE_SECONDS and 0 <= request.meter_stop - wh <= most


def _counts_up_to(
    db: UnitOfWork, origin: Origin, unassigned: _UnassignedReadings, request: Stop
) -> bool:
    """Whether readings rise that count from 0 in each transaction, and lead to as much as flowed
    since the previous stop."""
    until = request.moment.understood
    before = newest(db, origin.charger, unassigned.connector, until)
    if before is None or before.status == "Active" or before.billed_until is None:
        return False
    first_wh = unassigned.readings[0][1]
    if first_wh >= before.billed_until or _first_of_rise(unassigned.readings) is None:
        return False
    counted = replace(request, meter_stop=request.meter_stop - before.billed_until)
    return _leads_to(unassigned.readings[-1], counted)


def _first_of_rise(
    readings: Sequence[tuple[str, int]],
    pause: float = LONGEST_PAUSE_SECONDS,
    gap: float = LONGEST_PAUSE_SECONDS,
) -> str | None:
    """Return the time of the reading from which the register rises to the last one, without a
    longer pause or a longer gap between two readings, in seconds; None if it never rises."""
    steady = list(_without_strays(readings))
    steady.reverse()
    still_since, level = steady[0]
    later = still_since
    first: str | None = None
    for timestamp, wh in steady[1:]:
        is_silent = seconds(later) - seconds(timestamp) > gap
        # A full car may stay until its stop.
        is_still = False
        if wh == level and first is not None:
            is_still = seconds(still_since) - seconds(timestamp) > pause
        if wh > level or is_silent or is_still:
            break
        if wh < level:
            first = still_since = timestamp
            level = wh
        later = timestamp
    return first


def _without_strays(readings: Sequence[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    """Leave out single readings that are lower or higher than both of their neighbours, which
    rise."""
    last = len(readings) - 1
    for number, (timestamp, wh) in enumerate(readings):
        if 0 < number < last:
            before, after = readings[number - 1][1], readings[number + 1][1]
            is_between = before <= wh <= after
            if before <= after and not is_between:
                continue
        yield timestamp, wh
