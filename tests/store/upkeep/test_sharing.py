"""The energy by the quarter that is kept beside the writer: whatever it knows, and whenever it was
stopped, bills are the same."""

from __future__ import annotations

from datetime import date

import pytest

from levity_trio.billing.statement import Line
from levity_trio.store.reads.money import months
from levity_trio.store.upkeep import derived
from tests.store import telling
from tests.store.bills import ANNA, BEN, Biller, correct, house_of_two, month_is_over
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading
from tests.store.test_quarters import BEGIN, WITH_SUN, enter, lines, measure

FLAT_SUN = WITH_SUN.replace("Moving", "Sunny")


@pytest.fixture
def biller(books: Books) -> Biller:
    """A market whose price rises by a cent each quarter, and panels that give 2 kWh in each."""
    house = house_of_two(books)
    books.now = BEGIN
    found = Biller(house)
    books.connection.execute(
        "INSERT INTO series (name, currency, prices, changed_at, changed_by) "
        "VALUES ('Market', 'EUR', 'net', '', 'cleo')"
    )
    enter(books, {place: f"0.{place + 10}" for place in range(60)})
    found.assign(found.add(FLAT_SUN), date(2026, 1, 1))
    return found


def follow(books: Books) -> int:
    """Keep what is due, as the task does; return how many steps it took."""
    steps = 0
    while True:
        with reading(books) as db:
            revision = derived.divided_up_to(db)
            assert revision is not None
            changed = months.changed(db, revision, 2)
            found = derived.divided_sessions(db, [number for number, _ in changed])
        if not changed:
            return steps
        steps += 1
        books.run(derived.keep_divided, found, dict(changed))


def forget(books: Books) -> None:
    books.connection.execute("DELETE FROM tx_quarter")
    books.connection.execute("DELETE FROM tx_quarter_work")


def both(biller: Biller) -> tuple[list[Line], list[Line]]:
    telling.settle(biller.books)
    return lines(biller, ANNA), lines(biller, BEN)


def assert_kept_as_computed(biller: Biller) -> None:
    """What bills say now is what they say once all is kept, and when nothing is."""
    now = both(biller)
    follow(biller.books)
    kept = both(biller)
    forget(biller.books)
    assert now == kept == both(biller)
    follow(biller.books)
    assert both(biller) == now


def two_sessions(biller: Biller, station: Station, *, every: int = 5) -> tuple[int, int]:
    """Anna charges for an hour, and Ben half an hour longer."""
    books, other = biller.books, Station(biller.books, "CP-2")
    mine, his = station.start(1000, 1, "Card"), other.start(5000, 1, "Ben")
    for minutes in range(every, 91, every):
        books.wait(every)
        if minutes < 60:
            value = meter_value(station.clock(), 1000 + minutes * 120)
            station.tell(value, transaction=mine)
        if minutes == 60:
            station.stop(mine, 1000 + 7200)
        other.tell(meter_value(other.clock(), 5000 + minutes * 60), transaction=his)
    other.stop(his, 5000 + 90 * 60)
    return mine, his


def sunny(books: Books) -> None:
    for place in range(12):
        measure(books, place, generation=2000, imported=1200)


def test_each_step_may_be_the_last(biller: Biller, station: Station) -> None:
    for _ in range(3):
        two_sessions(biller, station)
        biller.books.wait(15)
    sunny(biller.books)
    before = both(biller)
    for stopped_after in range(4):
        forget(biller.books)
        for _ in range(stopped_after):
            with reading(biller.books) as db:
                revision = derived.divided_up_to(db)
                assert revision is not None
                changed = months.changed(db, revision, 2)
                found = derived.divided_sessions(db, [number for number, _ in changed])
            if changed:
                biller.books.run(derived.keep_divided, found, dict(changed))
            assert both(biller) == before
    assert_kept_as_computed(biller)


def test_readings_that_come_late_move_what_was_kept(biller: Biller, station: Station) -> None:
    """The car took all of it in the first quarter."""
    transaction = station.start(1000, 1, "Card")
    biller.books.wait(60)
    station.stop(transaction, 4000)
    sunny(biller.books)
    follow(biller.books)
    before = both(biller)
    biller.books.wait(3)
    late = [meter_value(station.clock(minutes), 4000) for minutes in (50, 40, 30, 20, 10)]
    station.tell(*late, transaction=transaction)
    assert both(biller) != before
    (sun, grid) = sorted(lines(biller), key=lambda line: line.window != "sun")
    assert [one.wh for one in (*sun.quarters, *grid.quarters)] == [1800, 1200]
    assert_kept_as_computed(biller)


def test_a_closing_right_after_a_stop_needs_nothing_kept(biller: Biller, station: Station) -> None:
    """What was kept of the neighbour is from before the correction of its figure."""
    mine, _his = two_sessions(biller, station)
    sunny(biller.books)
    follow(biller.books)
    correct(biller.books, mine, 3600)
    last = Station(biller.books, "CP-3")
    telling.charge(last, third := last.start(0, 1, "Ben"), 0, 30)
    last.stop(third, 3600)
    expected = both(biller)
    month_is_over(biller.books, 3)
    biller.close("2026-03")
    closed = [
        [line for one in biller.statement(number).positions for line in one.lines]
        for number in (1, 2)
    ]
    for found, lines_before in zip(closed, expected, strict=True):
        assert sorted(found, key=str) == sorted(lines_before, key=str)
    forget(biller.books)
    follow(biller.books)
    assert both(biller) == expected


def test_a_late_stop_moves_what_the_system_had_closed(biller: Biller, station: Station) -> None:
    transaction = station.start(1000, 1, "Card")
    telling.charge(station, transaction, 1000, 30)
    station.orphan(transaction, 4600)
    sunny(biller.books)
    follow(biller.books)
    before = both(biller)
    biller.books.wait(30)
    station.stop(transaction, 9000)
    assert both(biller) != before
    assert sum(line.quantity for line in lines(biller)) == 8000
    assert_kept_as_computed(biller)


def test_a_neighbour_that_is_corrected_moves_the_sun(biller: Biller, station: Station) -> None:
    _mine, his = two_sessions(biller, station)
    sunny(biller.books)
    follow(biller.books)
    before = both(biller)
    correct(biller.books, his, 600)
    after = both(biller)
    assert after[0] != before[0]
    assert_kept_as_computed(biller)
    correct(biller.books, his, 5400)
    assert both(biller) == before
    assert_kept_as_computed(biller)
