"""Several spawned servers on one database of PostgreSQL: a charger may connect to any, and to
another one later."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from levity_trio.client import Api, Refusal, Sought
from levity_trio.config.settings import PostgresqlAddress
from tests.postgresql import Server
from tests.store.postgresql.stored import change, query

from .charger import Charger, Closed, NoWebSocket, meter_values, now
from .serving import Serving, serving
from .test_postgresql import shell

SECONDS = 60
TAGS = 5000
LEASE = "SET lock_timeout = 0; UPDATE levity.server SET since = since - interval '1 hour'"
"""What lets the others judge who is gone: they have been there for longer than a lease."""


@contextmanager
def serving_as(
    name: str, address: PostgresqlAddress, folder: Path, *flags: str
) -> Iterator[Serving]:
    with serving(
        folder / name, "--db", address, "--server-name", name, *flags, may_log_errors=True
    ) as server:
        yield server


@contextmanager
def two(address: PostgresqlAddress, folder: Path, *flags: str) -> Iterator[tuple[Serving, Serving]]:
    with ExitStack() as opened:
        first, second = (
            opened.enter_context(serving_as(name, address, folder, *flags))
            for name in ("one", "two")
        )
        yield first, second


def ask(server: Serving, *request: str, **given: object) -> Any:
    api = Api(f"unix:{server.database}.sock", Sought("server", "start it"))
    return api.ask(*request, given=given or None, patience=SECONDS)


def at_last(server: Serving, *request: str, **given: object) -> Any:
    """Ask as soon as this server has learned what another one stored."""
    found: list[Any] = []

    def is_done() -> bool:
        with suppress(Refusal):
            found.append(ask(server, *request, **given))
        return bool(found)

    wait_until(is_done)
    return found[0]


def wait_until(is_so: Callable[[], object]) -> None:
    until = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def health(server: Serving) -> int:
    """The status of /healthz, which a proxy asks for."""
    connection = HTTPConnection(
        "127.0.0.1", server.wait_line("serving metrics")["port"], timeout=SECONDS
    )
    with closing(connection):
        connection.request("GET", "/healthz")
        return connection.getresponse().status


def end_lease(address: PostgresqlAddress, server: str) -> None:
    """What the passage of time does to a server that is silent."""
    change(
        address,
        f"{LEASE}; UPDATE levity.server SET until = clock_timestamp() WHERE name = '{server}'",
    )


def test_a_charger_that_moves(address: PostgresqlAddress, tmp_path: Path) -> None:
    """The newest connection wins; the transaction goes on."""
    with two(address, tmp_path) as (one, other), Charger(one.port, "CP-1") as before:
        before.boot()
        transaction = before.start("TAG", 1000)
        with Charger(other.port, "CP-1") as charger:
            charger.call("MeterValues", **meter_values(transaction, "1500"))
            with pytest.raises(Closed) as closed:
                before.receive()
            charger.call(
                "StopTransaction", transactionId=transaction, meterStop=2500, timestamp=now()
            )
            assert ask(one, "GET", "admin", "chargers", "CP-1")["is_connected"]
    assert (closed.value.code, closed.value.reason) == (1000, "replaced by a newer connection")
    assert query(address, "SELECT id, energy_delivered, confidence FROM tx") == [
        (transaction, 1500, "certain")
    ]
    replaced = query(
        address,
        "SELECT data LIKE '%\"replaced\":true%' FROM event WHERE kind = 'ChargerDisconnected'",
    )
    assert replaced == [(1,), (0,)]


def test_a_command_asked_for_at_the_other_server(
    address: PostgresqlAddress, tmp_path: Path
) -> None:
    with (
        ThreadPoolExecutor(1) as pool,
        two(address, tmp_path) as (one, other),
        Charger(other.port, "CP-1") as charger,
    ):
        charger.boot()
        asked = ("POST", "admin", "chargers", "CP-1", "trigger-message")
        answered = pool.submit(at_last, one, *asked, requestedMessage="Heartbeat")
        _, message_id, action, _ = charger.receive()
        assert action == "TriggerMessage"
        charger.send_text(f'[3, "{message_id}", {{"status": "Accepted"}}]')
        assert answered.result()["state"] == "accepted"


def authorize(charger: Charger, tag: str = "TAG") -> str:
    """The status of a tag. Commands of the server meanwhile (ClearCache) are answered."""
    asked = charger.send("Authorize", idTag=tag)
    while True:
        _, message_id, *rest = charger.receive()
        if message_id == asked:
            return str(rest[0]["idTagInfo"]["status"])
        charger.send_text(f'[3, "{message_id}", {{"status": "Accepted"}}]')


def test_a_tag_that_the_other_server_blocked(address: PostgresqlAddress, tmp_path: Path) -> None:
    with two(address, tmp_path) as (one, other), Charger(other.port, "CP-1") as charger:
        charger.boot()

        def becomes(status: str) -> None:
            wait_until(lambda: authorize(charger) == status)

        ask(one, "POST", "admin", "id-tags", id_tag="TAG")
        becomes("Accepted")
        ask(one, "PATCH", "admin", "id-tags", "TAG", status="Blocked")
        becomes("Blocked")


def import_tags(server: Serving, prefix: str) -> Any:
    lines = "".join(f"{prefix}{number}\n" for number in range(TAGS))
    api = Api(f"unix:{server.database}.sock", Sought("server", "start it"))
    with suppress(Exception):  # the server may be killed meanwhile
        body = f"id_tag\n{lines}".encode()
        return json.loads(
            api.send(
                "POST", "admin", "id-tag-import", body=body, media_type="text/csv", patience=SECONDS
            )
        )


def test_imports_of_tags_at_both_servers(address: PostgresqlAddress, tmp_path: Path) -> None:
    """Each is one write. Of one whose server is killed all is stored, or nothing; the other one
    knows what is."""
    with (
        ThreadPoolExecutor(2) as pool,
        two(address, tmp_path, "--unknown-tags", "refuse") as (one, other),
    ):
        reports = pool.map(import_tags, (one, other), "AB")
        assert [report["added"] for report in reports] == [TAGS, TAGS]
        lost = pool.submit(import_tags, one, "C")
        time.sleep(random.uniform(0, 0.5))
        one.kill()
        lost.result()
        end_lease(address, "one")
        assert query(address, "SELECT count(*) FROM tag WHERE id_tag LIKE 'C%'") in (
            [(0,)],
            [(TAGS,)],
        )
        with Charger(other.port, "CP-1") as charger:
            charger.boot()
            wait_until(
                lambda: (
                    {authorize(charger, f"{prefix}{TAGS - 1}") for prefix in "AB"} == {"Accepted"}
                )
            )
            assert authorize(charger, "D1") == "Invalid"


def test_a_server_that_is_killed(address: PostgresqlAddress, tmp_path: Path) -> None:
    """Its charger connects to the other at once. What it left open is ended when its lease is
    over."""
    with (
        two(address, tmp_path) as (one, other),
        Charger(one.port, "CP-1") as before,
        Charger(one.port, "CP-2") as away,
    ):
        before.boot()
        transaction = before.start("TAG", 1000)
        away.boot()
        left = away.start("TAG", 0)
        one.kill()
        with Charger(other.port, "CP-1") as charger:
            charger.call(
                "StopTransaction", transactionId=transaction, meterStop=2500, timestamp=now()
            )
            end_lease(address, "one")
            assert other.wait_line("ServerLost")["server"] == "one"
            wait_until(lambda: other.find("TransactionSuspended", "CP-2"))
            assert ask(other, "GET", "admin", "chargers", "CP-1")["is_connected"]
            assert not ask(other, "GET", "admin", "chargers", "CP-2")["is_connected"]
    found = query(
        address, "SELECT id, status, energy_delivered, suspended_at IS NULL FROM tx ORDER BY id"
    )
    assert found == [(transaction, "Completed", 1500, 1), (left, "Active", None, 0)]
    lost = query(
        address,
        "SELECT cp_id, close_code FROM session JOIN run ON run.id = run_id WHERE server = 'one'",
    )
    assert lost == [("CP-1", None), ("CP-2", None)]


def test_a_server_that_was_frozen(address: PostgresqlAddress, tmp_path: Path) -> None:
    """It does not answer for chargers that are no longer its own, and ends."""
    with two(address, tmp_path) as (one, other), Charger(one.port, "CP-1") as before:
        before.boot()
        one.signal(signal.SIGSTOP)
        before.send("StartTransaction", connectorId=1, idTag="TAG", meterStart=0, timestamp=now())
        before.send("Heartbeat")
        end_lease(address, "one")
        other.wait_line("ServerLost")
        with Charger(other.port, "CP-1") as charger:
            charger.boot()
            one.signal(signal.SIGCONT)
            with pytest.raises(Closed):
                before.receive()
            assert one.wait() == 1
            charger.call("Heartbeat")
        told, one.stderr = one.stderr, ""
    assert "its lease was ended" in told
    assert query(address, "SELECT count(*) FROM tx") == [(0,)]


def test_a_server_that_loses_the_database(
    postgresql: Server, address: PostgresqlAddress, tmp_path: Path
) -> None:
    """Other servers still have it: it sends its charger away, and a proxy sends it nobody."""
    postgresql.sql("CREATE ROLE cut SUPERUSER LOGIN")
    own = PostgresqlAddress(address.replace("postgres@", "cut@"))
    metrics = ("--metrics-port", "0")
    with (
        serving_as("one", own, tmp_path, *metrics) as one,
        serving_as("two", address, tmp_path, *metrics) as other,
        Charger(one.port, "CP-1") as before,
    ):
        before.boot()
        wait_until(
            lambda: query(address, "SELECT 1 FROM levity.server WHERE name = 'one' AND batch > 3")
        )
        postgresql.sql("ALTER ROLE cut NOLOGIN")
        postgresql.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'cut'"
        )
        wait_until(lambda: health(one) == 503)
        assert health(other) == 200
        before.send("Heartbeat")
        with pytest.raises(Closed) as closed:
            before.receive()
        assert closed.value.code == 1012
        assert other.wait_line("ServerLost")["server"] == "one"
        postgresql.sql("ALTER ROLE cut LOGIN")
        assert one.wait() == 1
        one.stderr = ""


def test_one_server_has_the_duties(address: PostgresqlAddress, tmp_path: Path) -> None:
    def holder() -> list[str]:
        return [
            name for (name,) in query(address, "SELECT name FROM levity.server WHERE has_duties")
        ]

    with two(address, tmp_path) as (one, other):
        wait_until(holder)
        first = holder()
        assert len(first) == 1
        servers = {"one": one, "two": other}
        servers.pop(first[0]).stop()
        (rest,) = servers
        wait_until(lambda: holder() == [rest])


def test_a_server_that_is_drained(address: PostgresqlAddress, tmp_path: Path) -> None:
    """Its chargers are told to connect again, and are not admitted here; their transactions go on
    at the other."""
    with (
        two(address, tmp_path, "--metrics-port", "0") as (one, other),
        Charger(one.port, "CP-1") as before,
    ):
        before.boot()
        transaction = before.start("TAG", 1000)
        drained = shell(tmp_path, "drain", "--seconds", "0", "--api", f"unix:{one.database}.sock")
        assert (drained.returncode, drained.stdout) == (
            0,
            "No charger is connected any more; stop the server now.\n",
        )
        with pytest.raises(Closed) as closed:
            before.receive()
        assert (closed.value.code, closed.value.reason) == (1012, "the server is stopping")
        with pytest.raises(NoWebSocket) as refused:
            Charger(one.port, "CP-1")
        assert refused.value.status == 503
        assert [health(server) for server in (one, other)] == [503, 200]
        with Charger(other.port, "CP-1") as charger:
            one.stop()
            charger.call(
                "StopTransaction", transactionId=transaction, meterStop=2500, timestamp=now()
            )
    assert query(address, "SELECT energy_delivered, confidence FROM tx") == [(1500, "certain")]
