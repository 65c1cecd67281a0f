"""Inviting drivers on a household's page, over HTTP, and the sheet of codes for chargers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from levity_trio.client import Refusal
from tests.integration.browsing import PASSWORD, Browser, Page, log_in
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

PUBLIC = "https://levity.example"
HOSTILE = "Max <b>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    flags = (
        "--time-zone",
        "Europe/Berlin",
        "--api-allowed-hosts",
        "127.0.0.1",
        "--public-url",
        PUBLIC,
    )
    with serving(tmp_path_factory.mktemp("inviting") / "site.db", *flags) as running:
        api = api_of(running)
        for role in ("operator", "viewer"):
            api.ask(
                "POST", "admin", "users", given={"name": role, "role": role, "password": PASSWORD}
            )
        api.ask("POST", "admin", "accounts", given={"name": "Anna Becker"})
        yield running


def invite(operator: Browser, name: str, how: str) -> Page:
    form = operator.get("/accounts/1").form("Name of a driver")
    return operator.press(form, f"Invite by {how}", name=name)


def code_of(page: Page) -> str:
    found = re.search(r"invite_[0-9]+_[\w-]+|[0-9]+-[0-9]{8}", page.words)
    assert found, page.words
    return found[0]


def test_a_link_is_shown_once_as_text_and_as_a_code(server: Serving) -> None:
    operator = log_in(server, "operator")
    page = invite(operator, "max", "link")
    code = code_of(page)
    assert page.status == 200
    assert f"{PUBLIC}/welcome#{code}" in page.words
    assert [
        given["aria-label"] for tag, given in page.tags if tag == "svg" and "aria-label" in given
    ] == ["The link as a QR code"]
    assert page.headers["cache-control"] == "no-store"
    assert code not in operator.get("/accounts/1").html
    assert "max has a code until" in operator.get("/accounts/1").words


def test_a_pin_is_shown_with_the_address_to_type_it_at(server: Serving) -> None:
    operator, driver = log_in(server, "operator"), Browser(server)
    page = invite(operator, "mia", "PIN")
    assert f"Enter it at {PUBLIC}/welcome" in page.words
    assert (
        driver.send(driver.get("/welcome").form("/welcome"), code=code_of(page)).path != "/welcome"
    )
    assert server.query("SELECT role, account_id FROM user WHERE name = 'mia'") == [("driver", 1)]


def test_a_new_code_replaces_the_one_before(server: Serving) -> None:
    operator, driver = log_in(server, "operator"), Browser(server)
    first = code_of(invite(operator, "nora", "link"))
    ((number,),) = server.query("SELECT id FROM user WHERE name = 'nora'")
    again = operator.send(operator.get("/accounts/1").form(f"/users/{number}/invitations"))
    assert "Give this to nora" in again.words
    assert driver.send(driver.get("/welcome").form("/welcome"), code=first).status >= 400
    assert (
        driver.send(driver.get("/welcome").form("/welcome"), code=code_of(again)).path != "/welcome"
    )


def test_a_driver_is_removed(server: Serving) -> None:
    operator = log_in(server, "operator")
    invite(operator, "otto", "link")
    ((number,),) = server.query("SELECT id FROM user WHERE name = 'otto'")
    page = operator.send(operator.get("/accounts/1").form(f"/do/delete/admin/users/{number}"))
    assert "Removed" in page.words
    assert "Remove otto" not in page.words


def test_a_name_that_is_taken_is_told_at_the_field(server: Serving) -> None:
    operator = log_in(server, "operator")
    page = invite(operator, "operator", "link")
    assert page.status == 409
    assert "has this name" in page.words


def test_names_stay_words(server: Serving) -> None:
    page = invite(log_in(server, "operator"), HOSTILE, "link")
    assert f"Give this to {HOSTILE}" in page.words
    assert not [tag for tag, _ in page.tags if tag == "b"]


def test_who_never_logged_in_is_told_to_become_an_admin_first(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """From the first user on nobody comes in without a log-in, not even who invited him."""
    with serving(tmp_path_factory.mktemp("local") / "site.db") as running:
        api_of(running).ask("POST", "admin", "accounts", given={"name": "Anna Becker"})
        browser = Browser(running)
        page = browser.get("/accounts/1")
        assert not [one for one in page.forms if "admin/users" in one.action]
        adding = browser.get(next(one for one in page.links if "/do/post/admin/users" in one)).form(
            "admin/users"
        )
        assert adding.values["role"] == "admin"
        browser.send(adding, name="cleo", password=PASSWORD)
        browser.send(browser.get("/login").form("/login"), name="cleo", password=PASSWORD)
        for kind in ("PIN", "link"):
            page = invite(browser, f"max {kind}", kind)
            assert "Only this machine can open" in page.words
            assert "#invite" not in page.html  # neither as a link nor as a code to scan
            assert "QR code" not in page.html


def test_codes_lead_to_each_connector(server: Serving) -> None:
    with Charger(server.port, "CP 1") as charger:
        charger.boot()
        for connector in (1, 2):
            charger.call(
                "StatusNotification", connectorId=connector, errorCode="NoError", status="Available"
            )
    with Charger(server.port, "CP-2") as charger:
        charger.boot()
        charger.call("StatusNotification", connectorId=1, errorCode="NoError", status="Available")
    api_of(server).ask("PUT", "admin", "chargers", "CP 1", given={"name": HOSTILE})
    operator = log_in(server, "operator")
    links = operator.get("/chargers").links
    sheet = operator.get(next(one for one in links if one.endswith("/codes")))
    for words in (
        f"{HOSTILE} Connector 2 Scan to charge {PUBLIC}/d/at/CP%201/2",
        f"CP-2 Scan to charge {PUBLIC}/d/at/CP-2",
    ):
        assert words in sheet.words
    assert operator.get(next(one for one in links if one.endswith("format=pdf"))).html.startswith(
        "%PDF-"
    )
    labels = server.query(
        "SELECT labels, labelled FROM cp WHERE id IN ('CP 1', 'CP-2') ORDER BY id"
    )
    # they bear a name, not an address that this machine may lose
    assert labels == [
        (2, None),
        (1, None),
    ]


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        ((), None),
        (("--drivers-port", "0"), None),
        (("--drivers-url", "http://localhost:9002"), "http://localhost:9002"),
        (("--drivers-url", PUBLIC), PUBLIC),
        (("--public-url", PUBLIC), PUBLIC),
    ],
)
def test_codes_that_lead_only_to_this_machine_are_not_printed_unless_a_setting_names_it(
    tmp_path: Path, flags: tuple[str, ...], named: str | None
) -> None:
    with serving(tmp_path / "site.db", "--api-allowed-hosts", "127.0.0.1", *flags) as running:
        api = api_of(running)
        api.ask("POST", "admin", "chargers", given={"id": "CP-1"})
        if named is not None:
            api.ask(
                "POST",
                "admin",
                "users",
                given={"name": "operator", "role": "operator", "password": PASSWORD},
            )
            found = _printed(running)
            assert f"{named}/d/at/CP-1" in found
            assert "Bauhof 12" not in found
            api.ask("PUT", "admin", "biller", given={"name": "Bauhof 12 GbR", "payment_days": 14})
            assert "Bauhof 12 GbR" in _printed(running)
            return
        with pytest.raises(Refusal) as caught:
            api.ask("GET", "admin", "codes")
        assert "the codes would lead to http://127.0.0.1:" in str(caught.value)
        assert "say with --drivers-url or --public-url where drivers find this site" in str(
            caught.value
        )
        if not flags:
            page = Browser(running).get("/get/admin/codes")
            assert page.status == 409
            assert "The codes would lead to http://127.0.0.1:" in page.words
            assert "Now" in page.words, "it is a page, with the way to others"


def _printed(server: Serving) -> str:
    """The sheet of codes, in HTML."""
    return log_in(server, "operator").get("/get/admin/codes").words


def test_a_viewer_sees_no_codes(server: Serving) -> None:
    viewer = log_in(server, "viewer")
    assert not [one for one in viewer.get("/chargers").links if "codes" in one]
    assert viewer.get("/get/admin/codes").status == 403
