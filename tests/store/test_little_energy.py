"""Cars that take a little while hardly a report of power meets them: exact, and certain."""

from __future__ import annotations

import pytest

from tests.store.books import Books, Station, meter_value
from tests.store.stories import Curve, Session, Story, Voice, play, tell
from tests.store.telling import HOUR, QUARTER, assert_figure, bill_of, session, settle, watts
from tests.store.test_honest_stories import played

pytestmark = pytest.mark.sqlite  # about judging, which is the same on both stores

TOPPED_UP: Curve = ((12, 11_040), (500, 0))
MET_BY_NONE: Curve = ((160, 0), (6, 7360), (200, 0))
HEATED: Curve = ((300, 0), (7, 7000))
WOKEN: Curve = (
    (150, 7360),
    (62, 0),
    (4, 2300),
    (71, 0),
    (3, 2300),
    (64, 0),
    (5, 2300),
    (67, 0),
    (4, 2300),
    (40, 0),
)
BEGIN = 907_200


@pytest.mark.parametrize("curve", [TOPPED_UP, MET_BY_NONE, HEATED, WOKEN])
@pytest.mark.parametrize("every", [5, 15, 30, 60])
@pytest.mark.parametrize("reports_power", [True, False])
def test_energy_between_reports_of_no_power(
    books: Books, station: Station, curve: Curve, every: int, reports_power: bool
) -> None:
    """Also at a charger whose power confirmed a transaction before."""
    if reports_power:
        session(station, 900_000)
    played(books, curve, Voice(every=every), BEGIN)


def test_more_than_any_ac_charger_delivers_between_reports_of_no_power(
    books: Books, station: Station
) -> None:
    session(station, 900_000)
    transaction = station.start(BEGIN)
    for wh in (0, 0, 0, 12_000, 12_000, 12_000):
        books.wait(QUARTER)
        station.tell(meter_value(station.clock(), BEGIN + wh, watts(0)), transaction=transaction)
    station.stop(transaction, BEGIN + 12_000)
    assert bill_of(station, transaction)[2]


def test_a_car_that_wakes_while_readings_are_lost(books: Books, station: Station) -> None:
    transaction, wh = station.start(BEGIN), BEGIN
    for minute, power in enumerate([2300] * 60 + [0] * 90, 1):
        books.wait(1)
        wh += power // 60
        if minute == 100:  # it takes 50 Wh, and the reading that would meet it is lost
            wh += 50
        else:
            station.tell(meter_value(station.clock(), wh, watts(power)), transaction=transaction)
    station.stop(transaction, wh)
    assert_figure(station, transaction, wh - BEGIN, flagged=False)


@pytest.mark.parametrize("power", [3, 12, 60])
@pytest.mark.parametrize(
    "voice", [Voice(15, power="A", phases=3), Voice(5, power="A"), Voice(15), Voice(30)]
)
def test_what_the_charger_takes_itself_is_no_power_in_kilowatts(
    books: Books, power: int, voice: Voice
) -> None:
    played(books, ((2700, power),), voice, BEGIN)


@pytest.mark.parametrize(
    "voice", [Voice(1, power=""), Voice(5), Voice(5, unit="kWh", decimals=1, coarse=100)]
)
def test_counts_of_a_long_stay_are_no_readings_in_another_unit(books: Books, voice: Voice) -> None:
    """In kWh, 402 Wh would be far above the start, but 860 minutes would be enough for it."""
    one = Voice(
        voice.every,
        voice.unit,
        voice.decimals,
        coarse=voice.coarse,
        power=voice.power,
        per_session=True,
    )
    played(books, ((5.6, 3680), (857, 4)), one, 42_214.0)


@pytest.mark.parametrize(
    ("begin", "curve"), [(6234.0, ((180, 13_300), (20, 8100))), (3000.0, ((240, 11_000),))]
)
def test_counts_above_a_low_start(books: Books, begin: float, curve: Curve) -> None:
    """As readings of the register they would be too fast at the stop."""
    played(books, curve, Voice(60, power="", per_session=True), begin)


def test_a_fast_charger_that_stops_at_once(books: Books) -> None:
    """Its readings stand still from the first one on, so that they show no rise without power."""
    played(books, ((3.5, 150_000), (53, 0)), Voice(5, battery_wh=100_000), BEGIN)


@pytest.mark.parametrize(
    ("every", "curve"), [(10, ((10, 36_000), (10, 75_000), (1, 75_000))), (15, ((15, 90_000),) * 2)]
)
@pytest.mark.parametrize("per_session", [True, False])
def test_a_fast_charger_that_nobody_knows(
    books: Books, station: Station, every: float, curve: Curve, per_session: bool
) -> None:
    """Nothing shows that it is one, so it is asked about; but the figure is what it says."""
    one = Session(1, 1, "TAG", 1, 4_199_489, curve, Voice(every, power="", per_session=per_session))
    (outcome,) = play(Story([one], tell(one)), books, station.name).outcomes()
    assert (outcome.wh, outcome.review) == (
        one.figure,
        "faster than this charger, or any AC charger, is known to deliver",
    )


def test_a_register_that_stood_still_while_sparse_power_was_reported(
    books: Books, station: Station
) -> None:
    """Of three reports of a car that pauses, two met it while it charged; the register rose no more
    by the stop."""
    transaction = station.start(BEGIN)
    for wh, power in (
        (2700, 11_040),
        (3917, 0),
        (3917, 0),
        (3917, 0),
        (3917, 11_040),
        (3917, 0),
        (3917, 11_040),
        (3917, 0),
    ):
        books.wait(QUARTER)
        station.tell(
            meter_value(station.clock(), BEGIN + wh, watts(power)), transaction=transaction
        )
    station.stop(transaction, BEGIN + 3917)
    assert_figure(station, transaction, 3917, flagged=True)


@pytest.mark.parametrize(("low", "high"), [(208, 209), (77_310, 77_311)])
@pytest.mark.parametrize("readings", [0, 3])
def test_a_register_that_is_rounded_now_up_and_now_down(
    books: Books, station: Station, low: int, high: int, readings: int
) -> None:
    """Sessions in which hardly anything flows: each starts at one number and stops at the next one,
    or the reverse."""
    told = []
    for begin, end in [(low, high)] * 6 + [(high, high), (low, low)] * 3:
        transaction = station.start(begin)
        for number in range(readings):
            books.wait(QUARTER)
            station.tell(station.register(begin if number == 0 else end), transaction=transaction)
        books.wait(QUARTER)
        station.stop(transaction, end)
        told.append((transaction, end - begin))
        books.wait(QUARTER)
    settle(books)
    for transaction, wh in told:
        assert_figure(station, transaction, wh, flagged=False)


@pytest.mark.parametrize(("days", "is_flagged"), [(4, False), (1 / 8, True)])
def test_what_a_charger_takes_for_itself_between_two_sessions_is_missing_in_none(
    books: Books, station: Station, days: float, is_flagged: bool
) -> None:
    """Its meter counts 3 W. What flowed while nobody charged, and in a few hours, may be of the
    session before."""
    transaction = station.start(BEGIN)
    for wh in (1800, 3600, 3600, 3600, 3600):
        books.wait(QUARTER)
        station.tell(station.register(BEGIN + wh), transaction=transaction)
    station.stop(transaction, BEGIN + 3600)
    books.wait(days * 24 * HOUR)
    station.stop(station.start(BEGIN + 3600 + 288), BEGIN + 3600 + 288)
    settle(books)
    assert bill_of(station, transaction)[1:] == (3600, is_flagged)


def test_what_power_shows_of_a_session_the_charger_did_not_take_for_itself(
    books: Books, station: Station
) -> None:
    """A start 1.5 kWh too high, after a week in which a charger may take so much: the register
    stands still at first, though 6 kW are told from the beginning."""
    transaction = station.start(BEGIN)
    station.stop(transaction, BEGIN)
    books.wait(7 * 24 * HOUR)
    transaction = station.start(BEGIN + 1500)
    for minute in range(5, 3 * HOUR + 1, 5):
        books.wait(5)
        told = meter_value(station.clock(), max(BEGIN + 1500, BEGIN + 100 * minute), watts(6000))
        station.tell(told, transaction=transaction)
    station.stop(transaction, BEGIN + 18_000)
    assert_figure(station, transaction, 18_000, flagged=True)
