"""Three servers as `levity-trio deploy --servers 3` writes them, behind a real HAProxy, on a real
PostgreSQL."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from levity_trio.config.settings import PostgresqlAddress
from tests.ports import free_port
from tests.postgresql import SETTINGS, Server, program, running
from tests.store.postgresql.stored import change, query

from .charger import Charger, Closed, NoWebSocket, meter_values, now
from .confined import settings
from .forking import run_forked
from .prometheus import prometheus, wait_for
from .serving import Serving, environment, environment_of_user, serving
from .test_haproxy import HAPROXY
from .test_postgresql import shell
from .test_servers import end_lease, wait_until
from .test_unit import needs_seccomp, run_unit

SERVERS = 3
CHARGERS = 6
CONNECTIONS = 4
"""To PostgreSQL, of each server, as levity-postgresql.conf says."""
PORTS = re.compile(r"\b(?:9000|9001|1[0-2](?:000|001|464))\b")
"""Those of HAProxy and of the three servers."""
AT = (
    "SELECT cp_id, server FROM session "
    "JOIN run ON run.id = run_id WHERE session.ended_at IS NULL "
    "ORDER BY session.id"
)
HELD = "UPDATE levity.server SET until = clock_timestamp() + interval '1 hour' WHERE name = '{}'"


def deploy(folder: Path, address: str) -> Path:
    """The files, as a user gets them, but for their ports: here each is a free one."""
    files = folder / "files"
    command = ("deploy", "--servers", str(SERVERS), "--db", address, str(files))
    run_forked(command, folder, environment_of_user(), 60).check_returncode()
    ports: dict[str, str] = {}
    for file in files.iterdir():
        text = PORTS.sub(
            lambda found: ports.setdefault(found[0], str(free_port())), file.read_text()
        )
        file.write_text(text.replace("_interval: 10s", "_interval: 1s"))
    return files


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """PostgreSQL with the settings that are deployed."""
    text = (
        deploy(tmp_path_factory.mktemp("settings"), "postgresql:///levity")
        / "levity-postgresql.conf"
    ).read_text()
    deployed = dict(re.findall(r"^(\w+) = (\S+)$", text, re.MULTILINE))
    assert int(deployed["max_connections"]) > SERVERS * CONNECTIONS * 2
    with running() as server:
        server.stop()
        server.start(**SETTINGS | deployed)
        yield server


class Site(NamedTuple):
    """The servers by their names, and the ports of HAProxy for chargers and for pages."""

    servers: dict[str, Serving]
    port: int
    pages: int


@contextmanager
def deployed(folder: Path, address: PostgresqlAddress) -> Iterator[Site]:
    files = deploy(folder, address)
    with ExitStack() as opened:
        servers = {}
        for number in range(1, SERVERS + 1):
            (folder / str(number)).mkdir()
            name, flags = f"levity-{number}", flags_of(files / f"levity-trio-{number}.service")
            servers[name] = opened.enter_context(
                serving(folder / str(number) / name, *flags, may_log_errors=True)
            )
        yield Site(servers, *opened.enter_context(proxying(files / "haproxy.cfg")))


def flags_of(unit: Path) -> Iterator[str]:
    """The settings of a unit. The current folder is its own."""
    for words in settings(unit, "Environment"):
        name, value = shlex.split(words)[0].split("=", 1)
        if name.startswith("LEVITY_"):
            yield from ("--" + name.removeprefix("LEVITY_").lower().replace("_", "-"), value)


@contextmanager
def proxying(file: Path) -> Iterator[tuple[int, int]]:
    """HAProxy with this file; gives its ports for chargers and pages. Only root can have it change
    root and user."""
    text = file.read_text()
    port, pages = (
        int(re.findall(rf"frontend {name}\n    bind [\d.]+:(\d+)", text)[0])
        for name in ("chargers", "pages")
    )
    if os.geteuid() != 0:
        text = re.sub(r"^    (user|group|chroot) .*\n", "", text, flags=re.MULTILINE)
    file.write_text(text)
    log = file.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [HAPROXY, "-db", "-f", file], env=environment(), stdout=output, stderr=output
        )
    try:
        wait_for(lambda: dial(port, "PROBE"), f"it passes on: {log.read_text()}")
        yield port, pages
    finally:
        process.terminate()
        process.wait()


def dial(port: int, identity: str) -> bool:
    with suppress(OSError, Closed, NoWebSocket), Charger(port, identity):
        return True
    return False


def again(port: int, identity: str) -> Charger:
    """Dial as often as it takes, as chargers do."""
    found: list[Charger] = []

    def is_admitted() -> bool:
        with suppress(NoWebSocket, Closed):
            found.append(Charger(port, identity))
        return bool(found)

    wait_until(is_admitted)
    return found[0]


def those_at(address: PostgresqlAddress, server: str) -> list[str]:
    """The chargers whose last session is at this server."""
    last: dict[str, str] = {charger: at for charger, at in query(address, AT) if charger != "PROBE"}
    return sorted(charger for charger, at in last.items() if at == server)


def assert_few_connections(address: PostgresqlAddress) -> None:
    counted = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    ((connections,),) = query(address, counted)
    assert connections <= SERVERS * CONNECTIONS


def test_a_server_is_killed_and_another_one_drained(
    address: PostgresqlAddress, tmp_path: Path
) -> None:
    """All chargers go on at the third, and each transaction is billed as if nothing had
    happened."""
    identities = [f"CP-{number}" for number in range(CHARGERS)]
    with deployed(tmp_path, address) as (servers, port, _), ExitStack() as opened:
        chargers = {
            identity: opened.enter_context(Charger(port, identity)) for identity in identities
        }
        transactions = {}
        for identity, charger in chargers.items():
            charger.boot()
            transactions[identity] = charger.start("TAG", 1000)
        first, second, third = servers
        assert all(those_at(address, name) for name in servers)
        assert_few_connections(address)

        gone = those_at(address, first)
        # its lease cannot run out here: nobody may wait for that
        change(address, HELD.format(first))
        servers[first].kill()
        for identity in gone:
            assert chargers[identity].wait_closed().code is None
            chargers[identity] = opened.enter_context(Charger(port, identity))
            chargers[identity].call("MeterValues", **meter_values(transactions[identity], "1500"))
        assert {*those_at(address, second), *those_at(address, third)} == set(identities)

        moving = those_at(address, second)
        drained = shell(
            tmp_path, "drain", "--seconds", "0", "--api", f"unix:{servers[second].database}.sock"
        )
        assert drained.returncode == 0
        for identity in moving:
            assert chargers[identity].wait_closed().code == 1012
            chargers[identity] = opened.enter_context(again(port, identity))
        for identity, charger in chargers.items():
            charger.call(
                "StopTransaction",
                transactionId=transactions[identity],
                meterStop=2500,
                timestamp=now(),
            )
        assert those_at(address, third) == identities
    billed = query(
        address, "SELECT id, energy_delivered, confidence, suspended_at IS NULL FROM tx ORDER BY id"
    )
    assert billed == [
        (transaction, 1500, "certain", 1) for transaction in sorted(transactions.values())
    ]


def test_metrics_of_the_site_go_on_when_its_duties_move(
    address: PostgresqlAddress, tmp_path: Path
) -> None:
    """Each series is there once, and no counter begins anew."""
    with deployed(tmp_path, address) as (servers, port, _), Charger(port, "CP-1") as charger:
        for _ in range(2):
            charger.boot()
        (holder,) = duties(address)
        with prometheus(
            tmp_path / "files" / "prometheus.yml", "--storage.tsdb.path=data"
        ) as scraping:

            def told(expression: str) -> list[tuple[str, str]]:
                return [
                    (one["metric"].get("instance", ""), one["value"][1])
                    for one in scraping.query(expression)
                ]

            wait_for(
                lambda: told('ocpp_cp_boots_total{cp_id="CP-1"} == 2') == [("levity-trio", "2")],
                "it was scraped",
            )
            servers[holder].kill()
            end_lease(address, holder)
            wait_for(lambda: holder not in duties(address), "another server has the duties")
            wait_for(lambda: told("count(up == 0)") == [("", "1")], "that it is away is seen")
            wait_for(lambda: told("ocpp_cp_boots_total"), "the other one exports them")
            assert told('ocpp_cp_boots_total{cp_id="CP-1"}') == [("levity-trio", "2")]
            assert told('resets(ocpp_cp_boots_total{cp_id="CP-1"}[5m])') == [("levity-trio", "0")]
            assert told("ocpp_disk_free_bytes") == []
            assert {rule["health"] for rule in scraping.rules()} <= {"ok", "unknown"}


def duties(address: PostgresqlAddress) -> Sequence[str]:
    found: list[str] = []

    def is_held() -> bool:
        found[:] = [
            name for (name,) in query(address, "SELECT name FROM levity.server WHERE has_duties")
        ]
        return bool(found)

    wait_until(is_held)
    return found


@pytest.mark.parametrize(
    "command",
    [
        "haproxy -c -f haproxy.cfg",
        "promtool check config prometheus.yml prometheus-agent.yml",
        "amtool check-config alertmanager.yml",
        (
            "systemd-analyze verify --man=no --recursive-errors=no ./levity-trio-1.service "
            "./levity-trio-3.service"
        ),
    ],
)
def test_their_own_programs_take_the_files(command: str, tmp_path: Path) -> None:
    name, *arguments = command.split()
    found = HAPROXY if name == "haproxy" else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed; .ci/run installs it")
    files = deploy(tmp_path, "postgresql:///levity")
    told = subprocess.run(
        [found, *arguments], cwd=files, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_role_and_database_are_created_once(postgresql: Server, tmp_path: Path) -> None:
    files = deploy(tmp_path, "postgresql://o'neil@/a%20site")
    psql = [
        program("psql"),
        "-X",
        "-q",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        str(postgresql.folder),
        "-U",
        "postgres",
    ]
    for _ in range(2):
        subprocess.run([*psql, "-f", str(files / "postgresql.sql")], check=True)
    owned = (
        "SELECT datname, rolname, pg_encoding_to_char(encoding) "
        "FROM pg_database JOIN pg_roles ON datdba = pg_roles.oid"
    )
    found = subprocess.check_output(
        [*psql, "-At", "-c", f"{owned} WHERE datname = 'a site'"], text=True
    )
    assert found.strip() == "a site|o'neil|UTF8"


@needs_seccomp
def test_a_server_serves_under_all_that_its_unit_forbids(
    address: PostgresqlAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = deploy(tmp_path, address)
    monkeypatch.chdir(tmp_path)
    with run_unit(files / "levity-trio-1.service") as server:
        server.wait_word("READY=1")
        assert (tmp_path / "levity-1.sock").is_socket()
        assert server.end(signal.SIGTERM) == (0, "")


def test_pages_and_api_have_the_address_of_each_client(
    address: PostgresqlAddress, tmp_path: Path
) -> None:
    with deployed(tmp_path, address) as site:
        connection = HTTPConnection(
            "127.0.0.1", site.pages, timeout=60, source_address=("127.0.0.77", 0)
        )
        with closing(connection):
            connection.request("GET", "/api/v1/chargers", headers={"Authorization": "Bearer wrong"})
            assert connection.getresponse().status == 401
        wait_until(
            lambda: query(address, "SELECT address FROM operator_action") == [("127.0.0.77",)]
        )
