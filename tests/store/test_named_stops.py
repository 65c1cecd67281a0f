"""Correct stops with an id that look wrong because of a register, a unit or a shared meter, and
stops without an id that are matched. Found in simulated months."""

import pytest

from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_figure, assert_open, bill_of, session, watts

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

QUARTER = 15
STEP = 2750  # Wh in a quarter of an hour at 11 kW
CAR = 11_000


def readings(
    station: Station, transaction: int | None, *registers: int | dict[str, str], connector: int = 1
) -> None:
    """One each quarter of an hour at 11 kW."""
    for register in registers:
        station.books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), register, watts(CAR)),
            transaction=transaction,
            connector=connector,
        )


def stopped_by(books: Books, transaction: int) -> str | None:
    return books.value("SELECT stopped_by FROM tx WHERE id = ?", transaction)  # type: ignore[no-any-return]


def codes(books: Books) -> list[str]:
    return [code for (code,) in books.rows("SELECT code FROM review")]


@pytest.mark.parametrize(
    ("start", "registers", "stop"),
    [
        pytest.param(44_682, (47_432, 50_182, STEP, 2 * STEP), 2 * STEP + 916, id="set back to 0"),
        pytest.param(
            65_173, (2387, 2387 + STEP, 2387 + 2 * STEP), 2387 + 2 * STEP, id="rolls over"
        ),
    ],
)
def test_a_register_that_began_again_is_no_reason_against_its_name(
    books: Books, station: Station, start: int, registers: tuple[int, ...], stop: int
) -> None:
    """On the other connector a car begins at a register to which the stop would fit."""
    transaction = station.start(start)
    readings(station, transaction, *registers)
    other = station.start(stop - 300, connector=2)
    books.wait(5)
    station.stop(transaction, stop)
    assert stopped_by(books, transaction) == "charger"
    assert_open(station, other)
    assert "stop_elsewhere" not in codes(books)


@pytest.mark.parametrize("factor", [0.001, 1000])
def test_readings_in_another_unit_are_no_reason_against_its_name(
    books: Books, station: Station, factor: float
) -> None:
    start = 5_522_164
    transaction = station.start(start)
    told = [{"value": f"{(start + number * STEP) * factor:.3f}"} for number in range(1, 25)]
    readings(station, transaction, *told)
    other = station.start(start + 24 * STEP, connector=2)
    books.wait(5)
    station.stop(transaction, start + 24 * STEP + 900)
    assert stopped_by(books, transaction) == "charger"
    assert_open(station, other)


def test_a_shared_meter_counts_a_car_that_draws_more(books: Books, station: Station) -> None:
    """The register rose by more than this car can have drawn: the car on the other connector drew
    the rest."""
    full = station.start(6_804_643)
    readings(station, full, 6_807_393)
    for _ in range(3):
        books.wait(QUARTER)
        station.tell(meter_value(station.clock(), 6_807_393, watts(0)), transaction=full)
    fast = station.start(6_807_393, connector=2)
    books.wait(12)
    station.stop(full, 6_807_393 + 25_038)
    assert stopped_by(books, full) == "charger"
    assert_open(station, fast)
    assert "stop_elsewhere" not in codes(books)


def test_without_a_name_the_last_reading_counts_that_came_last(
    books: Books, station: Station
) -> None:
    """Its clock was set back by an hour: the newest reading by its times is not the last."""
    transaction = station.start(888_197)
    for number in range(1, 8):
        readings(station, None, 888_197 + number * STEP)
    station.behind = HOUR
    for number in range(8, 11):
        readings(station, None, 888_197 + number * STEP)
    books.wait(QUARTER + 1)
    station.stop(0, 888_197 + 10 * STEP)
    assert stopped_by(books, transaction) == "joined"
    assert_figure(station, transaction, 10 * STEP, flagged=True)


def test_without_a_name_the_one_whose_last_reading_it_tells(books: Books, station: Station) -> None:
    """Power fits both; a charger whose last value was not sent yet repeats the one before."""
    other = station.start(832_213, connector=2)
    transaction = station.start(832_542)
    for number in range(1, 4):
        books.wait(QUARTER)
        for begun, connector in ((832_213, 2), (832_542, 1)):
            told = meter_value(station.clock(), begun + number * STEP, watts(CAR))
            station.tell(told, connector=connector)
    books.wait(10)
    station.stop(0, 832_542 + 3 * STEP)
    assert stopped_by(books, transaction) == "joined"
    assert_open(station, other)


def test_a_start_without_a_clock_waited_until_after_the_stop(
    books: Books, station: Station
) -> None:
    """The clock was set meanwhile, so the stop is older than the receipt of its start."""
    register = session(station, 400_000)
    books.wait(3 * HOUR)
    ended = station.clock(5)
    transaction = station.start(register, at="1970-01-01T00:02:00Z")
    station.stop(-1, register + 9000, at=ended)
    assert stopped_by(books, transaction) == "joined"
    assert bill_of(station, transaction)[1] == 9000


def test_a_second_stop_with_more_is_no_stop_of_the_other_connector(
    books: Books, station: Station
) -> None:
    """It names the one that ended a minute before, and the other connector's could have come so
    far."""
    first, second = station.start(1000, connector=1), station.start(0, connector=2)
    books.wait(60)
    station.stop(first, 8200)
    books.wait(1)
    station.stop(first, 8300)
    assert books.value("SELECT status FROM tx WHERE id = ?", second) == "Active"
    assert books.value("SELECT meter_stop FROM tx WHERE id = ?", first) == 8200


@pytest.mark.parametrize(("tag", "is_swapped"), [("CARL", True), ("BERT", False), ("ANNA", False)])
def test_a_stop_with_the_tag_of_another_transaction_that_it_fits_ends_that_one(
    books: Books, station: Station, tag: str, is_swapped: bool
) -> None:
    """The charger names the newest transaction in each stop; without readings, both are possible.
    ANNA is of BERT's group, and may stop what he started, though she charges, too."""
    for one in ("ANNA", "BERT"):
        books.run(
            tags.add, books.policy, TagData(id_tag=one, parent_id_tag="HOUSE"), books.at, "clerk"
        )
    other = station.start(20_000, connector=1, tag="ANNA" if tag == "ANNA" else "CARL")
    named = station.start(0, connector=2, tag="BERT")
    books.wait(4 * HOUR)
    station.stop(named, 34_400, tag=tag)
    assert_open(station, named if is_swapped else other)
    assert ("stop_elsewhere" in codes(books)) is is_swapped


def test_a_stop_with_another_tag_ends_the_one_from_whose_register_alone_it_goes_on(
    books: Books, station: Station
) -> None:
    """Somebody else's tag may have stopped it."""
    other, named = (
        station.start(20_000, connector=1, tag="CARL"),
        station.start(30_000, connector=2, tag="BERT"),
    )
    books.wait(HOUR)
    for transaction, wh, connector in ((other, 27_200, 1), (named, 37_200, 2)):
        station.tell(
            meter_value(station.clock(), wh, watts(CAR)),
            transaction=transaction,
            connector=connector,
        )
    books.wait(QUARTER)
    station.stop(named, 39_000, tag="CARL")
    assert_open(station, other)
    assert_figure(station, named, 9000, flagged=True)
