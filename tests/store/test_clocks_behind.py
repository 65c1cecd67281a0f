"""A charger's clock that is behind: found from the messages of one connection, and never in
messages that waited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from levity_trio.billing.states import BillState
from levity_trio.store.billing.evidence import Needs
from levity_trio.store.cases.transaction import LAST_TIME, TIMES, find_transaction, parameters_of
from levity_trio.store.reads.transactions.explain import explain
from levity_trio.store.reads.transactions.transactions import curve
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Correction, Decision
from levity_trio.wire.times import stamp
from tests.sizes import size
from tests.store.billed import evidence_of
from tests.store.bills import ANNA, Biller, house_of_two
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading
from tests.store.test_charges import Charging

HOUR = 60
DAY = 24 * HOUR
SKEWS = (3, HOUR, 7 * HOUR, 2 * 365 * DAY)
DEAR_HOUR = """
name = "One dear hour"
valid_from = 2020-01-01
currency = "EUR"
prices = "gross"
tax = 19

[[window]]
name = "dear"
price = 1.00
times = "12:00-13:00"

[energy]
name = "cheap"
price = 0.10
"""
FLAT = (
    DEAR_HOUR.replace("One dear hour", "Cheap all day").partition("[[window]]")[0]
    + """
[energy]
price = 0.10
"""
)
WH = 9800


@pytest.fixture
def biller(books: Books) -> Biller:
    """Noon in Berlin, on a day in March; the dear hour begins."""
    house = house_of_two(books)
    found = Biller(house)
    found.assign(found.add(DEAR_HOUR), date(2020, 1, 1), ANNA)
    books.now = datetime(2026, 3, 10, 11, 0, 0, 250_000, tzinfo=UTC)
    return found


def charge(
    station: Station, *, minutes: int = 55, every: int = 5, readings: bool = True, wh: int = WH
) -> int:
    """A session of twelve live messages and more that lies in the dear hour; all its messages are
    live."""
    books = station.books
    books.wait(1)
    station.status("Preparing")
    number = station.start(1000, 1, "Card")
    station.status("Charging")
    for step in range(1, minutes // every):
        books.wait(every)
        if readings:
            station.tell(
                meter_value(station.clock(), 1000 + wh * step * every // minutes),
                transaction=number,
            )
    books.wait(every)
    station.stop(number, 1000 + wh, tag="Card")
    station.status("Finishing")
    return number


def line(biller: Biller, number: int) -> tuple[str, int]:
    """Return how a preview of March has a transaction, and for how much."""
    biller.books.wait(2)
    biller.books.settle()
    every = biller.drafted(ANNA, "2026-03")
    return next(((one.kind, one.amount) for one in every if one.tx == number), ("", 0))


def times(books: Books, number: int) -> tuple[datetime, datetime]:
    start, stop = books.row("SELECT start_time, stop_time FROM tx WHERE id = ?", number)
    return datetime.fromisoformat(start), datetime.fromisoformat(stop)


def assert_true(
    books: Books, number: int, minutes: int = 55, until: datetime | None = None
) -> None:
    """Assert that the times are right to some seconds."""
    start, stop = times(books, number)
    ended = until or books.now
    assert abs(stop - ended) < timedelta(seconds=12), (start, stop)
    assert abs(start - (ended - timedelta(minutes=minutes))) < timedelta(seconds=12), (start, stop)


def waiting(books: Books) -> list[int]:
    """Return the sessions that are about to be judged again."""
    return [
        number
        for (number,) in books.rows("SELECT id FROM tx WHERE judge_after IS NOT NULL ORDER BY id")
    ]


def assert_as_sent(books: Books, number: int) -> None:
    row = (
        "SELECT start_time = own_start_time, stop_time = own_stop_time, start_behind_seconds, "
        "stop_behind_seconds,"
    )
    assert books.row(f"{row} is_clock_unsure, review FROM tx WHERE id = ?", number) == (
        1,
        1,
        0,
        0,
        0,
        None,
    )


# A clock that is behind


@pytest.mark.parametrize("behind", SKEWS)
@pytest.mark.parametrize("readings", [True, False])
def test_a_session_is_dated_and_billed_by_the_true_time(
    books: Books, biller: Biller, behind: float, *, readings: bool
) -> None:
    station = Station(books, behind=behind)
    station.status("Available")
    number = charge(station, readings=readings)
    assert_true(books, number)
    assert line(biller, number) == ("session", 980)
    assert station.review(number) == ""


@pytest.mark.parametrize("behind", SKEWS)
def test_local_time_called_utc_is_wrong_in_every_session(
    books: Books, biller: Biller, behind: float
) -> None:
    """Also in the next one, whose start is dated at once, by what the connection has shown by
    then."""
    station = Station(books, behind=behind)
    charge(station)
    books.wait(DAY - 56)
    second = station.start(1000 + WH, 1, "Card")
    (start,) = books.row("SELECT start_time FROM tx WHERE id = ?", second)
    assert abs(datetime.fromisoformat(start) - books.now) < timedelta(seconds=2)
    books.wait(50)
    station.stop(second, 1000 + 2 * WH)
    assert_true(books, second, 50)
    assert line(biller, second) == ("session", 980)


def test_an_open_session_is_dated_once_its_clock_is_shown(books: Books) -> None:
    station = Station(books, behind=7 * HOUR)
    number = station.start(1000, 1, "Card")
    begun = books.now
    station.status("Charging")
    books.wait(12)
    station.status("SuspendedEV")
    (start,) = books.row("SELECT start_time FROM tx WHERE id = ? AND status = 'Active'", number)
    assert abs(datetime.fromisoformat(start) - begun) < timedelta(seconds=2)


def test_an_open_session_whose_start_waited_is_dated_once_its_clock_is_shown(books: Books) -> None:
    """Its start is later than the messages that show the clock, which was the same before."""
    station = Station(books, behind=7 * HOUR)
    for status in ("Available", "Preparing", "Available"):
        station.status(status)
        books.wait(6)
    station.lose()
    begun, sent = books.now, station.clock()
    books.wait(4)
    station.connect()
    number = station.start(1000, 1, "Card", at=sent)
    for status in ("Charging", "SuspendedEV", "Charging"):
        station.status(status)
        books.wait(6)
    (start,) = books.row("SELECT start_time FROM tx WHERE id = ? AND status = 'Active'", number)
    assert abs(datetime.fromisoformat(start) - begun) < timedelta(seconds=12)


def test_the_connection_of_the_start_ended_soon(books: Books, biller: Biller) -> None:
    """It alone shows no clock; the next one does, and the start is as late as what came then."""
    station = Station(books, behind=7 * HOUR)
    number = station.start(1000, 1, "Card")
    books.wait(1)
    station.lose()
    books.wait(4)
    station.connect()
    station.status("Charging")
    for step in range(1, 9):
        books.wait(5)
        station.tell(meter_value(station.clock(), 1000 + 1000 * step), transaction=number)
    books.wait(5)
    station.stop(number, 1000 + WH, tag="Card")
    assert_true(books, number, 50)
    assert line(biller, number) == ("session", 980)


def test_the_system_closes_it(books: Books) -> None:
    station = Station(books, behind=7 * HOUR)
    books.now = datetime(2026, 3, 10, 11, tzinfo=UTC)
    station.status("Available")
    books.wait(15)
    number = station.start(1000)
    begun = books.now
    station.status("Charging")
    for step in range(1, 6):
        books.wait(5)
        station.tell(meter_value(station.clock(), 1000 + 500 * step), transaction=number)
    last = books.now
    station.orphan(number, 3600)
    start, stop = times(books, number)
    assert abs(start - begun) < timedelta(seconds=5)
    assert abs(stop - last) < timedelta(seconds=5)


@pytest.mark.usefixtures("biller")
def test_it_ended_before_we_began_by_its_clock_only(books: Books) -> None:
    number = charge(Station(books, behind=2 * 365 * DAY))

    assert books.value("SELECT state FROM booked WHERE tx_id = ?", number) == BillState.UNBILLED


def test_a_short_session_is_dated_once_later_messages_show_the_clock(
    books: Books, biller: Biller
) -> None:
    station = Station(books, behind=HOUR)
    number = charge(station, minutes=6, every=2, wh=900)
    ended = books.now
    assert_as_sent(books, number)
    books.wait(15)
    station.status("Available")
    assert line(biller, number) == ("session", 90)
    assert_true(books, number, 6, ended)
    (words,) = books.row("SELECT reason FROM tx_event WHERE tx_id = ? AND kind = 'rejudge'", number)
    assert "60 minutes behind" in words


def test_a_clock_that_is_shown_is_a_fact_of_its_own(books: Books) -> None:
    """It is no link of the chain of judgements that changed the figure before."""
    station = Station(books, behind=HOUR)
    number = charge(station, minutes=6, every=2, wh=900)
    books.wait(2)
    books.settle()
    books.run(lambda db: db.execute("UPDATE tx SET judge_steps = 1 WHERE id = ?", (number,)))
    books.wait(15)
    station.status("Available")
    assert books.row("SELECT judge_after IS NULL, judge_steps FROM tx WHERE id = ?", number) == (
        0,
        0,
    )


def test_the_fee_for_blocking_counts_from_the_true_end(books: Books) -> None:
    """A status has the same clock."""
    station = Station(books, behind=7 * HOUR)
    number = charge(station)
    stopped = books.now
    books.wait(30)
    station.status("Available")
    stay = evidence_of(books, number, Needs(course=False, stay=True)).stay
    assert stay is not None
    assert stay.available_at is not None
    assert abs(stay.available_at - stopped - timedelta(minutes=30)) < timedelta(seconds=2)
    assert abs(stay.last_energy_at - stopped) < timedelta(minutes=6)


def test_its_curve_has_our_time(books: Books) -> None:
    number = charge(Station(books, behind=7 * HOUR))
    with reading(books) as db:
        found = curve(db, number)
    assert found is not None
    start, stop = times(books, number)
    assert (found.since, found.until) == (stamp(start), stamp(stop))
    assert [at for at, _ in found.register][:2] == [0, 300]


def test_an_explanation_says_it(books: Books, biller: Biller) -> None:
    number = charge(Station(books, behind=7 * HOUR))
    with reading(books) as db:
        found = explain(db, number, biller.terms.rule)
    assert found is not None
    assert [step.words for step in found.steps if step.kind == "clock"] == [
        "its charger's clock was 7 hours behind: its times are corrected by that"
    ]
    start, stop = times(books, number)
    assert all(stamp(start) <= one.first_at <= one.last_at <= stamp(stop) for one in found.readings)


def test_a_closed_statement_is_corrected(books: Books, biller: Biller) -> None:
    station = Station(books, behind=HOUR)
    books.now = datetime(2026, 3, 31, 10, 30, tzinfo=UTC)
    number = charge(station, minutes=6, every=2, wh=900)  # in the dear hour only by the true time
    books.wait(2)
    books.settle()
    assert_as_sent(books, number)
    books.wait(20 * HOUR)
    biller.close("2026-03")
    assert biller.lines(ANNA, "2026-03")[0].amount == 9
    station.status("Available")
    books.wait(2)
    books.settle()
    books.now = datetime(2026, 5, 2, 10, tzinfo=UTC)
    biller.close("2026-04")
    assert [(one.kind, one.amount) for one in biller.lines(ANNA, "2026-04")] == [("correction", 81)]


def test_a_charged_wallet_is_corrected(books: Books) -> None:
    """It was charged by the time as sent; the next closing corrects it."""
    charging = Charging(books)
    biller = charging.biller
    biller.assign(biller.add(DEAR_HOUR), date(2020, 1, 1), ANNA)
    station = Station(books, behind=HOUR)
    books.now = datetime(2026, 3, 31, 10, 30, tzinfo=UTC)
    charge(station, minutes=6, every=2, wh=900)
    books.wait(2)
    books.settle()
    charging.look()
    assert biller.balance(ANNA) == 1000 - 9
    books.wait(HOUR)
    station.status("Available")
    books.wait(2)
    books.settle()
    charging.look()
    books.now = datetime(2026, 4, 2, 10, tzinfo=UTC)
    biller.close("2026-03")
    assert biller.balance(ANNA) == 1000 - 90


def test_later_messages_may_show_that_it_was_one_clock(books: Books, biller: Biller) -> None:
    """Its stop waited, while the connection went on; the next status shows that the clock was not
    set."""
    station = Station(books, behind=HOUR)
    station.status("Available")
    books.wait(15)
    number = station.start(1000, 1, "Card")
    station.status("Charging")
    books.wait(30)
    ended = station.clock()
    books.wait(5)
    station.stop(number, 1000 + WH, at=ended, tag="Card")
    assert line(biller, number) == ("held back", 0)
    station.status("Finishing")
    assert line(biller, number) == ("session", 980)
    assert station.review(number) == ""


# A message of many readings


def data_until(station: Station, minutes: int, every: float = 0.5) -> list[dict[str, Any]]:
    """The readings of so many minutes, up to now, as a stop brings them."""
    steps = int(minutes / every)
    return [
        station.register(1000 + WH * step // steps, minutes - step * every)
        for step in range(1, steps + 1)
    ]


@pytest.mark.parametrize("behind", SKEWS)
@pytest.mark.parametrize("every", [0.1, 0.5, 5])
def test_what_comes_with_the_stop_shows_the_clock_by_its_newest_reading(
    books: Books, biller: Biller, behind: float, every: float
) -> None:
    """Start, stop and that reading are late by the same; all others waited for the stop."""
    station = Station(books, behind=behind)
    number = station.start(1000, 1, "Card")
    books.wait(55)
    station.stop(number, 1000 + WH, tag="Card", data=data_until(station, 55, every))
    assert_true(books, number)
    assert line(biller, number) == ("session", 980)


def test_readings_that_waited_for_the_stop_show_no_clock(books: Books) -> None:
    """The start waited as long as some of them, but the clock is right."""
    station = Station(books)
    began = station.clock()
    books.wait(20)
    number = station.start(1000, at=began)
    books.wait(40)
    station.stop(number, 1000 + WH, data=data_until(station, 60))
    assert_as_sent(books, number)


def test_the_clock_is_read_from_one_reading_of_each_message(books: Books) -> None:
    station = Station(books, behind=7 * HOUR)
    number = station.start(1000)
    books.wait(30)
    station.tell(*data_until(station, 30), transaction=number)
    first = books.at
    books.wait(30)
    station.stop(number, 1000 + WH, data=data_until(station, 60))
    own = [stamp(datetime.fromisoformat(at) - timedelta(hours=7)) for at in (first, books.at)]
    found = [
        (f"{at[:19]}.000Z", received) for at, received in zip(own, (first, books.at), strict=True)
    ]
    tx = find_transaction(lambda sql, parameters: books.rows(sql, *parameters), number)
    assert tx is not None
    assert books.rows(TIMES, *parameters_of(tx, LAST_TIME)) == found


# Messages that waited, and a clock that was set


@pytest.mark.parametrize("behind", SKEWS)
def test_what_waited_is_corrected_by_the_clock_before_and_after(
    books: Books, biller: Biller, behind: float
) -> None:
    station = Station(books, behind=behind)
    charge(station)
    station.lose()
    books.wait(DAY - 56)
    began, ended = station.clock(), station.clock(-50)
    books.wait(5 * HOUR)
    station.connect()
    number = station.start(1000 + WH, 1, "Card", at=began)
    station.stop(number, 1000 + 2 * WH, at=ended, tag="Card")
    assert books.row("SELECT is_clock_unsure FROM tx WHERE id = ?", number) == (1,)
    station.status("Charging", connector=2)
    books.wait(6)
    station.status("Finishing", connector=2)
    books.wait(6)
    station.status("Available", connector=2)
    assert line(biller, number) == ("session", 980)
    true_end = datetime(2026, 3, 11, 11, 50, tzinfo=UTC)
    assert_true(books, number, 50, true_end)


def waited_until_it_was_set(books: Books, *, windowed: bool = True) -> tuple[Station, int]:
    """A clock an hour behind; what waited was sent after it was set. Nobody knows by which clock
    that was dated."""
    station = Station(books, behind=HOUR)
    charge(station)
    station.lose()
    books.wait(DAY - 56 + (0 if windowed else 7 * HOUR))
    began, ended = station.clock(), station.clock(-50)
    books.wait(5 * HOUR)
    station.connect()
    station.behind = 0
    station.status("Available", connector=1)
    number = station.start(1000 + WH, 1, "Card", at=began)
    station.stop(number, 1000 + 2 * WH, at=ended, tag="Card")
    return station, number


def test_if_it_may_have_been_set_both_prices_are_told(books: Books, biller: Biller) -> None:
    station, number = waited_until_it_was_set(books)
    assert line(biller, number) == ("held back", 0)
    review = station.review(number)
    assert "9.80 EUR" in review
    assert "0.98 EUR" in review
    assert station.bill(number)[0] == WH


def test_a_person_confirms_the_corrected_times(books: Books, biller: Biller) -> None:
    station, number = waited_until_it_was_set(books)
    line(biller, number)
    books.run(decisions.confirm, number, Decision("cleo", "the driver says so", books.at))
    assert line(biller, number) == ("session", 980)
    assert station.review(number) == ""


def test_a_person_corrects_the_times(books: Books, biller: Biller) -> None:
    station, number = waited_until_it_was_set(books)
    line(biller, number)
    sent = books.row("SELECT own_start_time, own_stop_time FROM tx WHERE id = ?", number)
    given = Correction(figure_wh=WH, start_time=sent[0], stop_time=sent[1])
    books.run(decisions.correct, number, given, Decision("cleo", "as sent", books.at))
    assert line(biller, number) == ("session", 98)
    station.status("Available", connector=2)
    assert line(biller, number) == ("session", 98)


@pytest.mark.parametrize(("given", "behind"), [("start_time", (0, 3600)), ("stop_time", (3600, 0))])
def test_one_time_from_a_person_leaves_the_other_one_corrected(
    books: Books, biller: Biller, given: str, behind: tuple[int, int]
) -> None:
    """The clock was an hour behind at both ends. What a person gives is by our clock, and what the
    charger told of the other end is still an hour behind."""
    _station, number = waited_until_it_was_set(books)
    line(biller, number)
    told = "SELECT start_behind_seconds, stop_behind_seconds FROM tx WHERE id = ?"
    assert books.row(told, number) == (3600, 3600)
    right = books.value(f"SELECT {given} FROM tx WHERE id = ?", number)
    corrected = Correction(figure_wh=WH, **{given: right})
    books.run(decisions.correct, number, corrected, Decision("cleo", "she saw it", books.at))
    assert books.row(told, number) == behind


def test_equal_prices_are_certain(books: Books, biller: Biller) -> None:
    """Late messages that show no more of that clock than was known have nothing judged again."""
    station, number = waited_until_it_was_set(books, windowed=False)
    assert line(biller, number) == ("session", 98)
    assert station.review(number) == ""
    station.status("Charging", connector=2, at=station.clock(40))
    station.status("Finishing", connector=2, at=station.clock(20))
    assert waiting(books) == []


def test_a_tariff_that_comes_later_makes_the_times_matter(books: Books, biller: Biller) -> None:
    station, number = waited_until_it_was_set(books, windowed=False)
    assert line(biller, number) == ("session", 98)
    biller.assign(
        biller.add(DEAR_HOUR.replace("One", "Another").replace("12:00-13:00", "19:00-20:00")),
        date(2026, 1, 1),
        ANNA,
    )
    assert line(biller, number) == ("held back", 0)
    books.wait(2)
    books.settle()
    assert "9.80 EUR" in station.review(number)
    books.run(decisions.confirm, number, Decision("cleo", "the driver says so", books.at))
    assert line(biller, number) == ("session", 980)


@pytest.mark.parametrize("corrected", [False, True])
def test_a_person_decides_again_once_the_clock_is_shown(
    books: Books, biller: Biller, corrected: bool
) -> None:
    """That person went by the times as sent."""
    station, number = settled_before_its_clock_is_shown(books, corrected=corrected)
    assert line(biller, number) == ("held back", 0)
    review = station.review(number)
    assert "0.90 EUR" in review
    assert "0.09 EUR" in review
    books.run(decisions.confirm, number, Decision("cleo", "at noon", books.at))
    assert line(biller, number) == ("session", 90)
    station.status("Preparing")
    assert line(biller, number) == ("session", 90)


def test_times_that_a_person_gave_stay(books: Books, biller: Biller) -> None:
    station, number = settled_before_its_clock_is_shown(books, times=True)
    assert line(biller, number) == ("session", 9)
    assert station.review(number) == ""


def test_nobody_is_asked_again_if_both_times_give_one_price(books: Books, biller: Biller) -> None:
    biller.assign(biller.add(FLAT), date(2026, 1, 1), ANNA)
    station, number = settled_before_its_clock_is_shown(books)
    assert line(biller, number) == ("session", 9)
    assert station.review(number) == ""
    assert_true(books, number, 6, books.now - timedelta(minutes=19))


def settled_before_its_clock_is_shown(
    books: Books, *, corrected: bool = False, times: bool = False
) -> tuple[Station, int]:
    """A session that lies in the dear hour only by the true time, which a person settled before
    that was known."""
    station = Station(books, behind=HOUR)
    number = charge(station, minutes=6, every=2, wh=900)
    books.wait(2)
    books.settle()
    decision = Decision("cleo", "as it is", books.at)
    sent = books.row("SELECT own_start_time, own_stop_time FROM tx WHERE id = ?", number)
    if times:
        earlier = [stamp(datetime.fromisoformat(one) - timedelta(minutes=30)) for one in sent]
        given = Correction(figure_wh=900, start_time=earlier[0], stop_time=earlier[1])
        books.run(decisions.correct, number, given, decision)
    elif corrected:
        books.run(decisions.correct, number, Correction(figure_wh=901), decision)
    else:
        books.run(decisions.confirm, number, decision)
    books.wait(15)
    station.status("Available")
    return station, number


def test_a_clock_that_is_set_while_a_car_charges(books: Books, biller: Biller) -> None:
    """From an hour behind to right, between two live readings: both prices are told, and the energy
    is certain."""
    station = Station(books, behind=HOUR)
    station.status("Available")
    books.wait(15)
    number = station.start(1000, 1, "Card")
    station.status("Charging")
    for step in range(1, 6):
        books.wait(5)
        if step == 3:
            station.behind = 0
        station.tell(meter_value(station.clock(), 1000 + 1500 * step), transaction=number)
    books.wait(5)
    station.stop(number, 1000 + 9000, tag="Card")
    assert_true(books, number, 30)
    assert line(biller, number)[0] == "held back"
    assert station.bill(number) == (9000, "register", "certain")
    assert "9.00 EUR" in station.review(number)


def set_back_while_a_car_charges(
    books: Books, *, after: Sequence[str], waits: float = 0
) -> tuple[int, datetime]:
    """A clock is set back by 70 minutes after the first hour of three; the last words of the
    session are some statuses. The stop waited some minutes, while the link went on. Return its
    number and its true end."""
    station = Station(books)
    books.wait(5)
    number = station.start(1000, 1, "Card")
    station.status("Charging")
    for step in range(1, 18):
        books.wait(10)
        station.behind = 70 if step > 6 else 0
        station.tell(meter_value(station.clock(), 1000 + 1000 * step), transaction=number)
    books.wait(9)
    ended, sent = books.now, station.clock()
    books.wait(waits)
    station.stop(number, 1000 + 18_000, at=sent, tag="Card")
    for status in after:
        books.wait(0.3)
        station.status(status)
    return number, ended


@pytest.mark.parametrize(
    ("after", "waits"),
    [(["Finishing"], 0), (["Finishing", "Available"], 0), (["Finishing", "Available"], 4)],
)
def test_the_last_words_of_a_session_show_the_clock_of_its_stop(
    books: Books, biller: Biller, after: Sequence[str], waits: float
) -> None:
    """Nothing comes after them: what they show is used for the stop, whose part of the dear hour is
    another."""
    number, ended = set_back_while_a_car_charges(books, after=after, waits=waits)
    assert line(biller, number)[0] == "held back"
    _, stop = times(books, number)
    assert abs(stop - ended) < timedelta(seconds=12)


def test_statuses_that_are_right_leave_a_doubt(books: Books, biller: Biller) -> None:
    """Start, readings and stop are in local time, and the statuses in UTC: perhaps that is no
    clock."""
    station = Station(books, behind=HOUR)
    number = station.start(1000, 1, "Card")
    for step in range(1, 6):
        books.wait(5)
        station.status("Charging" if step % 2 else "SuspendedEV", at=station.clock(-HOUR))
        station.tell(meter_value(station.clock(), 1000 + 1500 * step), transaction=number)
    books.wait(5)
    station.stop(number, 1000 + 9000, tag="Card")
    assert line(biller, number)[0] == "held back"


# What is no clock that is behind


def queue_of(station: Station, messages: int, every: float) -> list[int]:
    """Send so many messages that waited, within two seconds: short sessions without a pause."""
    books = station.books
    station.lose()
    began = books.now
    books.wait(messages * every)
    sent = [
        (began + timedelta(minutes=number * every)).strftime("%Y-%m-%dT%H:%M:%SZ")
        for number in range(messages)
    ]
    station.connect()
    numbers, wh = list[int](), 1000
    for place in range(0, messages - 1, 2):
        books.wait(2 / messages / HOUR)
        number = station.start(wh, 1, "Card", at=sent[place])
        wh += 200
        station.stop(number, wh, at=sent[place + 1], tag="Card")
        station.status("Finishing", at=sent[place + 1])
        numbers.append(number)
    return numbers


@pytest.mark.parametrize("messages", [2, 3, 4, 10, size(200, 50)])
@pytest.mark.parametrize("every", [0.2, 3, 11, 60])
def test_a_queue_shows_no_clock(books: Books, messages: int, every: float) -> None:
    """It keeps none of its sessions waiting for another judgement, and so none out of a draft."""
    station = Station(books)
    numbers = queue_of(station, messages, every)
    assert waiting(books) == []
    station.status("Available")
    books.wait(15)
    station.status("Preparing")
    books.wait(2)
    books.settle()
    for number in numbers:
        assert_as_sent(books, number)


def test_one_message_that_waited_shows_no_clock(books: Books) -> None:
    station = Station(books)
    number = station.start(1000)
    ended = station.clock(-30)
    station.lose()
    books.wait(3 * HOUR)
    station.connect()
    station.stop(number, 5000, at=ended)
    assert_as_sent(books, number)


@pytest.mark.parametrize("seconds", [45, 90, 115])
def test_a_slow_link_shows_no_clock(books: Books, seconds: float) -> None:
    station = Station(books, behind=seconds / 60)
    assert_as_sent(books, charge(station))


def told_late(station: Station, number: int) -> None:
    for step in range(1, 8):
        station.books.wait(5)
        station.tell(meter_value(station.clock(15), 1000 + 500 * step), transaction=number)


def told_at_the_end(station: Station, number: int) -> None:
    station.books.wait(35)
    for step in range(1, 8):
        station.tell(
            meter_value(station.clock(35 - 5 * step), 1000 + 500 * step), transaction=number
        )


@pytest.mark.parametrize("tell", [told_late, told_at_the_end])
def test_readings_alone_show_no_clock(books: Books, tell: Callable[[Station, int], None]) -> None:
    station = Station(books)
    number = station.start(1000)
    station.status("Charging")
    tell(station, number)
    station.stop(number, 4500)
    row = "SELECT start_behind_seconds, stop_behind_seconds, is_clock_unsure FROM tx WHERE id = ?"
    assert books.row(row, number) == (0, 0, 0)


def test_a_clock_of_ours_that_cannot_be_trusted_shows_none(books: Books) -> None:
    station = Station(books, behind=HOUR)
    books.connection.execute("UPDATE session SET clock_trusted = 0")
    assert_as_sent(books, charge(station))
