"""A year with all that may happen to a database: `levity-trio check` has nothing to say, and each
session whose meter signed it is checked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import pytest
import trio

from levity_trio.store.keeping import restoring
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.copies import back_up
from levity_trio.store.keeping.upgrading import try_on
from levity_trio.store.upkeep import pruning
from levity_trio.store.writes.people import accounts, households
from levity_trio.store.writes.people.households import Deletion
from levity_trio.store.writes.site import frames
from levity_trio.wire.times import stamp
from tests.postgresql import Server, running
from tests.signed.meters import Meter
from tests.store.bills import ANNA, BEN, BERLIN, Biller
from tests.store.books import Books, Station, meter_value
from tests.store.keeping import ignore, query
from tests.store.moving.watching import moved
from tests.store.owning import House
from tests.store.postgresql.stored import empty_database
from tests.store.signing import enter, look, of_meter, signed
from tests.store.template import new_database
from tests.store.test_sealed_evidence import LateCharger

pytestmark = pytest.mark.sqlite
WH: Final = 4000


class Year:
    """A house from January to December, in a file. Its server starts anew each month."""

    def __init__(self, path: Path) -> None:
        self.path, self.meter, self.wh = path, Meter(), 1000
        self.is_begun = False

    def close(self, month: int, *, leaves: bool = False) -> None:
        with new_database(self.path) as connection:
            books = Books(connection)
            books.now = datetime(2026, month, 3, 9, tzinfo=UTC)
            house = House(books)
            biller = Biller(house, date(2026, 1, 1), has_begun=self.is_begun)
            honest, odd = Station(books, "CP-2"), LateCharger(books, month)
            if not self.is_begun:
                house.give(ANNA, "A")
                house.give(BEN, "B")
                enter(books, self.meter, "CP-2")
            self.is_begun = True
            for tag in "AB":
                self.charge(honest, tag)
                for _ in range(8):
                    odd.act()
            Station(books, f"STRANGER-{month}").stop(7, 5000)
            end = datetime(2026 + month // 12, month % 12 + 1, 2, 9, tzinfo=UTC)
            if leaves:
                until = {"until": stamp(books.now)}
                books.run(accounts.change, ANNA, until, books.at, "cleo")
            books.now = max(books.now, end)
            look(books)
            books.settle()
            look(books)
            biller.close(f"2026-{month:02}")
            if leaves:
                moves_out = Deletion(10, "moved out", books.at, "cleo")
                books.run(households.delete_personal, ANNA, moves_out)
            books.run(frames.delete_of_strangers, books.at, 1.0, month % 2 == 0)
            honest.lose()

    def charge(self, station: Station, tag: str) -> None:
        begun, since = of_meter(station, "B", self.wh), self.wh
        number = station.start(since, tag=tag)
        station.books.wait(60)
        self.wh += WH
        record = signed(self.meter.record(begun, of_meter(station, "E", self.wh)))
        station.stop(number, self.wh, data=[meter_value(station.clock(), self.wh, record)])
        station.books.wait(60)

    def sound(self) -> None:
        """What is stored is as it was sealed, and all that was signed is checked."""
        report = check(self.path, lambda _: None)
        assert report.problems == []
        assert len(report.evidence) == query(self.path, "SELECT count(*) FROM statement")[0][0]
        assert {tuple(one.differing or ()) for one in report.evidence} == {()}
        checked = (
            "SELECT DISTINCT state, is_owners FROM tx LEFT JOIN signed_check ON tx_id = id "
            "WHERE cp_id = 'CP-2'"
        )
        assert query(self.path, checked) == [("proven", 1)]


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def test_a_year(tmp_path: Path, server: Server) -> None:
    path = tmp_path / "site.db"
    year = Year(path)
    for month in (1, 2, 3):
        year.close(month)
    back_up(path, copy := tmp_path / "copy.db", ignore)
    for month in (4, 5):
        year.close(month)
    year.sound()
    restoring.restore(copy, path, ignore, is_forced=True, last_statement="10")
    year.sound()
    for month in (4, 5, 6):
        year.close(month, leaves=month == 6)
    back_up(path, trial := tmp_path / "trial.db", ignore)
    assert try_on(trial)["problem"] is None
    for month in (7, 8):
        year.close(month)
    moved(path, address := empty_database(server))
    there = check(address, lambda _: None)
    assert (there.problems, [one.differing for one in there.evidence if one.differing]) == ([], [])
    path.unlink()
    moved(address, path)
    for month in range(9, 13):
        year.close(month)
    with new_database(path) as connection:
        biller = Biller(House(Books(connection)), has_begun=True)
        removed = trio.run(
            pruning.forget_due, biller._writer, lambda: datetime(2037, 12, 1, tzinfo=UTC), BERLIN
        )
    assert removed > 0
    year.sound()
    assert query(path, "SELECT sum(deleted) > 0 FROM evidence_pruning") == [(1,)]
