"""The site as it is now: its cards, its sessions, its power and its energy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from levity_trio.store.reads.now.present import OpenSessions, SessionNow
from levity_trio.store.writes.chargers.hiding import hide
from levity_trio.store.writes.load import load
from tests.store.books import Books, Station, meter_value
from tests.store.nows import Page
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.telling import charge, charge_state, watts


@pytest.fixture
def page(books: Books) -> Page:
    return Page(books)


def test_a_card_says_what_its_connectors_do(books: Books, station: Station, page: Page) -> None:
    station.status("Available", connector=0)
    station.status("Charging")
    station.status("Faulted", connector=2, error="GroundFailure", vendor="E7")
    card = page.charger()
    assert (card.status, card.is_connected, card.since, card.needs_attention) == (
        "Available",
        True,
        books.at,
        True,
    )
    first, second = card.connectors
    assert (first.connector, first.status, first.since, first.error_code) == (
        1,
        "Charging",
        "2026-03-01T12:00:00.000Z",
        None,
    )
    assert (second.connector, second.error_code, second.vendor_error_code) == (
        2,
        "GroundFailure",
        "E7",
    )


def test_a_session_says_why_load_management_holds_it_back(
    books: Books, station: Station, page: Page
) -> None:
    number, other = station.start(1000), station.start(2000, connector=2)
    books.run(load.begin_span, number, "waited", books.at)
    books.run(load.begin_span, other, "below", books.at)
    assert [one.held for one in sessions_of(page)] == ["waited", "below"]
    books.run(load.end_span, number, books.at)
    assert [one.held for one in sessions_of(page)] == [None, "below"]


def sessions_of(page: Page) -> list[SessionNow]:
    found = [one.transaction for one in page.charger().connectors]
    return [one for one in found if one is not None]


def test_one_that_is_away_says_since_when(books: Books, station: Station, page: Page) -> None:
    station.status("Available")
    books.wait(5)
    station.lose()
    lost = books.at
    books.wait(60)
    card = page.charger()
    assert (card.is_connected, card.since, card.connectors[0].status) == (False, lost, "Available")


def test_hidden_and_refused_ones_and_newcomers_have_no_card(books: Books, page: Page) -> None:
    for name in ("CP-1", "CP-2", "CP-3", "CP-4"):
        Station(books, name).lose()
    books.run(hide, "CP-2", books.at, None)
    books.connection.execute("UPDATE cp SET waiting_since = ? WHERE id = 'CP-3'", (books.at,))
    books.connection.execute("UPDATE cp SET registration = 'refused' WHERE id = 'CP-4'")
    assert [one.id for one in page.read().chargers] == ["CP-1"]


def test_only_the_chargers_that_are_asked_for(books: Books, page: Page) -> None:
    for name in ("CP-1", "CP-2", "CP-3"):
        Station(books, name).start()
    found = page.read({"CP-2", "CP-9"})
    assert [one.id for one in found.chargers] == ["CP-2"]
    assert found.site.sessions == 3  # the rest stays whole


def test_a_session_says_who_charges_and_how_much(
    books: Books, station: Station, page: Page
) -> None:
    House(books).give(1, "TAG")
    transaction = station.start(1000)
    books.wait(1)
    sample = meter_value(
        station.clock(),
        1500,
        watts(7200),
        charge_state(40),
        {"value": "31", "measurand": "Current.Import"},
    )
    station.tell(sample, transaction=transaction)
    one = page.session()
    assert (one.id, one.account, one.who, one.id_tag, one.energy_wh) == (
        transaction,
        1,
        "Anna",
        "TAG",
        500,
    )
    assert (one.power_w, one.current_a, one.state_of_charge) == (7200, 31, 40)
    assert (one.is_silent, one.is_suspended, one.power_at) == (
        False,
        False,
        "2026-03-01T12:01:00.000Z",
    )


def test_a_tag_of_no_account_is_named_as_it_is_called(
    books: Books, station: Station, page: Page
) -> None:
    station.start()
    assert page.session().who is None
    books.connection.execute(
        "INSERT INTO tag (key, id_tag, name, status, created_at, created_by)"
        " VALUES ('tag', 'TAG', 'Guest', 'Accepted', '', '')"
    )
    assert page.session().who == "Guest"


def test_a_session_of_no_known_connector_has_a_place(
    books: Books, station: Station, page: Page
) -> None:
    transaction = station.start()
    books.connection.execute("UPDATE tx SET conn_id = NULL WHERE id = ?", (transaction,))
    (place,) = page.charger().connectors
    assert (place.connector, place.transaction and place.transaction.id) == (None, transaction)


def test_the_last_command_of_ten_minutes(books: Books, page: Page) -> None:
    Station(books)
    for number, action in enumerate(("Reset", "UnlockConnector")):
        books.connection.execute(
            (
                "INSERT INTO command (cp_id, action, payload, state, requested_at) "
                "VALUES ('CP-1', ?, '{}', 'accepted', ?)"
            ),
            (action, books.at),
        )
        books.wait(number)
    command = page.charger().command
    assert command is not None
    assert (command.action, command.state) == ("UnlockConnector", "accepted")
    books.wait(10)
    assert page.charger().command is None


@pytest.mark.usefixtures("station")
@pytest.mark.parametrize(("state", "outcome"), [("rejected", None), ("accepted", "not seen")])
def test_a_command_that_failed_stays(
    books: Books, page: Page, state: str, outcome: str | None
) -> None:
    books.connection.execute(
        "INSERT INTO command (cp_id, action, payload, state, requested_at, outcome)"
        " VALUES ('CP-1', 'Reset', '{}', ?, ?, ?)",
        (state, books.at, outcome),
    )
    books.wait(6 * 24 * 60)
    assert page.charger().command is not None
    books.wait(2 * 24 * 60)
    assert page.charger().command is None


# Curves


def test_a_curve_grows_with_its_session(books: Books, station: Station, page: Page) -> None:
    transaction = station.start(1000)
    wh = charge(station, transaction, 1000, minutes=20, power=7200, every=5)
    assert page.session().curve == [(300, 7200), (600, 7200), (900, 7200), (1200, 7200)]
    charge(station, transaction, wh, minutes=10, power=3600, every=5)
    assert page.session().curve[-3:] == [(1200, 7200), (1500, 3600), (1800, 3600)]
    assert page.session().curve == Page(books).session().curve  # as if nothing had been kept


def test_without_power_it_is_that_of_the_register(
    books: Books, station: Station, page: Page
) -> None:
    transaction = station.start(1000)
    for wh in (1100, 1700, 1700):
        books.wait(5)
        station.tell(station.register(wh), transaction=transaction)
        page.read()
    assert page.session().curve == [(600, 7200), (900, 0)]


def test_power_and_register_of_one_time_may_arrive_in_two_messages(
    books: Books, station: Station, page: Page
) -> None:
    transaction = station.start(1000)
    books.wait(5)
    station.tell(station.register(1100), transaction=transaction)
    assert page.session().curve == []
    station.tell(meter_value(station.clock(), watts(5000)), transaction=transaction)
    books.connection.execute("UPDATE tx SET updated_at = ?", (books.at[:-1] + "1Z",))
    assert page.session().curve == [(300, 5000)]


def test_what_was_told_nothing_since_is_not_read_again(books: Books, station: Station) -> None:
    sessions, transaction = OpenSessions(), station.start(1000)
    with reading(books) as db:
        (before,) = sessions.read(db)
        (again,) = sessions.read(db)
        assert again is before
        books.wait(1)
        station.tell(station.register(1500), transaction=transaction)
        (after,) = sessions.read(db)
        assert after.known.energy_wh == 500
        station.stop(transaction, 1600)
        assert sessions.read(db) == []


# Power


def test_power_of_the_site_is_that_of_readings_of_now(books: Books, page: Page) -> None:
    for name in ("CP-1", "CP-2"):
        station = Station(books, name)
        transaction = station.start(1000)
        charge(station, transaction, 1000, minutes=5, every=1)
    site = page.read().site
    # the first is 5 minutes behind
    assert (site.sessions, site.charging, site.power_w, site.silent) == (
        2,
        1,
        7200,
        1,
    )


def test_a_session_that_just_began_is_not_counted_as_silent(
    books: Books, station: Station, page: Page
) -> None:
    station.start(1000)
    assert page.read().site.silent == 0
    books.wait(30)
    assert page.read().site.silent == 1


def test_a_session_is_silent_after_three_of_its_intervals(
    books: Books, station: Station, page: Page
) -> None:
    transaction = station.start(1000)
    charge(station, transaction, 1000, minutes=10, every=2)
    books.wait(5.9)
    assert not page.session().is_silent
    books.wait(0.2)
    assert page.session().is_silent
    books.connection.execute(
        "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at)"
        " VALUES ('CP-1', ?, 'MeterValueSampleInterval', '300', 0, '')",
        (station.session,),
    )
    assert not page.session().is_silent
    books.wait(9)
    assert page.session().is_silent
    assert page.session().power_w == 7200  # with its age


@pytest.mark.parametrize("interval", ["0", "", "soon", "1", None])
def test_an_interval_that_says_nothing(
    books: Books, station: Station, page: Page, interval: str | None
) -> None:
    """None, and one so short that a network is slower."""
    station.start()
    books.connection.execute(
        "INSERT INTO configuration (cp_id, session_id, key, value, readonly, read_at)"
        " VALUES ('CP-1', ?, 'MeterValueSampleInterval', ?, 0, '')",
        (station.session, interval),
    )
    books.wait(0.9)
    assert not page.session().is_silent
    books.wait(15)
    assert page.session().is_silent


def test_a_wrong_clock_makes_no_session_silent(books: Books, page: Page) -> None:
    for name, behind in (("CP-1", 30), ("CP-2", -30)):
        station = Station(books, name, behind=behind)
        station.status("Preparing")
        charge(station, station.start(1000), 1000, minutes=5, every=1)
        station.status("Charging")
        (one,) = [place.transaction for place in page.charger(name).connectors]
        assert one is not None
        assert not one.is_silent
        assert one.power_at == f"{books.at[:20]}000Z"  # by our clock


def test_a_status_that_was_queued_puts_no_reading_into_the_future(
    books: Books, station: Station, page: Page
) -> None:
    """It looks as if the clock were an hour behind."""
    transaction = station.start(1000)
    station.status("Charging", at=station.clock(minutes_ago=60))
    charge(station, transaction, 1000, minutes=5, every=1)
    assert page.session().power_at == books.at
    books.wait(4)
    assert page.session().is_silent


def test_a_suspended_session_is_neither_charging_nor_silent(station: Station, page: Page) -> None:
    station.status("Charging")
    charge(station, station.start(1000), 1000, minutes=5, every=1)
    station.boot()
    site = page.read().site
    # its power is not known
    assert (site.sessions, site.charging, site.power_w, site.silent) == (
        1,
        0,
        0,
        1,
    )
    station.books.wait(60)
    assert (page.session().is_suspended, page.session().is_silent) == (True, False)


# Energy


def ended(station: Station, at: datetime, register: int, wh: int) -> None:
    """A session of three hours that ended at a time."""
    station.books.now = at - timedelta(hours=3)
    transaction = station.start(register)
    station.books.now = at
    station.stop(transaction, register + wh)


def test_energy_is_that_of_what_ended_and_of_what_is_open(books: Books, page: Page) -> None:
    """The site is in Berlin: its days begin at 22:00 or 23:00 UTC."""
    station, register = Station(books), 1000
    for at, wh in (
        (datetime(2026, 4, 30, 21, 59, tzinfo=UTC), 1),  # April still
        (datetime(2026, 5, 1, 0, 59, tzinfo=UTC), 10),
        (datetime(2026, 5, 10, 7, 0, tzinfo=UTC), 100),
        (datetime(2026, 5, 10, 9, 0, tzinfo=UTC), 1000),  # later on the day than now
        (datetime(2026, 5, 31, 22, 0, tzinfo=UTC), 10_000),
        (datetime(2026, 6, 9, 22, 0, tzinfo=UTC), 2000),
    ):
        ended(station, at, register, wh)
        register += wh
    books.now = datetime(2026, 6, 10, 8, 0, tzinfo=UTC)
    transaction = station.start(register)
    station.tell(station.register(register + 500), transaction=transaction)
    energy = page.read().site.energy
    assert (energy.day_since, energy.day_wh) == ("2026-06-09T22:00:00.000Z", 2500)
    assert (energy.month_since, energy.month_wh) == ("2026-05-31T22:00:00.000Z", 12_500)
    assert (energy.last_month_since, energy.last_month_wh) == ("2026-04-30T22:00:00.000Z", 1110)
    assert (energy.last_month_until, energy.last_month_so_far_wh) == (
        "2026-05-10T08:00:00.000Z",
        110,
    )


def test_a_day_that_the_last_month_did_not_have(books: Books, page: Page) -> None:
    books.now = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
    energy = page.read().site.energy
    assert energy.last_month_until == energy.month_since
    books.now = datetime(2027, 1, 15, 12, 0, tzinfo=UTC)
    assert page.read().site.energy.last_month_since == "2026-11-30T23:00:00.000Z"


def test_the_name_of_the_site(books: Books, page: Page) -> None:
    assert page.read().site.name == "levity"
    books.connection.execute(
        "INSERT INTO biller (name, payment_days, set_at, set_by) VALUES ('Owners', 14, '', '')"
    )
    assert page.read().site.name == "Owners"
    for number, name in enumerate(("Bauhof 12", "Garage"), 1):
        books.connection.execute(
            "INSERT INTO station (name, created_at, updated_at) VALUES (?, '', '')", (name,)
        )
        assert page.read().site.name == ("Bauhof 12" if number == 1 else "Owners")


def test_it_can_be_written_as_json(station: Station, page: Page) -> None:
    charge(station, station.start(1000), 1000, minutes=5, every=1)
    assert orjson.loads(orjson.dumps(page.read()))["site"]["power_w"] == 7200
