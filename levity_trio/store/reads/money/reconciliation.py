"""The reconciliation of a month, from one read. Its cost depends on the month, not on the
history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Final, NamedTuple

from levity_trio.billing.courses import RiseBounds, total
from levity_trio.billing.ownership import TimeSpan
from levity_trio.billing.reconciliation import ChargerMonth, Sums, reconcile, site
from levity_trio.billing.states import BillState
from levity_trio.billing.sub_meters import Classes, Comparison, HouseReading, compare
from levity_trio.records import record
from levity_trio.store.engine.database import Database, Rows, marks, parts, rows_of
from levity_trio.store.reads.money.metered import SiteRegisters
from levity_trio.wire.times import shifted_stamp

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
