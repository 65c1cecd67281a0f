"""A year of a site, written through the write functions as its chargers would have told it, and its
size."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, TypeVar, TypeVarTuple

from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import open_database
from levity_trio.store.engine.frame_log import store_frames
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import Origin
from tests.store.books import Books, Station, meter_value

READINGS: Final = 120
"""Of a session: four hours, one every two minutes."""
READING_MINUTES: Final = 2
WH_PER_READING: Final = 200
LOG_DAYS: Final = 90
"""Older frames have been pruned."""
CALL: Final = (
    '[2,"%08d","MeterValues",{"connectorId":1,"transactionId":1000000,'
    '"meterValue":[{"timestamp":"%s",%s}]}]'
)
SAMPLE: Final = (
    '"sampledValue":[{"value":"1234567","unit":"Wh","measurand":"Energy.Active.Import.Register"}]'
)
ANSWER: Final = '[3,"%08d",{}]'
DAY_MESSAGES: Final = READINGS + 6
"""Of a charger: its session, statuses and a boot."""

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Logged(Station):
    """A charger whose frames are logged."""

    log_since = ""

    def write(self, write: Callable[[UnitOfWork, Origin, *Ts], T], *args: *Ts) -> T:
        self.messages += 1
        return self.books.run(self._both, write, args)

    def _both(
        self, db: UnitOfWork, write: Callable[[UnitOfWork, Origin, *Ts], T], args: tuple[*Ts]
    ) -> T:
        origin, number = self.origin, self.messages
        if origin.received_at > self.log_since:
            row = (origin.charger, origin.session, origin.received_at)
            call = (
                *row,
                "recv",
                f'"{number:08}"',
                "MeterValues",
                CALL % (number, origin.received_at, SAMPLE),
            )
            store_frames(
                db, [call, (*row, "send", f'"{number:08}"', "MeterValues", ANSWER % number)]
            )
        return write(db, origin, *args)


def write_year(database: Path, identities: list[str], days: int) -> None:
    """So many days until now in a new database: each charger charges once a day."""
    with open_database(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        books = Books(connection)
        now = datetime.now(UTC).replace(microsecond=0)
        books.now = now - timedelta(days=days)
        stations = [_Logged(books, identity) for identity in identities]
        _Logged.log_since = (now - timedelta(days=LOG_DAYS)).isoformat()
        for day in range(days):
            books.now = now - timedelta(days=days - day)
            _charge(books, stations, day)
        for station in stations:
            station.lose()
        books.run(sessions.end_run, books.server, books.at)


def _charge(books: Books, stations: list[_Logged], day: int) -> None:
    register = day * READINGS * WH_PER_READING
    told = []
    for station in stations:
        station.boot()
        station.status("Preparing")
        told.append(station.start(register))
        station.status("Charging")
    for _ in range(READINGS):
        books.wait(READING_MINUTES)
        register += WH_PER_READING
        for station, transaction in zip(stations, told, strict=True):
            station.tell(meter_value(station.clock(), register), transaction=transaction)
    for station, transaction in zip(stations, told, strict=True):
        station.stop(transaction, register)
        station.status("Available")


class Size(NamedTuple):
    """A table with its indexes."""

    table: str
    rows: int
    mebibytes: float


def sizes(database: Path) -> list[Size]:
    """The largest first; those of less than a page are left out."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute(
            "SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name)"
            " GROUP BY tbl_name HAVING sum(pgsize) > 20000 ORDER BY sum(pgsize) DESC"
        ).fetchall()
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name, _ in found
        }
    return [Size(name, counts[name], size / 2**20) for name, size in found]
