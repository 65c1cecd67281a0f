"""What load management stores and reads again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from levity_trio.charging.quarters import SECONDS
from levity_trio.charging.sent.evidence import seconds
from levity_trio.events import BoostStarted, GridLimitChanged, LoadSiteChanged
from levity_trio.store.lookups.load_spans import spans_of
from levity_trio.store.reads.load import load as reads
from levity_trio.store.reads.load.load import ConnectorReading, LoadCarQuarter, LoadQuarter, says
from levity_trio.store.writes.load import load
from levity_trio.store.writes.people.accounts import ChangeRefused
from tests.store import loads
from tests.store.books import Books, Station, meter_value
from tests.store.reading import reading
from tests.store.telling import watts

AT, LATER, LATEST = (f"2026-03-01T{hour}:00:00.000Z" for hour in (12, 13, 14))
QUARTER = int(seconds(AT)) // SECONDS
LINE = LoadQuarter(
    quarter=QUARTER,
    circuit="Feeder",
    phase=1,
    other_mean=4.5,
    other_highest=9.0,
    cars_mean=20.0,
    permitted_highest=32.0,
    limit_a=40.0,
    over_seconds=7,
)
CAR = LoadCarQuarter(
    quarter=QUARTER,
    charger="CP-1",
    connector=1,
    transaction=None,
    limit_mean=12.0,
    drawn_mean=11.5,
    bound="circuit",
    circuit="Feeder",
)
WAITS: dict[str, Any] = {
    "bound": "waits",
    "limit_a": 0,
    "of_a": 16,
    "circuit": "Feeder",
    "phase": "L2",
    "place_in_queue": 4,
    "waiting": 6,
    "waits_about_seconds": 1200,
}


def test_the_newest_site_holds_and_an_empty_one_ends_it(books: Books) -> None:
    with reading(books) as db:
        assert reads.newest_site(db) is None
    assert not books.run(load.set_site, "", AT, "anna")
    assert [books.run(load.set_site, toml, AT, "anna") for toml in ("a", "a", "b")] == [
        True,
        False,
        True,
    ]
    with reading(books) as db:
        site = reads.newest_site(db)
        assert site is not None
        assert site.toml == "b"
    books.run(load.keep_state, AT, "{}", "[]")
    assert books.run(load.set_site, "", LATER, "ben")
    with reading(books) as db:
        assert (reads.newest_site(db), reads.load_now(db)) == (None, None)
    assert [(fact.is_managed, fact.by) for fact in books.recorded(LoadSiteChanged)][1:] == [
        (True, "anna"),
        (False, "ben"),
    ]


def test_a_state_replaces_the_one_before(books: Books) -> None:
    shown = {
        "at": AT,
        "is_shadow": True,
        "lines": [],
        "cars": [],
        "meters": [],
        "over": [],
        "grid_a": None,
    }
    books.run(load.keep_state, AT, "{}", "[1]")
    books.run(load.keep_state, LATER, orjson.dumps(shown).decode(), "[2]")
    with reading(books) as db:
        now, kept = reads.load_now(db), reads.kept_state(db)
    assert now is not None
    assert kept is not None
    assert (now.at, now.cars, kept.at, kept.standings, books.count("load_state")) == (
        AT,
        [],
        LATER,
        [2],
        1,
    )


@pytest.mark.usefixtures("station")
def test_a_quarter_is_kept_once_and_shown_in_its_day(books: Books) -> None:
    books.run(load.keep_quarter, [LINE], [CAR])
    books.run(load.keep_quarter, [replace(LINE, over_seconds=1)], [replace(CAR, limit_mean=1.0)])
    with reading(books) as db:
        assert reads.load_history(db, QUARTER, QUARTER + 1) == [LINE]
        assert reads.load_history(db, QUARTER + 1, QUARTER + 2) == []
    with reading(books) as db:
        day = reads.load_day(db, "2026-03-01", "UTC", AT, LATER)
    ((line,), (car,)) = day.lines, day.cars
    assert (line.circuit, line.phase, line.over_seconds) == ("Feeder", "L2", 7)
    assert (line.house_a, line.permitted_a) == ([4.5, None, None, None], [32.0, None, None, None])
    assert (car.limit_a, car.bound, car.transaction) == (
        [12.0, None, None, None],
        ["circuit", None, None, None],
        None,
    )


@pytest.mark.usefixtures("station")
def test_a_wish_holds_until_another_of_its_kind_or_its_end(books: Books) -> None:
    place = ("CP-1", 1)
    for amperes in (10, 8):
        books.run(load.limit_by_hand, place, amperes, "ripe breaker", AT, "anna")
    books.run(load.boost, place, LATER, "airport", AT, "anna")
    with reading(books) as db:
        assert [(one.kind, one.amperes, one.until) for one in reads.wishes(db)] == [
            ("hand", 8, None),
            ("boost", None, LATER),
        ]
        (hand, _) = reads.wishes(db)
    books.run(load.end_wishes, [hand, hand], LATER, "ben")
    books.run(load.limit_by_hand, ("CP-1", 2), None, "", LATER, "ben")
    with reading(books) as db:
        assert [one.kind for one in reads.wishes(db)] == ["boost"]
    assert [fact.until for fact in books.recorded(BoostStarted)] == [LATER]
    with pytest.raises(ChangeRefused):
        books.run(load.boost, ("CP-9", 1), LATER, "", AT, "anna")


def test_what_a_driver_entered_is_of_his_transaction(books: Books, station: Station) -> None:
    transaction = station.start()
    books.run(load.depart, ("CP-1", 1), transaction, (LATER, 9000), AT, "ben")
    with reading(books) as db:
        (wish,) = reads.wishes(db)
    assert (wish.transaction, wish.departure_at, wish.wanted_wh) == (transaction, LATER, 9000)


def spans(books: Books, transaction: int) -> list[tuple[str, ...]]:
    found = spans_of(lambda sql, values: books.rows(sql, *values), transaction)
    return [(one.why, one.since, one.until or "") for one in found]


def test_a_span_begins_and_ends_once(books: Books, station: Station) -> None:
    transaction, other = station.start(1000), station.start(2000, connector=2)
    books.run(load.end_span, transaction, AT)
    assert spans(books, transaction) == []
    for at in (AT, LATER):
        books.run(load.begin_span, transaction, "waited", at)
        assert spans(books, transaction) == [("waited", AT, "")]
    books.run(load.begin_span, other, "paused", AT)
    for at in (LATER, LATEST):
        books.run(load.end_span, transaction, at)
        assert spans(books, transaction) == [("waited", AT, LATER)]
    books.run(load.begin_span, transaction, "waited", LATEST)
    assert spans(books, transaction) == [("waited", AT, LATER), ("waited", LATEST, "")]
    assert spans(books, other) == [("paused", AT, "")]


def test_another_reason_ends_a_span_and_begins_the_next(books: Books, station: Station) -> None:
    """Also by a clock that was set back meanwhile."""
    transaction = station.start(1000)
    books.run(load.begin_span, transaction, "waited", AT)
    books.run(load.begin_span, transaction, "below", LATER)
    books.run(load.begin_span, transaction, "paused", AT)
    books.run(load.end_span, transaction, AT)
    assert spans(books, transaction) == [
        ("waited", AT, LATER),
        ("below", LATER, LATER),
        ("paused", LATER, LATER),
    ]


def test_a_span_that_ends_after_the_stop_is_billed_again(books: Books, station: Station) -> None:
    transaction, other = station.start(1000), station.start(2000, connector=2)
    for one in (transaction, other):
        books.run(load.begin_span, one, "paused", books.at)
    books.wait(60)
    station.stop(transaction, 5000)
    before = books.value("SELECT max(revision) FROM bill_work")
    books.run(load.end_span, other, books.at)
    assert books.value("SELECT max(revision) FROM bill_work") == before
    books.run(load.end_span, transaction, books.at)
    assert books.rows("SELECT tx_id FROM bill_work WHERE revision > ?", before) == [(transaction,)]


def test_what_was_learned_counts_anew_with_another_value(books: Books) -> None:
    for value in ("1", "1", "3"):
        books.run(load.note_learned, "lines", ("", 0), "card", value, AT)
    books.run(load.note_learned, "rotation", ("CP-1", 1), "", "STR", AT)
    books.run(load.note_learned, "rotation", ("CP-1", 1), "", "STR", LATEST)
    with reading(books) as db:
        found = [(one.what, one.value, one.seen) for one in reads.learned(db)]
    assert found == [("lines", "3", 1), ("rotation", "STR", 2)]


def test_a_session_teaches_of_its_card_once_whatever_restarts(
    books: Books, station: Station
) -> None:
    place = station.name, 1
    for _ in range(2):
        transaction = station.start(1000)
        for _ in range(3):
            books.wait(60)
            books.run(load.note_learned, "lines", place, "card", "1", books.at)
            books.run(load.note_learned, "rotation", place, "", "STR", books.at)
        station.stop(transaction, 5000)
        books.wait(60)
    with reading(books) as db:
        found = [(one.what, one.seen) for one in reads.learned(db)]
    assert found == [("lines", 2), ("rotation", 6)]


def test_what_is_forgotten_of_a_charger_is_also_that_it_restarts(
    books: Books, station: Station
) -> None:
    books.run(load.manage, [station.name], AT, "anna")
    books.run(load.note_restarts, station.name, AT)
    books.run(load.forget, None, station.name, LATER, "anna")
    assert books.rows("SELECT restarts_since FROM load_charger") == [(None,)]


def test_a_repeated_order_is_one(books: Books) -> None:
    for amperes, at in ((20.0, AT), (20.0, LATER), (None, LATEST)):
        books.run(load.add_order, amperes, None, "grid", at)
    with reading(books) as db:
        assert [(one.amperes, one.last_at, one.count) for one in reads.orders(db, LATER)] == [
            (20.0, LATER, 2),
            (None, LATEST, 1),
        ]
        newest = reads.newest_order(db)
    assert newest is not None
    assert newest.amperes is None
    assert [fact.amperes for fact in books.recorded(GridLimitChanged)] == [20.0, None]


def test_an_order_is_another_in_another_unit_and_is_kept_as_it_was_held(books: Books) -> None:
    books.run(load.add_order, 8.4, None, "grid", AT)
    books.run(load.add_order, None, 8.4, "grid", LATER)
    with reading(books) as db:
        first, second = reads.orders(db, AT)
    assert (first.until, first.limits, second.until) == (LATER, "chargers", None)
    books.run(
        load.keep_order, replace(second, limits="connection", held_after_seconds=9, highest=8.1)
    )
    books.run(load.add_order, None, None, "grid", LATEST)
    with reading(books) as db:
        _, kept, ended = reads.orders(db, AT)
    assert (kept.kilowatts, kept.held_after_seconds, kept.highest) == (8.4, 9, 8.1)
    assert (kept.limits, ended.limits) == ("connection", "connection"), (
        "an order limits what the last one did"
    )


def test_orders_of_before_limited_the_connection(books: Books) -> None:
    """As the program before this one writes them."""
    old = (
        "INSERT INTO load_order (source, amperes, at, last_at, count) VALUES ('grid', 20, ?, ?, 1)"
    )
    books.run(lambda db: db.execute(old, (AT, AT)))
    books.run(load.add_order, 16.0, None, "grid", LATER)
    with reading(books) as db:
        assert [one.limits for one in reads.orders(db, AT)] == ["connection", "connection"]


def test_what_is_old_goes(books: Books, station: Station) -> None:
    books.run(
        load.keep_quarter,
        [LINE, replace(LINE, quarter=QUARTER + 1)],
        [CAR, replace(CAR, quarter=QUARTER + 1)],
    )
    books.run(load.add_order, 20.0, None, "grid", AT)
    books.run(load.add_order, 30.0, None, "grid", LATER)
    books.run(load.limit_by_hand, ("CP-1", 1), 8, "", AT, "anna")
    books.run(load.limit_by_hand, ("CP-1", 1), 9, "", AT, "anna")
    for price in ("0.2", "0.3"):
        books.run(load.wait_for_price, station.start(), (price, LATER), AT, "anna")
    assert books.run(load.delete_past, QUARTER + 1, LATER, LATER, 1.0) == (5, True)
    for table in ("load_quarter", "load_car_quarter", "load_order", "load_wish", "price_wish"):
        assert books.count(table) == 1, table


SHARES = WAITS | {"bound": "circuit", "limit_a": 8}


@pytest.mark.parametrize(
    ("car", "words"),
    [
        (WAITS, "would wait, about 20 min, fourth of 6"),
        (
            WAITS | {"place_in_queue": 12, "waiting": 14},
            "would wait, about 20 min, number 12 of 14",
        ),
        (WAITS | {"place_in_queue": 1, "waiting": 1}, "would wait, about 20 min"),
        (WAITS | {"waits_about_seconds": None}, "would wait for current"),
        (WAITS | {"bound": "circuit", "limit_a": 8}, "would get 8 A of 16: Feeder L2"),
        (WAITS | {"bound": "most", "limit_a": 16}, "would get all 16 A"),
        (WAITS | {"bound": "fixed", "limit_a": 16}, "is away, so 16 A are kept for it"),
        (
            WAITS | {"bound": "safe", "limit_a": 6, "phase": ""},
            "would get 6 A of 16: the meter of Feeder is silent",
        ),
        (SHARES | {"is_silent": True}, "would get 8 A of 16: the meter of Feeder is silent"),
        (
            WAITS | {"bound": "fixed", "limit_a": 6, "why_fixed": "floor"},
            "cannot be paused, so 6 A are kept for it",
        ),
    ],
)
def test_a_car_is_told_in_words(car: dict[str, Any], words: str) -> None:
    assert says(car) == words


@pytest.mark.parametrize(
    ("lease", "words", "to_driver"),
    [
        (
            None,
            "gets 8 A of 16: Feeder L2",
            "Your car gets 8 A of 16, because others need current, too.",
        ),
        (0, "waits for current", "Your car waits for current."),
        (
            6,
            "gets 6 A of 16: more in a few minutes",
            "Your car gets 6 A of 16, and more in a few minutes.",
        ),
        (
            16,
            "gets 8 A of 16: Feeder L2",
            "Your car gets 8 A of 16, because others need current, too.",
        ),
    ],
)
def test_what_a_car_gets_is_what_its_charger_was_sent(
    books: Books, lease: int | None, words: str, to_driver: str
) -> None:
    """A limit of 8 A that was decided is none of a charger that has another one."""
    car = SHARES | {"waits_about_seconds": None, "lease_a": lease}
    assert says(car, is_shadow=False) == words
    loads.decide(books, loads.car(transaction=7, lease_a=lease), is_shadow=False)
    with reading(books) as db:
        assert reads.says_to_driver(db) == {7: to_driver}


@pytest.mark.parametrize(("why", "is_free"), [("waited", True), ("price", False), ("", False)])
def test_waiting_costs_nothing_where_it_is_noted_that_no_fee_counts_it(
    books: Books, station: Station, why: str, *, is_free: bool
) -> None:
    number = station.start()
    books.run(load.begin_span, number, why, books.at)
    loads.decide(books, loads.car(transaction=number, lease_a=0), is_shadow=False)
    with reading(books) as db:
        words = reads.says_to_driver(db)[number]
    assert words.endswith("Waiting costs nothing.") is is_free


@pytest.mark.parametrize(
    ("odd", "says_so"),
    [
        ({"odd": "entered", "drawn_a": 39.8}, "; entered with 16 A, draws 39.8"),
        ({"bound": "waits", "needs_a": 16}, "; it needs 16 A, until it was seen on its lines"),
        ({"needs_a": 16}, ""),
    ],
)
def test_what_is_odd_of_a_car_stands_beside(odd: dict[str, Any], says_so: str) -> None:
    car = SHARES | {"waits_about_seconds": None} | odd
    plain = says(SHARES | {"waits_about_seconds": None, "bound": car["bound"]}, is_shadow=False)
    assert says(car, is_shadow=False) == plain + says_so


@pytest.mark.parametrize(
    ("bound", "is_silent", "words"),
    [
        ("circuit", True, "Your car gets 8 A of 16, because a meter in the house is silent."),
        ("safe", False, "Your car gets 8 A of 16, because a meter in the house is silent."),
        ("steady", False, "Your car gets 8 A of 16, and more in a few minutes."),
    ],
)
def test_others_are_no_reason_where_something_else_is(
    books: Books, bound: str, is_silent: bool, words: str
) -> None:
    loads.decide(books, loads.car(transaction=7, bound=bound, is_silent=is_silent), is_shadow=False)
    with reading(books) as db:
        assert reads.says_to_driver(db) == {7: words}


# What is plugged in


def tell(station: Station, *values: dict[str, str]) -> None:
    station.tell({"timestamp": station.clock(), "sampledValue": [*values]})


def test_a_car_is_there_from_its_transaction_or_from_what_its_charger_tells(
    books: Books, station: Station
) -> None:
    idle, late = Station(books, "CP-2"), Station(books, "CP-3")
    idle.status("Preparing")
    late.start()
    late.status("Available")  # just before its stop, or by a clock that was set back since
    Station(books, "CP-5").start(connector=2)  # and never tells its status
    offline = Station(books, "CP-4")
    offline.status("SuspendedEV")
    offline.lose()
    station.status("Charging")
    transaction = station.start(1000)
    books.wait(1)
    line = {"measurand": "Current.Import", "unit": "A"}
    tell(station, {"value": "30"} | line)  # superseded
    books.wait(1)
    three = [
        {"value": value, "phase": phase} | line
        for phase, value in (("L1", "15.5"), ("L2", "15"), ("L3", "0"))
    ]
    tell(station, *three, watts(7100, "kW"), {"value": "1500"})
    with reading(books) as db:
        present = reads.load_present(db, books.at)
    assert [
        (one.charger, one.status, one.is_connected, one.transaction) for one in present.cars
    ] == [
        ("CP-1", "Charging", True, transaction),
        ("CP-3", "Available", True, present.cars[1].transaction),
        ("CP-4", "SuspendedEV", False, None),
        ("CP-5", "Charging", True, present.cars[3].transaction),
    ]
    assert present.cars[0].energy_wh == 500
    reading_of = present.cars[0].reading
    assert reading_of is not None
    assert reading_of == ConnectorReading(books.at, (15.5, 15.0, 0.0), None, 7100.0)
    assert present.cars[2].reading is None
    assert ("CP-2", 1) in present.connectors
    books.wait(6)
    with reading(books) as db:
        assert reads.load_present(db, books.at).cars[0].reading is None


def volts(*of_lines: int) -> list[dict[str, str]]:
    return [
        {"value": str(value), "measurand": "Voltage", "unit": "V", "phase": f"L{line}-N"}
        for line, value in enumerate(of_lines, start=1)
    ]


def drawn_now(books: Books) -> float | None:
    with reading(books) as db:
        (car,) = reads.load_present(db, books.at).cars
    return None if car.reading is None else car.reading.watts


def test_what_waited_in_a_charger_does_not_count_before_what_it_measures_now(
    books: Books, station: Station
) -> None:
    """It tells the present first, and then what it stored while its link was lost."""
    station.start()
    books.wait(40)
    tell(station, watts(1400))
    for minute in range(30, 0, -1):
        books.wait(1 / 60)
        station.tell(meter_value(station.clock(minute), watts(11_000)))
    assert drawn_now(books) == 1400
    books.wait(3)
    assert drawn_now(books) == 1400, "also when nothing else has come"


def test_what_is_measured_after_a_clock_was_set_back_counts_within_a_minute(
    books: Books, station: Station
) -> None:
    station.start()
    books.wait(90)
    tell(station, watts(1400))
    station.behind = 60
    for shown in (1400, 1400, 4100, 4100):
        books.wait(0.4)
        tell(station, watts(4100))
        assert drawn_now(books) == shown


def test_what_was_heard_of_a_clock_in_an_open_transaction_is_read_again(
    books: Books, station: Station
) -> None:
    Station(books, "CP-2").register(7)  # nobody charges there
    station.start()
    station.status("Charging")
    for behind in (0, 0, 20, 20):
        books.wait(1)
        station.behind = behind
        tell(station, watts(4100), {"value": "1500"})
    with reading(books) as db:
        heard = reads.heard_before(db, books.at)
    assert {charger for charger, *_ in heard} == {"CP-1"}
    assert [round(told.lag) for *_, told in heard] == [0, 0, 1200, 1200]
    assert heard[-1][-1].at == seconds(books.at)
    assert {link for *_, link, _ in heard} == {station.session}


def test_what_came_before_our_clock_was_set_back_is_old(books: Books, station: Station) -> None:
    station.start()
    station.status("SuspendedEV")
    tell(station, watts(50))
    books.wait(-30)
    assert drawn_now(books) is None
    station.behind = -30
    tell(station, watts(4100))
    with reading(books) as db:
        (car,) = reads.load_present(db, books.at).cars
    assert car.reading is not None
    assert (car.reading.watts, car.changed_at < books.at) == (4100, True)


def test_a_clock_that_was_set_back_while_nobody_charged_hides_no_car(
    books: Books, station: Station
) -> None:
    """Its statuses seem to be older than the one before, for as long as the clock is behind."""
    station.status("Preparing")
    station.status("Available")
    books.wait(3)
    station.behind = 50
    station.status("Preparing")
    transaction = station.start()
    station.status("Charging")
    books.wait(1)
    tell(station, watts(2300))
    with reading(books) as db:
        (car,) = reads.load_present(db, books.at).cars
    assert car.transaction == transaction
    assert car.reading is not None
    assert (car.reading.at, car.reading.watts) == (books.at, 2300.0)


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ([watts(3600, "kW")], (None, None, 3600.0)),
        (
            [watts(2300) | {"phase": "L2"}, watts(0) | {"phase": "L1-N"}],
            ((0.0, 10.0, None), None, None),
        ),
        (
            [watts(2300) | {"phase": phase} for phase in ("L1", "L2", "L3")],
            ((10.0, 10.0, 10.0), None, 6900.0),
        ),
        ([{"value": "12", "measurand": "Current.Import", "unit": "A"}], (None, 12.0, None)),
        ([watts(2300), *volts(230, 3, 0)], (None, None, 2300.0, True)),
        ([watts(2300), *volts(230, 231, 0)], (None, None, 2300.0)),
        ([watts(2300), *volts(230)], (None, None, 2300.0)),
    ],
)
def test_what_a_car_draws(
    books: Books, station: Station, told: list[dict[str, str]], found: tuple[Any, ...]
) -> None:
    station.start()
    station.status("Charging")
    tell(station, *told)
    with reading(books) as db:
        ((*_, reading_of, _),) = reads.load_present(db, books.at).cars
    assert reading_of is not None
    assert reading_of == ConnectorReading(books.at, *found)
