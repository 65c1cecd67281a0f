"""Two chargers with one meter, of which nobody told: seams show it, or a person is asked."""

from __future__ import annotations

from functools import partial

import pytest

from levity_trio.billing.statement import MeasuringMethod
from levity_trio.store.billing.registers import registers_of
from levity_trio.store.engine.database import rows_of
from levity_trio.store.reads.chargers.chargers import meter_pairs
from levity_trio.store.writes.chargers.replacing import answer_meter
from levity_trio.store.writes.money import meters
from levity_trio.store.writes.money.meters import MeterData
from levity_trio.store.writes.people.accounts import ChangeRefused
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.books import Books, Station
from tests.store.nows import Page
from tests.store.reading import reading
from tests.store.telling import WATTS, bill_of, settle
from tests.store.test_shared_between_chargers import Site, shared
from tests.tools.one_meter import VISIBLE, House, told

NIGHT = 12 * 60
QUESTION = "CP-1 and CP-2 show the same register. Do these two share a meter?"


@pytest.fixture
def site(books: Books, station: Station) -> Site:
    return Site(station, Station(books, "CP-2"), serial="")


def nights(site: Site, number: int, every: int = 5) -> list[int]:
    """Let two cars meet on some nights; return the sessions."""
    sessions: list[int] = []
    for _ in range(number):
        sessions += site.charge_both(every)
        site.books.wait(NIGHT)
    settle(site.books)
    return sessions


def figures(site: Site, sessions: list[int]) -> list[int]:
    return [bill_of(site.stations[0], number)[1] for number in sessions]


def asked(books: Books) -> list[tuple[str, str]]:
    with reading(books) as db:
        return [(one, other) for one, other, _ in meter_pairs(db)]


def answer(books: Books, charger: str, other: str, *, is_one: bool) -> None:
    books.run(partial(answer_meter, is_one=is_one), charger, other, books.at, "ann")
    settle(books)


@pytest.mark.parametrize("every", [0, 1, 5, 15], ids="every {} minutes".format)
def test_four_seams_of_two_nights_show_it(site: Site, every: int) -> None:
    """A car of 7.2 kW charges for an hour, and another one from the middle of it on: together what
    the meter showed is billed, and a person decides."""
    first, second = nights(site, 1, every)
    assert shared(site.books, first, second) == [False, False]
    sessions = [first, second, *nights(site, 1, every)]
    assert shared(site.books, *sessions) == [True] * 4
    assert figures(site, sessions) == [WATTS] * 4


def test_where_a_pace_is_not_known_nothing_is_proposed(site: Site) -> None:
    """Both begin at once on the third night, when they are known to have one meter."""
    nights(site, 2)
    sessions = [site.start(0), site.start(1)]
    site.charge(60, 0, 1)
    for number in (0, 1):
        site.stop(number)
    settle(site.books)
    assert shared(site.books, *sessions) == [True, True]
    assert figures(site, sessions) == [2 * WATTS] * 2


@pytest.mark.parametrize("power", [False, True])
def test_two_meters_are_no_one(books: Books, station: Station, power: bool) -> None:
    """They showed the same register when both cars came, and rise alike."""
    site = Site(station, Station(books, "CP-2"), apart=0, serial="", power=power)
    sessions = nights(site, 3)
    assert shared(books, *sessions) == [False] * 6
    assert asked(books) == []


def test_where_a_limit_of_ours_changed_a_pace_shows_nothing(site: Site) -> None:
    site.books.connection.execute("PRAGMA foreign_keys = OFF")
    for number in range(4 * 48):
        site.books.connection.execute(
            "INSERT INTO load_car_quarter (quarter, cp_id, conn_id, limit_mean, bound, circuit) "
            "VALUES (?, 'CP-1', 1, ?, '', '')",
            (int(site.books.now.timestamp()) // 900 + number, number % 16),
        )
    sessions = nights(site, 3)
    assert shared(site.books, *sessions) == [False] * 6
    assert asked(site.books) == [("CP-1", "CP-2")]


def one_by_one(site: Site) -> tuple[int, int]:
    """A night on which both met, and two on which each charged alone, from where the other one
    had stopped."""
    sessions = site.charge_both(every=0)
    for number in (0, 1):
        site.books.wait(NIGHT)
        site.start(number)
        site.charge(60, number, every=0)
        site.stop(number)
    settle(site.books)
    return sessions


def test_a_person_is_asked_once_and_the_answer_is_kept(site: Site) -> None:
    books = site.books
    sessions = one_by_one(site)
    assert shared(books, *sessions) == [False, False]
    assert asked(books) == [("CP-1", "CP-2")]
    assert Page(books).told() == [("odd", QUESTION, "CP-1")]
    answer(books, "CP-2", "CP-1", is_one=True)
    assert asked(books) == []
    assert shared(books, *sessions) == [True, True]
    assert sum(figures(site, list(sessions))) == 2 * WATTS
    books.wait(NIGHT)
    assert shared(books, *site.charge_both()) == [True, True]

    # Each was given a meter of its own; what was before stays.
    books.wait(NIGHT)
    answer(books, "CP-1", "CP-2", is_one=False)
    assert shared(books, *sessions) == [True, True]
    books.wait(NIGHT)
    assert shared(books, *site.charge_both()) == [False, False]
    assert asked(books) == []


def test_if_they_share_none_they_are_not_asked_about_again(site: Site) -> None:
    books = site.books
    sessions = [*one_by_one(site)]
    answer(books, "CP-1", "CP-2", is_one=False)
    sessions += nights(site, 3)
    assert shared(books, *sessions) == [False] * 8
    assert books.count("meter_pair") == 2
    with pytest.raises(ChangeRefused, match="nobody asks whether CP-1 and CP-3 share a meter"):
        answer(books, "CP-3", "CP-1", is_one=True)


@pytest.mark.parametrize(
    ("chargers", "is_asked"), [((), False), (("CP-1", "CP-2"), False), (("CP-1",), True)]
)
def test_nobody_is_asked_where_a_meter_of_the_house_shows_it(
    site: Site, chargers: tuple[str, ...], is_asked: bool
) -> None:
    data = MeterData("House", 1.0, 2.0, None, "2026-01-01T00:00:00.000Z", chargers=chargers)
    site.books.run(meters.add, data, site.books.at, "ann")
    one_by_one(site)
    assert bool(asked(site.books)) is is_asked


def test_a_paper_says_that_it_was_divided(site: Site) -> None:
    sessions = nights(site, 2)
    for number in sessions:
        site.books.run(decisions.confirm, number, Decision("cleo", "as proposed", site.books.at))
    with reading(site.books) as db:
        found = registers_of(rows_of(db), sessions)
    assert {one.measured for one in found.values()} == {MeasuringMethod.DIVIDED}


# The generator


@pytest.mark.parametrize(
    "house", [House(3, 1, 7400, 2), House(4, 15, 11_000, 3), House(2, 60, 18_400, 3)], ids=str
)
def test_visible_seams_are_found(house: House) -> None:
    found = told(house)
    assert (found.visible >= VISIBLE, found.kind) == (True, "found")
    assert told(house._replace(is_one=False)).kind == "right"


def test_the_month_shows_a_single_meeting() -> None:
    assert told(House(1, 15, 7400, 1)).kind == "by meter"
