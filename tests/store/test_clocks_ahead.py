"""A charger's clock that is known to be ahead, and messages that waited in an outage: they are
dated by that clock."""

from datetime import timedelta

import pytest

from levity_trio.charging.sent.readings import understand
from levity_trio.store.billing.evidence import Needs
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.origin import Opening
from levity_trio.store.writes.transactions import stops
from levity_trio.wire.times import stamp
from tests.store.billed import billed_of, evidence_of
from tests.store.books import SERVER, Books, Station
from tests.store.owning import House
from tests.store.telling import HOUR, QUARTER, assert_figure, assert_time, charge

ANNA, BEN = 1, 2
WH = 1000


def known_ahead(books: Books, ahead: int) -> Station:
    """A status shows how far the clock is ahead."""
    station = Station(books, behind=-ahead)
    station.status("Available")
    books.wait(HOUR)
    return station


def assert_times(books: Books, transaction: int, start: float, stop: float) -> None:
    """Assert when it began and ended, in minutes before now."""
    assert_time(books, transaction, "start_time", books.now - timedelta(minutes=start))
    assert_time(books, transaction, "stop_time", books.now - timedelta(minutes=stop))


@pytest.mark.parametrize("ahead", [HOUR, 2 * HOUR, 5 * HOUR])
@pytest.mark.parametrize("share", [0.5, 0.9, 1.5])
def test_a_session_in_an_outage(books: Books, ahead: int, share: float) -> None:
    """The outage is shorter than the clock is ahead, or longer."""
    station, outage = known_ahead(books, ahead), ahead * share
    station.lose()
    books.wait(outage)
    station.connect()
    transaction = station.start(WH, at=station.clock(outage - 2))
    station.stop(transaction, WH + 2000, at=station.clock(QUARTER))
    assert_times(books, transaction, outage - 2, QUARTER)
    assert_figure(station, transaction, 2000, flagged=False)


def test_only_the_start_waited(books: Books) -> None:
    station = known_ahead(books, 2 * HOUR)
    station.lose()
    books.wait(50)
    station.connect()
    transaction = station.start(WH, at=station.clock(40))
    books.wait(QUARTER)
    station.stop(transaction, WH + 2000)
    assert_times(books, transaction, 40 + QUARTER, 0)


def test_only_the_stop_waited(books: Books) -> None:
    station = known_ahead(books, 2 * HOUR)
    transaction = station.start(WH)
    wh = charge(station, transaction, WH)
    station.lose()
    books.wait(100)
    station.connect()
    station.stop(transaction, wh, at=station.clock(95))
    assert_times(books, transaction, 100 + HOUR, 95)
    assert_figure(station, transaction, wh - WH, flagged=False)


def test_the_loss_was_noticed_late(books: Books) -> None:
    """The start was sent over a connection that was gone, and again over the next one."""
    station = known_ahead(books, 2 * HOUR)
    books.wait(5)
    station.lose()
    books.wait(20)
    station.connect()
    transaction = station.start(WH, at=station.clock(23))
    station.stop(transaction, WH + 2000)
    assert_times(books, transaction, 23, 0)


def test_readings_that_waited_are_dated_by_the_same_clock(books: Books) -> None:
    """A window's share lies between the readings beside its seam."""
    station = known_ahead(books, 2 * HOUR)
    station.lose()
    begun = books.now
    books.wait(HOUR)
    station.connect()
    transaction = station.start(WH, at=station.clock(HOUR))
    for ago in (40, 20):
        station.tell(station.register(WH + (HOUR - ago) * 100, ago), transaction=transaction)
    station.stop(transaction, WH + 6000, at=station.clock())
    billed = billed_of(books, transaction)
    assert abs(billed.since - begun) < timedelta(minutes=1)
    seam = begun + timedelta(minutes=20)
    levels = evidence_of(books, transaction, Needs(course=True, stay=False, seams=(seam,))).levels
    assert any(abs(one.at - seam) < timedelta(minutes=1) and one.wh == 2000 for one in levels), (
        levels
    )


@pytest.mark.parametrize("outage", [HOUR, 3 * HOUR])
def test_one_without_a_stop_ends_when_the_next_one_begins(books: Books, outage: int) -> None:
    """All of them waited."""
    station = known_ahead(books, 2 * HOUR)
    station.lose()
    books.wait(outage)
    station.connect()
    transaction = station.start(WH, at=station.clock(outage - 5))
    station.tell(station.register(WH + 500, 40), transaction=transaction)
    moment = understand(station.clock(20), books.now)
    station.write(stops.close_before_start, Opening(1, "TAG", WH + 500, moment))
    assert_times(books, transaction, outage - 5, 20)


@pytest.mark.parametrize("is_killed", [False, True])
def test_the_server_was_restarted_in_between(books: Books, is_killed: bool) -> None:
    """Nobody knows when a connection ended whose server was killed: the next one says only that it
    did."""
    station = known_ahead(books, 2 * HOUR)
    if not is_killed:
        station.lose(reason="the server is stopping", code=1001)
    books.wait(HOUR)
    books.server = books.run(sessions.start_run, SERVER, "1.0", books.at, True)
    station.connect()
    transaction = station.start(WH, at=station.clock(50))
    station.stop(transaction, WH + 2000, at=station.clock(20))
    assert_times(books, transaction, 50, 20)


def test_a_card_that_changed_hands_in_between(books: Books) -> None:
    """Anna began before Ben had the card; her start arrived after that."""
    house, station = House(books), known_ahead(books, 2 * HOUR)
    handed_over = stamp(books.now + timedelta(minutes=30))
    house.give(ANNA, "Card", until=handed_over)
    house.give(BEN, "Card", since=handed_over)
    station.lose()
    books.wait(100)
    station.connect()
    hers = station.start(WH, tag="Card", at=station.clock(90))
    station.stop(hers, WH + 2000, at=station.clock(60))
    his = station.start(WH + 2000, tag="Card", at=station.clock(50))
    station.stop(his, WH + 4000, at=station.clock(10))
    assert (house.whose(hers), house.whose(his)) == (ANNA, BEN)


# What does not wait


def test_a_clock_that_was_set_right_in_the_outage(books: Books) -> None:
    """By the old clock, the start would precede the loss."""
    station = known_ahead(books, 2 * HOUR)
    station.lose()
    books.wait(50)
    station.behind = 0
    station.connect()
    transaction = station.start(WH)
    books.wait(QUARTER)
    station.stop(transaction, WH + 2000)
    assert_times(books, transaction, QUARTER, 0)


def test_a_clock_that_was_set_to_an_hour_ahead_while_connected(books: Books) -> None:
    """Nothing waited, so its messages are dated by receipt."""
    station = known_ahead(books, 2 * HOUR)
    station.lose()
    books.wait(10)
    station.connect()
    books.wait(3 * HOUR)
    station.behind = -HOUR
    transaction = station.start(WH)
    books.wait(QUARTER)
    station.stop(transaction, WH + 2000)
    assert_times(books, transaction, QUARTER, 0)
