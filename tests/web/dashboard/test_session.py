"""The page of one session: what it says of any kind of session, to whom, and what can be done."""

from __future__ import annotations

import re
from datetime import date

import orjson
import pytest

from levity_trio.store.engine.frame_log import store_frames
from levity_trio.told import Quantity, Told, joined, stored
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.charts import MOST_POINTS
from levity_trio.web.dashboard.page import ApiRefused
from levity_trio.web.dashboard.pages import sessions
from levity_trio.web.dashboard.pages.sessions import MOST_WEIGHED
from tests.integration.browsing import Page as Shown
from tests.store.bills import BERLIN, Biller
from tests.store.books import Station, meter_value
from tests.store.owning import House
from tests.store.telling import watts
from tests.store.test_imported import import_one
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import Opening, with_class

SESSION, READINGS, FRAMES = sessions.PAGES[1:]
HOSTILE = '"><script>alert(1)</script>'
SPLIT = """
name = "Split"
valid_from = 2026-01-01
currency = "EUR"
prices = "gross"
tax = 19

[[window]]
name = "noon"
price = 0.20
times = "12:00-13:30"

[energy]
name = "day"
price = 0.30
"""


async def opened(site: Site, number: int, role: Role = Role.ADMIN, link: str = "") -> Shown:
    return await Opening(site, role).open(SESSION, link, id=number)


def tell(station: Station, number: int, wh: int, power: float = 6000, minutes: float = 5) -> None:
    station.books.wait(minutes)
    station.tell(meter_value(station.clock(), wh, watts(power)), transaction=number)


def charge(station: Station, tag: str = "TAG") -> int:
    """An honest hour, from 12:00 to 13:00 UTC."""
    number = station.start(1000, tag=tag)
    for place in range(1, 12):
        tell(station, number, 1000 + 500 * place)
    station.books.wait(5)
    station.stop(number, 7000, tag=tag)
    return number


def drawn(shown: Shown) -> list[int]:
    """Return how many points each curve has."""
    return [
        len(orjson.loads(given["data-points"])) for _, given in shown.tags if "data-points" in given
    ]


def row_count(shown: Shown) -> int:
    return shown.html.split("As a table")[1].split("</table>")[0].count("<tr><th") - 1  # its head


class TestAnyKind:
    @pytest.mark.parametrize(
        "sent",
        [
            *(
                "9999-12-31T23:59:59Z",
                "9999-12-31T23:59:59-12:00",
                "9999-12-31T12:00:00+14:00",
                "9999-12-30T10:00:00Z",
            ),
            *(
                "0001-01-01T00:00:00Z",
                "0001-01-01T00:00:00+05:00",
                "0001-01-01T12:00:00-05:00",
                "0001-01-02T00:00:00Z",
            ),
        ],
    )
    async def test_one_with_times_at_the_edges_of_the_calendar(
        self, site: Site, station: Station, sent: str
    ) -> None:
        open_one = station.start(1000, 2, tag="OPEN", at=sent)
        number = station.start(1000, at=sent)
        station.status("Charging", at=sent)
        station.books.wait(5)
        station.tell(
            meter_value(sent, 3000, watts(6000)),
            meter_value(station.clock(), 4000),
            transaction=number,
        )
        station.stop(number, 7000, at=sent, data=[meter_value(sent, 7000)])
        for one in (number, open_one):
            await opened(site, one)
            await Opening(site).parts(SESSION, id=one)
            await Opening(site).open(FRAMES, id=one)
            await Opening(site).open(READINGS, id=one)

    async def test_an_honest_one(self, site: Site, station: Station) -> None:
        House(site.books).give(1, "TAG")
        shown = await opened(site, charge(station))
        assert "Anna · CP-1" in shown.words
        assert "6.00 kWh Ended 13:00 – 14:00 (1:00 h) , at CP-1 , billed to Anna" in shown.words
        assert "6.000 kWh, certain, from the registers at its start and its end." in shown.words
        assert "The register went from 1.000 to 7.000 kWh." in shown.words
        assert "Today's rules say the same" in shown.words
        assert "as reported" in shown.words
        assert drawn(shown) == [11, 13]
        assert row_count(shown) == 13
        assert {"/chargers/CP-1", "/accounts/1"} <= set(shown.links)

    async def test_on_a_phone_each_figure_of_a_table_stands_beside_its_name(
        self, site: Site, station: Station
    ) -> None:
        charge(station)
        shown = await opened(site, charge(station))
        bounds, readings = shown.html.split('<table class="stacks">')[1:]
        labels = re.compile('data-label="(.+?)"')
        assert labels.findall(bounds) == [
            *("from kWh", "to kWh", "between them"),
            *("from kWh", "to kWh"),
        ]
        assert set(labels.findall(readings)) == {"How many", "From – to", "Lowest", "Highest"}

    async def test_one_without_readings(self, site: Site, station: Station) -> None:
        number = station.start(1000)
        site.books.wait(60)
        station.stop(number, 5000)
        shown = await opened(site, number)
        assert "No readings came" in shown.words
        assert "No reading came between its start and its stop" in shown.words
        assert drawn(shown) == [1, 2]

    async def test_one_with_one_reading(self, site: Site, station: Station) -> None:
        number = station.start(1000)
        tell(station, number, 1500)
        station.stop(number, 1500)
        assert drawn(await opened(site, number)) == [1, 2]

    async def test_one_of_three_seconds(self, site: Site, station: Station) -> None:
        number = station.start(1000)
        site.books.wait(0.05)
        station.stop(number, 1000)
        shown = await opened(site, number)
        assert "0.00 kWh" in shown.words
        assert "(under a minute)" in shown.words

    async def test_one_without_start_or_tag(self, site: Site, station: Station) -> None:
        station.tell(meter_value(station.clock(), 3000))
        site.books.wait(30)
        tell(station, 77, 4000)
        station.stop(77, 5000)
        ((number,),) = site.books.rows("SELECT id FROM tx")
        shown = await opened(site, number)
        assert "unknown · CP-1" in shown.words
        assert "In doubt:" in shown.words

    async def test_an_open_one(self, site: Site, station: Station) -> None:
        number = station.start(1000)
        assert "The session is in progress: 0.000 kWh so far" in (await opened(site, number)).words
        tell(station, number, 1500)
        shown = await opened(site, number)
        assert "0.50 kWh 6.0 kW ● Charging 13:00 – now (0:05 h)" in shown.words
        assert "Stop TAG's session" in shown.form("/do/post/admin/chargers/CP-1/remote-stop").words

    async def test_an_imported_one(self, site: Site) -> None:
        shown = await opened(site, import_one(site.books))
        assert (
            "Imported: 4.000 kWh, as the earlier system said; there it is session 17."
            in shown.words
        )
        assert "What its messages can mean" not in shown.words
        assert "4.00 kWh Imported" in shown.words
        assert drawn(shown) == [2, 3]
        assert "3 kWh 3 kWh" in shown.words.split("What its readings say")[1]

    async def test_a_doubtful_imported_one(self, site: Site) -> None:
        figures = Quantity(0, "Wh"), Quantity(9900, "Wh")
        doubt = joined("; ", [Told("its energy is {1}, but its readings show {2}", *figures)])
        number = import_one(site.books, energy_wh=0, doubts=[doubt], told=stored(doubt))
        shown = await opened(site, number)
        assert "▲ Imported, in doubt" in shown.words
        assert "In doubt: its energy is 0 kWh, but its readings show 9.9 kWh" in shown.words

    async def test_figures_are_told_in_the_units_and_names_of_people(
        self, site: Site, station: Station
    ) -> None:
        House(site.books).give(1, "TAG")
        number = station.start(225_785, tag="TAG")
        tell(station, number, 285_785)
        station.stop(number, 285_785, tag="TAG")
        shown = await opened(site, number)
        head, story = shown.words.split("Why this figure")[0], shown.words.split("What happened")[1]
        assert "60 kWh in 5 min" in head
        assert (
            "start register 225.785 kWh; its time 13:00:00" in story.split("Everything as text")[0]
        )
        assert "Anna: the card TAG belonged to it since" in shown.words
        assert not re.search(r"\d Wh\b", head)

    async def test_an_unknown_one(self, site: Site) -> None:
        with pytest.raises(ApiRefused):
            await opened(site, 7)

    async def test_a_month_of_100_000_readings_is_drawn_with_few_points_and_weighed_when_asked(
        self, site: Site, station: Station
    ) -> None:
        number = month(station, MOST_WEIGHED + 10)
        shown = await opened(site, number)
        assert all(count <= MOST_POINTS for count in drawn(shown))
        assert row_count(shown) <= MOST_POINTS
        assert "What its messages can mean" not in shown.words
        assert "?weighed=true" in shown.links
        assert (
            "What its messages can mean" in (await opened(site, number, link="?weighed=true")).words
        )


def month(station: Station, count: int) -> int:
    """A session of 30 days with this many readings."""
    number, wh = station.start(0), 0
    values = []
    for _ in range(count // 2):
        station.books.wait(30 * 24 * 60 / (count // 2))
        wh += 10
        values.append(meter_value(station.clock(), wh, watts(3000)))
    for begin in range(0, len(values), 500):
        station.tell(*values[begin : begin + 500], transaction=number)
    station.stop(number, wh)
    return number


class TestProof:
    async def test_a_gap_in_the_readings_is_a_gap(self, site: Site, station: Station) -> None:
        number = station.start(1000)
        for place in range(1, 4):
            tell(station, number, 1000 + 500 * place)
        site.books.wait(60)
        tell(station, number, 9000)
        tell(station, number, 9500)
        lines = [given["d"].count("M") for given in with_class(await opened(site, number), "line")]
        assert lines == [2, 2]

    async def test_the_way_that_was_taken_and_the_neighbour(
        self, site: Site, station: Station
    ) -> None:
        charge(station)
        site.books.wait(10)
        number = station.start(7200)
        tell(station, number, 7700)
        station.stop(number, 900)
        shown = await opened(site, number)
        assert "● taken" in shown.words
        assert "the one before" in shown.words

    async def test_each_way_to_read_it_and_what_contradicts_it(
        self, site: Site, station: Station
    ) -> None:
        number = station.start(7200)
        for wh in (7700, 0, 8200):
            tell(station, number, wh)
        station.stop(number, 8700)
        shown = await opened(site, number)
        assert "✕ impossible :" in shown.words
        assert "what contradicts" in shown.words

    async def test_what_happened_stands_in_order_with_its_messages(
        self, site: Site, station: Station
    ) -> None:
        number = charge(station)
        shown = await opened(site, number)
        words = shown.words.split("What happened")[1]
        assert words.index("13:00:00 start by charger") < words.index(
            "14:00:00 stop by charger: Local"
        )
        assert '"meterStop": 7000' in shown.html

    async def test_its_readings_as_sent(self, site: Site, station: Station) -> None:
        number = charge(station)
        opening = Opening(site, Role.VIEWER)
        shown = await opening.open(READINGS, id=number)
        assert shown.html.count("<tr><th") == 23  # and the head
        assert f"/sessions/{number}" in shown.links
        shown = await opening.open(READINGS, "?measurand=Power.Active.Import", id=number)
        assert "11 readings." in shown.words
        assert "None." in (await opening.open(READINGS, "?measurand=odd", id=number)).words

    async def test_its_charger_has_its_name_and_its_id_stands_beside(
        self, site: Site, station: Station
    ) -> None:
        site.books.connection.execute("UPDATE cp SET name = 'Space 4' WHERE id = 'CP-1'")
        number = charge(station)
        assert "Charger Space 4 CP-1 , connector 1" in (await opened(site, number)).words
        assert (
            "All that Space 4 and the server sent"
            in (await Opening(site).open(FRAMES, id=number)).words
        )

    async def test_its_frames_are_those_of_its_charger_meanwhile(
        self, site: Site, station: Station
    ) -> None:
        frame(site, station, "before")
        site.books.wait(30)
        number = station.start(1000)
        frame(site, station, HOSTILE)
        site.books.wait(30)
        station.stop(number, 2000)
        site.books.wait(30)
        frame(site, station, "after")
        shown = await Opening(site, Role.OPERATOR).open(FRAMES, id=number)
        assert HOSTILE in shown.words
        assert "before" not in shown.words
        assert "after" not in shown.words
        assert FRAMES.role is Role.OPERATOR
        shown = await Opening(site).open(FRAMES, "?action=Heartbeat", id=number)
        assert HOSTILE not in shown.words

    async def test_its_bill_with_price_windows(self, site: Site, station: Station) -> None:
        biller = Biller(House(site.books))
        biller.assign(biller.add(SPLIT), date(2026, 2, 1))
        biller.house.give(1, "TAG")
        assert site.api.config.time_zone != BERLIN
        number = charge(station)  # 12:00 to 13:00 of the site: the zone of this API is UTC
        site.books.wait(0)
        shown = await opened(site, number)
        assert "To be billed (2026-03 is not closed yet)" in shown.words
        assert "6.000 kWh × 0.20 EUR = 1.20 EUR" in shown.words
        assert with_class(shown, "band") == []
        longer = station.start(7000)
        tell(station, longer, 9000, minutes=20)
        tell(station, longer, 12_000, minutes=30)
        station.stop(longer, 12_000)
        shown = await opened(site, longer)
        assert [given["class"] for given in with_class(shown, "band")] == [
            "band shade-0",
            "band shade-1",
        ] * 2
        assert "noon day" in " ".join(shown.words.split("Register")[0].split()[-8:])
        assert "The price changed from noon to day" in shown.words


def frame(site: Site, station: Station, text: str) -> None:
    row = (station.name, station.session, site.books.at, "recv", '"1"', "DataTransfer", text)
    site.books.run(store_frames, [row])


class TestWhoSeesWhat:
    async def test_a_viewer_sees_no_names_no_money_no_frames_and_no_actions(
        self, site: Site, station: Station
    ) -> None:
        biller = Biller(House(site.books))
        biller.house.give(1, "TAG")
        site.books.connection.execute("INSERT INTO space VALUES ('CP-1', 1, 'Space 4')")
        number = charge(station)
        every = await opened(site, number, Role.OPERATOR)
        shown = await opened(site, number, Role.VIEWER)
        for secret in (
            "Anna",
            "Space 4",
            "EUR",
            "To be billed",
            '"meterStop"',
            "/frames",
            "/do/",
            "/accounts/",
        ):
            assert secret in every.html, secret
            assert secret not in shown.html, secret
        assert "6.00 kWh" in shown.words
        assert drawn(shown) == drawn(every)

    async def test_hostile_texts_stay_words(self, site: Site) -> None:
        station = Station(site.books, HOSTILE)
        site.books.connection.execute("UPDATE cp SET name = ?", (HOSTILE,))
        House(site.books).add(HOSTILE)
        House(site.books).give(3, HOSTILE)
        number = charge(station, HOSTILE)
        station.status("Faulted", error=HOSTILE)
        for page in (SESSION, READINGS, FRAMES):
            shown = await Opening(site).open(page, id=number)
            assert all("src" in given for tag, given in shown.tags if tag == "script")
            assert HOSTILE in shown.words
        assert (
            "/chargers/%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E"
            in (await opened(site, number)).links
        )


class TestDecisions:
    async def test_a_doubtful_one_is_confirmed_or_corrected(
        self, site: Site, station: Station
    ) -> None:
        number = station.start(1000)
        site.books.wait(30)
        station.stop(number, 600_000)
        links = (await opened(site, number)).links
        ((event,),) = site.books.rows("SELECT max(id) FROM tx_event")
        for what in ("confirm", "correct"):
            shown = "&figure_wh=0.000" if what == "confirm" else ""
            assert (
                f"/do/post/admin/transactions/{number}/{what}?next=/sessions/{number}&event={event}{shown}"
                in links
            )
        assert not [
            one for one in links if "/close" in one or "/dismiss" in one or "/take-back" in one
        ]

    async def test_a_doubt_that_questions_no_figure_can_be_dismissed(
        self, site: Site, station: Station
    ) -> None:
        number = charge(station)
        station.stop(number, 8000)
        ((review,),) = site.books.rows("SELECT id FROM review")
        links = (await opened(site, number)).links
        assert [one for one in links if one.startswith(f"/do/post/admin/reviews/{review}/dismiss?")]

    async def test_an_open_one_is_closed_and_one_given_by_hand_is_taken_back(
        self, site: Site, station: Station
    ) -> None:
        number = station.start(1000)
        assert [one for one in (await opened(site, number)).links if "/close?" in one]
        House(site.books).give_by_hand(number, 2)
        shown = await opened(site, number)
        assert [one for one in shown.links if "/take-back?" in one]
        assert "Ben · CP-1" in shown.words


class TestLive:
    async def test_a_fact_of_another_charger_reads_nothing_again(
        self, site: Site, station: Station
    ) -> None:
        number = station.start(1000)
        opening = Opening(site)
        assert await opening.parts(SESSION, {"CP-2"}, id=number) == {}
        every = await opening.parts(SESSION, id=number)
        assert [*every] == ["head", "curves", "why", "bill", "story"]
        tell(station, number, 1500)
        again = await opening.parts(SESSION, {"CP-1"}, id=number)
        assert "0.50 kWh" in again["head"].words
        assert {*again} == {*every}
        assert [*await opening.parts(SESSION, {""}, id=number)] == [*every]

    async def test_it_is_patched_at_most_once_a_second(self) -> None:
        assert SESSION.rest == 1.0
