"""A charger whose clock stands still sends its queue again: no energy is billed twice."""

import pytest

from tests.store.books import UNSET_CLOCK, Books, Station, meter_value
from tests.store.telling import assert_figure, bill_of, settle, watts

FROZEN = "2026-02-28T00:19:40Z"
BEGIN, ALICE, BOB, CAROL = 100_000, 7_000, 6_000, 5_000

either_clock = pytest.mark.parametrize("clock", [FROZEN, UNSET_CLOCK])


def session(
    station: Station, clock: str, begin: int, wh: int, tag: str, *, has_readings: bool = False
) -> int:
    transaction = station.start(begin, at=clock, tag=tag)
    for number in range(1, 7):
        station.books.wait(10)
        told = meter_value(clock, begin + wh * number // 6, watts(wh))
        if has_readings:
            station.tell(told, transaction=transaction)
    station.stop(transaction, begin + wh, at=clock)
    station.books.wait(30)
    return transaction


def again(station: Station, clock: str, begin: int, wh: int, tag: str) -> int:
    """Send the start and the stop of a transaction again, as new messages."""
    transaction = station.start(begin, at=clock, tag=tag)
    station.stop(transaction, begin + wh, at=clock)
    return transaction


def two_sessions(station: Station, clock: str, *, has_readings: bool = False) -> tuple[int, int]:
    one = session(station, clock, BEGIN, ALICE, "ALICE", has_readings=has_readings)
    other = session(station, clock, BEGIN + ALICE, BOB, "BOB", has_readings=has_readings)
    station.lose()
    station.connect()
    return one, other


@either_clock
@pytest.mark.parametrize("has_readings", [False, True])
def test_what_an_earlier_transaction_counted_is_billed_once(
    books: Books, station: Station, clock: str, has_readings: bool
) -> None:
    """The one between them has the register rise, so that it was never reset."""
    one, other = two_sessions(station, clock, has_readings=has_readings)
    copy = again(station, clock, BEGIN, ALICE, "ALICE")
    assert bill_of(station, copy)[1:3] == (0, True)
    books.wait(30)
    last = session(station, clock, BEGIN + ALICE + BOB, CAROL, "CAROL")
    settle(books)
    assert copy not in (one, other)
    for transaction, wh in ((one, ALICE), (other, BOB), (last, CAROL)):
        assert_figure(station, transaction, wh, flagged=False)
    assert_figure(station, copy, 0, flagged=True)
    assert books.value("SELECT sum(energy_delivered) FROM tx") == ALICE + BOB + CAROL
    assert books.value("SELECT coalesce(unbilled_wh, 0) FROM tx WHERE id = ?", last) == 0


@either_clock
def test_a_whole_queue_that_comes_again_is_billed_once(
    books: Books, station: Station, clock: str
) -> None:
    """The second copy begins where the first one ends, which is no sign of a reset."""
    two_sessions(station, clock)
    copies = (
        again(station, clock, BEGIN, ALICE, "ALICE"),
        again(station, clock, BEGIN + ALICE, BOB, "BOB"),
    )
    books.wait(30)
    session(station, clock, BEGIN + ALICE + BOB, CAROL, "CAROL")
    settle(books)
    for copy in copies:
        assert_figure(station, copy, 0, flagged=True)
    assert books.value("SELECT sum(energy_delivered) FROM tx") == ALICE + BOB + CAROL


@either_clock
def test_a_queue_that_comes_again_twice_is_billed_once(
    books: Books, station: Station, clock: str
) -> None:
    two_sessions(station, clock)
    copies = [again(station, clock, BEGIN, ALICE, "ALICE") for _ in range(2)]
    settle(books)
    for copy in copies:
        assert_figure(station, copy, 0, flagged=True)


@either_clock
def test_copies_in_any_order_are_billed_once(books: Books, station: Station, clock: str) -> None:
    """Also the last one, which follows another copy that is lower."""
    two_sessions(station, clock)
    copies = [
        again(station, clock, BEGIN + ALICE, BOB, "BOB"),
        again(station, clock, BEGIN, ALICE, "ALICE"),
    ]
    copies.append(again(station, clock, BEGIN + ALICE, BOB, "BOB"))
    last = session(station, clock, BEGIN + ALICE + BOB, CAROL, "CAROL")
    settle(books)
    for copy in copies:
        assert_figure(station, copy, 0, flagged=True)
    assert_figure(station, last, CAROL, flagged=False)
    assert books.value("SELECT sum(energy_delivered) FROM tx") == ALICE + BOB + CAROL


@either_clock
def test_several_copies_are_no_neighbours(books: Books, station: Station, clock: str) -> None:
    """The next session goes on from the one before all of them; one without energy is no neighbour
    either."""
    empty = station.start(BEGIN - 1_000, at=clock, tag="ALICE")
    station.stop(empty, BEGIN - 1_000, at=clock)
    books.wait(30)
    two_sessions(station, clock)
    again(station, clock, BEGIN, ALICE, "ALICE")
    again(station, clock, BEGIN - 1_000, 0, "ALICE")
    again(station, clock, BEGIN, ALICE, "ALICE")
    last = session(station, clock, BEGIN + ALICE + BOB, 0, "CAROL", has_readings=True)
    settle(books)
    assert_figure(station, last, 0, flagged=False)


@either_clock
def test_a_copy_that_goes_on_is_billed_for_the_rest(station: Station, clock: str) -> None:
    two_sessions(station, clock)
    copy = again(station, clock, BEGIN, ALICE + BOB + 900, "ALICE")
    assert bill_of(station, copy)[1:3] == (900, True)


@either_clock
def test_a_register_that_was_reset_stays_down(books: Books, station: Station, clock: str) -> None:
    """A charger may restore an old register after a loss of power; then the same range is counted
    twice, rightly."""
    two_sessions(station, clock)
    other = session(station, clock, BEGIN, ALICE - 500, "ALICE")
    assert bill_of(station, other)[1:3] == (0, True)
    session(station, clock, BEGIN + ALICE - 500, CAROL, "CAROL")
    settle(books)
    assert_figure(station, other, ALICE - 500, flagged=False)


def test_a_new_meter_counts_anew(station: Station) -> None:
    station.boot(meter_serial_number="OLD")
    two_sessions(station, UNSET_CLOCK)
    station.boot(meter_serial_number="NEW")
    other = session(station, UNSET_CLOCK, BEGIN, ALICE, "ALICE")
    assert_figure(station, other, ALICE, flagged=False)


@either_clock
def test_registers_that_count_each_transaction_are_no_repetition(
    station: Station, clock: str
) -> None:
    known = [
        session(station, clock, 0, wh, tag)
        for wh, tag in ((ALICE, "ALICE"), (BOB, "BOB"), (ALICE, "ALICE"))
    ]
    for transaction, wh in zip(known, (ALICE, BOB, ALICE), strict=True):
        assert_figure(station, transaction, wh, flagged=False)
