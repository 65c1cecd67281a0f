"""Six weeks of a house, written through the write functions as its chargers would have told
them."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from levity_trio.charging.sent.readings import BILLED
from levity_trio.store.reads.levity.rows import ReadingRow, TransactionRow
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.site import imports
from levity_trio.wire.times import stamp
from tests.store import loads
from tests.store.books import Books, Station, meter_value
from tests.store.template import new_database

DAYS: Final = 45
READING: Final = timedelta(minutes=15)
TIME_ZONE: Final = "Europe/Berlin"
POWER: Final = (3680, 7360, 11040)
"""In W: what cars charge with."""


class Household(NamedTuple):
    """Who charges where, with which tag; `wh` is a usual session."""

    name: str
    charger: str
    tag: str
    watts: int
    wh: int


HOUSEHOLDS: Final = (
    Household("Anna Becker", "SPACE-01", "04A2B3C4", POWER[1], 14_000),
    Household("Jonas & Mira Weber", "SPACE-02", "04F1D022", POWER[2], 22_000),
    Household("Familie Öztürk", "SPACE-03", "049E7710", POWER[2], 18_000),
    Household("Lena Schäfer", "SPACE-04", "0411AA58", POWER[0], 7_500),
    Household("Peter Nowak", "SPACE-05", "04C0FFEE", POWER[1], 11_000),
    Household("Dr. Ines Hoffmann", "SPACE-06", "0477E3B1", POWER[2], 26_000),
    Household("Tom Lindqvist", "SPACE-07", "04DD0912", POWER[1], 9_000),
    Household("Carsharing Süd eG", "SPACE-08", "CARSHARE-1", POWER[2], 31_000),
)
FAULTED, AWAY, QUIET = "SPACE-09", "SPACE-10", "SPACE-11"
CHARGERS: Final = (*(one.charger for one in HOUSEHOLDS), FAULTED, AWAY, QUIET)
CHARGING: Final = HOUSEHOLDS[:3]
"""Those that charge now."""


@dataclass
class Past:
    """What became of it: the open transactions with their registers, by charger, the one that is in
    doubt, and the one that was imported."""

    open: dict[str, tuple[int, int]] = field(default_factory=dict)
    doubtful: int = 0
    imported: int = 0


Happening = Iterator[datetime]
"""Yields when it goes on, and acts when it is resumed."""


def write_past(database: Path, now: datetime, *, has_import: bool = False) -> Past:
    """Write it into a new database, up to now; with a session that was imported, if told."""
    dice, past = random.Random(1), Past()
    with new_database(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        books = Books(connection)
        books.now = now - timedelta(days=DAYS)
        stations = {identity: _Station(books, identity) for identity in CHARGERS}
        for station in stations.values():
            station.boot(firmware_version="5.633")
            station.status("Available")
        happenings = [_habit(stations[one.charger], one, dice, now, past) for one in HOUSEHOLDS]
        _let_happen(books, [*happenings, _leap(stations[HOUSEHOLDS[4].charger], now, past)])
        books.now = now
        if has_import:
            past.imported = _import(books, now)
        books.settle()
        _manage_load(books, past)
        for station in stations.values():
            station.lose()
        books.run(sessions.end_run, books.server, books.at)
    return past


def _manage_load(books: Books, past: Past) -> None:
    """A day of load management in shadow: while more cars charge, what there is at the feeder is
    shared."""
    begin = books.now - timedelta(days=1)
    places = [(one.charger, past.open[one.charger][0]) for one in CHARGING]
    for number in range(int(timedelta(days=1) / READING)):
        at = begin + number * READING
        house = 4.0 + (5.0 if 16 <= at.hour < 21 else 0.0) + number % 3 * 0.4
        bounds = ("circuit", "waits" if number % 4 < 2 else "circuit", "most")
        is_busy = number > 88  # the last hours, in which those of CHARGING charge
        cars = (
            [(*place, bound) for place, bound in zip(places, bounds, strict=True)]
            if is_busy
            else []
        )
        loads.quarter(books, stamp(at), *cars, house=house, drawn=38.0 if is_busy else 0.0)
    first, second, third = places
    loads.decide(
        books,
        loads.car(*first, limit_a=24, of_a=32, drawn_a=31.8, phase="L1", is_outage=True),
        loads.waiting(*second, place=1, of=1),
        loads.car(*third, limit_a=16, drawn_a=15.9, bound="most", circuit="", phase=""),
        lines=[
            loads.line(0, house=8.4, cars=48.0),
            loads.line(1, house=5.1),
            loads.line(2, house=6.7),
        ],
    )


class _Station(Station):
    """A charger with its register, in Wh, and its newest transaction."""

    wh = 0
    transaction = 0


def _let_happen(books: Books, happenings: Iterable[Happening]) -> None:
    """Resume each at its time, all in the order of time."""
    queue = [(next(one), number, one) for number, one in enumerate(happenings)]
    heapq.heapify(queue)
    while queue:
        books.now, number, one = heapq.heappop(queue)
        if (then := next(one, None)) is not None:
            heapq.heappush(queue, (then, number, one))


def _habit(
    station: _Station, who: Household, dice: random.Random, now: datetime, past: Past
) -> Happening:
    """Charge on most evenings; those of CHARGING also now."""
    for days_ago in range(DAYS - 1, 0, -1):
        if dice.random() < 0.6:
            evening = (now - timedelta(days=days_ago)).replace(hour=16, minute=0, second=0)
            begin = evening + timedelta(minutes=dice.randrange(240))
            if begin + timedelta(hours=8) < now:
                yield from _session(station, who, begin, int(who.wh * dice.uniform(0.4, 1.3)))
    if who in CHARGING:
        hours = dice.uniform(0.7, 1.6)
        yield from _charge(
            station, who, now - timedelta(hours=hours), int(hours * who.watts * 0.97)
        )
        past.open[station.name] = (station.transaction, station.wh)


def _session(station: _Station, who: Household, begin: datetime, wh: int) -> Happening:
    yield from _charge(station, who, begin, wh)
    station.status("SuspendedEV")
    yield station.books.now + timedelta(minutes=25)
    station.stop(station.transaction, station.wh, tag=who.tag, reason="EVDisconnected")
    station.status("Available")


def _charge(station: _Station, who: Household, begin: datetime, wh: int) -> Happening:
    """Plug in, and charge so much; a full battery takes less and less."""
    yield begin
    station.status("Preparing")
    station.transaction = station.start(station.wh, tag=who.tag)
    station.status("Charging")
    full, step = station.wh + wh, int(who.watts * READING / timedelta(hours=1))
    while station.wh < full:
        yield station.books.now + READING
        added = min(step, full - station.wh)
        station.wh += added
        watts = round(added * timedelta(hours=1) / READING)
        station.tell(_reading(station, watts), transaction=station.transaction)


def _reading(station: _Station, watts: int) -> dict[str, object]:
    power = {"value": str(watts), "measurand": "Power.Active.Import", "unit": "W"}
    return meter_value(station.clock(), station.wh, power)


def _leap(station: _Station, now: datetime, past: Past) -> Happening:
    """A session whose register leaps by 60 kWh within a quarter of an hour."""
    yield (now - timedelta(days=2)).replace(hour=9)  # long before the evening's
    station.status("Preparing")
    past.doubtful = station.start(station.wh, tag=HOUSEHOLDS[4].tag)
    station.status("Charging")
    for wh in (1800, 1800, 60_000):
        yield station.books.now + READING
        station.wh += wh
        station.tell(_reading(station, 4 * min(wh, 1800)), transaction=past.doubtful)
    station.stop(past.doubtful, station.wh, tag=HOUSEHOLDS[4].tag)
    station.status("Available")


def _import(books: Books, now: datetime) -> int:
    """Import a session of several days whose figure its readings contradict; return it."""
    begun, wh = now - timedelta(days=9, hours=5), 4_093_719
    ended, charger = begun + timedelta(days=8, hours=11), HOUSEHOLDS[7].charger
    start, stop, doubts = (
        stamp(begun),
        stamp(ended),
        ["its energy is 0 Wh, but its readings show 9900 Wh"],
    )
    ends = (start, stop, wh, None, 0, "Local", start, stop, stop, {"id": 17}, doubts)
    (number,) = books.run(
        imports.take, "transactions", [TransactionRow(charger, 17, 1, "OLD-TAG", *ends)], books.at
    ).ids
    readings = [
        ReadingRow(
            *(charger, place, number, 1, at, at, at, BILLED[0], f"{wh + 990.0 * place:.1f}", "Wh"),
            *("Sample.Periodic", BILLED[1], "", BILLED[2]),
        )
        for place in range(1, 11)
        for at in [stamp(begun + place * timedelta(hours=18))]
    ]
    books.run(imports.take, "readings", readings, books.at)
    return number
