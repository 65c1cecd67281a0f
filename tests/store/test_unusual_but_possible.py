"""Honest sessions that look odd: a faster car than ever, a register that was frozen, a neighbour's
start in kWh."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.telling import HOUR, assert_figure, bill_of, kwh, session, settle

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

BEGIN = 1_000_000


# A car that is faster than all before it: only start and stop arrive, as the network was down


def accustomed(station: Station, watts: int = 3700) -> int:
    """Let the charger show by power that it delivers so much; return the register."""
    wh = BEGIN
    for _ in range(6):
        transaction = station.start(wh)
        for _ in range(12):
            station.books.wait(5)
            wh += watts // 12
            power = {"value": str(watts), "measurand": "Power.Active.Import", "unit": "W"}
            station.tell(meter_value(station.clock(), wh, power), transaction=transaction)
        station.stop(transaction, wh)
        station.books.wait(10)
        settle(station.books)
    return wh


@pytest.mark.parametrize(
    ("minutes", "wh"),
    [(60, 22_000), (120, 40_000), (30, 21_500), (20, 60_000)],
    ids="{} minutes".format,
)
def test_what_some_car_could_have_drawn_is_proposed(
    books: Books, station: Station, minutes: int, wh: int
) -> None:
    """At 20 kW to 180 kW, where every car before drew 3.7 kW."""
    begin = accustomed(station)
    transaction = station.start(begin)
    books.wait(minutes)
    station.stop(transaction, begin + wh)
    settle(books)
    assert_figure(station, transaction, wh, flagged=True)


def test_what_no_car_can_draw_is_not(books: Books, station: Station) -> None:
    """The review says how much it can have been."""
    begin = accustomed(station)
    transaction = station.start(begin)
    books.wait(HOUR)
    station.stop(transaction, begin + 900_000)
    settle(books)
    assert_figure(station, transaction, 0, flagged=True)
    assert "at most" in station.review(transaction)


# A register that stands still and catches up, without power


def frozen(
    station: Station, pieces: str, every: int, watts: int, told: Callable[[int], object]
) -> int:
    """Charge for half an hour in each piece. While it is frozen (-), the register stands still."""
    wh = shown = BEGIN
    transaction = station.start(BEGIN)
    for piece in pieces:
        for _ in range(30 // every):
            station.books.wait(every)
            wh += watts * every // 60
            shown = shown if piece == "-" else wh
            sample = told(shown)
            samples = [sample] if isinstance(sample, (int, dict)) else []
            station.tell(meter_value(station.clock(), *samples), transaction=transaction)
    station.books.wait(1)
    station.stop(transaction, wh)
    settle(station.books)
    assert_figure(station, transaction, wh - BEGIN, flagged=None)
    return transaction


@pytest.mark.parametrize("every", [1, 5, 10, 15])
@pytest.mark.parametrize("watts", [3600, 7200, 11_040, 22_080])
@pytest.mark.parametrize("pieces", ["++-++", "+-+", "-++", "++-", "+-+-+", "++----+"])
def test_a_register_that_catches_up_is_honest(
    station: Station, pieces: str, watts: int, every: int
) -> None:
    transaction = frozen(station, pieces, every, watts, int)
    assert station.review(transaction) == ""


def test_so_is_one_in_kwh(station: Station) -> None:
    assert station.review(frozen(station, "++-++", 5, 22_080, lambda wh: kwh(wh, 2))) == ""


def test_a_leap_after_a_rest_is_not(books: Books, station: Station) -> None:
    """No pace leads there."""
    transaction, wh = station.start(BEGIN), BEGIN
    for rise in [*[600] * 12, *[0] * 6, 40_000, *[600] * 6]:
        books.wait(5)
        wh += rise
        station.tell(station.register(wh), transaction=transaction)
    station.stop(transaction, wh)
    settle(books)
    assert bill_of(station, transaction)[2]


# The next start is in kWh


@pytest.mark.parametrize(
    ("end", "start"),
    [
        pytest.param(818, "0.818", id="with decimals"),
        pytest.param(818, 1, id="rounded"),
        pytest.param(15_400, 15, id="truncated"),
        pytest.param(15_432, "15.4", id="with one decimal"),
        pytest.param(9018, 901, id="in tens"),
    ],
)
@pytest.mark.parametrize("reads", [False, True], ids=["start and stop", "readings"])
def test_a_start_in_kwh_takes_nothing_from_the_session_before(
    books: Books, station: Station, end: int, start: float | str, reads: bool
) -> None:
    before = station.start(0)
    books.wait(90)
    station.stop(before, end)
    books.wait(HOUR)
    after = station.start(start)
    for minute in range(1, 7):
        books.wait(15)
        if reads:
            station.tell(station.register(end + 1500 * minute), transaction=after)
    station.stop(after, end + 9000)
    settle(books)
    books.wait(10)
    settle(books)
    assert_figure(station, before, end, flagged=False)
    assert bill_of(station, after)[1] <= 9000
    assert bill_of(station, after)[2], "its own start was wrong"


def test_a_start_within_the_session_before_still_overlaps(books: Books, station: Station) -> None:
    before = session(station, 0)
    books.wait(10)
    after = station.start(3000)
    books.wait(90)
    station.stop(after, before + 5000)
    settle(books)
    assert station.review(after) != ""
