"""Drivers' forms over HTTP: what a driver is told who cannot start, and what nobody does for
another household."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.browsing import PASSWORD, Browser, Page, log_in
from tests.integration.charger import Charger, now
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

LONG_AGO = "2026-01-01"
PEOPLE = {"anna": "04AA", "ben": "04BB"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("driver") / "site.db") as running:
        api = api_of(running)
        for name, tag in PEOPLE.items():
            account = api.ask("POST", "admin", "accounts", given={"name": name, "since": LONG_AGO})[
                "id"
            ]
            api.ask(
                "POST",
                "admin",
                "accounts",
                str(account),
                "give",
                given={"tag": tag, "since": LONG_AGO},
            )
            given = {"name": name, "role": "driver", "account": account, "password": PASSWORD}
            api.ask("POST", "admin", "users", given=given)
        api.ask(
            "POST",
            "admin",
            "users",
            given={"name": "viewer", "role": "viewer", "password": PASSWORD},
        )
        yield running


@pytest.fixture
def charger(server: Serving) -> Iterator[Charger]:
    with Charger(server.port, "CP-1") as connected:
        connected.boot()
        connected.call("StatusNotification", connectorId=1, errorCode="NoError", status="Available")
        yield connected


def place(browser: Browser) -> Page:
    return browser.get("/d/at/CP-1")


def test_a_log_in_leads_to_the_place_of_the_code(server: Serving, charger: Charger) -> None:
    browser = Browser(server)
    asked = place(browser)
    assert f"{charger.identity} ✓ Free" in asked.words
    page = browser.send(asked.form("/login"), name="anna", password=PASSWORD)
    assert (page.status, page.path) == (200, "/d/at/CP-1")
    assert page.form("/start").values["connector_id"] == "1"


def test_why_nothing_was_sent_is_said_at_the_place(server: Serving) -> None:
    anna = log_in(server, "anna")
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        charger.call("StatusNotification", connectorId=1, errorCode="NoError", status="Available")
        form = place(anna).form("/start")
        number = charger.start("04BB", 0)
        page = anna.send(form)
        assert (page.status, page.path) == (200, "/d/at/CP-1")
        assert "✕ This connector is in use" in page.words
        assert "in use" not in place(anna).words.replace("■ In use", ""), "it is told once"
        charger.call("StopTransaction", transactionId=number, meterStop=600, timestamp=now())
    server.wait_line("ChargerDisconnected", charger="CP-1")
    assert "✕ The charger cannot be reached" in anna.send(form).words


def test_nobody_stops_the_session_of_another_household(server: Serving, charger: Charger) -> None:
    number = charger.start("04BB", 500)
    anna, ben = log_in(server, "anna"), log_in(server, "ben")
    form = place(ben).form("/stop")
    assert form.action.endswith(f"/{number}/stop")
    own = place(anna).form("/logout").values["form-value"]
    told = anna.post(form.action, {**form.values, "form-value": own})
    assert f"There is no open session {number} of your household" in told.words
    assert anna.get(f"/d/sessions/{number}").status == 404
    assert anna.get(f"/get/me/statements/{number}").status == 404
    asked = "SELECT count(*) FROM command WHERE action = 'RemoteStopTransaction'"
    assert server.query(asked) == [(0,)]
    charger.call("StopTransaction", transactionId=number, meterStop=600, timestamp=now())


def test_a_form_of_another_site_starts_nothing(server: Serving, charger: Charger) -> None:
    assert charger.identity == "CP-1"
    anna = log_in(server, "anna")
    form = place(anna).form("/start")
    for values in ({**form.values, "form-value": "0" * 64}, {"connector_id": "1"}):
        assert anna.ask("POST", form.action, values).status == 403
    assert (
        anna.ask("POST", form.action, form.values, {"sec-fetch-site": "cross-site"}).status == 403
    )
    assert server.query("SELECT 1 FROM command WHERE action = 'RemoteStartTransaction'") == []


@pytest.mark.parametrize(
    "onward", ["//evil.example/?command={id}", "https://evil.example/?command={id}", "{id}"]
)
def test_a_form_leads_to_no_other_site(server: Serving, onward: str) -> None:
    anna = log_in(server, "anna")
    values = {
        **anna.get("/d/me").form("/logout").values,
        "new_password": PASSWORD,
        "old_password": PASSWORD,
    }
    answer = anna.ask("POST", "/do/post/me/password", {**values, "next": onward})
    assert answer.headers["location"] == "/"
    with_course = anna.ask("POST", "/do/post/me/password", {**values, "next": "/d/me?command={id}"})
    assert with_course.status == 303, "a form that makes no command shows the course of none"


def test_a_driver_sees_no_pages_of_operators_and_they_none_of_his(server: Serving) -> None:
    anna, viewer = log_in(server, "anna"), log_in(server, "viewer")
    for path in (
        "/sessions",
        "/chargers",
        "/accounts/1",
        "/get/admin/codes",
        "/do/post/admin/users",
    ):
        assert anna.get(path).status == 403
    assert "You belong to no household" in viewer.get("/d/sessions").words


def test_a_charger_that_nobody_knows_has_no_place(server: Serving) -> None:
    page = log_in(server, "anna").get("/d/at/GHOST/1")
    assert page.status == 404
    assert "/d/" in page.links


def test_a_failure_leads_a_driver_to_charge(server: Serving) -> None:
    page = log_in(server, "anna").get("/sessions")
    assert "This is not for you This page is for the owner, not for you. Charge" in page.words
    assert page.links[-1] == "/d/"
