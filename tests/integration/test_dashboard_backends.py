"""The life of another backend in the dashboard: it is added, changed, tested, paused and removed by
forms alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.browsing import Browser, Form, Page
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

PAGE = "/backends"
NOBODY = "ws://127.0.0.1:1/ocpp"
"""At this port nothing listens."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("backends") / "site.db") as running:
        for charger in ("CP-1", "CP-2", "CP-3"):
            with Charger(running.port, charger) as plug:
                plug.call("BootNotification", chargePointVendor="V", chargePointModel="M")
        yield running


def backends(server: Serving) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = api_of(server).ask("GET", "admin", "backends")
    return listed


def form_at(browser: Browser, address: str) -> Form:
    path = address.partition("?")[0]
    return browser.get(address).form(path)


def change(browser: Browser, path: str, **values: str) -> Page:
    return browser.send(form_at(browser, f"/do/put/admin/backends/{path}?next={PAGE}"), **values)


def test_the_life_of_a_backend(server: Serving) -> None:
    browser = Browser(server)
    assert "None yet." in browser.get(PAGE).words

    # Of three chargers, the first and the last are chosen.
    form = form_at(browser, f"/do/post/admin/backends?next={PAGE}")
    values = {"name": "Employer", "url": NOBODY, "with_cards": "true"}
    page = browser.post(form.action, {**form.values, **values})
    assert "Chargers : This is needed" in page.words
    again = page.form("/do/post/admin/backends")
    assert {name: again.values.get(name) for name in values} == values
    chosen = {
        "chargers[0].charger": "CP-1",
        "chargers[0].identity": "NL-1",
        "chargers[0].password": "secret-of-1",
        "chargers[2].charger": "CP-3",
    }
    page = browser.post(again.action, {**again.values, **chosen})
    assert (page.path, "Done: Tell another backend" in page.words) == (PAGE, True)
    (backend,) = backends(server)
    told = {one["charger"]: (one["identity"], one["has_password"]) for one in backend["chargers"]}
    assert told == {"CP-1": ("NL-1", True), "CP-3": ("CP-3", False)}
    assert (backend["with_cards"], backend["other_cards"]) == (True, "OTHER")
    assert "secret-of-1" not in page.html
    number = backend["id"]

    # Only what is changed is sent, and what is emptied is taken away.
    page = change(browser, str(number), name="Employer & Sons", other_cards="")
    assert page.status == 200
    (backend,) = backends(server)
    assert (backend["name"], backend["url"]) == ("Employer & Sons", NOBODY)
    assert (backend["with_cards"], backend["other_cards"]) == (True, None)
    change(browser, f"{number}/chargers/CP-1", without="1\n2")
    change(browser, f"{number}/chargers/CP-2", identity="NL-2")
    found = {one["charger"]: one for one in backends(server)[0]["chargers"]}
    assert (found["CP-1"]["identity"], found["CP-1"]["without"]) == ("NL-1", [1, 2])
    assert found["CP-1"]["has_password"]
    assert found["CP-2"]["identity"] == "NL-2"
    change(browser, f"{number}/chargers/CP-1", without="")
    assert backends(server)[0]["chargers"][0]["without"] == []

    # What was refused once is sent the second time.
    page = change(browser, str(number), url="http://employer.example", other_cards="REST")
    assert page.status == 422
    again = page.form("/do/put/admin/backends")
    assert browser.send(again, url=NOBODY).path == PAGE
    assert (backends(server)[0]["url"], backends(server)[0]["other_cards"]) == (NOBODY, "REST")

    # Its audit names the fields, and no password.
    audit = json.dumps(api_of(server).ask("GET", "admin", "audit"))
    assert "Employer & Sons" in audit
    assert "secret-of-1" not in audit

    # A card gets an alias; without one, it is not told.
    change(browser, f"{number}/cards", card="04A1B2C3", alias="E-4711")
    change(browser, f"{number}/cards", card="04DDEEFF", alias="")
    words = browser.get(PAGE).words
    assert "04a1b2c3 : E-4711" in words
    assert "04ddeeff : is not told" in words
    browser.send(browser.get(PAGE).form(f"/do/delete/admin/backends/{number}/cards/04ddeeff"))
    assert [one["alias"] for one in backends(server)[0]["cards"]] == ["E-4711"]

    # The test says of each charger what is wrong.
    page = browser.send(browser.get(PAGE).form(f"/do/post/admin/backends/{number}/test"))
    assert page.path == PAGE
    assert [f"✕ CP-{one}: " in page.words for one in (1, 2, 3)] == [True] * 3

    browser.send(browser.get(PAGE).form(f"{number}/pause"))
    assert backends(server)[0]["paused_at"] is not None
    page = browser.get(PAGE)
    assert page.words.count("○ paused") == 3
    browser.send(page.form(f"{number}/resume"))
    assert backends(server)[0]["paused_at"] is None

    browser.send(browser.get(PAGE).form(f"/do/delete/admin/backends/{number}/chargers/CP-2"))
    assert [one["charger"] for one in backends(server)[0]["chargers"]] == ["CP-1", "CP-3"]
    page = browser.get(PAGE)
    assert "Remove Employer & Sons for ever" in page.words
    browser.send(page.form("Remove Employer & Sons for ever"))
    assert backends(server) == []


def test_emptied_cards_of_a_new_backend_are_not_told(server: Serving) -> None:
    browser = Browser(server)
    form = form_at(browser, f"/do/post/admin/backends?next={PAGE}")
    assert form.values["other_cards"] == "OTHER"
    values = {"name": "Insurer", "url": NOBODY, "other_cards": "", "chargers[0].charger": "CP-1"}
    browser.post(form.action, {**form.values, **values})
    (backend,) = backends(server)
    assert (backend["with_cards"], backend["other_cards"]) == (False, None)


def test_what_is_wrong_is_said_and_nothing_that_was_entered_is_lost(server: Serving) -> None:
    browser = Browser(server)
    form = form_at(browser, f"/do/post/admin/backends?next={PAGE}")
    chosen = {"chargers[1].charger": "CP-2", "chargers[1].identity": "NL-2"}
    values = {"name": "Registrar", "url": "http://registrar.example", "begins_on": "2026-01-01"}
    page = browser.post(form.action, {**form.values, **values, **chosen})
    assert page.status == 422
    assert "Give an address such as wss://backend.example/ocpp/" in page.words
    again = page.form("/do/post/admin/backends").values
    assert {**again, **values, **chosen} == again
