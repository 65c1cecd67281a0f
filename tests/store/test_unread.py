"""What cannot be read leaves a doubt: a stop dated before its start, and a register that is no
number."""

from __future__ import annotations

import pytest

from tests.store.books import UNSET_CLOCK, Books, Station, meter_value
from tests.store.deciding import open_codes
from tests.store.telling import HOUR, assert_figure, charge, settle

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores


def is_backwards(books: Books, transaction: int) -> bool:
    settle(books)
    return "stop_before_start" in open_codes(books, transaction)


# A stop dated before its start


@pytest.mark.parametrize("before", [2, 30, 7 * HOUR])
def test_after_a_start_that_waited(books: Books, station: Station, before: int) -> None:
    transaction = station.start(1000, at=station.clock(90))
    books.wait(10)
    station.stop(transaction, 5000, at=station.clock(100 + before))
    assert is_backwards(books, transaction)


def test_a_start_that_waited_and_its_own_stop_are_in_order(books: Books, station: Station) -> None:
    transaction = station.start(1000, at=station.clock(90))
    books.wait(0.1)
    station.stop(transaction, 5000, at=station.clock(30))
    assert not is_backwards(books, transaction)


@pytest.mark.parametrize("ended", [-2, -30, 20])
def test_after_a_start_of_a_clock_that_was_ahead(
    books: Books, station: Station, ended: int
) -> None:
    """The clock was set meanwhile: a stop after the receipt of the start is right, one before it is
    not."""
    station.behind = -30
    transaction = station.start(1000)
    books.wait(HOUR)
    station.behind = 0
    station.stop(transaction, 5000, at=station.clock(HOUR - ended))
    assert is_backwards(books, transaction) is (ended < 0)


@pytest.mark.parametrize(("minutes", "backwards"), [(HOUR, True), (1, False)])
def test_after_a_start_of_an_unset_clock(
    books: Books, station: Station, minutes: int, backwards: bool
) -> None:
    """Both may come from a queue at once, and then the start is older than it seems."""
    transaction = station.start(1000, at=UNSET_CLOCK)
    books.wait(minutes)
    station.stop(transaction, 5000, at=station.clock(minutes + 10))
    assert is_backwards(books, transaction) is backwards


# A register that is no number


@pytest.mark.parametrize("value", ["NaN", "--", "1e5x", "1_000", "٣", "n/a", "1,234"])
@pytest.mark.parametrize("minute", [0, 30, 55])
def test_a_reading_that_is_no_number(
    books: Books, station: Station, value: str, minute: int
) -> None:
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, minute)
    station.tell(meter_value(station.clock(-1), {"value": value}), transaction=transaction)
    wh = charge(station, transaction, wh, HOUR - minute)
    station.stop(transaction, wh)
    settle(books)
    assert_figure(station, transaction, 7200, flagged=True)
    assert "number_repaired" in open_codes(books, transaction)
    assert books.value("SELECT count(*) FROM meter_val WHERE value = ?", value) == 1


@pytest.mark.parametrize(
    "sample",
    [
        {"value": "OCMF|{}", "format": "SignedData"},
        {"value": "n/a", "measurand": "Temperature"},
        {"value": "-5", "measurand": "Power.Reactive.Import"},
    ],
)
def test_what_is_no_register_leaves_no_doubt(
    books: Books, station: Station, sample: dict[str, str]
) -> None:
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000)
    station.tell(meter_value(station.clock(), sample), transaction=transaction)
    station.stop(transaction, wh)
    settle(books)
    assert_figure(station, transaction, 7200, flagged=False)
