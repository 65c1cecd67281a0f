"""The ledger against the books: what agrees is clean, and each way to differ is one line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from levity_trio.config import EnvironmentProblem
from levity_trio.simulator.ledger import Entry
from levity_trio.simulator.verification import Verdict, baseline, verify
from levity_trio.store.connection import open_database
from levity_trio.store.reads import Mark
from tests.store.books import Books, Station
from tests.store.files import make, make_ours

NOTHING = Verdict(transactions=0, energy_wh=0, unprovable_wh=0, reviews=0, set_aside=0, faults=())


@dataclass
class Site:
    """A server that writes to its database, and what its chargers know. What was there before is marked."""

    path: Path
    books: Books
    since: Mark = field(default_factory=Mark)
    entries: list[Entry] = field(default_factory=list)
    stations: dict[str, Station] = field(default_factory=dict)

    def station(self, charger: str) -> Station:
        if charger not in self.stations:
            self.stations[charger] = Station(self.books, charger)
        return self.stations[charger]

    def start(self, charger: str = "CP-1", *, meter: int = 1000, tag: str = "TAG", learned: bool = True) -> Entry:
        """A transaction begins, and its charger knows."""
        self.books.wait(10)
        began = self.station(charger).clock()
        transaction = self.station(charger).start(meter, tag=tag)
        entry = Entry(charger=charger, connector=1, id_tag=tag, began_at=began, meter_start=meter)
        entry.transaction_id = transaction if learned else None
        self.entries.append(entry)
        return entry

    def stop(self, entry: Entry, true_wh: int, told_wh: int | None = None) -> None:
        """It ends; the server may be told another register than the true one."""
        self.books.wait(60)
        self.end(entry, true_wh)
        told = entry.meter_start + (true_wh if told_wh is None else told_wh)
        self.station(entry.charger).stop(entry.transaction_id or -1, told, tag=entry.id_tag)

    def end(self, entry: Entry, true_wh: int) -> None:
        """It ends, and the server is told nothing."""
        entry.energy_wh = entry.provable_wh = true_wh
        entry.is_ended = True

    def charge(self, charger: str = "CP-1", wh: int = 4000, *, meter: int = 1000, learned: bool = True) -> Entry:
        entry = self.start(charger, meter=meter, learned=learned)
        self.stop(entry, wh)
        return entry

    def verify(self) -> Verdict:
        return verify(self.path, self.entries, self.since)

    def fault(self) -> str:
        """The only line."""
        (line,) = self.verify().faults
        return line


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with a past that is of no interest."""
    path = tmp_path / "site.db"
    with open_database(path) as connection:
        site = Site(path, Books(connection))
        site.charge(wh=1)
        site.start("CP-2", meter=77)
        site.station("CP-1").stop(5, 10)  # set aside
        site.entries.clear()
        site.books.wait(1)
        site.since = baseline(path)
        yield site


# Where the books agree


def test_what_was_found_is_counted(site: Site) -> None:
    site.charge(wh=4000)
    site.charge("CP-2", 123, meter=77_000)
    site.charge(wh=0, meter=5000)
    assert site.verify() == Verdict(3, 4123, 0, 0, 0, ())
    assert site.verify().is_clean


def test_nothing_happened(site: Site) -> None:
    assert site.verify() == NOTHING


def test_a_running_transaction_is_no_fault(site: Site) -> None:
    site.start()
    assert site.verify() == Verdict(1, 0, 0, 0, 0, ())


def test_one_whose_start_is_still_on_its_way_is_no_fault(site: Site) -> None:
    site.entries.append(Entry(charger="CP-1", connector=1, id_tag="TAG", began_at="", meter_start=1))
    assert site.verify() == NOTHING


def test_a_charger_that_never_learned_the_id_is_found_by_its_start(site: Site) -> None:
    site.charge(wh=4000, learned=False)
    assert site.verify() == Verdict(1, 4000, 0, 0, 0, ())


def test_equal_starts_are_told_apart_by_their_ids_and_their_order(site: Site) -> None:
    """A register that begins at 0 each time: the same connector, tag and meterStart."""
    for wh in (100, 200, 300, 400):
        site.charge(wh=wh, meter=0, learned=wh == 200)
    assert site.verify() == Verdict(4, 1000, 0, 0, 0, ())


def test_other_chargers_are_not_ours(site: Site) -> None:
    site.charge(wh=4000)
    site.station("STRANGER").stop(17, 5000)  # set aside
    site.station("STRANGER").start(5)
    assert site.verify() == Verdict(1, 4000, 0, 0, 0, ())


def test_what_is_set_aside_is_counted(site: Site) -> None:
    site.charge(wh=4000)
    site.station("CP-1").stop(17, 5_000_000)
    assert site.verify() == Verdict(1, 4000, 0, 0, 1, ())


def test_the_same_message_set_aside_again_is_counted(site: Site) -> None:
    at = site.station("CP-1").clock()
    site.station("CP-1").stop(17, 5_000_000, at=at)
    site.books.wait(1)
    site.since = baseline(site.path)
    assert site.verify().set_aside == 0
    site.entries.append(Entry(charger="CP-1", connector=1, id_tag="TAG", began_at="", meter_start=1))
    site.books.wait(1)
    site.station("CP-1").stop(17, 5_000_000, at=at)
    assert site.verify().set_aside == 1


def test_destroyed_evidence_needs_a_review(site: Site) -> None:
    entry = site.start()
    site.stop(entry, 4000, told_wh=-500)  # the register was reset, and no reading was told
    entry.provable_wh = 0
    assert site.verify() == Verdict(1, 0, 4000, 1, 0, ())


# Where they do not


def test_wrong_energy(site: Site) -> None:
    entry = site.start()
    site.stop(entry, 4000, told_wh=3999)
    assert site.fault() == (
        f"CP-1: transaction {entry.transaction_id} (connector 1, 'TAG', begun {entry.began_at} at 1000 Wh):"
        " expected 4000 Wh, found 3999 Wh"
    )
    assert not site.verify().is_clean


def test_a_lost_start(site: Site) -> None:
    entry = Entry(charger="CP-9", connector=1, id_tag="TAG", began_at="2026", meter_start=1)
    site.end(entry, 500)
    site.entries.append(entry)
    assert site.fault() == (
        "CP-9: a transaction it was told no id of (connector 1, 'TAG', begun 2026 at 1 Wh):"
        " expected 500 Wh, found no transaction of its own"
    )


def test_a_lost_start_takes_nobody_s_place(site: Site) -> None:
    lost = Entry(charger="CP-1", connector=1, id_tag="TAG", began_at="the lost one", meter_start=1000)
    site.end(lost, 4000)
    site.entries.append(lost)
    site.charge(wh=4000)
    assert "begun the lost one" in site.fault()


def test_a_lost_stop(site: Site) -> None:
    site.end(site.start(), 4000)
    assert "expected 4000 Wh, found it still open" in site.fault()


def test_a_discarded_message_is_told_with_what_it_cost(site: Site) -> None:
    entry = site.start()
    site.end(entry, 4000)
    entry.discarded = True
    assert site.fault().endswith("expected 4000 Wh, found it still open; the charger threw its start or stop away")


@pytest.mark.parametrize("learned", [True, False])
def test_an_invented_one(site: Site, learned: bool) -> None:
    """The server took a repeated start for a new one."""
    entry = site.charge(wh=4000, learned=learned)
    site.books.wait(1)
    invented = site.station("CP-1").start(entry.meter_start)
    assert site.fault() == f"CP-1: transaction {invented}: expected none, found None Wh on connector 1 for 'TAG'"


def test_an_invented_one_of_a_charger_without_any(site: Site) -> None:
    invented = site.station("CP-2").start(99)
    assert verify(site.path, [], site.since).is_clean
    (line,) = verify(site.path, [], site.since, ["CP-2"]).faults
    assert f"CP-2: transaction {invented}: expected none" in line


def test_one_id_for_two(site: Site) -> None:
    first = site.charge(wh=4000)
    second = Entry(charger="CP-1", connector=1, id_tag="TAG", began_at="2027", meter_start=5000)
    second.transaction_id = first.transaction_id
    site.end(second, 10)
    site.entries.append(second)
    assert "begun 2027 at 5000 Wh): expected 10 Wh, found no transaction of its own" in site.fault()


def test_the_id_of_another_charger(site: Site) -> None:
    site.charge("CP-2", 4000).charger = "CP-1"
    site.start("CP-2", meter=6000)
    lost, invented = site.verify().faults
    assert "CP-1: transaction" in lost
    assert "expected 4000 Wh, found no transaction of its own" in lost
    assert "CP-2: transaction" in invented


def test_the_id_of_one_that_was_there_before(site: Site) -> None:
    entry = site.charge(wh=4000)
    site.since = baseline(site.path)
    assert "found no transaction of its own" in site.fault()
    assert site.since.transaction == entry.transaction_id


def test_destroyed_evidence_without_a_review(site: Site) -> None:
    entry = site.charge(wh=4000)
    entry.energy_wh = 9000
    assert site.fault().endswith("expected a review, since 9000 Wh flowed, found none")
    assert site.verify().unprovable_wh == 5000


def test_the_same_start_twice_is_found_once(site: Site) -> None:
    """Neither learned its id, and the server has only one of them."""
    entry = site.charge(wh=4000, learned=False)
    site.entries.append(entry)
    assert "found no transaction of its own" in site.fault()


# The file


def test_a_database_without_a_row_begins_at_nothing(tmp_path: Path) -> None:
    path = tmp_path / "site.db"
    with pytest.raises(EnvironmentProblem, match=r"--verify .*site\.db: no such file; start the server first"):
        baseline(path)
    assert not path.exists()
    path.touch()
    assert baseline(path) == Mark()
    make_ours(path)
    assert baseline(path) == Mark()


def test_looking_takes_no_lock_from_the_writer(site: Site) -> None:
    site.charge(wh=4000)
    site.books.connection.execute("BEGIN IMMEDIATE")
    assert baseline(site.path).transaction == site.entries[0].transaction_id
    assert site.verify().is_clean
    site.books.connection.execute("ROLLBACK")


def test_a_foreign_file_is_told_in_one_plain_line(tmp_path: Path) -> None:
    make(tmp_path / "levity.db")
    for look, flag in ((baseline, "--verify"), (lambda path: verify(path, [], Mark()), "--db")):
        told = rf"levity\.db belongs to another program; name another file with {flag}"
        with pytest.raises(EnvironmentProblem, match=told):
            look(tmp_path / "levity.db")


def test_a_file_that_is_not_there_is_told_in_one_plain_line(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"cannot read the database .*levity\.db: unable to open"):
        verify(tmp_path / "levity.db", [], Mark())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("what", "true"), [("connector", 2), ("id_tag", "OTHER"), ("meter_start", 7)])
def test_the_right_energy_under_a_wrong_name(site: Site, what: str, true: object) -> None:
    entry = site.charge()
    setattr(entry, what, true)
    assert site.fault().endswith("expected it so, found connector 1, 'TAG', begun at 1000 Wh")
