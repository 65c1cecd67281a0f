"""The page Now: what it shows of chargers in each state, to whom, and which parts a fact renders
again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from levity_trio.events import LimitIgnored
from levity_trio.store.reads.transactions import power
from levity_trio.store.writes.load import load
from levity_trio.store.writes.load.load import keep_energy
from levity_trio.told import stored
from levity_trio.web.api.engine.endpoints import Role
from levity_trio.web.dashboard.pages import now
from tests.integration.browsing import Page as Shown
from tests.store.bills import Biller
from tests.store.books import Station
from tests.store.owning import House
from tests.store.reading import reading
from tests.store.telling import charge
from tests.web.api.conftest import Site
from tests.web.dashboard.opening import TEMPLATES, Opening, attributes

(NOW,) = now.PAGES
HOSTILE = '"><script>alert(1)</script>'
STOP = "/do/post/admin/chargers/CP-1/remote-stop"


async def look(site: Site, role: Role = Role.ADMIN) -> Mapping[str, Shown]:
    return await Opening(site, role).parts(NOW)


async def card(site: Site, name: str = "CP-1", role: Role = Role.ADMIN) -> Shown:
    return (await look(site, role))[f"charger-{quote(name, safe='')}"]


def ask(
    site: Site,
    action: str,
    state: str,
    outcome: str | None = None,
    words: str | None = None,
    by: str | None = None,
) -> None:
    site.books.connection.execute(
        "INSERT INTO command (cp_id, action, payload, state, requested_at, outcome, "
        "outcome_words, asked_by) "
        "VALUES ('CP-1', ?, '{}', ?, ?, ?, ?, ?)",
        (action, state, site.books.at, outcome, stored(words), by),
    )


@pytest.fixture
def session(site: Site, station: Station) -> int:
    """Anna charges at 7.2 kW, since 10 minutes."""
    House(site.books).give(1, "TAG")
    station.status("Charging")
    transaction = station.start(1000)
    charge(station, transaction, 1000, minutes=10, every=1)
    return transaction


class TestASession:
    async def test_its_card_says_who_and_how_much(self, site: Site, session: int) -> None:
        shown = await card(site)
        assert "Charging Anna 7.2 kW 1.2 kWh since 13:00" in shown.words
        assert {"/chargers/CP-1", f"/sessions/{session}"} <= set(shown.links)
        assert "at most 7.2 kW" in attributes(shown, "svg", "aria-label")[0]

    async def test_it_is_stopped_by_one_button_that_says_whose_it_is(
        self, site: Site, session: int
    ) -> None:
        form = (await card(site)).form(STOP)
        assert "Stop Anna’s session" in form.words
        assert form.values["transactionId"] == str(session)

    async def test_a_viewer_sees_neither_who_nor_buttons(self, site: Site, session: int) -> None:
        shown = await card(site, role=Role.VIEWER)
        assert "Anna" not in shown.html
        assert not shown.forms
        assert f"/sessions/{session}" in shown.links

    @pytest.mark.usefixtures("session")
    async def test_an_old_power_is_dimmed_and_says_how_old_it_is(self, site: Site) -> None:
        site.books.wait(20)
        shown = await card(site)
        assert "No reading for 20 min" in shown.words
        assert "old" in attributes(shown, "span", "class")

    async def test_what_is_unknown_is_a_dash(self, site: Site, station: Station) -> None:
        station.status("Charging")
        station.start()
        assert "TAG – kW" in (await card(site)).words

    async def test_a_charger_that_restarted_may_go_on(self, site: Site, station: Station) -> None:
        station.status("Charging")
        station.start()
        station.boot()
        assert "Interrupted" in (await card(site)).words

    async def test_each_of_two_has_its_own_button(self, site: Site, station: Station) -> None:
        started = {
            station.start(1000, connector=1, tag="ONE"),
            station.start(1000, connector=2, tag="TWO"),
        }
        forms = [one for one in (await card(site)).forms if one.action == STOP]
        assert {int(one.values["transactionId"]) for one in forms} == started
        assert "Stop ONE’s session" in forms[0].words
        keys = attributes(await card(site), "div", "data-key")
        assert len(set(keys)) == 2, (
            "a patch must never turn the button of one into that of the other"
        )


class TestStates:
    async def test_a_quiet_charger_is_one_line(self, site: Site, station: Station) -> None:
        station.status("Available")
        shown = await card(site)
        assert shown.words == "CP-1 Available"
        assert not shown.forms

    async def test_a_cable_leads_to_the_form_of_a_start(self, site: Site, station: Station) -> None:
        station.status("Preparing", connector=2)
        (link,) = [one for one in (await card(site)).links if one.startswith("/do/")]
        assert link == "/do/post/admin/chargers/CP-1/remote-start?next=/&connectorId=2"

    async def test_a_fault_says_its_cause_and_can_be_restarted(
        self, site: Site, station: Station
    ) -> None:
        station.status("Faulted", error="GroundFailure")
        shown = await card(site)
        assert "Faulted GroundFailure since 13:00" in shown.words
        assert shown.form("/reset").values["type"] == "Soft"

    async def test_a_fault_of_the_whole_charger(self, site: Site, station: Station) -> None:
        station.status("Available")
        station.status("Faulted", connector=0, error="InternalError")
        shown = await card(site)
        assert "Faulted InternalError" in shown.words
        assert "Restart CP-1" in shown.form("/reset").words

    async def test_a_faulted_connector_with_a_session_is_stopped_first(
        self, site: Site, station: Station
    ) -> None:
        station.start()
        station.status("Faulted", error="GroundFailure")
        assert [one.action for one in (await card(site)).forms] == [STOP]

    async def test_a_warning_does_not_hide(self, site: Site, station: Station) -> None:
        station.status("Available", error="WeakSignal")
        assert "WeakSignal" in (await card(site)).words

    async def test_one_out_of_use_is_put_back(self, site: Site, station: Station) -> None:
        station.status("Unavailable")
        values = (await card(site)).form("/change-availability").values
        assert (values["connectorId"], values["type"]) == ("1", "Operative")

    async def test_one_that_is_away_is_one_line_without_buttons(
        self, site: Site, station: Station
    ) -> None:
        station.status("Faulted", error="GroundFailure")
        station.lose()
        site.books.wait(180)
        shown = await card(site)
        assert shown.words == "CP-1 ○ away 3 h"
        assert not shown.forms

    @pytest.mark.usefixtures("session")
    async def test_a_session_of_one_that_is_away_stays(self, site: Site, station: Station) -> None:
        station.status("Preparing", connector=2)
        station.lose()
        shown = await card(site)
        assert "Anna" in shown.words
        assert not shown.forms
        assert not [one for one in shown.links if one.startswith("/do/")]

    async def test_the_word_of_ocpp_is_in_the_detail(self, site: Site, station: Station) -> None:
        station.status("SuspendedEV")
        shown = await card(site)
        assert "Paused by car" in shown.words
        assert "SuspendedEV" in attributes(shown, "span", "title")

    @pytest.mark.parametrize("status", ["SuspendedEV", "SuspendedEVSE"])
    @pytest.mark.parametrize(
        ("why", "state"), [("paused", "Waits for current"), ("price", "Waits for a lower price")]
    )
    async def test_a_car_that_is_held_back_is_not_paused_by_itself(
        self, site: Site, station: Station, status: str, why: str, state: str
    ) -> None:
        number = station.start(1000)
        station.status(status)
        site.books.run(load.begin_span, number, why, site.books.at)
        words = (await card(site)).words
        assert state in words
        assert "Paused" not in words
        site.books.run(load.end_span, number, site.books.at)
        assert "Paused by" in (await card(site)).words


class TestCommands:
    @pytest.mark.parametrize(
        ("told", "words"),
        [
            (("Reset", "sent"), "Restart: sent → …"),
            (
                ("RemoteStopTransaction", "accepted", "pending"),
                "Stop a session: sent → accepted → …",
            ),
            (
                ("RemoteStopTransaction", "accepted", "fulfilled"),
                "Stop a session: sent → accepted → ended",
            ),
            (
                ("RemoteStartTransaction", "accepted", "not seen"),
                "✕ Start a session: sent → accepted → it had no effect",
            ),
            (("Reset", "rejected"), "✕ Restart: sent → the charger refused"),
            (("Reset", "expired"), "✕ Restart: never sent"),
            (
                ("ClearCache", "accepted", "contradicted", "it is full"),
                "✕ Make it forget the cards it remembers: sent → accepted → it is full",
            ),
            # and the time
            (
                ("ClearCache", "accepted", None),
                "Make it forget the cards it remembers: sent → accepted 1",
            ),
        ],
    )
    async def test_how_far_it_is(
        self, site: Site, station: Station, told: tuple[Any, ...], words: str
    ) -> None:
        station.status("Available")
        ask(site, *told)
        assert words in (await card(site)).words

    async def test_what_load_management_asks_for_by_itself_is_no_action_of_a_person(
        self, site: Site, station: Station
    ) -> None:
        """To clear what is not there is answered with Unknown, which nobody needs to look at for a
        week."""
        station.status("Available")
        ask(site, "Reset", "accepted", "fulfilled")
        ask(site, "ClearChargingProfile", "rejected", by="load management")
        words = (await card(site)).words
        assert "Restart: sent → accepted" in words
        assert "Lift" not in words


class TestTheSite:
    @pytest.mark.usefixtures("session")
    async def test_one_line_says_whether_all_is_well(self, site: Site) -> None:
        shown = (await look(site))["site"]
        assert "1 car charging · 7.2 kW" in shown.words
        assert "Today 1.2 kWh" in shown.words

    @pytest.mark.parametrize(("wh", "words"), [(83_340, "83.3 kWh"), (203_300, "203 kWh")])
    async def test_the_same_energy_is_written_alike(
        self, site: Site, station: Station, wh: int, words: str
    ) -> None:
        charge(station, station.start(0), 0, minutes=600, power=wh // 10, every=60)
        shown = (await look(site))["site"]
        assert f"Today {words} This month {words}" in shown.words

    async def test_a_month_without_energy_is_left_out(self, site: Site, station: Station) -> None:
        station.status("Available")
        assert "Last month" not in (await look(site))["site"].words

    @pytest.mark.usefixtures("session")
    async def test_beside_it_stands_how_many_are_silent(self, site: Site) -> None:
        site.books.wait(20)
        assert "1 reports no power now" in (await look(site))["site"].words

    async def test_where_all_is_well_nothing_wants_a_look(
        self, site: Site, station: Station
    ) -> None:
        station.status("Available")
        assert (await look(site))["attention"].words == ""

    async def test_each_thing_leads_to_where_it_is_mended(
        self, site: Site, station: Station
    ) -> None:
        station.status("Faulted", error="GroundFailure")
        site.books.connection.execute(
            "INSERT INTO asked_tag VALUES ('x', 'x', 'CP-1', ?, ?, 1)", [site.books.at] * 2
        )
        assert (await look(site))["attention"].links == ["/chargers/CP-1", "/review"]
        assert (await look(site, Role.VIEWER))["attention"].links == ["/chargers/CP-1"]

    async def test_a_charger_that_does_not_obey_is_shown_among_the_others(
        self, site: Site, station: Station
    ) -> None:
        station.status("Available")
        site.books.run(load.manage, ["CP-1"], site.books.at, "anna")
        fact = LimitIgnored(
            charger="CP-1", at=site.books.at, connector=1, limit=10, drawn=15.8, way=1
        )
        site.books.run(load.note_ignored, fact, 2, None)
        shown = (await look(site, Role.VIEWER))["attention"]
        assert "CP-1 does not obey its limit, so others may get less current" in shown.words
        assert shown.links == ["/load"]

    async def test_many_things_are_folded(self, site: Site) -> None:
        for number in range(7):
            Station(site.books, f"CP-{number}").status("Faulted", error="GroundFailure")
        shown = (await look(site))["attention"]
        assert "7 things need attention" in shown.words
        assert "3 more" in shown.words
        assert len(shown.links) == 7


class TestTheDay:
    @pytest.fixture
    async def drawn(self, site: Site, session: int) -> Shown:
        """Anna's session, by the quarter of an hour."""
        charge(Station(site.books), session, 2200, minutes=30, every=1)
        with reading(site.books) as db:
            found = power.taken(db, [session])
        site.books.run(keep_energy, found)
        return (await look(site))["day"]

    async def test_it_shows_each_charger_and_the_same_as_a_table(self, drawn: Shown) -> None:
        assert attributes(drawn, "svg", "aria-label") == [
            "Power of the site today in kW, and yesterday as a line"
        ]
        assert "CP-1: 4.8 kWh" in drawn.words, "all since midnight, as Today above it"
        assert "Hour Today Yesterday" in drawn.words
        assert "/chargers/CP-1" in drawn.links

    @pytest.mark.usefixtures("session")
    async def test_without_energy_there_is_none(self, site: Site) -> None:
        assert (await look(site))["day"].words == ""

    async def test_of_the_same_figures_it_is_rendered_once(self, site: Site, drawn: Shown) -> None:
        assert NOW.live is not None
        (first,) = [
            one for one in await NOW.live(Opening(site).view("", {}), None) if one.id == "day"
        ]
        parts = [
            first,
            replace(first, id="again", values={}),
            replace(first, id="other", key=b"other"),
        ]
        html = TEMPLATES.render_parts(parts, Opening(site).view("", {}), site.books.now)
        assert html["again"] == html["day"] == html["other"]
        assert drawn.html == html["day"]

    @pytest.mark.usefixtures("session")
    async def test_a_fact_of_a_charger_reads_it_not_again(self, site: Site) -> None:
        assert "day" not in await Opening(site).parts(NOW, ["CP-1"])


class TestTheMonth:
    async def test_it_stands_beside_the_last_one_with_its_costs(
        self, site: Site, station: Station, session: int
    ) -> None:
        Biller(House(site.books))
        station.stop(session, 2200)
        shown = (await look(site))["month"]
        assert "This month: 1.2 kWh Last month: 0.0 kWh" in shown.words
        assert "This month: 0.36 EUR, not billed yet" in shown.words
        assert "/history?by=month&show=both" in shown.links
        viewers = (await look(site, Role.VIEWER))["month"]
        assert "1.2 kWh" in viewers.words
        assert "EUR" not in viewers.words


def newcomers(site: Site, count: int) -> None:
    for number in range(1, count + 1):
        Station(site.books, f"NEW-{number}").boot()
    site.books.connection.execute(
        "UPDATE cp SET waiting_since = ? WHERE id LIKE 'NEW-%'", (site.books.at,)
    )


class TestNewcomers:
    @pytest.fixture
    def newcomer(self, site: Site) -> None:
        newcomers(site, 1)

    @pytest.mark.usefixtures("newcomer")
    async def test_one_is_adopted_by_one_button(self, site: Site) -> None:
        shown = (await look(site))["newcomers"]
        assert "United Chargers Grizzl-E is waiting to be adopted" in shown.words
        assert shown.form("Adopt NEW-1").action == "/do/post/admin/chargers/NEW-1/adopt"

    @pytest.mark.usefixtures("newcomer")
    async def test_a_viewer_adopts_nobody(self, site: Site) -> None:
        shown = (await look(site, Role.VIEWER))["newcomers"]
        assert "NEW-1" in shown.words
        assert not shown.forms

    async def test_many_do_not_bury_the_chargers(self, site: Site, station: Station) -> None:
        station.status("Available")
        newcomers(site, 62)
        shown = await look(site)
        assert not shown["newcomers"].words
        assert "62 new chargers wait to be adopted or refused" in shown["attention"].words
        assert "/review?kind=charger" in shown["attention"].links

    async def test_three_have_a_card_each(self, site: Site) -> None:
        newcomers(site, 3)
        assert len((await look(site))["newcomers"].forms) == 3


class TestTheFirstCharger:
    async def test_the_page_leads_to_it(self, site: Site) -> None:
        shown = (await look(site))["start"]
        assert "ws://192.0.2.7:9000/ws/CHARGER-ID" in shown.words
        assert "The address ws://192.0.2.7:9000/ws/ as a QR code" in attributes(
            shown, "svg", "aria-label"
        )
        assert {"/do/post/admin/chargers", "/help/chargers/makes"} <= set(shown.links)
        assert "charging" not in (await look(site))["site"].words

    async def test_once_it_is_connected_the_page_says_so_and_what_comes_next(
        self, site: Site
    ) -> None:
        station = Station(site.books, "SPACE-1")
        station.boot()
        shown = (await Opening(site).parts(NOW, ["SPACE-1"]))["start"]
        assert "SPACE-1 is connected." in shown.words
        assert "/bills" in shown.links
        assert "/bills" not in (await look(site, Role.VIEWER))["start"].links
        station.start()
        assert "SPACE-1" not in (await look(site))["start"].words

    async def test_one_of_several_is_no_first_one(self, site: Site) -> None:
        for name in ("SPACE-1", "SPACE-2"):
            Station(site.books, name).boot()
        assert not (await look(site))["start"].words
        assert "start" not in await Opening(site).parts(NOW, ["SPACE-2"])

    async def test_by_tls_too(self, site: Site) -> None:
        vars(site.api.config).update(tls_port=9443)
        assert "wss://192.0.2.7:9443/ws/" in (await look(site))["start"].words

    async def test_an_address_that_only_this_machine_reaches(self, site: Site) -> None:
        vars(site.api.config).update(host="127.0.0.1")
        assert "Only programs on this machine reach it" in (await look(site))["start"].words

    async def test_a_viewer_is_told_who_can(self, site: Site) -> None:
        shown = (await look(site, Role.VIEWER))["start"]
        assert "192.0.2.7" not in shown.html
        assert "An operator can connect the first one" in shown.words

    @pytest.mark.usefixtures("station")
    async def test_afterwards_it_is_gone(self, site: Site) -> None:
        assert "Connect the first charger" not in (await look(site))["start"].words


async def test_cards_of_one_line_come_after_those_that_say_more(site: Site) -> None:
    for name, status in (
        ("CP-1", "Available"),
        ("CP-2", "Charging"),
        ("CP-3", "Available"),
        ("CP-4", "Faulted"),
    ):
        Station(site.books, name).status(status)
    shown = await Opening(site).open(NOW)
    cards = [one for one in attributes(shown, "div", "id") if one.startswith("charger-")]
    assert cards == ["charger-CP-2", "charger-CP-4", "charger-CP-1", "charger-CP-3"]


class TestWhatIsRenderedAgain:
    @pytest.fixture(autouse=True)
    def three(self, site: Site) -> None:
        for name in ("CP-1", "CP-2", "CP-3"):
            Station(site.books, name).status("Available")

    async def parts(self, site: Site, *changed: str) -> list[str]:
        return [*await Opening(site).parts(NOW, changed)]

    async def test_only_the_charger_that_a_fact_was_about(self, site: Site) -> None:
        assert await self.parts(site, "CP-2") == [
            "site",
            "attention",
            "feeder",
            "sun",
            "newcomers",
            "charger-CP-2",
        ]

    async def test_all_where_a_fact_was_about_none(self, site: Site) -> None:
        assert "charger-CP-3" in await self.parts(site, "")

    async def test_the_card_of_one_that_is_served_no_more_is_emptied(self, site: Site) -> None:
        site.books.connection.execute(
            "UPDATE cp SET hidden_at = ? WHERE id = 'CP-2'", (site.books.at,)
        )
        parts = await Opening(site).parts(NOW, ["CP-2"])
        assert parts["charger-CP-2"].html.strip() == ""

    async def test_one_with_a_comma_in_its_identity(self, site: Site) -> None:
        Station(site.books, "A,B").status("Charging")
        parts = await Opening(site).parts(NOW, ["A,B", "CP-1"])
        assert "Charging" in parts["charger-A%2CB"].words


async def test_hostile_names_stay_text(site: Site) -> None:
    station = Station(site.books, HOSTILE)
    site.books.connection.execute("UPDATE cp SET name = ? WHERE id = ?", (HOSTILE, HOSTILE))
    station.boot(vendor=HOSTILE)
    station.status("Charging")
    charge(station, station.start(1000, tag="'><b>x</b>"), 1000, minutes=10)
    parts = await look(site)
    for shown in parts.values():
        assert not {"script", "b"} & {tag for tag, _ in shown.tags}
    shown = parts[f"charger-{quote(HOSTILE, safe='')}"]
    assert HOSTILE in shown.words
    assert "Stop '><b>x</b>’s session" in shown.words
    assert f"/chargers/{quote(HOSTILE, safe='')}" in shown.links
