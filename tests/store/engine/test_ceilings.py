"""The daily ceiling on facts other than transactions and readings; beyond it, one FactsCounted an
hour."""

from collections import Counter

import pytest

from levity_trio.events import ChargerBooted, Fact, FactsCounted, StatusChanged
from levity_trio.store.engine import database as ceilings
from levity_trio.store.engine.database import DAILY_FACTS
from levity_trio.store.writes.chargers.sessions import count_repairs
from tests.store.books import Books, Station

TOO_MANY = 50
SUSPENSIONS = ("TransactionSuspended", "TransactionResumed")
PERMANENT = "boot status cp_err event tx_event set_aside"


def rows(books: Books) -> dict[str, int]:
    return {table: books.count(table) for table in PERMANENT.split()}


def counted(books: Books, kind: str) -> list[int]:
    return [fact.count for fact in books.recorded(FactsCounted) if fact.kind == kind]


def boot_and_report(station: Station, times: int) -> None:
    """The messages with which one charger wrote 25 GB a day."""
    for _ in range(times):
        station.boot()
        station.status("Faulted", error="OtherError")
        station.status("Charging")


@pytest.fixture
def flooded(books: Books, station: Station) -> Station:
    """A charger that has reached the daily ceiling for every kind of fact."""
    kinds = [kind.__name__ for kind in Fact.__subclasses__()]
    counted = (
        "INSERT INTO fact_count (cp_id, kind, day, facts) "
        "VALUES ('CP-1', ?, ?, 0) ON CONFLICT DO NOTHING"
    )
    for kind in (*kinds, "StatusNotification"):
        books.connection.execute(counted, (kind, books.at[:10]))
    books.connection.execute("UPDATE fact_count SET facts = ?", (DAILY_FACTS,))
    station.start()
    return station


def test_up_to_the_ceiling_each_is_kept(books: Books, station: Station) -> None:
    for _ in range(DAILY_FACTS):
        station.boot()
    assert books.count("boot") == DAILY_FACTS
    assert books.recorded(FactsCounted) == []


def test_all_strangers_have_one_ceiling_beyond_the_first_facts_of_each(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceilings, "STRANGERS_FACTS", 5)
    own, *strangers = (Station(books, name) for name in ("OWN", "NEW-1", "NEW-2", "NEW-3"))
    books.connection.execute("UPDATE cp SET registration = 'adopted' WHERE id = 'OWN'")
    for _ in range(ceilings.FIRST_FACTS + 7):
        for station in (own, *strangers):
            station.boot()
    assert books.count("boot WHERE cp_id = 'OWN'") == ceilings.FIRST_FACTS + 7
    assert books.count("boot") == 4 * ceilings.FIRST_FACTS + 7 + 5
    assert {told.charger for told in books.recorded(FactsCounted)} == {"NEW-1", "NEW-2", "NEW-3"}
    # the present is known all the same
    assert books.value("SELECT count(*) FROM cp WHERE vendor IS NOT NULL") == 4
    strangers[0].start()
    books.wait(24 * 60 + 1)
    strangers[0].boot()
    assert books.count("boot WHERE cp_id = 'NEW-1'") > ceilings.FIRST_FACTS


def test_repairs_of_ever_other_firmware_are_bounded(
    books: Books, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceilings, "DAILY_FACTS", 5)
    for number in range(8):
        station.boot(firmware_version=f"{number}")
        station.write(count_repairs, [("a text", "12")])
    kept = books.count("repair")
    station.boot(firmware_version="0")
    station.write(count_repairs, [("a text", "12")])
    assert books.count("repair") == kept <= 5
    assert books.value("SELECT max(count) FROM repair") > 1


def test_beyond_it_no_table_grows(books: Books, flooded: Station) -> None:
    before = rows(books)
    boot_and_report(flooded, TOO_MANY)
    grown = Counter(rows(books)) - Counter(before)
    assert grown.keys() <= {"event", "tx_event"}
    told = [fact.kind for fact in books.recorded(FactsCounted)]
    assert grown["event"] == len(told) == len(set(told))
    assert set(told) == {
        "ChargerBooted",
        "StatusNotification",
        "StatusChanged",
        "ErrorOpened",
        *SUSPENSIONS,
    }
    assert grown["tx_event"] == 2  # one suspension and one resumption, each with its count


def test_what_is_beyond_is_told_once_an_hour(books: Books, flooded: Station) -> None:
    for _ in range(TOO_MANY):
        flooded.boot()
    assert counted(books, "ChargerBooted") == [1]
    books.wait(61)
    flooded.boot()
    assert counted(books, "ChargerBooted") == [1, TOO_MANY]
    assert len(books.recorded(ChargerBooted)) == books.count("boot") == 0


def test_each_change_of_a_status_is_counted(books: Books, flooded: Station) -> None:
    """Also one back to the status that was stored last; a repetition is none."""
    told = "SELECT counted FROM fact_count WHERE kind = 'StatusNotification'"
    books.connection.execute("UPDATE fact_count SET facts = 0")
    flooded.status("Available")  # it is stored
    books.connection.execute("UPDATE fact_count SET facts = ?", (DAILY_FACTS,))
    before, rows = books.value(told), books.count("status")
    for _ in range(TOO_MANY):
        for status in ("Charging", "Available", "Available"):
            flooded.status(status)
    assert books.value(told) == before + 2 * TOO_MANY
    assert books.rows("SELECT status, count FROM status") == [("Available", 1 + TOO_MANY)]
    assert rows == 1


def test_the_next_day_they_are_kept_again(books: Books, flooded: Station) -> None:
    flooded.boot()
    books.wait(24 * 60)
    flooded.boot()
    assert books.count("boot") == 1


def test_the_present_state_is_right_beyond_it(books: Books, flooded: Station) -> None:
    transaction = books.value("SELECT id FROM tx")
    boot_and_report(flooded, TOO_MANY)
    flooded.boot(firmware_version="2")
    flooded.status("Finishing")
    assert books.row("SELECT firmware_version, last_boot_at FROM cp") == ("2", books.at)
    assert books.value("SELECT status FROM cp_conn") == "Finishing"
    assert books.recorded(StatusChanged)[-1].status == "Finishing"
    assert books.value("SELECT suspended_at FROM tx") == books.at
    flooded.status("Charging")
    assert books.value("SELECT suspended_at FROM tx") is None
    flooded.stop(transaction, 3000)
    assert flooded.bill(transaction)[:1] == (2000,)


def test_another_charger_and_another_kind_have_their_own(books: Books, flooded: Station) -> None:
    before = rows(books)
    other = Station(books, "CP-2")
    other.boot()
    assert books.count("boot") == before["boot"] + 1
    assert (
        books.value("SELECT count(*) FROM event WHERE cp_id = 'CP-2' AND kind = 'ChargerBooted'")
        == 1
    )
    flooded.connect()
    assert (
        books.value("SELECT count(*) FROM event WHERE cp_id = 'CP-1' AND kind = 'ChargerConnected'")
        == 1
    )
    assert books.count("session") == 3  # each connection has its row


def test_transactions_and_readings_have_none(books: Books, flooded: Station) -> None:
    transaction = books.value("SELECT id FROM tx")
    flooded.tell(flooded.register(1500), transaction=transaction)
    flooded.stop(transaction, 2000)
    flooded.start(2000)
    kinds = [
        kind
        for (kind,) in books.rows(
            "SELECT kind FROM event WHERE kind LIKE 'Transaction%' ORDER BY id"
        )
    ]
    assert kinds == ["TransactionStarted", "TransactionStopped", "TransactionStarted"]
    assert books.count("meter_val") == 1


def test_jumps_are_counted_beyond_it_while_their_readings_are_kept(
    books: Books, flooded: Station
) -> None:
    transaction = books.value("SELECT id FROM tx")
    for number in range(1, 4):
        flooded.tell(flooded.register(10_000_000 * number), transaction=transaction)
        books.wait(1)
    assert books.count("meter_val") == 3
    assert counted(books, "EnergyJumped") == [1]
    assert books.value("SELECT count(*) FROM event WHERE kind = 'EnergyJumped'") == 0
