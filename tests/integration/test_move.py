"""An installation that is served from a file, moved, and served on PostgreSQL: nobody notices but
its operator."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.web.api.listeners import ENDPOINTS
from tests.browser.furnished import FLAGS, PASSWORD, furnished_site
from tests.browser.past import QUIET
from tests.integration.websocket import upgrade_request
from tests.store.postgresql.stored import query

from .browsing import Browser
from .charger import Charger, NoWebSocket
from .forking import run_forked
from .serving import PROGRAM, Serving, environment, serving

SECONDS: Final = 120
OF_THE_PROCESS: Final = {
    "/api/events": "it has no end",
    "/api/now": "the time",
    "/api/system": "the store, the process and its moment",
    "/api/admin/addresses": "its ports",
    "/api/admin/audit": "what was asked before",
    "/api/admin/codes": "its ports",
    "/api/admin/tokens": "when they were used",
    "/api/admin/uptime": "the time without a server counts",
    "/api/power": "the quarter of an hour that runs",
    "/api/history/week": "quarters of an hour are counted beside the chargers, after the start",
}
"""GETs whose answers are not the same after a restart, and why."""


class House(NamedTuple):
    """The file of a stopped server, and what its people and chargers have."""

    path: Path
    token: str
    cookies: dict[str, str]
    password: str


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("furnished")
    with furnished_site(folder) as site:
        site.ask("POST", "admin", "users", name="Cleo", role="admin", password=PASSWORD)
        site.ask("POST", "admin", "users", name="Anna", role="driver", account=1, password=PASSWORD)
        browser = Browser(site.server)
        browser.send(browser.get("/login").form("/login"), name="Anna", password=PASSWORD)
        token = site.ask("POST", "admin", "tokens", name="program", role="admin")["token"]
        password = site.ask("POST", "admin", "chargers", QUIET, "password")["password"]
        with connect(site.server, password) as charger:  # from now on, it does not come in without
            charger.boot()
    return House(folder / "site.db", token, browser.cookies, password)


@pytest.fixture
def house(furnished: House, tmp_path: Path) -> House:
    return furnished._replace(path=Path(shutil.copy(furnished.path, tmp_path)))


def shell(folder: Path, *command: object) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return run_forked([*map(str, command)], folder, environment(), SECONDS)


def answers(server: Serving, house: House) -> dict[str, tuple[int, str]]:
    """Ask for everything whose path has no id, with a token."""
    browser = Browser(server)
    headers = {"authorization": f"Bearer {house.token}"}
    paths = [one.path for one in ENDPOINTS if one.method == "GET" and "{" not in one.path]
    pages = {
        path: browser.ask("GET", path, headers=headers)
        for path in paths
        if path not in OF_THE_PROCESS
    }
    return {path: (page.status, page.html) for path, page in pages.items()}


def connect(server: Serving, password: str) -> Charger:
    head = upgrade_request(f"/ws/{QUIET}", server.port)
    proof = b64encode(QUIET.encode() + b":" + bytes.fromhex(password))
    return Charger(server.port, QUIET, head[:-2] + b"Authorization: Basic " + proof + b"\r\n\r\n")


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.iterdump())


def test_nobody_notices(house: House, address: PostgresqlAddress) -> None:
    folder = house.path.parent
    with serving(house.path, *FLAGS) as server:
        before = answers(server, house)
        served = shell(folder, "move", house.path, address)
        assert (served.returncode, served.stdout) == (1, "")
        assert "a server or another move uses" in served.stderr
    moved = shell(folder, "move", house.path, address)
    assert (moved.returncode, moved.stderr) == (0, ""), moved
    assert "Closed statements: " in moved.stdout
    assert shell(folder, "move", address, "back.db").returncode == 0
    assert dump(folder / "back.db") == dump(house.path)
    assert shell(folder, "check", "back.db").returncode == 0
    with serving(folder / "levity", "--db", address, *FLAGS) as server:
        after = answers(server, house)
        assert sum(status == 200 for status, _ in after.values()) > 50
        assert not {
            path: (answer, after[path]) for path, answer in before.items() if after[path] != answer
        }
        people_and_chargers_come_in(server, house)


def people_and_chargers_come_in(server: Serving, house: House) -> None:
    driver = Browser(server)
    (cookie,) = house.cookies.values()
    driver.cookies[f"levity_{driver.port}"] = cookie
    assert driver.get("/").words.count("Anna") > 0
    admin = Browser(server)
    assert (
        "Cleo"
        in admin.send(admin.get("/login").form("/login"), name="Cleo", password=PASSWORD).words
    )
    assert (
        admin.ask("GET", "/api/admin/users", headers={"authorization": "Bearer wrong"}).status
        == 401
    )
    with pytest.raises(NoWebSocket) as refused:
        connect(server, "00" * 20)
    assert refused.value.status == 401
    with connect(server, house.password) as charger:
        charger.boot()
        assert charger.start("04A2B3C4", 1000) > 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.night
def test_the_command_is_stopped(
    house: House, address: PostgresqlAddress, number: signal.Signals
) -> None:
    """At any moment: here, while rows are copied. It leaves nothing, and is run again."""
    command = [*PROGRAM, "move", str(house.path), address]
    with closing(sqlite3.connect(house.path)) as file:
        file.executescript(
            "INSERT INTO log (cp_id, at, direction, frame) WITH RECURSIVE n (i) AS (SELECT 1 "
            "UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            "SELECT 'CP-1', '2026', 'in', hex(randomblob(100)) FROM n"
        )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=house.path.parent, env=environment(), stdout=pipe, stderr=pipe, text=True
    ) as one:
        assert one.stdout is not None
        assert "Chargers will be without the server for about" in one.stdout.readline()
        one.send_signal(number)
        _, told = one.communicate(timeout=SECONDS)
    assert one.returncode == (-9 if number == signal.SIGKILL else 130)
    assert number == signal.SIGKILL or told.endswith(
        "interrupted; nothing was moved; run the same command again\n"
    )
    assert query(address, "SELECT (SELECT count(*) FROM log) + (SELECT count(*) FROM run)") == [
        (0,)
    ]
    again = shell(house.path.parent, "move", house.path, address)
    assert again.returncode == 0, again
    assert query(address, "SELECT count(*), count(DISTINCT id) FROM log WHERE cp_id = 'CP-1'") == [
        (20000, 20000)
    ]
