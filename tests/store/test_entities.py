"""What smart homes are shown, as the books have it."""

from __future__ import annotations

from collections.abc import Collection
from zoneinfo import ZoneInfo

import pytest

from levity_trio.billing.ownership import BillBy
from levity_trio.plugins.mqtt.discovery import site_states
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.reads.now.entities import (
    Entities,
    SeenCharger,
    SeenChargers,
    SeenConnector,
    SeenSession,
    things_that_want_a_look,
)
from levity_trio.store.writes.chargers.hiding import hide
from levity_trio.store.writes.people import tags
from levity_trio.store.writes.people.tags import TagData
from tests.store import loads
from tests.store.bills import correct
from tests.store.books import Books, Station, meter_value
from tests.store.nows import WELL, Page
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.telling import watts
from tests.store.test_outcomes import ask


class Look:
    """Reads again and again, as the plug-in does."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.rule = Rule(ZoneInfo("Europe/Berlin"), books.policy, BillBy.TAG)
        self.entities = Entities()

    def read(
        self, only: Collection[str] | None = None, *, with_names: bool = False
    ) -> SeenChargers:
        with reading(self.books) as db:
            return self.entities.read(db, self.books.now, only, is_named=with_names)

    def charger(self, identity: str = "CP-1") -> SeenCharger:
        (found,) = self.read({identity}).chargers
        assert found in self.read().chargers
        return found

    def connector(self, number: int = 1) -> SeenConnector:
        return next(one for one in self.charger().connectors if one.connector == number)

    def session(self, *, with_names: bool = False) -> SeenSession:
        (found,) = [
            one.session
            for each in self.read(with_names=with_names).chargers
            for one in each.connectors
        ]
        assert found is not None
        return found


@pytest.fixture
def look(books: Books) -> Look:
    return Look(books)


def amperes(value: float, phase: str = "") -> dict[str, str]:
    told = {"value": str(value), "measurand": "Current.Import", "unit": "A"}
    return {**told, "phase": phase} if phase else told


def test_a_charger(books: Books, station: Station, look: Look) -> None:
    books.connection.execute("UPDATE cp SET name = 'Space 7'")
    station.boot(firmware_version="5.6")
    found = look.charger()
    assert (found.id, found.name, found.vendor, found.model) == (
        "CP-1",
        "Space 7",
        "United Chargers",
        "Grizzl-E",
    )
    assert (found.firmware, found.is_connected, found.energy_wh, found.connectors) == (
        "5.6",
        True,
        0,
        [],
    )
    station.lose()
    assert not look.charger().is_connected


def test_connectors_are_those_that_are_known(station: Station, look: Look) -> None:
    station.status("Available", connector=0)
    assert look.charger().connectors == []
    station.status("Available", connector=2)
    assert [one.connector for one in look.charger().connectors] == [2]
    station.start(connector=1)
    assert [(one.connector, one.status) for one in look.charger().connectors] == [
        (1, None),
        (2, "Available"),
    ]


def test_an_error_of_the_charger_is_one_of_each_connector(station: Station, look: Look) -> None:
    for number in (1, 2):
        station.status("Available", connector=number)
    station.status("Faulted", connector=2, error="GroundFailure")
    assert [one.error for one in look.charger().connectors] == [None, "GroundFailure"]
    station.status("Faulted", connector=0, error="HighTemperature")
    assert [one.error for one in look.charger().connectors] == ["HighTemperature", "GroundFailure"]
    station.status("Available", connector=0)
    assert look.connector(1).error is None


def test_whether_a_connector_is_in_service(station: Station, look: Look) -> None:
    station.start()
    assert look.connector().is_in_service is None
    station.status("Unavailable")
    assert look.connector().is_in_service is False
    station.status("Available")
    assert look.connector().is_in_service is True
    ask(
        station,
        "ChangeAvailability",
        {"connectorId": 0, "type": "Inoperative"},
        {"status": "Accepted"},
    )
    assert look.connector().is_in_service is False


def test_a_session(books: Books, station: Station, look: Look) -> None:
    transaction = station.start(1000)
    books.wait(1)
    phases = [amperes(16.1, "L1"), amperes(15.9, "L2-N"), amperes(0, "L3")]
    offered = {**amperes(20), "measurand": "Current.Offered"}
    station.tell(
        meter_value(station.clock(), 1200, watts(7400), offered, *phases), transaction=transaction
    )
    assert look.session() == SeenSession(
        transaction=transaction,
        energy_wh=200,
        power_w=7400,
        phases_a={"L1": 16.1, "L2": 15.9, "L3": 0},
        offered_a=20,
        is_suspended=False,
        who=None,
    )


def test_a_current_without_a_phase(station: Station, look: Look) -> None:
    transaction = station.start(1000)
    station.tell(meter_value(station.clock(), 1200, amperes(9.5)), transaction=transaction)
    assert look.session().phases_a == {"": 9.5}


def test_what_is_old_is_not_of_now(books: Books, station: Station, look: Look) -> None:
    transaction = station.start(1000)
    station.tell(
        meter_value(station.clock(), 1000, watts(7400), amperes(32)), transaction=transaction
    )
    books.wait(14)
    station.tell(meter_value(station.clock(), 1200, watts(3700)), transaction=transaction)
    books.wait(2)
    assert (look.session().power_w, look.session().phases_a) == (3700, {})
    books.wait(14)
    assert (look.session().power_w, look.session().energy_wh) == (None, 200)


def test_of_a_session_that_is_suspended_nothing_is_known(station: Station, look: Look) -> None:
    transaction = station.start(1000)
    station.tell(
        meter_value(station.clock(), 1200, watts(7400), amperes(32)), transaction=transaction
    )
    station.boot()
    found = look.session()
    assert (found.is_suspended, found.power_w, found.phases_a, found.energy_wh) == (
        True,
        None,
        {},
        200,
    )


def test_all_open_sessions_count(books: Books, station: Station, look: Look) -> None:
    first, second = station.start(1000), station.start(3000, connector=2)
    station.tell(station.register(1200), transaction=first)
    station.tell(station.register(3300), transaction=second, connector=2)
    books.connection.execute("UPDATE tx SET conn_id = NULL WHERE id = ?", (second,))
    assert look.charger().energy_wh == 200
    books.connection.execute("UPDATE tx SET conn_id = 1 WHERE id = ?", (second,))
    assert look.session().transaction == second  # the newest


def test_who_charges_is_read_only_if_it_is_wanted(
    books: Books, station: Station, look: Look
) -> None:
    House(books).give(1, "TAG")
    station.start(tag="TAG")
    assert look.session(with_names=True).who == "Anna"
    assert look.session().who is None


def test_who_charges_is_else_the_name_of_the_card(
    books: Books, station: Station, look: Look
) -> None:
    station.start(tag="TAG")
    assert look.session(with_names=True).who is None
    books.run(tags.add, books.policy, TagData(id_tag="TAG", name="Visitor"), books.at, "cleo")
    assert look.session(with_names=True).who == "Visitor"


def test_energy_goes_on_after_the_end_of_a_session(
    books: Books, station: Station, look: Look
) -> None:
    """Whether it was read before the end, in between, or not at all."""
    told = []
    for start in (1000, 2000):
        transaction = station.start(start)
        books.wait(1)
        station.tell(station.register(start + 400), transaction=transaction)
        told.append(look.charger().energy_wh)
        books.wait(1)
        station.stop(transaction, start + 500)
        books.settle()
        told.append(look.charger().energy_wh)
    assert told == [400, 500, 900, 1000]
    assert Look(books).charger().energy_wh == 1000


def test_what_is_taken_back_stays(books: Books, station: Station, look: Look) -> None:
    transaction = station.start(1000)
    books.wait(30)
    station.stop(transaction, 3000)
    assert look.charger().energy_wh == 2000
    correct(books, transaction, 500)
    assert station.bill(transaction)[0] == 500
    assert look.charger().energy_wh == Look(books).charger().energy_wh == 2000


def test_who_is_omitted(books: Books, look: Look) -> None:
    for name in ("CP-1", "CP-2", "CP-3", "CP-4"):
        one = Station(books, name)
        one.stop(one.start(1000), 2000)
        one.lose()
    assert (len(look.read().chargers), look.read().omitted, look.read().omitted_wh) == (
        4,
        frozenset(),
        0,
    )
    books.run(hide, "CP-2", books.at, None)
    books.connection.execute("UPDATE cp SET waiting_since = ? WHERE id = 'CP-3'", (books.at,))
    books.connection.execute("UPDATE cp SET registration = 'refused' WHERE id = 'CP-4'")
    for only in (None, ["CP-1", "CP-2", "CP-9"]):
        found = look.read(only)
        assert [one.id for one in found.chargers] == ["CP-1"]
        assert (found.omitted, found.omitted_wh) == (frozenset({"CP-2", "CP-3", "CP-4"}), 3000)
    assert look.read([]).chargers == []


def test_as_many_things_want_a_look_as_the_page_lists(
    books: Books, station: Station, look: Look
) -> None:
    station.status("Faulted", error="GroundFailure")
    transaction = station.start(1000)
    station.tell(station.register(1200), transaction=transaction)
    loads.decide(books, over=[{"circuit": "Garage", "phase": "L1", "since": books.at}])
    Station(books, "CP-2").lose()
    books.wait(30)
    with reading(books) as db:
        count = things_that_want_a_look(db, books.now, look.rule, WELL)
    assert [one.kind for one in Page(books).attention()] == [
        "exceeded",
        "faulted",
        "offline",
        "silent",
    ]
    assert count == 4


def test_the_site_has_the_power_and_the_sessions_of_the_page(books: Books, look: Look) -> None:
    for number, (status, power) in enumerate(
        [("Charging", 7400), ("Preparing", 3700), ("SuspendedEV", 0)]
    ):
        station = Station(books, f"CP-{number}")
        station.status(status)
        transaction = station.start(1000)
        station.tell(meter_value(station.clock(), 1000, watts(power)), transaction=transaction)
    silent, suspended = Station(books, "CP-8"), Station(books, "CP-9")
    for station in (silent, suspended):
        station.status("Charging")
        station.start(1000)
    suspended.lose()
    suspended.connect()
    suspended.boot()
    seen, page = look.read(), Page(books).read().site
    found = site_states("levity", seen.chargers, seen.omitted_wh, 0, {})
    assert (
        (found["levity/site/power"], found["levity/site/charging"])
        == (str(round(page.power_w)), str(page.charging))
        == ("11100", "3")
    )
