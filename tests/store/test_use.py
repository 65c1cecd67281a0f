"""How a charger is used in a month: sessions, energy that flows, cars that stay, faults and
habits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from levity_trio.billing.months import Month
from levity_trio.store.reads.transactions import power
from levity_trio.store.reads.transactions.power import (
    ChargerUse,
    FaultsOfMonth,
    UseQuestion,
    use_of,
)
from levity_trio.store.writes.load import load
from levity_trio.store.writes.load.load import keep_energy
from levity_trio.wire.times import stamp
from tests.store.bills import BERLIN
from tests.store.books import Books, Station
from tests.store.reading import reading
from tests.store.telling import charge

HOUR: Final = 3600
MARCH: Final = datetime(2026, 3, 2, 17, tzinfo=UTC)


def look(books: Books, month: str = "2026-03") -> ChargerUse:
    with reading(books) as db:
        numbers = [number for (number,) in db.execute("SELECT id FROM tx").fetchall()]
    with reading(books) as db:
        found = power.taken(db, numbers)
    books.run(keep_energy, found)
    of = Month.parse(month)
    asked = UseQuestion(
        "CP-1", month, stamp(of.since(BERLIN)), stamp(of.until(BERLIN)), books.at, BERLIN
    )
    with reading(books) as db:
        return use_of(db, asked)


def charges_and_stays(station: Station, at: datetime, register: int) -> int:
    """A car that charges for two hours, and stays for three more."""
    station.books.now = at
    transaction = station.start(register)
    register = charge(station, transaction, register, minutes=120)
    for _ in range(12):
        station.books.wait(15)
        station.tell(station.register(register), transaction=transaction)
    station.stop(transaction, register)
    return register


def test_a_car_that_stays(books: Books, station: Station) -> None:
    charges_and_stays(station, MARCH, 1000)
    use = look(books)
    assert (use.sessions, use.plugged_seconds, use.unknown_seconds) == (1, 5 * HOUR, 0)
    assert use.charging_seconds == 2 * HOUR
    assert (use.is_over, use.habits) == (False, None)


def test_what_is_before_the_month_is_not_in_it(books: Books, station: Station) -> None:
    # two hours before March in Berlin
    charges_and_stays(station, datetime(2026, 2, 28, 21, tzinfo=UTC), 1000)
    assert look(books).plugged_seconds == 3 * HOUR
    assert look(books).charging_seconds == 0
    assert (look(books, "2026-02").plugged_seconds, look(books, "2026-02").charging_seconds) == (
        2 * HOUR,
        2 * HOUR,
    )


def test_a_car_that_is_held_back(books: Books, station: Station) -> None:
    """From 20:00 to 21:00, and from 21:30 on, to its stop at 22:00."""
    charges_and_stays(station, MARCH, 1000)
    (transaction,) = books.row("SELECT id FROM tx")
    for begin, end in ((180, 240), (270, 300 + 60)):
        books.run(load.begin_span, transaction, "paused", stamp(MARCH + timedelta(minutes=begin)))
        books.run(load.end_span, transaction, stamp(MARCH + timedelta(minutes=end)))
    use = look(books)
    assert (use.plugged_seconds, use.charging_seconds, use.held_seconds) == (
        5 * HOUR,
        2 * HOUR,
        1.5 * HOUR,
    )


def test_what_is_held_back_before_the_month_or_while_energy_flows_is_not_told(
    books: Books, station: Station
) -> None:
    """For two hours around the turn of the month in Berlin; in the first of them, power was still
    on its way down."""
    charges_and_stays(station, datetime(2026, 2, 28, 21, tzinfo=UTC), 1000)
    (transaction,) = books.row("SELECT id FROM tx")
    books.run(load.begin_span, transaction, "paused", "2026-02-28T22:00:00.000Z")
    assert look(books).held_seconds == 3 * HOUR
    books.run(load.end_span, transaction, "2026-03-01T00:00:00.000Z")
    assert look(books).held_seconds == HOUR
    assert look(books, "2026-02").held_seconds == 0


def test_a_session_that_told_nothing_is_not_known(books: Books, station: Station) -> None:
    books.now = MARCH
    transaction = station.start(1000)
    books.wait(300)
    station.stop(transaction, 12_000)
    use = look(books)
    assert (use.charging_seconds, use.unknown_seconds) == (0, 5 * HOUR)


def test_faults_are_counted_as_far_as_they_lasted_in_it(books: Books, station: Station) -> None:
    books.now = MARCH
    for _ in range(2):
        station.status("Faulted", error="GroundFailure")
        books.wait(30)
        station.status("Available")
        books.wait(30)
    station.status("Faulted", error="OverVoltage")
    books.wait(60 * 24 * 40)
    over, ground = look(books).faults
    assert (over.error_code, over.count) == ("OverVoltage", 1)
    assert over.seconds < 31 * 24 * HOUR
    assert ground == FaultsOfMonth(error_code="GroundFailure", count=2, seconds=HOUR)


@pytest.mark.parametrize("sessions", [4, 6])
def test_habits_need_some_sessions(books: Books, station: Station, sessions: int) -> None:
    register = 1000
    for number in range(sessions):
        register = charges_and_stays(station, MARCH + timedelta(days=7 * number // 2), register)
    habits = look(books).habits
    assert (habits is None) == (sessions < 5)
    if habits is not None:
        assert (habits.begin_hour, habits.beginning) == (16, 6)
        assert (habits.energy_wh, habits.plugged_seconds, habits.charging_seconds) == (
            14_400,
            5 * HOUR,
            2 * HOUR,
        )
        assert habits.weekday == 1
