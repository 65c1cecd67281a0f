"""Every form of the dashboard: that it can be shown, and that of every operation is filled in and
sent to a charger."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pytest

from levity_trio.operations import OPERATIONS, Operation
from levity_trio.operations.operation import example
from levity_trio.web.api.engine.endpoints import Endpoint
from levity_trio.web.api.listeners import ENDPOINTS
from levity_trio.web.dashboard.operations import CHARGER, GROUPS, words_of
from levity_trio.web.dashboard.tasks import TASKS
from levity_trio.web.dashboard.titles import title_of
from tests.integration.browsing import Browser, Form, Page
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment
from tests.integration.simulating import controlled
from tests.integration.test_operations import wait_for

SIMULATED, RESTARTING = "SIM-1", "SIM-2"
HOSTILE = '"><script>alert(1)</script>'
HOSTILE_ID = "\"><img src=x onerror='alert(1)'>"
NEEDED = {
    "remote-stop": {"transactionId": "5"},
    "get-diagnostics": {"location": "https://files.example.org/"},
}
"""What the server would otherwise find: there is neither a session nor a place for files."""
LAST = ("Reset", "SignedUpdateFirmware", "UpdateFirmware")
"""After these a charger is away for a while."""
LINES_OF_A_FILE = "/api/admin/bank-lines"
IN_PATHS = {
    "tag": "TAG",
    "month": "2026-01",
    "name": "name",
    "connector": "1",
    "reading": "1",
    "number": "1",
    "vehicle": "1",
    "way": "mail",
    "key": "1",
} | {
    "charger": "CP-1",
    "cause": "too_fast",
}


@pytest.fixture(scope="module")
def simulated(server: Serving, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """With two chargers of the simulator, one of which is restarted."""
    folder = tmp_path_factory.mktemp("simulator")
    with controlled(server.port, folder) as control:
        settings = {**environment(), "LEVITY_SIMULATOR_API": control}
        for one in (SIMULATED, RESTARTING):
            run_forked(("simulator", "add", one), folder, settings, 60).check_returncode()
        wait_for(lambda: has_connectors(server, SIMULATED) and has_connectors(server, RESTARTING))
        yield server


def has_connectors(server: Serving, charger: str) -> bool:
    return bool(server.query("SELECT 1 FROM cp_conn WHERE cp_id = ?", charger))


def boot(charger: Charger, vendor: str = "V") -> None:
    charger.call("BootNotification", chargePointVendor=vendor, chargePointModel=vendor)


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield what a person types for a payload, by the names of fields."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from texts(inner, f"{name}[{number}]")
    else:
        yield name, "\n".join(value) if isinstance(value, list) else str(value)


def form_of(browser: Browser, path: str, charger: str = SIMULATED) -> Form:
    address = f"/do/post/admin/chargers/{quote(charger)}/{path}"
    return browser.get(address).form(address)


def last_command(server: Serving) -> tuple[Any, ...]:
    return server.query(
        "SELECT cp_id, action, payload, asked_by, id FROM command ORDER BY id DESC LIMIT 1"
    )[0]


def test_every_operation_is_sent_by_its_form(simulated: Serving, browser: Browser) -> None:
    for operation in sorted(OPERATIONS.values(), key=lambda one: one.action in LAST):
        _send(simulated, browser, operation)


def _send(server: Serving, browser: Browser, operation: Operation) -> None:
    form = form_of(browser, operation.path, RESTARTING)
    typed = dict(texts(example(operation))) | NEEDED.get(operation.path, {}) | {"?deadline": "60"}
    unknown = typed.keys() - set(form.names)
    assert not unknown, (operation.action, unknown, form.names)
    page = browser.post(form.action, typed | form.values)
    assert (page.status, page.path) == (200, f"/chargers/{RESTARTING}"), (
        operation.action,
        page.words[:600],
    )
    words = words_of(operation.action)  # it may be away still, after the one before
    told = (
        f"✓ Sent to {RESTARTING}: {words}",
        f"▲ Waits for {RESTARTING}, which is away: {words}, until ",
    )
    assert any(one in page.words for one in told), page.words[:600]
    charger, action, payload, asked_by, _ = last_command(server)
    assert (charger, action, asked_by) == (RESTARTING, operation.action, "local admin")
    assert example(operation).keys() <= json.loads(payload).keys()


def test_every_group_of_requests_leads_to_an_endpoint_and_none_is_missing() -> None:
    listed = [(one.method, one.endpoint) for group in GROUPS for one in group.askings]
    about = [
        (one.method, one.path) for one in ENDPOINTS if one.changes and one.path.startswith(CHARGER)
    ]
    elsewhere = {
        ("PUT", f"{CHARGER}/connectors/{{connector}}"),  # at the connector
        ("POST", f"{CHARGER}/serial"),  # where it is asked
        ("POST", f"{CHARGER}/meter"),  # where it is asked
        ("POST", f"{CHARGER}/meter-keys"),  # at the keys
        ("DELETE", f"{CHARGER}/meter-keys/{{key}}"),  # at the key
    }
    assert sorted(listed) == sorted(one for one in about if one not in elsewhere)


def test_every_endpoint_that_changes_something_has_a_form(
    server: Serving, browser: Browser
) -> None:
    with Charger(server.port, "CP-1") as charger:
        boot(charger)
        for one in ENDPOINTS:
            if one.changes:
                address = _address(one)
                page = browser.get(address)
                # what it is about is not there
                if page.status == 404 and (one.method, one.path) in TASKS:
                    continue
                assert page.status == 200, (address, page.words)
                if one.path == LINES_OF_A_FILE:  # which is asked for first
                    page.form(address.replace("bank-lines", "bank-files"))
                    continue
                assert title_of(one.method, one.path) in page.form(address).words


def _address(one: Endpoint) -> str:
    number = "CP-1" if "/chargers/{id}" in one.path or "/charge-points/{id}" in one.path else "1"
    path = one.path.removeprefix("/api").format(**IN_PATHS, id=number)
    return f"/do/{one.method.lower()}{path}"


def test_what_is_added_to_a_form_that_was_refused_is_sent_the_second_time(
    server: Serving, browser: Browser
) -> None:
    household = api_of(server).ask("POST", "admin", "accounts", given={"name": "Ulla"})["id"]
    form = browser.get(f"/do/patch/admin/accounts/{household}").form("/do/patch")
    page = browser.send(form, contact="Ulla U.", mail="nonsense")
    assert page.status == 422
    browser.send(page.form("/do/patch"), contact="Ulla U.", mail="ulla@example.org")
    changed = api_of(server).ask("GET", "admin", "accounts", str(household))
    assert (changed["contact"], changed["mail"]) == ("Ulla U.", "ulla@example.org")


class TestWhatAFormKnows:
    def test_the_only_connector_and_what_is_mostly_meant_are_filled_in(
        self, simulated: Serving, browser: Browser
    ) -> None:
        assert form_of(browser, "unlock-connector").values["connectorId"] == "1"
        assert form_of(browser, "reset").values["type"] == "Soft"
        profile = form_of(browser, "set-charging-profile").values
        first = "csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0]"
        assert (profile[f"{first}.startPeriod"], profile[f"{first}.limit"]) == ("0", "16")
        assert "expiryDate" in form_of(browser, "reserve-now").values

    def test_what_may_stay_empty_is_not_filled_in(
        self, simulated: Serving, browser: Browser
    ) -> None:
        assert not [
            name
            for name in form_of(browser, "remote-start").values
            if name.startswith("chargingProfile")
        ]

    def test_tags_and_keys_are_offered(self, simulated: Serving, browser: Browser) -> None:
        tag, key = f"TAG{HOSTILE[:6]}", "HeartbeatInterval"
        api_of(simulated).ask("POST", "admin", "id-tags", given={"id_tag": tag, "name": HOSTILE})
        api_of(simulated).ask(
            "POST", "admin", "chargers", SIMULATED, "configuration", "read", given={}
        )
        page = browser.get(f"/do/post/admin/chargers/{SIMULATED}/remote-start")
        assert tag in _offered(page, "l-idTag")
        assert key in _offered(
            browser.get(f"/do/post/admin/chargers/{SIMULATED}/change-configuration"), "l-key"
        )
        change = browser.get(f"/do/post/admin/chargers/{SIMULATED}/change-configuration", key=key)
        assert change.form("change-configuration").values == (
            change.form("change-configuration").values | {"key": key, "value": "60"}
        )

    @pytest.mark.parametrize("away", ["CP-AWAY", "CP AWAY"])
    def test_one_that_is_away_is_waited_for(
        self, server: Serving, browser: Browser, away: str
    ) -> None:
        with Charger(server.port, away) as charger:
            boot(charger)
        wait_for(lambda: not api_of(server).ask("GET", "admin", "chargers", away)["is_connected"])
        form = form_of(browser, "clear-cache", away)
        page = browser.send(form)
        assert "waits for the charger" in page.words
        refused = browser.send(form_of(browser, "clear-cache", away), **{"?deadline": ""})
        assert (
            "The charger is not connected, so nothing was sent: say how long this may wait for it"
            in refused.words
        )
        number = last_command(server)[-1]
        until = api_of(server).ask("GET", "admin", "commands", str(number))["deadline_at"]
        said = f"Waits for {away}, which is away: {words_of('ClearCache')}, until "
        assert re.search(rf"▲ {said}(\d+ \w+ )?{_minute(until)}", page.words)
        assert "Sent to" not in page.words
        cancelled = browser.send(
            browser.get(f"/commands/{number}").form(f"/do/delete/admin/commands/{number}")
        )
        assert "cancelled before it was sent" in cancelled.words


def _minute(stamp: str) -> str:
    return f"{datetime.fromisoformat(stamp).astimezone():%H:%M}"


def _offered(page: Page, name: str) -> list[str]:
    begin = next(number for number, (tag, given) in enumerate(page.tags) if given.get("id") == name)
    following = page.tags[begin + 1 :]
    count = next(number for number, (tag, _) in enumerate(following) if tag != "option")
    return [given["value"] for _, given in following[:count]]


class TestRows:
    PATH = "send-local-list"

    def test_empty_rows_are_left_out(self, simulated: Serving, browser: Browser) -> None:
        given = _rows({0: "AAA", 2: "BBB"})
        browser.post(form_of(browser, self.PATH).action, form_of(browser, self.PATH).values | given)
        sent = json.loads(last_command(simulated)[2])["localAuthorizationList"]
        assert [(one["idTag"], one["idTagInfo"]["status"]) for one in sent] == [
            ("AAA", "Accepted"),
            ("BBB", "Accepted"),
        ]

    def test_more_rows_send_nothing_and_forget_nothing(
        self, simulated: Serving, browser: Browser
    ) -> None:
        form, before = form_of(browser, self.PATH), last_command(simulated)
        given = form.values | _rows({1: "KEPT"})
        page = browser.post(form.action, given | {"more-rows": "1"})
        more = page.form(form.action)
        assert (page.status, more.values["localAuthorizationList[1].idTag"]) == (200, "KEPT")
        assert len(more.names) > len(form.names)
        assert last_command(simulated) == before

    def test_a_problem_stands_in_its_row_and_at_the_top(
        self, simulated: Serving, browser: Browser
    ) -> None:
        form = form_of(browser, self.PATH)
        page = browser.post(
            form.action, form.values | {"localAuthorizationList[0].idTagInfo.status": "Blocked"}
        )
        assert page.status == 422
        assert "#f-localAuthorizationList[0].idTag" in page.links
        wrong = [given["name"] for tag, given in page.tags if given.get("aria-invalid")]
        assert wrong == ["localAuthorizationList[0].idTag"]


def _rows(tags: Mapping[int, str]) -> dict[str, str]:
    begin = "localAuthorizationList[{}]"
    names = {f"{begin.format(number)}.idTag": tag for number, tag in tags.items()}
    return names | {f"{begin.format(number)}.idTagInfo.status": "Accepted" for number in tags}


class TestAnOpenSession:
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def session(cls, server: Serving) -> Iterator[int]:
        api_of(server).ask("POST", "admin", "accounts", given={"name": HOSTILE})
        ((account,),) = server.query("SELECT max(id) FROM account")
        api_of(server).ask(
            "POST",
            "admin",
            "accounts",
            str(account),
            "give",
            given={"tag": "ANNA", "since": "2020-01-01"},
        )
        with Charger(server.port, "CP-2") as charger:
            boot(charger)
            yield charger.start("ANNA", 0)

    def test_what_would_end_it_names_whose_it_is_and_is_asked_once(
        self, server: Serving, browser: Browser
    ) -> None:
        page = browser.get("/do/post/admin/chargers/CP-2/reset")
        assert f"This ends {HOSTILE} 's session" in page.words
        form = page.form("/reset")
        refused = browser.send(form)
        assert (refused.status, "Nothing was done" in refused.words) == (409, True)
        said = (
            f"{HOSTILE} is charging here: stop that session first, or tick “Do it although a "
            "session is running”"
        )
        assert said in refused.words
        assert "would interrupt" not in refused.words
        browser.send(form, **{"?force": "true"})
        assert last_command(server)[:2] == ("CP-2", "Reset")

    def test_it_is_stopped_by_a_button_that_says_so(
        self, server: Serving, browser: Browser, session: int
    ) -> None:
        form = browser.get("/chargers/CP-2").form("remote-stop")
        assert f"Stop {HOSTILE}'s session" in form.words
        page = browser.send(form)
        assert page.path == "/chargers/CP-2"
        assert json.loads(last_command(server)[2]) == {"transactionId": session}

    def test_its_form_knows_which_one(self, browser: Browser, session: int) -> None:
        form = form_of(browser, "remote-stop", "CP-2")
        assert form.values["transactionId"] == str(session)
        assert f"Stop {HOSTILE}'s session" in form.words
        assert "?force" not in form.names  # it would change nothing


def test_its_configuration_is_compared_with_templates(simulated: Serving, browser: Browser) -> None:
    path = f"/do/post/admin/chargers/{SIMULATED}/configuration/read"
    browser.send(browser.get(path).form(path))
    for name, value in (("as-it-is", "60"), ("other", "61")):
        given = {"entries": {"HeartbeatInterval": value}, "chargers": [SIMULATED]}
        api_of(simulated).ask("PUT", "admin", "configuration-templates", name, given=given)
    page = browser.get(f"/chargers/{SIMULATED}/configuration")
    assert "As in the template as-it-is" in page.words
    assert "Differs from the template other HeartbeatInterval : 60 instead of 61" in page.words
    assert [one for one in page.links if "change-configuration?key=HeartbeatInterval" in one]
    assert "As in the template other" in browser.send(page.form("/other/apply")).words


def test_hostile_names_stay_text(server: Serving, browser: Browser) -> None:
    with Charger(server.port, quote(HOSTILE_ID, safe="")) as charger:
        boot(charger, HOSTILE[:20])
        status = {
            "errorCode": "GroundFailure",
            "status": "Faulted",
            "info": HOSTILE,
            "vendorErrorCode": HOSTILE,
        }
        charger.call("StatusNotification", connectorId=1, **status)
        charger.call("DataTransfer", vendorId=HOSTILE, data=HOSTILE)
        home = f"/chargers/{quote(HOSTILE_ID, safe='')}"
        tabs = [
            "",
            *(
                f"/{one}"
                for one in (
                    "commands",
                    "history",
                    "oddities",
                    "limits",
                    "configuration",
                    "security",
                )
            ),
        ]
        pages = [browser.get(f"{home}{tab}") for tab in (*tabs, "/frames", "/history?show=faults")]
        pages += [browser.get("/chargers"), browser.get(f"/do/post/admin{home}/reset")]
    for page in pages:
        assert page.status == 200, page.path
        assert HOSTILE_ID in page.words
        assert all("src" in given for tag, given in page.tags if tag == "script"), page.path
        assert not [tag for tag, given in page.tags if tag == "img" or "onerror" in given], (
            page.path
        )
    assert HOSTILE in pages[0].words  # the vendor's error code


def test_frames_are_filtered_and_stand_still(server: Serving, browser: Browser) -> None:
    with Charger(server.port, "CP-F") as charger:
        boot(charger)
        charger.call("DataTransfer", vendorId="needle")
        charger.call("Heartbeat")
    # frames are stored later than facts
    wait_for(lambda: '"Heartbeat"' in browser.get("/chargers/CP-F/frames").words)
    page = browser.get("/chargers/CP-F/frames", text="needle")
    assert page.words.count("needle") > 1
    assert '"Heartbeat"' not in page.words
    only = browser.get("/chargers/CP-F/frames", action="Heartbeat", direction="recv", pause="1")
    assert "Go on live" in only.words
    assert ("Heartbeat" in only.words, "needle" in only.words) == (True, False)


def test_a_start_offers_the_tags_of_households(server: Serving, browser: Browser) -> None:
    """A tag that was given to a household may be in no list of tags."""
    with Charger(server.port, "OFFERS-TAGS") as charger:
        boot(charger)
    api = api_of(server)
    api.ask("POST", "admin", "accounts", given={"name": "Anna Becker"})
    (account,) = [
        one["id"]
        for one in api.ask("GET", "admin", "accounts")["data"]
        if one["name"] == "Anna Becker"
    ]
    api.ask("POST", "admin", "accounts", str(account), "give", given={"tag": "04A2B3C4"})
    page = browser.get("/do/post/admin/chargers/OFFERS-TAGS/remote-start")
    assert "04A2B3C4" in [given.get("value") for tag, given in page.tags if tag == "option"]
    (field,) = [
        given for tag, given in page.tags if tag == "input" and given.get("name") == "idTag"
    ]
    assert (field["list"], field["value"]) == ("l-idTag", "")


def test_what_has_a_number_is_chosen_by_its_name_and_a_station_only_where_there_are_some(
    server: Serving, browser: Browser
) -> None:
    address, api = "/do/post/admin/chargers", api_of(server)
    names = [
        given["name"]
        for tag, given in browser.get(address).tags
        if tag == "input" and "id" in given
    ]
    assert names == ["id", "name", "vendor", "model"]
    station = str(api.ask("POST", "admin", "stations", given={"name": "Garage"})["id"])
    page = browser.get(address)
    (field,) = [given for tag, given in page.tags if tag == "select"]
    assert field["name"] == "station"
    assert f'<option value="{station}">Garage</option>' in page.html
    assert browser.send(page.form(address), id="IN-THE-GARAGE", station=station).status == 200
    assert api.ask("GET", "admin", "chargers", "IN-THE-GARAGE")["station_id"] == int(station)
    renaming = "/do/put/admin/chargers/IN-THE-GARAGE"
    browser.send(browser.get(renaming).form(renaming), name="Space 1")
    assert api.ask("GET", "admin", "chargers", "IN-THE-GARAGE")["station_id"] == int(station)
