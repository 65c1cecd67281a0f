"""Readings with the right transactionId and a wrong connectorId, as of a charger that sends
connector 1 for each one."""

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import assert_figure, settle, watts

STEPS = 6
FAR, NEAR = (107_200, 5_000), (1_000, 1_100)


def charge(
    station: Station,
    ids: tuple[int, int],
    begins: tuple[int, int],
    steps: tuple[int, int],
    *,
    power: str = "",
) -> list[tuple[str, int, int]]:
    """Tell a reading each ten minutes of two transactions, all of connector 1; return time,
    transaction and register of each."""
    told = []
    for number in range(1, STEPS + 1):
        station.books.wait(10)
        for transaction, begin, step in zip(ids, begins, steps, strict=True):
            told.append((station.clock(), transaction, begin + step * number))
            at, drawn = station.clock(), watts(step * 6)
            values = [meter_value(at, told[-1][2], *([drawn] if power == "beside" else []))]
            values += [meter_value(at, drawn)] if power == "apart" else []
            for value in values:
                station.tell(value, transaction=transaction, connector=1)
    return told


def links(books: Books) -> list[tuple[int, int, int]]:
    return books.rows(
        "SELECT DISTINCT conn_id, told_id, tx_id FROM meter_val ORDER BY conn_id, told_id"
    )


@pytest.mark.parametrize("begins", [FAR, NEAR, (0, 0), (1_000, 5_000)])
@pytest.mark.parametrize("steps", [(1_200, 600), (600, 1_200)])
@pytest.mark.parametrize("power", ["", "beside", "apart"])
def test_an_id_of_ours_that_runs_comes_before_the_connector(
    books: Books, station: Station, begins: tuple[int, int], steps: tuple[int, int], power: str
) -> None:
    ids = station.start(begins[0], tag="A"), station.start(begins[1], connector=2, tag="B")
    charge(station, ids, begins, steps, power=power)
    for transaction, begin, step in zip(ids, begins, steps, strict=True):
        station.stop(transaction, begin + step * STEPS)
        books.wait(3)
    settle(books)
    for transaction, step in zip(ids, steps, strict=True):
        assert_figure(station, transaction, step * STEPS, flagged=False)
    assert links(books) == [
        (number, transaction, transaction) for number, transaction in enumerate(ids, 1)
    ]


def test_readings_that_count_from_0_too(books: Books, station: Station) -> None:
    ids = station.start(FAR[0], tag="A"), station.start(FAR[1], connector=2, tag="B")
    charge(station, ids, (0, 0), (1_200, 600))
    station.stop(ids[0], FAR[0] + 7_200)
    station.stop(ids[1], FAR[1] + 3_600)
    settle(books)
    assert_figure(station, ids[0], 7_200, flagged=False)
    assert_figure(station, ids[1], 3_600, flagged=False)


def test_a_repetition_after_the_stops_changes_nothing(books: Books, station: Station) -> None:
    ids = station.start(FAR[0], tag="A"), station.start(FAR[1], connector=2, tag="B")
    told = charge(station, ids, FAR, (1_200, 600))
    station.stop(ids[0], FAR[0] + 7_200)
    station.stop(ids[1], FAR[1] + 3_600)
    known = links(books), books.count("meter_val")
    books.wait(30)
    for at, transaction, wh in told:
        station.tell(meter_value(at, wh), transaction=transaction, connector=1)
    settle(books)
    assert (links(books), books.count("meter_val")) == known
    assert_figure(station, ids[0], 7_200, flagged=False)
    assert_figure(station, ids[1], 3_600, flagged=False)


def test_an_idle_connector_gets_no_readings(books: Books, station: Station) -> None:
    transaction = station.start(5_000, connector=2)
    for wh in (5_600, 6_200):
        books.wait(10)
        station.tell(station.register(wh), transaction=transaction, connector=1)
    station.orphan(transaction, 6_200, connector=2)
    assert links(books) == [(2, transaction, transaction)]
    assert station.bill(transaction)[0] == 1_200


@pytest.mark.parametrize("swapped", [(1, 0), (1, 1)], ids=["swapped", "one id for both"])
def test_ids_of_two_connectors_that_are_confused(
    books: Books, station: Station, swapped: tuple[int, int]
) -> None:
    """Each reading goes on from those of its connector, not from those of the transaction that it
    names."""
    ids = station.start(1_000, connector=1), station.start(9_000, connector=2)
    for number in range(1, STEPS + 1):
        books.wait(10)
        for connector, (begin, step) in enumerate(((1_000, 1_200), (9_000, 600)), 1):
            told = station.register(begin + step * number)
            station.tell(told, transaction=ids[swapped[connector - 1]], connector=connector)
    station.stop(ids[0], 8_200)
    station.stop(ids[1], 12_600)
    settle(books)
    assert_figure(station, ids[0], 7_200, flagged=False)
    assert_figure(station, ids[1], 3_600, flagged=False)


def test_a_stop_that_leapt_goes_to_no_other_connector_that_could_not_have_charged_so_fast(
    books: Books, station: Station
) -> None:
    """Its own connector was read just before, so it is impossible there; the other has told no
    reading, but would have charged with 140 kW. It stays where its id says."""
    first = station.start(100_000)
    second = station.start(80_000, connector=2)
    for number in range(1, 4):
        books.wait(10)
        station.tell(
            meter_value(station.clock(), 100_000 + 1200 * number, watts(7200)), transaction=first
        )
    station.stop(first, 150_000)
    assert books.value("SELECT status FROM tx WHERE id = ?", second) == "Active"
    assert_figure(station, first, 3600, flagged=True)
