"""Pages of a charger: what readers with each role see, what a command's course says, and which
facts change a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from levity_trio.locale import speaking
from levity_trio.operations import OPERATIONS
from levity_trio.store.reads.chargers.chargers import Command
from levity_trio.store.reads.transactions import power
from levity_trio.store.writes.chargers import sessions
from levity_trio.store.writes.chargers.registration import ChargerData, add_charger
from levity_trio.store.writes.load import load
from levity_trio.store.writes.load.load import keep_energy
from levity_trio.web.api.engine.endpoints import Caller, Role
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.engine.serving import application_of
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard import assets
from levity_trio.web.dashboard.operations import GROUPS, groups_for, words_of
from levity_trio.web.dashboard.page import ApiOfPages, DashboardPage, PageView, Snapshots
from levity_trio.web.dashboard.pages import charger, charger_facts
from levity_trio.web.dashboard.progress import steps
from levity_trio.web.dashboard.templating import Templates
from tests.integration.browsing import Page as Shown
from tests.store.books import Station
from tests.store.reading import reading
from tests.store.telling import charge as during
from tests.web.api.conftest import Site, site, station

__all__ = ["site", "station"]
TEMPLATES = Templates(base="", zone=ZoneInfo("Europe/Berlin"))
CHARGER, USE, CHARGERS, SETTINGS, ALL_COMMANDS, COMMAND, FRAMES = charger.PAGES
OF_ENGINEERS = [
    FRAMES,
    ALL_COMMANDS,
    COMMAND,
    *(one for one in charger_facts.PAGES if "security" in one.path),
]
SEEN_BY_ALL = [one for one in charger_facts.PAGES if one.role is Role.VIEWER]
ADDRESS = "10.0.0.1"
ALL = {group.tab for group in GROUPS}
LINKS = {"show": "links"}


def view_of(
    site: Site, role: Role, query: Mapping[str, str] | None = None, identity: str = "CP-1"
) -> PageView:
    app, endpoints = (
        application_of(site.api, ENDPOINTS),
        {(one.method, one.path): one for one in ENDPOINTS},
    )
    api = ApiOfPages(app, endpoints, site.api, Snapshots(site.api.reader))
    return PageView(
        api=api, caller=Caller("cleo", role, "127.0.0.1"), path={"id": identity}, query=query or {}
    )


async def look(
    site: Site,
    page: DashboardPage,
    role: Role = Role.ADMIN,
    query: Mapping[str, str] | None = None,
    identity: str = "CP-1",
) -> Shown:
    view = view_of(site, role, query, identity)
    frame = {
        "page": page,
        "sections": [],
        "assets": assets.names(),
        "site": "levity",
        "notes": [],
        "zone_name": "UTC",
    }
    values = {**frame, "guests": None, **await page.read(view)}
    return Shown(200, page.path, {}, TEMPLATES.render(page.template, view, site.books.now, values))


@pytest.fixture(autouse=True)
def session(site: Site, station: Station) -> int:
    api: Any = site.api  # of which these pages want more
    api.chargers, api.config.local_list = SimpleNamespace(links=list, connected=set), "off"
    station.status("Charging")
    return station.start(1000)


async def test_a_new_serial_number_asks_whether_it_is_another_charger(
    site: Site, station: Station
) -> None:
    station.boot(serial_number="SN-1")
    site.books.wait(1)
    station.boot(serial_number="SN-2")
    words = "SN-1 before, SN-2 since 13:01 . Is it another charger?"
    assert words in (await look(site, CHARGER, Role.VIEWER)).words
    shown = await look(site, CHARGER, Role.OPERATOR)
    asked = [one.values for one in shown.forms if one.action.endswith("/CP-1/serial")]
    assert [one["replaced"] for one in asked] == ["true", "false"]
    (answer,) = [one for one in ENDPOINTS if one.path.endswith("/chargers/{id}/serial")]
    body = {"serial_number": asked[1]["serial_number"], "replaced": False, "reason": "new board"}
    assert (await site.call(answer, id="CP-1", body=body))["serial_number"] == "SN-2"
    assert "another charger" not in (await look(site, CHARGER)).words
    with pytest.raises(Problem, match="nobody asks about the serial number SN-2"):
        await site.call(answer, id="CP-1", body=body)


async def test_two_chargers_that_may_share_a_meter_ask_whether_they_do(site: Site) -> None:
    Station(site.books, "CP-2")
    site.books.connection.execute(
        "INSERT INTO meter_pair (cp_id, other_cp_id, at, is_shown) "
        "VALUES ('CP-1', 'CP-2', '2026-03-01T12:00:00.000Z', 0)"
    )
    words = "CP-2 shows the same register since 13:00 . Do these two share a meter?"
    assert words in (await look(site, CHARGER, Role.VIEWER)).words
    shown = await look(site, CHARGER, Role.OPERATOR)
    asked = [one.values for one in shown.forms if one.action.endswith("/CP-1/meter")]
    assert [(one["charger"], one["shared"]) for one in asked] == [
        ("CP-2", "true"),
        ("CP-2", "false"),
    ]
    (answer,) = [one for one in ENDPOINTS if one.path.endswith("/chargers/{id}/meter")]
    body = {"charger": "CP-2", "shared": False}
    assert (await site.call(answer, id="CP-1", body=body))["id"] == "CP-1"
    assert "share a meter" not in (await look(site, CHARGER)).words


class TestAViewer:
    async def test_sees_who_charges_but_nothing_to_do(self, site: Site, session: int) -> None:
        page = await look(site, CHARGER, Role.VIEWER)
        assert "Charging" in page.words
        assert f"/sessions/{session}" in page.links
        assert not [one for one in page.forms if one.action.startswith("/do/")]
        assert not [one for one in page.links if one.startswith("/do/")]

    @pytest.mark.parametrize(
        ("kept", "words"),
        [(None, "every 60 s"), (300, "every 300 s, its own interval (it was told 60 s)")],
    )
    async def test_sees_the_heartbeat_interval_that_it_keeps(
        self, site: Site, station: Station, kept: int | None, words: str
    ) -> None:
        station.boot()
        if kept is not None:
            site.books.run(sessions.keep_interval, station.name, kept)
        assert words in (await look(site, CHARGER, Role.VIEWER)).words

    async def test_is_shown_no_way_to_frames_commands_and_security(self, site: Site) -> None:
        links = (await look(site, CHARGER, Role.VIEWER)).links
        assert not [one for one in links if one.endswith(("/frames", "/commands", "/security"))]
        assert all(one.role is Role.OPERATOR for one in OF_ENGINEERS)

    @pytest.mark.parametrize("page", SEEN_BY_ALL, ids=lambda page: page.path)
    async def test_sees_no_addresses_and_no_actions(self, site: Site, page: DashboardPage) -> None:
        shown = await look(site, page, Role.VIEWER, LINKS)
        assert ADDRESS not in shown.words
        assert not [one for one in shown.links if one.startswith("/do/")]
        assert not [one for one in shown.forms if one.action.startswith("/do/")]


async def test_an_operator_sees_addresses(site: Site) -> None:
    (history,) = [one for one in charger_facts.PAGES if one.path.endswith("/history")]
    assert ADDRESS in (await look(site, history, Role.OPERATOR, LINKS)).words


async def test_an_operator_is_offered_what_an_operator_may(site: Site) -> None:
    pages = [await look(site, each, Role.OPERATOR) for each in (CHARGER, SETTINGS, ALL_COMMANDS)]
    paths = {
        one.partition("CP-1/")[2].partition("?")[0]
        for page in pages
        for one in page.links
        if one.startswith("/do/post/admin/chargers/CP-1/")
    }
    assert {"remote-start", "clear-cache"} <= paths
    assert not {"raw", "update-firmware", "forget"} & paths


def test_each_role_is_offered_what_it_may_and_an_admin_everything(site: Site) -> None:
    asked = {
        role: {
            one.words for group in groups_for(view_of(site, role), *ALL) for one in group.askings
        }
        for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
    }
    assert asked[Role.VIEWER] == set()
    assert asked[Role.OPERATOR] < asked[Role.ADMIN]


async def test_a_fact_about_another_charger_changes_nothing(site: Site) -> None:
    assert CHARGER.live is not None
    view = view_of(site, Role.ADMIN)
    assert await CHARGER.live(view, frozenset({"CP-2", ""})) == ()
    assert {one.id for one in await CHARGER.live(view, frozenset({"CP-1"}))} == {
        "state",
        "commands",
    }


async def test_the_list_says_how_each_is(site: Site) -> None:
    page = await look(site, CHARGERS)
    assert "/chargers/CP-1" in page.links
    assert "Charging" in page.words


async def test_a_state_has_one_word_on_all_pages(site: Site, station: Station) -> None:
    station.status("Available")
    for page in (CHARGERS, CHARGER):
        assert "Available" in (await look(site, page)).words


async def test_the_time_connected_is_that_of_the_days_since_it_is_known(
    site: Site, station: Station
) -> None:
    site.books.wait(24 * 60)
    station.lose()
    site.books.wait(2 * 24 * 60)
    assert "33.3 % of 3 days, 1 connection" in (await look(site, CHARGER)).words
    site.books.wait(60 * 24 * 60)
    assert "0.0 % of 30 days" in (await look(site, CHARGER)).words


async def test_one_that_is_away_says_what_its_connectors_told_before(
    site: Site, station: Station
) -> None:
    station.status("Available", connector=2)
    site.books.wait(60)
    station.lose()
    words = (await look(site, CHARGER)).words
    assert "Away since 14:00" in words
    assert "Connector 2 ○ Away before: Available, since 13:00" in words


async def test_frames_say_that_some_come_later(site: Site) -> None:
    frames = FRAMES
    assert "such as heartbeats, appear here after a few seconds" in (await look(site, frames)).words


async def test_only_one_that_waits_is_new(site: Site) -> None:
    """With --registration open nobody is asked to adopt a charger."""
    for page in (CHARGERS, CHARGER):
        assert "New" not in (await look(site, page)).words
    site.books.connection.execute("UPDATE cp SET waiting_since = ?", (site.books.at,))
    for page in (CHARGERS, CHARGER):
        assert "New" in (await look(site, page)).words


def command(state: str, **fields: Any) -> Command:
    at = "2026-01-01T00:00:00.000Z"
    told: dict[str, Any] = dict.fromkeys(Command.__dataclass_fields__)
    return Command(
        **{**told, "state": state, "requested_at": at, "sent_at": at, "is_late": False, **fields}
    )


class TestACourse:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            (command("queued", sent_at=None), ["waits for the charger"]),
            (command("sent"), ["sent", "waits for the answer"]),
            (command("accepted", answer={"status": "Unlocked"}), ["sent", "unlocked"]),
            (command("accepted", answer={}), ["sent", "accepted"]),
            (
                command("accepted", outcome="pending"),
                ["sent", "accepted", "the result is not known yet"],
            ),
            (
                command("accepted", outcome="fulfilled", outcome_words="it booted"),
                ["sent", "accepted", "it booted"],
            ),
            (
                command("accepted", outcome="not seen", outcome_words="…Z"),
                ["sent", "accepted", "not confirmed in time"],
            ),
            (
                command("rejected", answer={"status": "Rejected"}),
                ["sent", "refused by the charger (rejected)"],
            ),
            (
                command("error", error_code="NotSupported", error_description="no"),
                ["sent", "the charger answered with an error: NotSupported no"],
            ),
            (command("cancelled", sent_at=None), ["cancelled before it was sent"]),
        ],
    )
    def test_says_what_came_of_it(self, given: Command, words: list[str]) -> None:
        assert [one.words for one in steps(given)] == words

    @pytest.mark.parametrize("answer", [None, "text", [], {"status": None}, {"status": 7}])
    def test_bears_any_answer(self, answer: Any) -> None:
        assert steps(command("accepted", answer=answer))


def test_every_action_has_words_of_people() -> None:
    assert all(words_of(action) != action for action in OPERATIONS)
    assert words_of("Vendor.Own") == "Vendor.Own"


class TestUse:
    async def test_a_month_says_how_it_was_used(
        self, site: Site, station: Station, session: int
    ) -> None:
        station.stop(session, during(station, session, 1000, minutes=90))
        station.status("Faulted", error="GroundFailure")
        site.books.wait(30)
        with reading(site.books) as db:
            found = power.taken(db, [session])
        site.books.run(keep_energy, found)
        shown = await look(site, USE)
        assert "10.8 kWh in 1 session" in shown.words
        assert "Energy flowed for 90 minutes" in shown.words
        assert "without charging" not in shown.words
        assert "Ground failure: once, 30 minutes in all" in shown.words
        assert "too few sessions" in shown.words

    async def test_waiting_for_current_is_not_staying(
        self, site: Site, station: Station, session: int
    ) -> None:
        register = during(station, session, 1000, minutes=90)
        site.books.run(load.begin_span, session, "paused", site.books.at)
        site.books.wait(30)
        station.tell(station.register(register), transaction=session)
        station.stop(session, register)
        with reading(site.books) as db:
            found = power.taken(db, [session])
        site.books.run(keep_energy, found)
        words = (await look(site, USE)).words
        assert "A car waited for current for 30 minutes" in words
        assert "without charging" not in words

    async def test_of_a_month_without_any_nothing_is_drawn(self, site: Site) -> None:
        shown = await look(site, USE, Role.VIEWER, {"month": "2026-01"})
        assert "No session ended in this month." in shown.words
        assert {"?month=2025-12", "?month=2026-02"} <= set(shown.links)
        assert "<svg class" not in shown.html


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "What is known of this make"), ("de", "Was über diesen Hersteller bekannt ist")],
)
async def test_a_known_make_leads_to_its_page(
    site: Site, station: Station, language: str, words: str
) -> None:
    def of_makes(shown: Shown) -> list[str]:
        return [one for one in shown.links if one.startswith("/help/chargers/")]

    with speaking(language):
        station.boot(vendor="NOBODY", model="Grizzl-E")
        assert of_makes(await look(site, CHARGER, Role.VIEWER)) == []
        station.boot(vendor="united chargers", model="GRIZZL-E Smart 40A")
        shown = await look(site, CHARGER, Role.VIEWER)
    assert words in shown.words
    assert of_makes(shown) == ["/help/chargers/g-h#grizzl-e-smart-smart-v2"]


async def test_who_adds_a_charger_is_led_to_what_its_make_wants(site: Site) -> None:
    assert "/help/chargers/makes" in (await look(site, CHARGERS)).links
    assert "/help/chargers/makes" not in (await look(site, CHARGERS, Role.VIEWER)).links


async def test_one_that_never_connected_says_what_to_enter(site: Site) -> None:
    assert "/do/post/admin/chargers?next=/chargers/{id}" in (await look(site, CHARGERS)).links
    assert "Enter this address" not in (await look(site, CHARGER)).words
    added = ChargerData(name="Space 1", station=None)
    site.books.run(add_charger, "CP 9", added, site.books.at, "cleo")
    shown = await look(site, CHARGER, identity="CP 9")
    head, buttons, _rest = shown.words.partition("Send a command")
    assert re.search(r"ws://\S+:9000/ws/CP%209", head)
    assert buttons
    assert "/help/chargers/makes" in shown.links
    viewer = await look(site, CHARGER, Role.VIEWER, identity="CP 9")
    assert "Enter this address" not in viewer.words


class TestTheTabs:
    """What an owner needs is on three of them."""

    async def test_an_owner_sees_three_and_the_way_to_the_others(self, site: Site) -> None:
        for page, current in ((CHARGER, "State"), (USE, "Sessions"), (SETTINGS, "Settings")):
            (tabs,) = tabs_of(await look(site, page))
            assert tabs == ["State", "Sessions", "Settings", "For technicians"]
            html = (await look(site, page)).html
            assert f'aria-current="page">{current}<' in html

    async def test_technicians_see_theirs_beneath(self, site: Site) -> None:
        for page in (ALL_COMMANDS, FRAMES, *charger_facts.PAGES):
            shown = await look(site, page)
            _first, second = tabs_of(shown)
            assert second[:2] == ["Commands", "History"]
            assert 'aria-current="true">For technicians<' in shown.html
        _first, second = tabs_of(await look(site, SEEN_BY_ALL[0], Role.VIEWER))
        assert "Frames" not in second

    async def test_settings_say_who_may_charge_and_how_much(self, site: Site) -> None:
        shown = await look(site, SETTINGS)
        assert "Who may charge while the charger is not connected" in shown.words
        assert "The feeder does not limit it." in shown.words
        links = [one.partition("?")[0] for one in shown.links]
        assert "/do/put/admin/load/limits" in links
        assert "/do/put/admin/chargers/CP-1" in links

    async def test_its_sessions_are_listed(self, site: Site, session: int) -> None:
        shown = await look(site, USE)
        assert f"/sessions/{session}" in shown.links
        assert "/sessions?charger=CP-1" in shown.links


def tabs_of(shown: Shown) -> list[list[str]]:
    """Return the names in each row of tabs."""
    rows = shown.html.split('<nav class="tabs"')[1:]
    return [re.findall(r">\s*([^<>]+)</a>", row.partition("</nav>")[0]) for row in rows]
