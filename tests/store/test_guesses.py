"""What the judge puts in the place of a wrong register is a guess: it removes no doubt of another
transaction.

And: power beside start and stop alone, or by a clock that stands still; readings that count by a
clock that is behind.
"""

import pytest

from levity_trio.charging.sent.readings import understand
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions.stops import close_before_start
from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, QUARTER, WATTS, assert_figure, bill_of, charge, settle, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

FROZEN = "2022-01-01T00:00:00Z"


def start(station: Station, wh: int, tag: str) -> int:
    """Start a transaction, which closes the one before it, as the server does."""
    station.write(
        close_before_start, Opening(1, tag, wh, understand(station.clock(), station.books.now))
    )
    return station.start(wh, tag=tag)


@pytest.mark.parametrize("told", [100_000, 0, -1])
def test_a_start_that_was_replaced_by_the_last_reading_shows_no_end(
    books: Books, station: Station, told: int
) -> None:
    """The stop was lost, after more energy. The next start is an old register, or none."""
    first = start(station, 100_000, "ANN")
    wh = charge(station, first, 100_000, tells_power=False)
    wh += 800
    books.wait(4 * HOUR)
    second = start(station, told, "BOB")
    end = charge(station, second, wh, tells_power=False)
    station.stop(second, end)
    settle(books)
    assert_figure(station, first, WATTS, flagged=True)
    assert bill_of(station, second)[2]


def test_energy_that_another_transaction_was_given_in_doubt_still_lacks_here(
    books: Books, station: Station
) -> None:
    """The stop was read early. The next transaction, with varying power, seemed to have been read
    late."""
    first = start(station, 8_252_961, "ANN")
    wh = charge(station, first, 8_252_961, 30, power=7360, every=QUARTER)
    books.wait(8.87)
    station.stop(first, wh + 661)
    books.wait(4.6 * HOUR)
    second = start(station, wh + 1088, "BOB")
    told = (
        (8_263_249, 22_080),
        (8_268_769, 22_080),
        (8_272_201, 0),
        (8_272_201, 0),
        (8_275_723, 22_080),
    )
    for register, power in (*told, (8_281_243, 22_080)):
        books.wait(QUARTER)
        station.tell(meter_value(station.clock(), register, watts(power)), transaction=second)
    books.wait(14.8)
    station.stop(second, 8_285_393)
    settle(books)
    assert_figure(station, first, 4341, flagged=True)


def power_only(station: Station, transaction: int, power: int) -> None:
    """Report power for an hour, and no register."""
    for _ in range(12):
        station.books.wait(5)
        station.tell(meter_value(station.clock(), watts(power)), transaction=transaction)


def test_start_and_stop_must_agree_with_many_reports_of_power(
    books: Books, station: Station
) -> None:
    """The stop of the first was lost, and the second start repeats its register."""
    first = start(station, 709_922, "BOB")
    power_only(station, first, 1400)
    books.wait(4 * HOUR)
    second = start(station, 709_922, "ANN")
    power_only(station, second, 7360)
    station.stop(second, 709_922 + 1400 + 7360)
    settle(books)
    assert "at most 0 Wh" not in station.review(first)
    assert "reports of power" in station.review(second)


def test_start_and_stop_that_agree_with_reports_of_power_are_certain(station: Station) -> None:
    transaction = start(station, 709_922, "ANN")
    power_only(station, transaction, 7360)
    station.stop(transaction, 709_922 + 7360)
    assert_figure(station, transaction, 7360, flagged=False)


def test_equal_power_by_a_clock_that_stands_still_is_kept(books: Books, station: Station) -> None:
    """The register rises twice as fast as its power tells."""
    transaction, wh = station.start(500_000, at=FROZEN), 500_000
    for _ in range(60):
        books.wait(1)
        wh += 2 * WATTS // HOUR
        station.tell(meter_value(FROZEN, wh, watts(WATTS)), transaction=transaction)
    station.stop(transaction, wh, at=FROZEN)
    assert (
        books.value("SELECT count(*) FROM meter_val WHERE measurand = 'Power.Active.Import'") == 60
    )
    assert bill_of(station, transaction)[2]


def test_a_message_sent_again_by_a_clock_that_stands_still_is_stored_once(
    books: Books, station: Station
) -> None:
    transaction = station.start(500_000, at=FROZEN)
    for wh in (500_100, 500_200, 500_100, 500_200):
        books.wait(1)
        station.tell(meter_value(FROZEN, wh, watts(WATTS)), transaction=transaction)
    assert books.count("meter_val") == 4


@pytest.mark.parametrize("behind", [60, 120, 300])
@pytest.mark.parametrize("wh", [5000, 705_401])
def test_readings_that_count_from_0_by_a_clock_that_is_behind(
    books: Books, station: Station, wh: int, behind: int
) -> None:
    """Their times are local and called Z. The car waits for hours after it has charged."""
    for _ in range(2):
        transaction, energy = start(station, wh, "ANN"), 0
        for minute in range(5, 7 * HOUR, 5):
            books.wait(5)
            energy += 600 if minute <= HOUR else 0
            station.tell(meter_value(station.clock(behind), energy), transaction=transaction)
        books.wait(5)
        wh += energy
        station.stop(transaction, wh)
        books.wait(HOUR)
        settle(books)
        assert_figure(station, transaction, 7200, flagged=False)


def test_an_old_start_without_a_stop_is_no_reason_to_bill_the_previous_transaction_again(
    books: Books, station: Station
) -> None:
    """It begins where the previous one began. No car charges, and the next start closes it."""
    first = start(station, 10_040, "BOB")
    wh = charge(station, first, 10_040, power=1440)
    station.stop(first, wh)
    books.wait(HOUR)
    second = start(station, 10_040, "BOB")
    charge(station, second, wh, QUARTER, power=0)
    start(station, wh, "BOB")
    settle(books)
    assert_figure(station, first, 1440, flagged=False)
    assert_figure(station, second, 0, flagged=True)


def test_the_next_start_tells_the_last_reading_to_more_digits(
    books: Books, station: Station
) -> None:
    """The readings are in whole kWh, cut off. The stop was lost."""
    first = start(station, 100_100, "ANN")
    for told in ("101", "102", "103"):
        books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), {"value": told, "unit": "kWh"}), transaction=first
        )
    books.wait(HOUR)
    start(station, 103_950, "BOB")
    settle(books)
    assert_figure(station, first, 3850, flagged=False)
