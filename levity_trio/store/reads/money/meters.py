"""The meters of the house, and their readings; the courses of chargers' lifetime registers, from
transactions and the few readings around given times; and the reconciliation of a month, from one
read. Its cost depends on the month, not on the history."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from levity_trio.billing.courses import (
    CoursePoint,
    CourseStretch,
    Metered,
    RegisterCourse,
    RiseBounds,
    placed,
    share_register,
    stretches,
    total,
)
from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.reconciliation import (
    ChargerMonth,
    ReconciledConnector,
    ReconciledTransaction,
    Sums,
    reconcile,
    site,
)
from levity_trio.billing.states import BillState
from levity_trio.billing.sub_meters import Classes, Comparison, HouseReading, compare
from levity_trio.charging.energy import CERTAIN
from levity_trio.charging.sent.evidence import seconds, timestamp_of
from levity_trio.records import record
from levity_trio.store.cases.neighbours import is_other_meter
from levity_trio.store.cases.transaction import register, settled_by
from levity_trio.store.engine.database import Database, Rows, marks, parts, rows_of
from levity_trio.store.lookups.connectors import connector_numbers
from levity_trio.store.reads.pages import (
    Branch,
    ListKeys,
    ListPage,
    Shape,
    WantedPage,
    WhereCondition,
    by_name,
    given,
    read_page,
)
from levity_trio.store.reads.transactions.transactions import open_transactions
from levity_trio.wire.times import shifted_stamp


@record
class Meter:
    """A meter of the house, in use from `since` until `until`, with its class and that of its
    chargers in per cent.

    It measures `chargers`; none: the whole site. After `digits` digits of whole kWh its register
    goes on at 0. If it publishes over MQTT, it does so on `topic`: what its register shows, in
    `unit`, at a `path` of its JSON, or as a plain number.
    """

    id: int
    name: str
    class_percent: float
    chargers_percent: float
    digits: int | None
    since: str
    until: str | None
    topic: str | None
    path: str
    unit: str
    chargers: list[str]
    created_at: str
    created_by: str
    updated_at: str


@record
class MeterReading:
    """What a meter showed at a time: value and unit as given, and the same in Wh. `source` is hand,
    csv or mqtt."""

    id: int
    meter: int
    at: str
    value: str
    unit: str
    wh: int
    source: str
    entered_at: str
    entered_by: str
    voided_at: str | None
    voided_by: str | None
    void_reason: str | None


_METER: Final = Shape(
    Meter,
    chargers=(
        "(SELECT json_group_array(cp_id) FROM (SELECT cp_id FROM meter_charger "
        "WHERE meter_id = meter.id ORDER BY cp_id))"
    ),
).with_texts("chargers")
_READING: Final = Shape(MeterReading, meter="meter_id")


def meters(db: Database, name: str | None, wanted: WantedPage) -> ListPage[Meter]:
    """Return a page of the meters, by their names. Raises NoPage."""
    listing = by_name("meter", given(("name = ?", name)))
    return read_page(db, listing, wanted, _METER.by_id(db, "meter"))


def meter(db: Database, number: int) -> Meter | None:
    """Return one meter."""
    return _METER.one(db, "FROM meter WHERE id = ?", (number,))


def published(db: Database, now: str) -> list[Meter]:
    """Return the meters in use that publish over MQTT."""
    return _METER.every(
        db, "FROM meter WHERE topic IS NOT NULL AND coalesce(until, '9999') > ? ORDER BY id", (now,)
    )


def readings(
    db: Database, meter: int, wanted: WantedPage, *, is_valid: bool | None = None
) -> ListPage[MeterReading]:
    """Return a page of the readings of a meter, the newest first; only valid or voided ones. Raises
    NoPage."""
    conditions = given(("meter_id = ?", meter))
    if is_valid is not None:
        conditions.append(WhereCondition(f"voided_at IS {'' if is_valid else 'NOT '}NULL"))
    listing = ListKeys(
        [Branch("meter_reading INDEXED BY meter_reading_all", conditions)], ("at", "id")
    )
    return read_page(db, listing, wanted, _READING.by_id(db, "meter_reading"))


def reading(db: Database, number: int) -> MeterReading | None:
    """Return one reading."""
    return _READING.one(db, "FROM meter_reading WHERE id = ?", (number,))


def contradictions(db: Database, reading: MeterReading) -> list[MeterReading]:
    """Return the readings next to one that it contradicts: a higher one before, a lower one
    after."""
    of_it, place = "FROM meter_reading WHERE meter_id = ? AND voided_at IS NULL", reading.at
    before = _READING.every(
        db, f"{of_it} AND at < ? ORDER BY at DESC LIMIT 1", (reading.meter, place)
    )
    after = _READING.every(db, f"{of_it} AND at > ? ORDER BY at LIMIT 1", (reading.meter, place))
    found = [other for other in before if other.wh > reading.wh]
    return found + [other for other in after if other.wh < reading.wh]


IDLE_READINGS: Final = 1000
"""The readings between two transactions that are searched for a register next to a time."""
_COLUMNS: Final = (
    "SELECT id, conn_id, start_time, stop_time, coalesce(billed_from_wh, meter_start), "
    "coalesce(billed_until_wh, meter_stop), energy_delivered, energy_method, confidence, "
    "last_reading_at "
    "FROM tx"
)
_WITHIN: Final = (
    f"{_COLUMNS} INDEXED BY tx_by_charger WHERE cp_id = ? AND start_time >= ? AND start_time < ?"
)
_ACROSS: Final = (
    f"{_COLUMNS} INDEXED BY tx_by_end WHERE cp_id = ? AND stop_time >= ? AND start_time < ?"
)
_OPEN: Final = (
    f"{_COLUMNS} INDEXED BY tx_open WHERE cp_id = ? AND status = 'Active' AND start_time < ?"
)
_OF_CONNECTOR: Final = f"{_COLUMNS} INDEXED BY tx_by_charger WHERE cp_id = ? AND conn_id IS ?"
_BEFORE: Final = f"{_OF_CONNECTOR} AND start_time < ? ORDER BY start_time DESC, id DESC LIMIT 1"
_AFTER: Final = f"{_OF_CONNECTOR} AND start_time >= ? ORDER BY start_time, id LIMIT 1"
Row = tuple[Any, ...]


class SiteRegisters:
    """The registers of all chargers over a span of time, from one read."""

    def __init__(self, db: Database, span: TimeSpan) -> None:
        self._db, self._span = db, span
        self._rows = rows_of(db)
        self._so_far = {one.id: one.energy_wh for one in open_transactions(db)}

    def connectors(self, charger: str, times: Sequence[str]) -> list[ReconciledConnector]:
        """Return the registers of a charger: one for each connector, or one that they share (number
        None).

        Their courses are as exact as readings allow at these times.
        """
        by_connector = defaultdict[int | None, list[ReconciledTransaction]](list)
        for row in sorted(
            {row[0]: row for row in self._found(charger)}.values(), key=lambda row: (row[2], row[0])
        ):
            number, connector, began, ended, begin, end, wh, method, confidence, seen = row
            energy = self._so_far.get(number, 0) if wh is None else wh
            begin, end = (None, None) if connector is None else (register(begin), register(end))
            metered = Metered(number, began, ended, begin, end, energy, method, seen or "")
            known = ReconciledTransaction(metered, charger, connector, confidence == CERTAIN)
            by_connector[connector].append(known)
        if share_register([[one.metered for one in some] for some in by_connector.values()]):
            every = sorted(
                (one for some in by_connector.values() for one in some),
                key=lambda one: one.metered[1::-1],
            )
            by_connector = defaultdict(list, {None: every})
        return [
            self._connector(charger, number, some, times)
            for number, some in sorted(by_connector.items(), key=lambda one: one[0] or 0)
        ]

    def _found(self, charger: str) -> Iterator[Row]:
        """Yield the transactions of the span, and the one next to it on each side, some of them
        twice."""
        since, until = self._span.since, self._span.end
        yield from self._rows(_WITHIN, (charger, since, until))
        yield from self._rows(_ACROSS, (charger, since, since))
        yield from self._rows(_OPEN, (charger, since))
        for number in connector_numbers(self._rows, charger, "tx"):
            yield from self._rows(_BEFORE, (charger, number, since))
            yield from self._rows(_AFTER, (charger, number, until))

    def _connector(
        self,
        charger: str,
        number: int | None,
        some: Sequence[ReconciledTransaction],
        times: Sequence[str],
    ) -> ReconciledConnector:
        transactions = {one.metered.id: one for one in some}
        found = stretches(
            (one.metered for one in some), partial(is_other_meter, self._rows, charger)
        )
        points = self._points(charger, transactions, found, times)
        course = RegisterCourse(found, points)
        # A figure that is not what the register rose by was settled by somebody.
        explained = dict(transactions)
        for stretch in found:
            of_it = stretch.transaction
            if of_it is not None and stretch.wh != transactions[of_it].metered.energy_wh:
                who = settled_by(self._rows, of_it)
                explained[of_it] = transactions[of_it]._replace(settled_by=who)
        return ReconciledConnector(number, course, explained)

    # Readings

    def _points(
        self,
        charger: str,
        transactions: Mapping[int, ReconciledTransaction],
        stretches: Sequence[CourseStretch],
        times: Sequence[str],
    ) -> Iterator[CoursePoint]:
        """Yield the readings before and after each time that lies within a stretch in which energy
        flowed."""
        rising = [number for number, one in enumerate(stretches) if one.wh and one.is_plain]
        begins = [stretches[number].since for number in rising]
        for at in times:
            place = bisect_left(begins, at) - 1
            if place >= 0 and at < stretches[rising[place]].until:
                stretch = stretches[rising[place]]
                nearest = next(
                    one.transaction
                    for one in stretches[rising[place] :: -1]
                    if one.transaction is not None
                )
                yield from self._around(charger, transactions[nearest].connector, stretch, at)

    def _around(
        self, charger: str, connector: int | None, stretch: CourseStretch, at: str
    ) -> Iterator[CoursePoint]:
        """Yield the readings of a connector around a time, as far as they belong to a stretch.

        Those of a transaction have the times of its charger's clock.
        """
        readings = _IDLE if stretch.transaction is None else _OF_TRANSACTION
        of_it = (charger, connector) + (
            () if stretch.transaction is None else (stretch.transaction,)
        )
        behind = 0.0
        for began, own_began in self._rows(_BEGAN, (stretch.transaction,)):
            behind = seconds(began) - seconds(own_began)
        since, middle, until = (
            timestamp_of(seconds(one) - behind) for one in (stretch.since, at, stretch.until)
        )
        parts = (("ASC", since, until), ("DESC", since, middle), ("ASC", middle, until))
        first, *around = (
            self._rows(readings[order], (*of_it, since, until)) for order, since, until in parts
        )
        is_lifetime = (
            stretch.transaction is None or not first or first[0][1] >= (stretch.begin_wh or 0)
        )
        for timestamp, wh in (row for part in around for row in part):
            by_ours = timestamp_of(seconds(timestamp) + behind)
            point = placed(stretch, by_ours, wh, is_lifetime=is_lifetime)
            if point is not None:
                yield point


_BEGAN: Final = "SELECT start_time, own_start_time FROM tx WHERE id = ?"
_ORDERS: Final = ("ASC", "DESC")
_OF_TRANSACTION: Final = {
    order: (
        "SELECT timestamp, wh FROM meter_val "  # noqa: S608
        "WHERE cp_id = ? AND conn_id = ? AND tx_id = ? AND wh IS NOT NULL "
        "AND timestamp BETWEEN ? AND ? "
        f"ORDER BY timestamp {order}, id {order} LIMIT 1"
    )
    for order in _ORDERS
}
_IDLE: Final = {
    order: (
        "SELECT timestamp, wh "  # noqa: S608
        "FROM (SELECT timestamp, wh FROM meter_val WHERE cp_id = ? AND conn_id = ? "
        f"AND timestamp BETWEEN ? AND ? ORDER BY timestamp {order}, id {order} "
        f"LIMIT {IDLE_READINGS}) "
        "WHERE wh IS NOT NULL LIMIT 1"
    )
    for order in _ORDERS
}


MOST_READINGS: Final = 100
"""Readings of a meter that are compared: evenly chosen ones, if there are more."""
HISTORY: Final = timedelta(days=366)
"""How far before the month a difference may have begun."""
WH_PER_KWH: Final = 1000
_STATES: Final = "SELECT tx_id, state FROM booked WHERE tx_id IN ({})"


@record
class Reconciliation:
    """Whether the energy of a month adds up: of the site, of each charger, and of each meter of the
    house that was read around it. One that is not `over` yet goes on. It `is_explained` if each
    difference has a reason."""

    month: str
    since: str
    until: str
    over: bool
    adds_up: bool
    is_explained: bool
    site: Sums
    chargers: tuple[ChargerMonth, ...]
    meters: tuple[Comparison, ...]


class _ReadMeter(NamedTuple):
    """A meter with its readings around the month, and its chargers; none: all of the site."""

    id: int
    name: str
    classes: Classes
    chargers: frozenset[str]
    readings: Sequence[HouseReading]


def reconciliation(db: Database, month: str, span: TimeSpan, now: str) -> Reconciliation:
    """Reconcile a month, which lies in `span` of UTC."""
    meters = sorted(_meters(db, span), key=lambda meter: meter.name.lower())
    times = sorted({reading.at for meter in meters for reading in meter.readings})
    whole = TimeSpan(min([span.since, *times]), max([span.end, *times]))
    registers = SiteRegisters(db, whole)
    rows = rows_of(db)
    months, levels = list[ChargerMonth](), dict[str, Mapping[str, RiseBounds]]()
    for (charger,) in db.execute("SELECT id FROM cp ORDER BY id").fetchall():
        connectors = registers.connectors(charger, [span.since, span.end, *times])
        if connectors:
            levels[charger] = {
                at: total(one.course.bounds(at) for one in connectors) for at in times
            }
            months.append(reconcile(charger, connectors, span, partial(_states, rows)))
    comparisons: list[Comparison] = []
    for meter in meters:
        every, of_it = meter.readings, meter.chargers
        measured = [level for one, level in levels.items() if not of_it or one in of_it]
        totals = [total(level[reading.at] for level in measured) for reading in every]
        named = meter.id, meter.name
        comparisons.append(compare(named, meter.classes, every, totals, span))
    sums = site(months)
    agree = not any(one.differs for one in comparisons)
    return Reconciliation(
        month=month,
        since=span.since,
        until=span.end,
        over=span.end <= now,
        adds_up=sums.adds_up and agree,
        is_explained=sums.is_explained and agree,
        site=sums,
        chargers=tuple(months),
        meters=tuple(comparisons),
    )


def _states(rows: Rows, transactions: Sequence[int]) -> Mapping[int, BillState]:
    found = (
        (number, state)
        for some in parts(transactions)
        for number, state in rows(_STATES.format(marks(some)), some)
    )
    return {
        number: BillState.HELD_BACK if state == "not booked" else BillState(state)
        for number, state in found
    }


_METERS: Final = (
    "SELECT id, name, class_percent, chargers_percent, digits FROM meter"
    " WHERE since < ? AND coalesce(until, '9999') > ? ORDER BY id"
)
_READINGS: Final = (
    "SELECT id, at, value, unit, wh FROM meter_reading WHERE meter_id = ? AND voided_at IS NULL"
)
_UNTIL_THEN: Final = f"{_READINGS} AND at >= ? AND at < ? ORDER BY at"
_FROM_THEN: Final = f"{_READINGS} AND at >= ? ORDER BY at LIMIT 2"
"""The second one shows whether the first is a mistake."""


def _meters(db: Database, span: TimeSpan) -> Iterator[_ReadMeter]:
    """Yield the meters that were in use in the month."""
    for number, name, percent, of_chargers, digits in db.execute(
        _METERS, (span.end, span.since)
    ).fetchall():
        measured = db.execute(
            "SELECT cp_id FROM meter_charger WHERE meter_id = ?", (number,)
        ).fetchall()
        modulus = None if digits is None else 10**digits * WH_PER_KWH
        chargers = frozenset(charger for (charger,) in measured)
        yield _ReadMeter(
            number,
            name,
            Classes(percent, of_chargers, modulus),
            chargers,
            _readings(db, number, span),
        )


def _readings(db: Database, meter: int, span: TimeSpan) -> Sequence[HouseReading]:
    """Return at most MOST_READINGS readings or a few more: the last one before the month, and
    evenly chosen others, and the first ones after it."""
    oldest = shifted_stamp(span.since, -HISTORY)
    until = db.execute(_UNTIL_THEN, (meter, oldest, span.end)).fetchall()
    earlier = [HouseReading(*row) for row in reversed(until)]
    step = -(-len(earlier) // MOST_READINGS) or 1
    base = next((one.at for one in earlier if one.at <= span.since), None)
    chosen = [one for number, one in enumerate(earlier) if number % step == 0 or one.at == base]
    later = [HouseReading(*row) for row in db.execute(_FROM_THEN, (meter, span.end)).fetchall()]
    return [*reversed(chosen), *later]
