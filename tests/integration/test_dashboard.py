"""The core of the dashboard over HTTP: forms, notes, headers, and what other sites may not do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.integration.browsing import PASSWORD, Browser, Form
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

RESET = "/do/post/admin/chargers/CP1/reset"
NEW = "/do/post/admin/chargers"
FORGET = "/do/post/admin/chargers/forget"
ELSEWHERE = ("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)")
PATIENCE_SECONDS = 60.0
HOSTILE = '"><script>alert(1)</script>'


def new_charger(browser: Browser) -> Form:
    return browser.get(NEW).form(NEW)


def test_a_form_becomes_a_request_of_the_api(server: Serving, browser: Browser) -> None:
    page = browser.send(new_charger(browser), id="FORM-1", name="Space 1", next="/")
    assert (page.status, page.path) == (200, "/")
    assert "✓ Done: Add a charger" in page.words
    assert server.query("SELECT name FROM cp WHERE id = 'FORM-1'") == [("Space 1",)]
    assert server.query(
        "SELECT path FROM operator_action WHERE method = 'POST' ORDER BY id DESC LIMIT 1"
    ) == [("/api/admin/chargers",)]


def test_who_added_a_charger_sees_what_to_enter_there(browser: Browser) -> None:
    page = browser.send(new_charger(browser), id="FORM 2#A", next="/chargers/{id}")
    assert (page.status, page.path) == (200, "/chargers/FORM%202%23A")
    assert "Enter this address" in page.words


def test_several_chargers_are_forgotten_by_one_form(server: Serving, browser: Browser) -> None:
    for name in ("FORM-8", "FORM-9"):
        browser.send(new_charger(browser), id=name, next="/")
    assert f"{FORGET}?next=/chargers" in browser.get("/chargers").links
    page = browser.send(browser.get(FORGET).form(FORGET), chargers="FORM-8\nFORM-9", next="/")
    assert "✓ Done: Forget wrong names and trials" in page.words
    assert server.query("SELECT id FROM cp WHERE hidden_at IS NOT NULL ORDER BY id") == [
        ("FORM-8",),
        ("FORM-9",),
    ]


def test_a_note_is_shown_once(browser: Browser) -> None:
    browser.send(new_charger(browser), id="FORM-2", next="/")
    assert "Done:" not in browser.get("/").words


def test_what_was_refused_stands_at_its_field_and_nothing_is_forgotten(browser: Browser) -> None:
    page = browser.send(new_charger(browser), id="a/b", name="Kept")
    assert page.status == 422
    assert "Nothing was done" in page.words
    assert page.form(NEW).values["name"] == "Kept"
    (field,) = [given for tag, given in page.tags if tag == "input" and given.get("name") == "id"]
    assert field["aria-invalid"] == "true"


def test_a_change_sends_only_what_differs(server: Serving, browser: Browser) -> None:
    browser.send(
        browser.get("/do/post/admin/accounts").form("/do/post/admin/accounts"),
        name="Anna",
        notes="first",
    )
    ((account,),) = server.query("SELECT id FROM account WHERE name = 'Anna'")
    path = f"/do/patch/admin/accounts/{account}"
    form = browser.get(path).form(path)
    assert form.values["name"] == "Anna"
    browser.send(form, name="Anna B.", notes="")
    assert server.query("SELECT name, notes FROM account WHERE id = ?", account) == [
        ("Anna B.", None)
    ]


def test_hostile_text_stays_text(browser: Browser) -> None:
    page = browser.get(NEW, id=HOSTILE, name=HOSTILE, next=HOSTILE)
    assert page.form(NEW).values["name"] == HOSTILE
    assert all("src" in given for tag, given in page.tags if tag == "script")


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"],
)
def test_a_form_leads_to_no_other_site(browser: Browser, elsewhere: str) -> None:
    form = new_charger(browser)
    assert elsewhere not in browser.get(NEW, next=elsewhere).links
    given = {**form.values, "id": f"FORM-X{ELSEWHERE.index(elsewhere)}", "next": elsewhere}
    assert browser.ask("POST", NEW, given).headers["location"] == "/"


class TestOtherSites:
    def test_a_form_without_its_value_does_nothing(self, server: Serving, browser: Browser) -> None:
        browser.get(NEW)
        assert browser.ask("POST", NEW, {"id": "EVIL-1"}).status == 403
        assert server.query("SELECT 1 FROM cp WHERE id = 'EVIL-1'") == []

    def test_the_value_of_another_browser_does_nothing(
        self, server: Serving, browser: Browser
    ) -> None:
        form = new_charger(Browser(server))
        browser.get(NEW)
        assert browser.ask("POST", NEW, {**form.values, "id": "EVIL-2"}).status == 403

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ],
    )
    def test_a_form_from_another_origin_does_nothing(
        self, server: Serving, browser: Browser, headers: dict[str, str]
    ) -> None:
        form = new_charger(browser)
        assert browser.ask("POST", NEW, {**form.values, "id": "EVIL-3"}, headers).status == 403
        assert server.query("SELECT 1 FROM cp WHERE id = 'EVIL-3'") == []

    def test_a_browser_sends_our_forms_with_the_origin_null(
        self, server: Serving, browser: Browser
    ) -> None:
        form = new_charger(browser)
        # because of our no-referrer
        as_chromium = {
            "origin": "null",
            "sec-fetch-site": "same-origin",
        }
        assert (
            browser.ask("POST", NEW, {**form.values, "id": "CHROMIUM"}, as_chromium).status == 303
        )

    def test_a_name_that_another_site_controls_is_refused(self, browser: Browser) -> None:
        assert browser.ask("GET", "/", headers={"host": "evil.example"}).status == 421

    def test_a_token_in_a_url_is_refused(self, browser: Browser) -> None:
        assert browser.ask("GET", "/?token=x").status == 400

    def test_pages_can_neither_be_framed_nor_run_foreign_scripts(self, browser: Browser) -> None:
        headers = browser.get("/").headers
        policy = headers["content-security-policy"].split("; ")
        assert {
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        } <= set(policy)
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == (
            "nosniff",
            "no-referrer",
        )
        assert headers["cache-control"] == "no-store"

    def test_the_cookie_is_out_of_reach_of_scripts(self, browser: Browser) -> None:
        cookie = browser.ask("GET", "/").headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))

    def test_a_cookie_never_opens_the_api(self, browser: Browser) -> None:
        browser.get("/")
        forwarded = {"x-forwarded-for": "192.0.2.9"}  # so that a log-in is needed
        assert browser.ask("GET", "/api/me", headers=forwarded).status == 401

    @pytest.mark.parametrize(
        "path", ["/assets/../../config.py", "/assets/..%2f..%2fconfig.py", "/assets/base.css"]
    )
    def test_only_assets_are_served(self, browser: Browser, path: str) -> None:
        assert browser.ask("GET", path).status == 404


def test_who_comes_through_a_proxy_is_asked_to_log_in(browser: Browser) -> None:
    page = browser.ask("GET", "/review", headers={"x-forwarded-for": "192.0.2.9"})
    assert (page.status, page.headers["location"]) == (303, "/login?next=/review")
    page = browser.ask("GET", "/login", headers={"x-forwarded-for": "192.0.2.9"})
    assert "levity-trio user add" in page.words


def test_below_the_path_of_a_proxy(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db", "--public-url", "https://example.org/charging") as running:
        given = {"name": "anna", "role": "admin", "password": PASSWORD}
        api_of(running).ask("POST", "admin", "users", given=given)
        browser = Browser(running)
        asked = browser.ask("GET", "/charging/", headers={"host": "example.org"})
        assert asked.headers["location"] == "/charging/login?next=/"
        assert {"Secure", "Path=/charging"} <= set(asked.headers["set-cookie"].split("; "))
        browser.send(browser.get("/charging/").form("/login"), name="anna", password=PASSWORD)
        page = browser.get("/charging/")
        ours = [
            given.get("href") or given.get("src") or given.get("action") for _, given in page.tags
        ]
        assert all(one.startswith(("/charging", "#")) for one in ours if one)
        form = browser.get(f"/charging{NEW}").form(NEW)
        sent = {**form.values, "id": "PROXIED"}
        answer = browser.ask("POST", f"/charging{NEW}", sent, {"origin": "https://example.org"})
        assert (answer.status, answer.headers["location"]) == (303, "/charging/")
        # and not on to a path without the proxy's
        assert browser.ask("GET", "/charging/sessions/").status == 404


def test_behind_a_proxy_nobody_is_admin_by_default(tmp_path: Path) -> None:
    """Some proxies replace Host and add no header, so that their requests look like those of this
    machine."""
    with serving(tmp_path / "site.db", "--public-url", "https://example.org/") as running:
        browser = Browser(running)
        assert browser.ask("GET", "/system").headers["location"] == "/login?next=/system"
        assert browser.ask("GET", "/api/me").status == 401


class TestStreams:
    def test_one_who_leaves_at_once_keeps_no_place(self, tmp_path: Path) -> None:
        with serving(tmp_path / "site.db", "--api-max-streams", "3") as running:
            browser = Browser(running)
            for _ in range(20):
                browser.leave("/live/")
                browser.leave("/api/events")
            until = time.monotonic() + PATIENCE_SECONDS
            while (
                api_of(running).ask("GET", "system")["load"]["streams"] and time.monotonic() < until
            ):
                time.sleep(0.05)
            assert api_of(running).ask("GET", "system")["load"]["streams"] == 0

    def test_the_stream_of_the_api_is_no_file(self, browser: Browser) -> None:
        assert browser.ask("GET", "/get/events").status == 404


def test_assets_bring_no_cookie(server: Serving, browser: Browser) -> None:
    (sheet,) = [
        given["href"] for tag, given in browser.get("/").tags if given.get("rel") == "stylesheet"
    ]
    assert "set-cookie" not in Browser(server).ask("GET", sheet).headers


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (
            "/nothing",
            404,
            (
                "This page does not exist There is nothing at /nothing. The menu leads to all "
                "pages. Now"
            ),
        ),
        ("/accounts/4711", 404, "This page does not exist There is no household 4711. Now"),
        (
            "/accounts/1/cars/1?month=2026-99",
            422,
            "That did not work Give a month such as 2026-10. Now",
        ),
        ("/bills/2026-13", 422, "That did not work Give a month such as 2026-10. Now"),
    ],
)
def test_a_failure_has_a_plain_heading_a_sentence_and_a_way_on(
    browser: Browser, path: str, status: int, words: str
) -> None:
    page = browser.get(path)
    assert page.status == status
    assert words in page.words
    assert page.links[-1] == "/"
