"""Stops whose transactionData, id, register or status contradicts the rest."""

import pytest

from levity_trio.charging.sent.readings import understand
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions import stops
from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, WATTS, assert_figure, charge, kwh, session, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


def start(station: Station, wh: int, connector: int = 1, tag: str = "TAG") -> int:
    """Start a transaction; what was open on the connector is closed before."""
    opening = Opening(connector, tag, wh, understand(station.clock(), station.books.now))
    station.write(stops.close_before_start, opening)
    return station.start(wh, connector, tag)


def at_end(station: Station, wh: int, context: str = "End") -> dict[str, object]:
    return meter_value(station.clock(), {"value": str(wh), "context": f"Transaction.{context}"})


@pytest.mark.parametrize("tag", ["TAG", "OTHER"])
@pytest.mark.parametrize("is_live", [False, True])
def test_a_session_that_begins_again_after_a_boot_and_brings_all_readings_is_billed_once(
    books: Books, station: Station, tag: str, is_live: bool
) -> None:
    begin = wh = 19_350
    first = start(station, begin)
    data, second = [meter_value(station.clock(), wh)], None
    for minute in range(0, HOUR, 5):
        books.wait(5)
        wh += WATTS // 12
        data.append(meter_value(station.clock(), wh))
        if second is None or is_live:
            station.tell(
                meter_value(station.clock(), wh, watts(WATTS)), transaction=second or first
            )
        if minute == 30:
            station.boot()
            second = start(station, begin, tag=tag)
    assert second is not None
    station.stop(second, wh, data=data)
    books.wait(10)
    start(station, wh)
    settle(books)

    assert_figure(station, first, 4200, flagged=True)
    assert_figure(station, second, 3000, flagged=True)
    assert station.review(first).endswith("4200 Wh also belong to the next session")


@pytest.mark.parametrize("ahead", [20, 60, 600])
@pytest.mark.parametrize("readings", [1, 9])
@pytest.mark.parametrize("begin", [37, 5_000])
def test_a_clock_that_is_set_right_before_a_stop_with_data_adds_nothing(
    books: Books, station: Station, ahead: int, readings: int, begin: int
) -> None:
    station.behind = -ahead
    transaction = station.start(begin)
    data = [at_end(station, begin, "Begin")]
    wh = charge(station, transaction, begin, 4 * readings, every=4)
    books.wait(4)
    station.behind = 0
    wh += 480
    station.stop(transaction, wh, data=[*data, at_end(station, wh)])
    books.wait(30)
    session(station, wh)

    assert_figure(station, transaction, wh - begin, flagged=True)


def test_a_begin_of_0_in_the_data_is_no_reset(books: Books, station: Station) -> None:
    """The register is near 65,536 by chance."""
    begin = session(station, 53_765)
    transaction = station.start(begin)
    data = [at_end(station, 0, "Begin")]
    wh = charge(station, transaction, begin, 15, power=7000, every=15)
    books.wait(1)
    station.stop(transaction, wh, data=[*data, at_end(station, wh)])
    books.wait(30)
    session(station, wh)

    assert_figure(station, transaction, wh - begin, flagged=True)


def test_the_last_stop_that_comes_again_with_the_id_of_the_next_changes_nothing(
    books: Books, station: Station
) -> None:
    first = station.start(1000)
    books.wait(HOUR)
    stopped = station.clock()
    station.stop(first, 8200, at=stopped, reason="EVDisconnected")
    books.wait(5)
    second = station.start(8200, tag="BOB")
    wh = charge(station, second, 8200, 2, every=1)
    station.stop(second, 8200, at=stopped, reason="EVDisconnected")
    wh = charge(station, second, wh, 58, every=1)
    station.stop(second, wh)

    assert_figure(station, first, 7200, flagged=False)
    assert_figure(station, second, 7200, flagged=False)


def test_a_stop_with_the_register_of_the_other_connector_keeps_its_id_if_its_data_show_it(
    books: Books, station: Station
) -> None:
    first = station.start(27_471)
    data = [at_end(station, 27_471, "Begin")]
    wh = charge(station, first, 27_471, 30, every=1)
    second, other = station.start(1200, 2, "BOB"), 1200
    for _ in range(90):
        wh = charge(station, first, wh, 1, every=1)
        other += WATTS // HOUR
        station.tell(
            meter_value(station.clock(), other, watts(WATTS)), transaction=second, connector=2
        )
    station.stop(first, other, data=[*data, at_end(station, wh)])
    other = charge(station, second, other, 20, every=1, connector=2)
    station.stop(second, other)
    books.wait(30)
    station.start(wh)
    settle(books)

    assert_figure(station, first, 14_400, flagged=True)
    assert_figure(station, second, 13_200, flagged=False)


@pytest.mark.parametrize("tag", [None, "OTHER"])
@pytest.mark.parametrize("is_live", [False, True])
def test_a_stop_without_an_id_ends_no_transaction_that_charged_before_it_began(
    books: Books, station: Station, tag: str | None, is_live: bool
) -> None:
    """The stop of the first and the start of the second were lost."""
    first = start(station, 10_000)
    register = charge(station, first, 10_000, 30)
    books.wait(HOUR)
    data = [at_end(station, register, "Begin")]
    register = charge(station, None, register) if is_live else register + WATTS
    books.wait(0 if is_live else HOUR)
    station.stop(-1, register, tag=tag, data=[*data, at_end(station, register)])
    books.wait(10)
    start(station, register)
    settle(books)

    assert_figure(station, first, WATTS // 2, flagged=not is_live)
    found = books.row(
        "SELECT energy_delivered, id_tag FROM tx WHERE status = 'Completed' AND id <> ?", first
    )
    assert found == (WATTS, tag)


@pytest.mark.parametrize("is_live", [False, True])
def test_a_stop_without_an_id_ends_the_transaction_with_its_begin(
    books: Books, station: Station, is_live: bool
) -> None:
    """Its readings count from 0, and another transaction could have reached its register, too."""
    other = start(station, 3806, 2)
    books.wait(48)
    transaction = start(station, 11_832, tag="OTHER")
    data = [meter_value(station.clock(), kwh(0) | {"context": "Transaction.Begin"})]
    for minute in range(1, 14):
        books.wait(1)
        data.append(meter_value(station.clock(), kwh(140 * minute)))
        if is_live:
            station.tell(data[-1], transaction=transaction)
    station.stop(0, 13_652, data=data)
    start(station, 13_652)
    settle(books)

    assert_figure(station, transaction, 1820, flagged=True)
    assert books.value("SELECT status FROM tx WHERE id = ?", other) == "Active"
    assert books.count("tx") == 3


@pytest.mark.parametrize("ahead", [0, 120, 60 * 24 * 30])
@pytest.mark.parametrize(("before", "flagged"), [(0.02, False), (30, True)])
def test_a_connector_that_is_available_before_the_stop_of_a_clock_that_is_ahead(
    books: Books, station: Station, ahead: float, before: float, flagged: bool
) -> None:
    station.behind = -ahead
    transaction = station.start(9410)
    station.status("Charging")
    register = charge(station, transaction, 9410, 2 * HOUR)
    books.wait(1)
    station.status("Available")
    register = charge(station, transaction, register, int(before))
    books.wait(before % 1)
    station.stop(transaction, register)

    assert_figure(station, transaction, register - 9410, flagged=flagged)
