"""What is odd about a charger although each of its messages is right: its owner is told once, by
cause."""

from __future__ import annotations

import orjson
import pytest

from levity_trio.events import (
    ChargerConnected,
    ChargerDisconnected,
    EnergyUnbilled,
    FactsCounted,
)
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.writes.chargers.sessions import HANGS_UP, MOST_CONNECTIONS
from tests.store.books import Books, Station
from tests.store.deciding import Operator
from tests.store.nows import Page
from tests.store.telling import HOUR, charge
from tests.store.test_imported import import_one

DAY = 24 * HOUR


def told(books: Books) -> list[tuple[str, int, int, int]]:
    """Return all facts about what is odd."""
    facts = [
        orjson.loads(data)
        for (data,) in books.rows("SELECT data FROM event WHERE kind = 'ChargerOdd' ORDER BY id")
    ]
    return [(one["cause"], one["connector"], one["figure"], one["earlier"]) for one in facts]


def unbilled(books: Books) -> list[int]:
    return [
        wh for (wh,) in books.rows("SELECT unbilled_wh FROM tx WHERE unbilled_wh > 0 ORDER BY id")
    ]


def empty(
    station: Station, meter: int = 0, minutes: int = 50, status: str | None = "Charging"
) -> None:
    """Tell a session of a car that took nothing, as its charger says, and the status meanwhile."""
    books = station.books
    station.status("Preparing")
    transaction = station.start(meter)
    if status is not None:
        station.status(status)
    books.wait(minutes)
    station.stop(transaction, meter)
    station.status("Available")
    books.wait(30)


# Nothing is measured


def test_a_charger_that_charges_and_counts_nothing_is_told_once(
    books: Books, station: Station
) -> None:
    page = Page(books)
    empty(station)
    empty(station)
    assert (told(books), page.told()) == ([], [])
    empty(station)
    assert told(books) == [("measures_nothing", 1, 3, 0)]
    empty(station)
    assert len(told(books)) == 1
    words = "CP-1 charged in 4 sessions and measured nothing; look at its meter with a test charge"
    assert page.told() == [("odd", words, "CP-1")]
    books.wait(30 * DAY)
    assert [kind for kind, *_ in page.told()] == ["odd"]  # it lasts until something is measured
    transaction = station.start(0)
    station.status("Charging")
    books.wait(HOUR)
    station.stop(transaction, 6400)
    assert page.told() == []
    assert books.value("SELECT count(*) FROM review") == 0  # each bill stays as it was


@pytest.mark.parametrize("status", ["SuspendedEV", "SuspendedEVSE", "Preparing", None])
def test_a_car_that_is_full_accuses_no_charger(
    books: Books, station: Station, status: str | None
) -> None:
    for _ in range(7):
        empty(station, status=status)
    assert told(books) == []


def test_sessions_that_are_short_or_told_late_show_nothing(books: Books, station: Station) -> None:
    for _ in range(4):
        empty(station, minutes=20)
    for _ in range(4):
        hours = station.clock(3 * HOUR), station.clock(HOUR)
        transaction = station.start(0, at=hours[0])
        station.status("Charging")
        station.stop(transaction, 0, at=hours[1])
        books.wait(4 * HOUR)
    assert told(books) == []


def test_a_short_one_between_is_no_proof_and_no_contradiction(
    books: Books, station: Station
) -> None:
    for minutes in (50, 4, 50, 4, 50):
        empty(station, minutes=minutes)
    assert told(books) == [("measures_nothing", 1, 3, 0)]


def test_a_meter_that_has_counted_before_needs_more_sessions(
    books: Books, station: Station
) -> None:
    """The charger may report Charging for as long as a car is plugged in, and a full car takes
    nothing."""
    station.stop(station.start(10_000, at=station.clock(HOUR)), 15_000)
    for _ in range(4):
        empty(station, 15_000)
    assert told(books) == []
    empty(station, 15_000)
    assert told(books) == [("measures_nothing", 1, 5, 0)]


def test_energy_between_begins_anew(books: Books, station: Station) -> None:
    meter = 0
    for _ in range(4):
        for _ in range(2):
            empty(station, meter)
        transaction = station.start(meter)
        meter = charge(station, transaction, meter)
        station.stop(transaction, meter)
        books.wait(30)
    assert told(books) == []


def test_what_load_management_held_back_is_no_fault_of_the_meter(
    books: Books, station: Station
) -> None:
    for _ in range(4):
        transaction = station.start(0)
        station.status("Charging")
        books.run(paused, transaction, books.at)
        books.wait(HOUR)
        station.stop(transaction, 0)
    assert told(books) == []


def paused(db: UnitOfWork, transaction: int, since: str) -> None:
    db.execute(
        "INSERT INTO load_span (tx_id, why, since) VALUES (?, 'paused', ?)", (transaction, since)
    )


# It comes and goes


def test_a_charger_that_comes_and_goes_is_told_once(books: Books, station: Station) -> None:
    page = Page(books)
    for number in range(1, 300):
        station.lose()
        station.connect()
        assert len(told(books)) == (number > MOST_CONNECTIONS)
    assert page.told() == [
        (
            "odd",
            "CP-1 connected more than 50 times in a day; look at its network and its power supply",
            "CP-1",
        )
    ]
    books.wait(8 * DAY)
    assert page.told() == []


def test_a_charger_that_returns_each_half_hour_is_left_alone(
    books: Books, station: Station
) -> None:
    for _ in range(7 * 48):
        books.wait(30)
        station.lose()
        station.connect()
    assert told(books) == []


def test_a_connection_for_each_message_is_a_manner(books: Books, station: Station) -> None:
    """As openWB's client does: 156 messages, one a minute, each over a connection of its own."""
    page = Page(books)
    transaction = station.start(0)
    station.status("Charging")
    for number in range(156):
        books.wait(1)
        station.tell(station.register(number), transaction=transaction)
        station.lose(code=1000, reason="")
        station.connect()
    assert (told(books), page.told()) == ([], [])
    begun = [fact for fact in books.recorded(ChargerConnected) if not fact.is_usual]
    ended = [fact for fact in books.recorded(ChargerDisconnected) if not fact.is_usual]
    assert (len(begun), len(ended)) == (20, 19)  # each of all was published
    assert len(books.recorded(ChargerDisconnected)) == 156
    assert books.value("SELECT count(*) FROM event WHERE kind = 'ChargerDisconnected'") == 19
    hourly = [(fact.kind, fact.count) for fact in books.recorded(FactsCounted)]
    assert hourly == [("ChargerConnected", 1), ("ChargerConnected", 60), ("ChargerConnected", 60)]
    shown = books.row("SELECT kind, count FROM repair WHERE kind NOT LIKE '%.%'")
    assert shown == (HANGS_UP, 156 - 19)
    assert books.value("SELECT suspended_at FROM tx") is None
    station.lose()
    assert books.value("SELECT suspended_at FROM tx") is not None
    assert not books.recorded(ChargerDisconnected)[-1].is_usual


def test_twenty_ends_in_a_day_or_without_a_word_are_no_manner(
    books: Books, station: Station
) -> None:
    for minutes, code in ((4, 1000), (1, 1006)):
        for _ in range(25):
            books.wait(minutes)
            station.lose(code=code, reason="")
            station.connect()
    assert not any(fact.is_usual for fact in books.recorded(ChargerDisconnected))
    assert books.count("repair") == 0


# The meter was exchanged


def test_more_than_can_have_flowed_is_the_register_of_another_meter(
    books: Books, station: Station
) -> None:
    page = Page(books)
    station.stop(station.start(12_000, at=station.clock(HOUR)), 18_500)
    books.wait(9 * HOUR)
    transaction = station.start(3_100_000)
    books.wait(HOUR)
    station.stop(transaction, 3_107_000)
    assert (told(books), unbilled(books)) == ([("meter_exchanged", 1, 3_100_000, 18_500)], [])
    words = (
        "CP-1 has another meter: between two sessions its register went from 18 to 3100 kWh, more "
        "than can have flowed"
    )
    assert page.told() == [("odd", words, "CP-1")]
    books.wait(HOUR)
    station.stop(station.start(3_107_000), 3_107_000)
    assert (len(told(books)), books.count("event WHERE kind = 'EnergyUnbilled'")) == (1, 0)


def test_an_exchange_of_long_ago_is_not_told_again(books: Books, station: Station) -> None:
    page = Page(books)
    station.stop(station.start(12_000, at=station.clock(HOUR)), 18_500)
    books.wait(9 * HOUR)
    transaction = station.start(3_100_000)
    books.wait(HOUR)
    station.stop(transaction, 3_107_000)
    books.wait(11 * DAY)
    Operator(books).correct(transaction, figure_wh=6900)
    assert (len(told(books)), page.told()) == (1, [])


def test_a_charger_that_delivered_so_much_before_can_do_it_unseen(
    books: Books, station: Station
) -> None:
    """78 kW for half an hour, twice; in the half hour between, 40 kWh flowed that it did not
    report."""
    wh = 5000
    for _ in range(2):
        transaction = station.start(wh)
        station.stop(transaction, charge(station, transaction, wh, 30, power=78_000))
        wh += 79_000
        books.wait(30)
    assert (told(books), unbilled(books)) == ([], [40_000])


def test_what_can_have_flowed_is_unbilled(books: Books, station: Station) -> None:
    station.stop(station.start(12_000, at=station.clock(HOUR)), 18_500)
    books.wait(9 * HOUR)
    transaction = station.start(18_500 + 300_000)
    station.stop(transaction, 18_500 + 300_000)
    assert (told(books), unbilled(books)) == ([], [300_000])


def test_a_boot_that_tells_another_meter_explains_any_difference(
    books: Books, station: Station
) -> None:
    station.boot(meter_serial_number="A1")
    station.stop(station.start(12_000, at=station.clock(HOUR)), 18_500)
    books.wait(9 * HOUR)
    station.boot(meter_serial_number="B2")
    transaction = station.start(90_000)
    station.stop(transaction, 90_000)
    assert (told(books), unbilled(books)) == ([("meter_exchanged", 1, 90_000, 18_500)], [])


def test_a_start_that_is_in_doubt_accuses_nobody(books: Books, station: Station) -> None:
    """It is ten times as high as its readings and its stop, so a person is asked about the
    session."""
    wh = 400_000
    station.stop(station.start(wh - 6000, at=station.clock(HOUR)), wh)
    books.wait(2 * HOUR)
    transaction = station.start(wh * 10)
    station.stop(transaction, charge(station, transaction, wh))
    books.settle()
    assert (told(books), unbilled(books)) == ([], [])
    assert station.review(transaction)


# Since another system was left


def test_what_flowed_since_the_last_imported_session_is_unbilled(books: Books) -> None:
    import_one(books, meter_stop=9000, energy_wh=8000)
    station = Station(books)
    first = station.start(9700)
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", first) == 700
    assert [(one.transaction, one.energy_wh) for one in books.recorded(EnergyUnbilled)] == [
        (first, 700)
    ]
    station.stop(first, 12_000)
    books.wait(60)
    station.start(12_000)
    assert unbilled(books) == [700]


def test_a_register_that_levity_doubted_tells_nothing(books: Books) -> None:
    import_one(books, meter_stop=9000, energy_wh=8000, doubts=("registers",))
    station = Station(books)
    first = station.start(9700)
    assert books.value("SELECT unbilled_wh FROM tx WHERE id = ?", first) is None
