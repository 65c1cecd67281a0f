"""A house of sixteen households and its year, in simulated time: what its chargers told, and what
its bank.

The server's clock leaps from one visit of the owner to the next. What the chargers told in between
is written while it is stopped.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

from levity_trio.clock import SimulatedTime
from levity_trio.store.engine.file_store import open_database
from levity_trio.wire.times import stamp
from tests.browser.site import Site
from tests.integration.serving import ROOT, environment
from tests.store.books import Books, Station
from tests.store.template import put_new

YEAR: Final = 2026
CLOCK: Final = SimulatedTime(datetime(YEAR, 1, 1, tzinfo=UTC), 2)
"""Of the least speed that a simulated clock can have."""
FLAGS: Final = ("--time-zone", "Europe/Berlin", "--clock-speed", str(CLOCK.speed))
NAMES: Final = (
    "Albrecht Becker Çelik Dietrich Engel Fuchs Graf Hoffmann "
    "Ivanova Jansen Krüger Lindqvist Möller Nowak Öztürk Petersen"
)
FAMILIES: Final = tuple(NAMES.split())
UNPAID: Final = FAMILIES[-3:]
BANK_LINES: Final = 40
FIRMS: Final = 4
"""Payments in a bank's file that are of no household."""
BANK_HEAD: Final = "Buchungstag;Name Zahlungsbeteiligter;Verwendungszweck;Betrag"
OWED: Final = (
    "SELECT account.name, number, total FROM statement "
    "JOIN account ON account.id = account_id ORDER BY number"
)


class House(Site):
    """The site, its mail server, and its clock. It begins stopped."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, *FLAGS)
        put_new(self.database, CLOCK)
        self.chargers = {number: f"WALL-{number:02}" for number in range(1, len(FAMILIES) + 1)}
        """The identity of the charger at each space where somebody charges."""
        self._registers: dict[str, int] = {}
        command = [sys.executable, "-m", "tests.notify.mail_server", "--host", "127.0.0.1"]
        self._mails = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
        )
        self.mail_port = int(self._told_by_mails())

    def close(self) -> None:
        self._mails.kill()
        self._mails.communicate()
        super().close()

    def taken_mail(self) -> dict[str, Any]:
        """Return the next mail that went out."""
        mail: dict[str, Any] = json.loads(self._told_by_mails())
        return mail

    def _told_by_mails(self) -> str:
        assert self._mails.stdout is not None
        return self._mails.stdout.readline()

    def charge_in(self, *months: int) -> None:
        """Let each household charge once in each of these months, while the server is stopped."""
        with open_database(self.database, CLOCK) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            books = Books(connection)
            books.now = datetime(YEAR, months[0], 2, tzinfo=UTC)
            stations: dict[int, Station] = {}
            for number, identity in self.chargers.items():
                stations[number] = Station(books, identity)
                stations[number].boot(meter_serial_number=f"1ESY-{identity}")
            for month in months:
                for number, station in stations.items():
                    books.now = datetime(YEAR, month, 3 + number, 17, tzinfo=UTC)
                    self._charge(station, number)
            books.settle()
            for station in stations.values():
                station.lose()

    def _charge(self, station: Station, number: int) -> None:
        books, wh = station.books, 9_000 + 1_370 * number
        register = self._registers.get(station.name, 100_000)
        station.status("Preparing")
        transaction = station.start(register, tag=tag_of(number))
        station.status("Charging")
        books.wait(60)
        station.tell(station.register(register + wh // 2), transaction=transaction)
        books.wait(60)
        station.stop(transaction, register + wh)
        station.status("Available")
        self._registers[station.name] = register + wh

    def leap(self, day: date) -> None:
        """Let the clock show the morning of a day, as if the server had been off until then."""
        shown = datetime.combine(day, time(9), UTC)
        goes_on = "UPDATE simulated_time SET begun_at = ?, started_at = ?"
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute(goes_on, (stamp(shown), stamp(datetime.now(UTC))))

    def bank_file(self, day: str) -> str:
        """Return the movements of the account: payments of all households except UNPAID, some of
        firms, and what the house pays itself."""
        rows: list[str] = []
        for name, number, total in self.server.query(OWED):
            if name.partition(" ")[2] not in UNPAID:
                amount = f"{total // 100},{total % 100:02}"
                rows.append(f"{day};{name};Rechnung {YEAR}-{number};{amount}")
        rows += [
            f"{day};Firma {number};Garage {number};{50 + number},00" for number in range(FIRMS)
        ]
        for number in range(BANK_LINES - len(rows)):
            rows.append(f"{day};Stadtwerke;Abschlag {number};-{30 + number},90")
        return "\n".join((BANK_HEAD, *rows))


@contextmanager
def opened_house(folder: Path) -> Iterator[House]:
    """Give the house until the block is left."""
    house = House(folder)
    try:
        yield house
    finally:
        house.close()


def household(number: int) -> str:
    """Return the name of the household at a space."""
    return f"Familie {FAMILIES[number - 1]}"


def tag_of(number: int) -> str:
    """Return its card."""
    return f"04A1B2C3{number:02}"
