"""Logging in and out of the dashboard over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.browsing import PASSWORD, Browser, Page
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, serving

PEOPLE = ("admin", "operator", "viewer")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("login") / "site.db") as running:
        for role in PEOPLE:
            api_of(running).ask(
                "POST", "admin", "users", given={"name": role, "role": role, "password": PASSWORD}
            )
        yield running


def log_in(browser: Browser, name: str, password: str = PASSWORD, path: str = "/") -> Page:
    return browser.send(browser.get(path).form("/login"), name=name, password=password)


def test_a_page_leads_to_the_log_in_and_back(server: Serving) -> None:
    browser = Browser(server)
    asked = browser.get("/do/post/admin/chargers")
    assert asked.path == "/login?next=/do/post/admin/chargers"
    page = browser.send(asked.form("/login"), name="admin", password=PASSWORD)
    assert (page.status, page.path) == (200, "/do/post/admin/chargers")


def test_the_id_of_a_browser_is_new_after_the_log_in(server: Serving) -> None:
    browser = Browser(server)
    browser.get("/login")
    before = dict(browser.cookies)
    log_in(browser, "admin")
    assert browser.cookies.keys() == before.keys()
    assert browser.cookies != before


def test_an_id_that_was_planted_opens_nothing(server: Serving) -> None:
    """Session fixation: who made a victim log in with an id that he knows is not let in."""
    victim, attacker = Browser(server), Browser(server)
    attacker.get("/login")
    victim.cookies = dict(attacker.cookies)
    log_in(victim, "admin")
    assert attacker.get("/").path.startswith("/login")


def test_a_wrong_password_is_told_at_the_form(server: Serving) -> None:
    browser = Browser(server)
    page = log_in(browser, "viewer", "not this one")
    assert page.status == 401
    assert page.form("/login").values["name"] == "viewer"
    assert "password" not in page.form("/login").values
    assert PASSWORD not in page.html


def test_what_is_wrong_is_told_in_the_language_of_the_browser(server: Serving) -> None:
    browser = Browser(server)
    form = browser.get("/login").form("/login").values
    page = browser.ask(
        "POST", "/login", {**form, "name": "viewer", "password": "x"}, {"accept-language": "de"}
    )
    assert (page.status, "Name oder Passwort ist falsch" in page.words) == (401, True)


def test_pages_are_compressed_for_browsers_that_can(server: Serving) -> None:
    browser = Browser(server)
    log_in(browser, "operator")
    packed, plain = (
        browser.get("/"),
        browser.ask("GET", "/", headers={"accept-encoding": "identity"}),
    )
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    values = {page.form("/logout").values["form-value"] for page in (packed, plain)}
    assert len(values) == 2, "a value that stayed the same could be guessed from lengths"


def test_logging_out_ends_it_also_for_a_copy_of_the_cookie(server: Serving) -> None:
    browser, copy = Browser(server), Browser(server)
    page = log_in(browser, "operator")
    copy.cookies = dict(browser.cookies)
    browser.send(page.form("/logout"))
    assert browser.get("/").path.startswith("/login")
    assert copy.get("/").path.startswith("/login")


def test_logging_out_by_a_link_of_another_site_is_not_possible(server: Serving) -> None:
    browser = Browser(server)
    log_in(browser, "operator")
    assert browser.ask("GET", "/logout").status == 405
    browser.ask("POST", "/logout", {})
    assert browser.get("/").path == "/"


@pytest.mark.parametrize(("name", "status"), [("viewer", 403), ("operator", 200), ("admin", 200)])
def test_what_a_role_may_not_do_has_no_form(server: Serving, name: str, status: int) -> None:
    browser = Browser(server)
    log_in(browser, name)
    assert browser.get("/do/post/admin/chargers").status == status


def test_what_a_role_may_not_do_is_not_done(server: Serving) -> None:
    viewer, operator = Browser(server), Browser(server)
    log_in(viewer, "viewer")
    log_in(operator, "operator")
    form = operator.get("/do/post/admin/chargers").form("/do/post")
    own = viewer.get("/").form("/logout").values["form-value"]
    assert (
        viewer.ask("POST", form.action, {**form.values, "form-value": own, "id": "X"}).status == 403
    )
    assert server.query("SELECT 1 FROM cp WHERE id = 'X'") == []


def test_what_is_done_bears_the_name_of_the_user(server: Serving) -> None:
    browser = Browser(server)
    log_in(browser, "operator")
    browser.send(browser.get("/do/post/admin/chargers").form("/do/post"), id="NAMED")
    done = "SELECT who, path FROM operator_action WHERE body LIKE '%NAMED%'"
    assert server.query(done) == [("operator", "/api/admin/chargers")]


def test_a_log_in_that_is_ended_from_elsewhere_is_over(server: Serving) -> None:
    browser = Browser(server)
    log_in(browser, "viewer")
    ((login,),) = server.query("SELECT max(id) FROM login")
    api_of(server).ask("DELETE", "admin", "logins", str(login))
    assert browser.get("/").path.startswith("/login")


def test_a_form_that_is_sent_after_the_log_in_has_ended_says_so_and_leads_back(
    server: Serving,
) -> None:
    browser = Browser(server)
    log_in(browser, "operator")
    form = browser.get("/do/post/admin/chargers").form("/do/post")
    ((login,),) = server.query("SELECT max(id) FROM login")
    api_of(server).ask("DELETE", "admin", "logins", str(login))
    page = browser.send(form, id="UNSENT")
    assert "nothing was done" in page.words
    page = browser.send(page.form("/login"), name="operator", password=PASSWORD)
    assert page.path == "/do/post/admin/chargers"
    assert server.query("SELECT 1 FROM cp WHERE id = 'UNSENT'") == []


@pytest.mark.parametrize(
    ("role", "password"), [("viewer", PASSWORD), ("operator", PASSWORD), ("admin", "")]
)
def test_the_first_user_must_be_able_to_let_others_in(
    tmp_path: Path, role: str, password: str
) -> None:
    """From the first user on everybody must log in: one who may not add users would lock the owner
    out."""
    with serving(tmp_path / "new.db") as new:
        browser = Browser(new)
        form = browser.get("/do/post/admin/users").form("/do/post")
        refused = browser.send(form, name="anna", role=role, password=password)
        assert "must be an admin, with a password" in refused.words
        # nor would a token let him in
        assert "/do/post/admin/tokens" not in browser.get("/system/people").html
        added = browser.send(refused.form("/do/post"), name="anna", role="admin", password=PASSWORD)
        assert added.path.startswith("/login")
        assert log_in(browser, "anna", path="/system/people").path == "/system/people"


def test_a_token_in_the_form_logs_in_too(server: Serving) -> None:
    made = api_of(server).ask(
        "POST", "admin", "tokens", given={"name": "for-a-tablet", "role": "viewer"}
    )
    browser = Browser(server)
    page = browser.send(browser.get("/login").form("/login"), token=made["token"])
    assert (page.status, page.path) == (200, "/")


def test_an_invitation_is_used_once_and_not_by_looking(server: Serving) -> None:
    made = api_of(server).ask("POST", "admin", "users", given={"name": "carla", "role": "viewer"})
    code = made["invitation"]["code"]
    browser, other = Browser(server), Browser(server)
    (link,) = [one for one in browser.get("/login?next=/").links if one.startswith("/welcome")]
    welcome = browser.get(link)
    assert browser.send(welcome.form("/welcome"), code=code).path == "/"
    refused = other.send(other.get("/welcome").form("/welcome"), code=code)
    assert refused.status >= 400
    assert other.get("/").path.startswith("/login")


def test_a_made_password_or_code_is_shown_once(server: Serving) -> None:
    browser = Browser(server)
    log_in(browser, "admin")
    page = browser.send(
        browser.get("/do/post/admin/users").form("/do/post"), name="dora", role="viewer"
    )
    assert page.status == 200
    assert "code" in page.words
    assert page.headers["cache-control"] == "no-store"


def test_a_pin_that_was_used_up_by_guesses_is_told_with_its_user(server: Serving) -> None:
    api, browser = api_of(server), Browser(server)
    made = api.ask(
        "POST", "admin", "users", given={"name": "emil", "role": "viewer", "invite": "pin"}
    )
    code = made["invitation"]["code"]
    wrong = code[:-1] + str((int(code[-1]) + 1) % 10)
    for _ in range(5):
        page = browser.send(browser.get("/welcome").form("/welcome"), code=wrong)
        assert "this code is wrong" in page.words
    log_in(browser, "admin")
    assert "no longer works after wrong tries" in browser.get("/system/people").words
    api.ask("POST", "admin", "users", str(made["id"]), "invitations", given={"kind": "pin"})
    assert "no longer works after wrong tries" not in browser.get("/system/people").words
