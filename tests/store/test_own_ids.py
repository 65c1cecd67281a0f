"""A charger that calls its transactions by negative ids of its own."""

from __future__ import annotations

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import settle, watts

OWN = -1_700_000_000
HOUR = 60


def charge(
    station: Station,
    own: int | None,
    wh: int,
    minutes: int = HOUR,
    connector: int = 1,
    ago: float = 0,
) -> int:
    for _ in range(minutes // 10):
        station.books.wait(10)
        wh += 1200
        reading = meter_value(station.clock(ago), wh, watts(7200))
        station.tell(reading, transaction=own, connector=connector)
    return wh


def bill(station: Station, transaction: int) -> tuple[int, str]:
    settle(station.books)
    wh, _, confidence = station.bill(transaction)
    return wh, confidence


@pytest.mark.parametrize("own", [OWN, -2, -(2**31)])
@pytest.mark.parametrize("behind", [0, HOUR, -HOUR])
def test_its_stop_is_certain(books: Books, own: int, behind: int) -> None:
    station = Station(books, behind=behind)
    transaction = station.start(1000)
    wh = charge(station, own, 1000)
    station.stop(own, wh)
    assert bill(station, transaction) == (7200, "certain")
    assert station.review(transaction) == ""


def test_each_session_has_its_own(books: Books, station: Station) -> None:
    wh = 1000
    for number in range(3):
        transaction = station.start(wh)
        begin, wh = wh, charge(station, OWN - number, wh)
        station.stop(OWN - number, wh)
        assert bill(station, transaction) == (wh - begin, "certain")
        books.wait(10)


def test_two_connectors(station: Station) -> None:
    first, second = station.start(1000), station.start(50_000, connector=2, tag="BEN")
    wh, other = charge(station, OWN, 1000), 50_000
    other = charge(station, OWN - 1, other, connector=2)
    station.stop(OWN - 1, other)
    station.stop(OWN, wh)
    assert bill(station, first)[0] == 7200
    assert bill(station, second) == (7200, "certain")


def test_after_a_lost_connection(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    wh = charge(station, OWN, 1000)
    station.lose()
    books.wait(30)
    station.connect()
    station.stop(OWN, wh + 1200, at=station.clock(20))
    assert bill(station, transaction) == (8400, "certain")


@pytest.mark.parametrize("sent", [-1, 0, OWN - 1, 4711])
def test_a_stop_with_another_id_is_in_doubt(station: Station, sent: int) -> None:
    transaction = station.start(1000)
    wh = charge(station, OWN, 1000)
    station.stop(sent, wh)
    assert bill(station, transaction)[1] != "certain"


def test_one_reading_is_too_few(station: Station) -> None:
    transaction = station.start(1000)
    wh = charge(station, OWN, 1000, minutes=10)
    station.tell(meter_value(station.clock(), watts(7200)), transaction=OWN)
    station.stop(OWN, wh)
    assert bill(station, transaction) == (1200, "doubtful")


def test_readings_that_waited_are_too_few(books: Books, station: Station) -> None:
    """They came at once, after the charger was away."""
    transaction = station.start(1000)
    books.wait(HOUR)
    for ago, wh in ((50, 2200), (40, 3400), (30, 4600)):
        station.tell(meter_value(station.clock(ago), wh, watts(7200)), transaction=OWN)
    station.stop(OWN, 5800, at=station.clock(20))
    assert bill(station, transaction) == (4800, "doubtful")


def test_an_id_of_two_transactions_distinguishes_none(books: Books, station: Station) -> None:
    """A charger that calls each of them -2."""
    station.start(1000)
    wh = charge(station, -2, 1000)
    station.stop(-2, wh)
    books.wait(10)
    transaction = station.start(wh)
    station.stop(-2, charge(station, -2, wh))
    assert bill(station, transaction)[1] == "doubtful"


def test_a_stop_that_does_not_fit_is_set_aside(books: Books, station: Station) -> None:
    transaction = station.start(1000)
    charge(station, OWN, 1000)
    station.stop(OWN, 500)
    assert books.count("set_aside") == 1
    assert station.bill(transaction)[0] is None
