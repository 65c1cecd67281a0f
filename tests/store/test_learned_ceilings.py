"""What a charger is known to deliver is not what we allowed it, and never less than its wiring."""

from typing import Any

import pytest

from levity_trio.store.writes.chargers.registration import ConnectorData, describe_connector
from levity_trio.store.writes.load.load import manage
from tests.store.books import Books, Station, meter_value
from tests.store.telling import watts

HELD_W = 4_140
PROFILE = (
    "INSERT INTO charging_profile (cp_id, conn_id, profile_id, purpose, stack_level, profile, "
    "command_id, created_at) VALUES ('CP-1', ?, 1, 'TxDefaultProfile', 0, '{}', ?, ?)"
)
COMMAND = (
    "INSERT INTO command (cp_id, action, payload, state, requested_at) "
    "VALUES ('CP-1', 'SetChargingProfile', '{}', 'sent', '')"
)


def sessions(station: Station, count: int = 5) -> int:
    """Charge for an hour each at 4,140 W, which is told; return the register."""
    books, register = station.books, 100_000
    for _ in range(count):
        transaction = station.start(register)
        for _ in range(12):
            books.wait(5)
            register += HELD_W // 12
            value = meter_value(station.clock(), register, watts(HELD_W))
            station.tell(value, transaction=transaction)
        station.stop(transaction, register)
        books.wait(60)
        assert station.bill(transaction)[2] == "certain"
    return register


def night(station: Station, register: int, wh: int = 11_000) -> tuple[Any, ...]:
    """Charge for an hour without a word on power; return what is billed."""
    transaction = station.start(register)
    station.books.wait(60)
    station.stop(transaction, register + wh)
    return station.bill(transaction)


@pytest.fixture
def station(books: Books) -> Station:
    station = Station(books)
    station.boot()
    books.wait(60)
    return station


def test_what_a_charger_never_exceeded_is_its_ceiling(station: Station) -> None:
    assert night(station, sessions(station))[2] == "doubtful"


def test_load_management_that_holds_a_charger_back_teaches_nothing(station: Station) -> None:
    books = station.books
    books.run(manage, ["CP-1"], books.at, "anna")
    assert night(station, sessions(station)) == (11_000, "register", "certain")
    reports = "SELECT value, transactions FROM habit WHERE kind = 'ceiling'"
    assert books.rows(reports) == [(0, 0)]


@pytest.mark.parametrize("connector", [0, 1])
def test_nor_does_a_limit_that_an_operator_set(station: Station, connector: int) -> None:
    books = station.books
    books.run(lambda db: db.execute(COMMAND))
    books.run(lambda db: db.execute(PROFILE, (connector, 1, books.at)))
    assert night(station, sessions(station)) == (11_000, "register", "certain")


def test_a_limit_that_was_cleared_before_teaches_no_less(station: Station) -> None:
    books = station.books
    books.run(lambda db: db.execute(COMMAND))
    books.run(lambda db: db.execute(PROFILE, (1, 1, books.at)))
    books.wait(1)
    ended = "UPDATE charging_profile SET ended_at = ?, end_reason = 'cleared'"
    books.run(lambda db: db.execute(ended, (books.at,)))
    books.wait(1)
    assert night(station, sessions(station))[2] == "doubtful"


@pytest.mark.parametrize(("phases", "most"), [(3, 16), (None, 16), (3, 32)])
def test_no_ceiling_lies_below_the_wiring(station: Station, phases: int | None, most: int) -> None:
    books = station.books
    data = ConnectorData(None, phases, most, None)
    books.run(describe_connector, "CP-1", 1, data, books.at, "anna")
    assert night(station, sessions(station)) == (11_000, "register", "certain")


def test_a_charger_on_one_phase_that_is_faster_is_asked_about(station: Station) -> None:
    books = station.books
    data = ConnectorData(None, 1, 20, None)
    books.run(describe_connector, "CP-1", 1, data, books.at, "anna")
    assert night(station, sessions(station))[2] == "doubtful"
