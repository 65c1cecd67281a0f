"""The drivers' port: what it serves, who may log in there, and that a flood there reaches nobody
else."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from levity_trio.config import DRIVERS_CONNECTIONS
from levity_trio.manual import topics
from levity_trio.web.api.engine.endpoints import Endpoint, Role
from levity_trio.web.api.listeners import DRIVERS_STREAMS, ENDPOINTS
from levity_trio.web.dashboard.pages import PAGES
from tests.integration.browsing import OF_ALL, OF_DRIVERS, PASSWORD, Browser, Page
from tests.integration.charger import Charger
from tests.integration.foreign import api_of
from tests.integration.forking import run_forked
from tests.integration.serving import Serving, environment, serving
from tests.sizes import IS_FULL, size

OWN_FORM = "/do/post/me/password"
WRONG = "there is no such user with this password"
TRICKS = (
    "/d/../api/admin/users",
    "/d/%2e%2e/api/admin/users",
    "/d/%2e%2e/chargers",
    "/d/..%2fchargers",
    "/d/..%2F..%2Fapi/admin/users",
    "/d%2f../api/me",
    "//api/admin/users",
    "//chargers",
    "/d//../api/me",
    "/d/;/../chargers",
    "/d/\\..\\chargers",
    "/%61pi/admin/users",
    "/api%2fadmin%2fusers",
    "/API/admin/users",
    "/./api/me",
    "/login/../api/me",
    "/assets/../chargers",
    "/assets/..%2f..%2fchargers",
    "/assets/%2e%2e%2f%2e%2e%2flevity.db",
    "/live/d/../chargers",
    "/live/chargers",
    "/do/post/me/../admin/users",
    "/do/post/me/%2e%2e/admin/users",
    "/do/post/me%2f..%2fadmin%2fusers",
    "/do/post/me/..%2fadmin%2fusers",
    "/do/post/admin/me/users",
    "/do/post/me",
    "/do/delete/me/../admin/users/1",
    "/get/me/../admin/accounts/1/everything",
    "/get/me%2f../admin/tags.csv",
    "/api/me",
    "/api/me/password",
    "/api/docs",
    "/api/openapi.json",
    "/metrics",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("drivers") / "site.db", "--drivers-port", "0") as running:
        api = api_of(running)
        api.ask("POST", "admin", "accounts", given={"name": "Flat 7"})
        for name, role in (("anna", "admin"), ("olaf", "operator"), ("vera", "viewer")):
            api.ask(
                "POST", "admin", "users", given={"name": name, "role": role, "password": PASSWORD}
            )
        ben = {"name": "ben", "role": "driver", "account": 1, "password": PASSWORD}
        api.ask("POST", "admin", "users", given=ben)
        yield running


def log_in(browser: Browser, name: str, password: str = PASSWORD) -> Page:
    form = browser.get("/login").form("/login")
    return browser.ask("POST", form.action, {**form.values, "name": name, "password": password})


def stranger(server: Serving) -> Browser:
    return Browser(server, OF_DRIVERS)


def driver(server: Serving) -> Browser:
    browser = stranger(server)
    assert log_in(browser, "ben").status == 303
    return browser


def admin(server: Serving) -> Browser:
    """A browser at the drivers' port with the log-in of an admin, under the names of both ports."""
    at_home, browser = Browser(server), stranger(server)
    assert log_in(at_home, "anna").status == 303
    (cookie,) = at_home.cookies.values()
    browser.cookies = {f"levity_{at_home.port}": cookie, f"levity_{browser.port}": cookie}
    return browser


OPENSSL = (
    *(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ),
    *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
)
WHO = {"stranger": stranger, "driver": driver, "admin": admin}


def addresses(endpoint: Endpoint, number: int) -> Iterator[tuple[str, str]]:
    """The requests by which an endpoint might be reached. A part of them: its own one, and that of
    its page, which is a form if it changes something, else perhaps a file."""
    path = re.sub(r"{[^}]+}", "1", endpoint.path)
    below = path.removeprefix("/api")
    yield endpoint.method, path
    if not below.startswith("/me"):
        forms = [(method, f"/do/{endpoint.method.lower()}{below}") for method in ("GET", "POST")]
        files = [("GET", f"/get{below}"), ("GET", f"/live{below}")]
        yield from (
            [*forms, *files] if IS_FULL else [forms[number % 2]] if endpoint.changes else files[:1]
        )


@pytest.mark.parametrize("who", WHO)
def test_no_endpoint_is_served(server: Serving, who: str) -> None:
    browser = WHO[who](server)
    every = [
        one for number, endpoint in enumerate(ENDPOINTS) for one in addresses(endpoint, number)
    ]
    asked = every if who == "driver" else every[:: size(1, 7)]
    found = [(method, path) for method, path in asked if browser.ask(method, path).status != 404]
    assert (len(every) > 300, found) == (True, [])


@pytest.mark.parametrize("who", WHO)
def test_no_page_of_operators_is_served(server: Serving, who: str) -> None:
    browser = WHO[who](server)
    paths = [re.sub(r"{[^}]+}", "1", page.path) for page in PAGES if page.role > Role.DRIVER]
    asked = [path for path in paths if path != "/"] + [f"/live{path}" for path in paths]
    if who != "driver":  # below /help, strangers are led to the log-in first, whatever they ask for
        asked.remove("/help/api")
    assert [path for path in asked if browser.ask("GET", path).status != 404] == []


def test_of_the_manual_only_the_pages_of_drivers_are_served(server: Serving) -> None:
    assert stranger(server).ask("GET", "/help").headers["location"] == "/login?next=/help"
    browser = driver(server)
    assert "/help/drivers/what-i-pay" in browser.get("/help").links
    assert browser.get("/help/drivers/what-i-pay").status == 200
    assert {
        browser.ask("GET", f"/help/{one}").status
        for one in topics()
        if not one.startswith("drivers/")
    } == {404}


@pytest.mark.parametrize("who", WHO)
def test_no_trick_with_a_path_leads_out(server: Serving, who: str) -> None:
    browser = WHO[who](server)
    asked = [(method, path) for path in TRICKS for method in ("GET", "POST")]
    assert [
        (method, path) for method, path in asked if browser.ask(method, path).status != 404
    ] == []


def test_no_token_opens_anything(server: Serving) -> None:
    token = api_of(server).ask("POST", "admin", "tokens", given={"name": "evcc", "role": "admin"})[
        "token"
    ]
    bearer = {"authorization": f"Bearer {token}"}
    assert Browser(server).ask("GET", "/api/me", headers=bearer).status == 200
    browser = stranger(server)
    for path in ("/api/me", "/api/admin/users", "/chargers"):
        assert browser.ask("GET", path, headers=bearer).status == 404
    assert browser.ask("GET", OWN_FORM, headers=bearer).headers["location"].startswith("/login")
    form = browser.get("/login").form("/login")
    assert "token" not in form.names
    answer = browser.ask(
        "POST", "/login", {**form.values, "name": "", "password": "", "token": token}
    )
    assert (answer.status, WRONG in answer.words) == (401, True)


def test_who_runs_the_site_is_a_stranger_there(server: Serving) -> None:
    browser = admin(server)
    cookie = browser.cookies[f"levity_{browser.port}"]
    assert browser.ask("GET", OWN_FORM).headers["location"] == f"/login?next={OWN_FORM}"
    # nothing is done with that log-in there, not even ended
    assert browser.cookies[f"levity_{browser.port}"] != cookie
    assert browser.ask("GET", "/").headers["location"] == "/login?next=/"
    at_home = Browser(server)
    at_home.cookies = {f"levity_{at_home.port}": cookie}
    assert at_home.ask("GET", "/").status == 200


@pytest.mark.parametrize("name", ["anna", "olaf", "vera"])
def test_a_right_password_of_an_operator_is_like_a_wrong_one(server: Serving, name: str) -> None:
    def words(password: str) -> tuple[int, str]:
        page = log_in(stranger(server), name, password)
        return page.status, re.sub("as of [0-9:]+", "", page.words)

    assert words(PASSWORD) == words("not the right one")
    assert words(PASSWORD)[0] == 401
    assert words("not the right one")[0] == 401
    for _ in range(4):
        words(PASSWORD)
    assert words(PASSWORD)[0] == 429
    assert log_in(Browser(server), name).status == 303  # at the other port nobody waits for that


def test_a_code_of_an_operator_opens_nothing_there(server: Serving) -> None:
    made = api_of(server).ask("POST", "admin", "users", given={"name": "carla", "role": "viewer"})
    code = made["invitation"]["code"]
    browser = stranger(server)
    refused = browser.send(browser.get("/welcome").form("/welcome"), code=code)
    assert (refused.status, "this code is wrong" in refused.words) == (401, True)
    at_home = Browser(server)
    assert at_home.send(at_home.get("/welcome").form("/welcome"), code=code).path == "/"


@pytest.mark.parametrize("kind", ["link", "pin"])
def test_a_driver_comes_in_with_a_code(server: Serving, kind: str) -> None:
    code = api_of(server).ask("POST", "admin", "users", "4", "invitations", given={"kind": kind})[
        "code"
    ]
    browser = stranger(server)
    page = browser.get("/login", next=OWN_FORM)
    assert page.words.index("One-time code") < page.words.index("Password")
    assert browser.send(page.form("/welcome"), code=code).path == OWN_FORM
    assert (browser.get("/").path, browser.get("/").status) == ("/d/", 200)
    shown = browser.get("/d/nowhere")
    assert shown.status == 404
    assert [link for link in shown.links if link.startswith("/d/")][:5] == [
        *("/d/", "/d/", "/d/sessions", "/d/statements", "/d/me"),
    ]
    assert "ben" in shown.words
    assert "driver 4" not in shown.words


@pytest.mark.parametrize("at", [OF_DRIVERS, OF_ALL])
def test_the_log_in_names_the_place_of_a_code_and_nothing_more(server: Serving, at: str) -> None:
    name = "Space <b>5</b>"
    with Charger(server.port, "CP-5") as charger:
        charger.boot()
        charger.start("ANNAS-TAG")
        for connector, status in ((1, "Charging"), (2, "Available")):
            charger.call(
                "StatusNotification", connectorId=connector, status=status, errorCode="NoError"
            )
        api_of(server).ask("PUT", "admin", "chargers", "CP-5", given={"name": name})
        browser = Browser(server, at)

        def words(place: str) -> str:
            page = browser.get("/login", next=f"/d/at/{place}")
            told = page.words.partition("With a code")[0].rpartition("Log in to charge")[2].split()
            # without the shapes
            return " ".join(one for one in told if one.isalnum() or len(one) > 1)

        assert words("CP-5/1") == f"{name} Connector 1 In use"
        assert words("CP-5/2") == f"{name} Connector 2 Free"
        assert words("CP-5") == f"{name} Connector 1 In use Connector 2 Free"
        assert (unknown := words("NOBODY")) == ""
        for place in (
            "CP-5/3",
            "CP-5/1/2",
            "CP-5/0",
            "../CP-5",
            "CP-5/../CP-5",
            "",
            "CP-5?x",
            "CP-5/" + "9" * 30,
        ):
            assert words(place) == unknown
        assert "Space" not in browser.get("/login", next="/d/sessions").words


def test_a_charger_of_any_name_is_found_by_its_code(server: Serving) -> None:
    name = "a b%3Fc?d#e"
    api_of(server).ask("POST", "admin", "chargers", given={"id": name})
    browser, place = stranger(server), f"/d/at/{quote(name)}"
    page = browser.get("/login", next=place)
    assert f"{name} " in page.words
    form = page.form("/login")
    answer = browser.ask("POST", form.action, {**form.values, "name": "ben", "password": PASSWORD})
    assert answer.headers["location"] == place


def test_a_driver_who_becomes_something_else_is_shut_out(server: Serving) -> None:
    api = api_of(server)
    given = {"name": "dora", "role": "driver", "account": 1, "password": PASSWORD}
    number = str(api.ask("POST", "admin", "users", given=given)["id"])
    browser = stranger(server)
    assert log_in(browser, "dora").status == 303
    assert browser.ask("GET", OWN_FORM).status == 200
    api.ask("PATCH", "admin", "users", number, given={"role": "viewer", "account": None})
    assert browser.ask("GET", OWN_FORM).status == 303
    assert log_in(browser, "dora").status == 401


def test_a_foreign_host_or_origin_is_refused(server: Serving) -> None:
    browser = stranger(server)
    answer = browser.ask("GET", "/login", headers={"host": "evil.example"})
    assert (answer.status, "--drivers-url" in answer.html) == (421, True)
    form = browser.get("/login").form("/login")
    given = {**form.values, "name": "ben", "password": PASSWORD}
    for foreign in ({"origin": "https://evil.example"}, {"sec-fetch-site": "same-site"}):
        answer = browser.ask("POST", "/login", given, foreign)
        assert (answer.status, "location" in answer.headers) == (200, False)
    at_home = Browser(server)
    answer = browser.ask("POST", "/login", given, {"origin": f"http://127.0.0.1:{at_home.port}"})
    assert "location" not in answer.headers  # the page of the other port is another site's
    assert (
        browser.ask("POST", "/login", given, {"origin": f"http://127.0.0.1:{browser.port}"}).status
        == 303
    )


def test_the_form_of_another_browser_does_nothing(server: Serving) -> None:
    other, browser = stranger(server), stranger(server)
    form = other.get("/login").form("/login")
    browser.get("/login")
    answer = browser.ask("POST", "/login", {**form.values, "name": "ben", "password": PASSWORD})
    assert "this form is too old" in answer.words
    first, second = driver(server), driver(server)
    theirs = first.get(OWN_FORM).form(OWN_FORM)
    given = {"old_password": PASSWORD, "new_password": "another long password"}
    assert second.ask("POST", OWN_FORM, {**theirs.values, **given}).status == 403
    assert log_in(stranger(server), "ben").status == 303


def test_what_a_form_of_drivers_sends_reaches_only_their_own(server: Serving) -> None:
    """The place that a form names is not the place that is asked."""
    browser = driver(server)
    form = browser.get(OWN_FORM).form(OWN_FORM)
    given = {**form.values, "form-target": "post/admin/users", "name": "mallory", "role": "admin"}
    assert browser.ask("POST", OWN_FORM, given).status == 403
    assert browser.ask("POST", "/do/post/admin/users", given).status == 404
    assert server.query("SELECT 1 FROM \"user\" WHERE name = 'mallory'") == []


def test_a_driver_at_the_port_of_the_operators(server: Serving) -> None:
    browser = Browser(server)
    page = browser.get("/login", next="/d/at/CP-1")
    assert page.words.index("One-time code") < page.words.index("Password")
    assert log_in(browser, "ben").status == 303
    assert browser.ask("GET", "/").headers["location"] == "/d/"
    page = browser.get("/chargers")
    assert (page.status, "/d/" in page.links) == (403, True)
    assert not [
        link for link in page.links if link.startswith(("/chargers", "/sessions", "/system"))
    ]


def test_there_is_no_local_admin(tmp_path: Path) -> None:
    with serving(tmp_path / "site.db", "--drivers-port", "0", "--no-dashboard") as server:
        assert Browser(server).ask("GET", "/api/me").status == 200
        assert Browser(server).ask("GET", "/login").status == 404
        browser = stranger(server)
        assert browser.ask("GET", OWN_FORM).status == 303
        assert browser.get("/login").status == 200


def test_a_flood_there_reaches_nobody_else(server: Serving) -> None:
    """More connections than it takes, each with half a request, while others are answered; and then
    it is over."""
    browser, at_home = stranger(server), Browser(server)
    with ExitStack() as flood, Charger(server.port, "CP-1") as charger:
        for _ in range(DRIVERS_CONNECTIONS + 50):
            one = flood.enter_context(socket.create_connection(("127.0.0.1", browser.port), 10))
            one.sendall(b"GET /login HTTP/1.1\r\nhost: 127.0.0.1\r\n")
        charger.boot()
        assert log_in(at_home, "olaf").status == 303
        assert at_home.ask("GET", "/chargers").status == 200
        with Charger(server.port, "CP-2") as another:
            another.boot()
    assert browser.get("/login").status == 200


def test_open_pages_there_take_no_place_from_those_of_operators_nor_from_other_log_ins(
    server: Serving,
) -> None:
    browser, another, at_home = driver(server), driver(server), Browser(server)
    log_in(at_home, "vera")

    def status(streams: ExitStack, reader: Browser, path: str) -> bytes:
        """Open a stream that stays open; return the status."""
        one = streams.enter_context(socket.create_connection(("127.0.0.1", reader.port), 30))
        cookie = "; ".join(f"{name}={value}" for name, value in reader.cookies.items())
        one.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n".encode())
        return one.recv(12)[-3:]

    with ExitStack() as streams:
        told = [status(streams, browser, "/live/d/") for _ in range(DRIVERS_STREAMS)]
        half = DRIVERS_STREAMS // 2
        assert told == [b"200"] * half + [b"503"] * half
        assert status(streams, another, "/live/d/") == b"200"
        assert status(streams, at_home, "/live/") == b"200"
        assert browser.get("/d/").status == 200  # without being live


def test_it_can_be_put_on_a_home_screen(server: Serving) -> None:
    """A browser asks for the manifest without its cookie; that is no reason to give it another
    one."""
    answer = stranger(server).get("/manifest.webmanifest")
    assert (answer.status, "set-cookie" in answer.headers) == (200, False)
    assert answer.headers["content-type"] == "application/manifest+json"
    assert '"start_url":"/"' in answer.html


def test_a_body_there_is_small(server: Serving) -> None:
    browser = stranger(server)
    form = browser.get("/login").form("/login")
    assert browser.ask("POST", "/login", {**form.values, "name": "x" * 20_000}).status == 413


def test_its_certificate_is_that_of_the_api(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [*OPENSSL, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    tls = ("--api-tls-cert", str(certificate), "--api-tls-key", str(key))
    with serving(tmp_path / "site.db", "--drivers-port", "0", "--no-api", *tls) as server:
        line = server.wait_line(OF_DRIVERS)
        assert line["address"] == f"https://127.0.0.1:{line['port']}/"
        trusting = ssl.create_default_context(cafile=str(certificate))
        with urlopen(
            f"https://localhost:{line['port']}/login", context=trusting, timeout=30
        ) as answer:
            assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("flags", "is_told"),
    [((), True), (("--drivers-url", "https://example.org"), False)],
    ids=["bare", "proxy"],
)
def test_a_public_port_without_tls_is_one_warning(
    tmp_path: Path, flags: tuple[str, ...], is_told: bool
) -> None:
    with serving(
        tmp_path / "site.db",
        "--drivers-port",
        "0",
        "--drivers-host",
        "0.0.0.0",  # noqa: S104
        *flags,
    ) as server:
        warning = (
            "the drivers' port is public without TLS: codes can be read on their way; give "
            "--api-tls-cert"
        )
        assert len(server.find(warning)) == is_told


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """Unlike that of the API, it was asked for."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = (
            "serve",
            "--port",
            "0",
            "--drivers-port",
            str(port),
            "--db",
            str(tmp_path / "site.db"),
        )
        ended = run_forked(command, tmp_path, environment(), 60)
    assert (ended.returncode, "--drivers-port" in ended.stderr) == (1, True)
    assert not (tmp_path / "site.db").exists()


@pytest.mark.parametrize("given", [{}, {"forwarded": "for=192.0.2.9"}])
def test_behind_a_proxy_with_a_path(tmp_path: Path, given: dict[str, str]) -> None:
    """The names of --drivers-url are its own, and what a proxy adds opens nothing."""
    flags = ("--drivers-port", "0", "--drivers-url", "https://example.org/charge")
    with serving(tmp_path / "site.db", *flags) as server:
        line = server.wait_line(OF_DRIVERS)
        assert line["address"] == "https://example.org/charge/"
        browser = Browser(server, OF_DRIVERS, int(line["port"]))
        headers = {"host": "example.org", **given}
        answer = browser.ask("GET", "/charge/", headers=headers)
        assert answer.headers["location"] == "/charge/login?next=/"
        assert "Path=/charge;" in answer.headers["set-cookie"]
        assert answer.headers["set-cookie"].endswith("; Secure")
        answer = browser.ask("GET", "/charge/login", headers=headers)
        assert answer.form("/login").action == "/charge/login"
        assert browser.ask("GET", "/charge/api/me", headers=headers).status == 404
        assert browser.ask("GET", "/login", headers={"host": "other.example.org"}).status == 421
