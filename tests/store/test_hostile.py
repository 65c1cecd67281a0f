"""Attacks of a charger on the bill or the database."""

from datetime import UTC, datetime

import pytest

from levity_trio.charging.sent import readings
from levity_trio.wire.times import SENT_CHARACTERS
from tests.store.books import Books, Station, meter_value

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_time_of_any_length_is_not_kept_in_every_row() -> None:
    sent = f"2026-03-01T11:00:00.{'0' * 10_000}Z"
    (reading,) = readings.read([{"timestamp": sent, "sampledValue": [{"value": "1"}]}], NOON)
    assert reading.timestamp == "2026-03-01T11:00:00.000Z"
    assert reading.sent_timestamp == sent[:SENT_CHARACTERS]


def test_thousands_of_single_phases_are_read_in_one_go() -> None:
    one = {"timestamp": "2026-03-01T11:00:00Z", "sampledValue": [{"value": "1", "phase": "L1"}]}
    assert len(readings.read([one] * 20_000, NOON)) == 20_000  # it took half a minute


@pytest.mark.parametrize(
    "watts", [["1e308", "1e308"], ["inf", "-inf"], ["nan", "7000"], ["-5", "1e9"]]
)
def test_a_power_that_is_none_stops_no_bill(books: Books, watts: list[str]) -> None:
    station = Station(books)
    transaction = station.start(1000)
    for value in watts:
        books.wait(1)
        sample = {"value": value, "measurand": "Power.Active.Import", "unit": "W"}
        station.tell(meter_value(station.clock(), sample), transaction=transaction)
    books.wait(60)
    station.stop(transaction, 5000)
    assert station.bill(transaction)[0] == 4000


def test_connectors_that_no_charger_has_get_no_row_of_their_own(books: Books) -> None:
    station = Station(books)
    for connector in (-5, 1, 99_999):
        station.status("Available", connector=connector)
    assert books.rows("SELECT conn_id FROM cp_conn") == [(1,)]
    assert len(books.rows("SELECT id FROM status")) == 3
