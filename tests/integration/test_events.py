"""The stream of events over a running server: resumed, filtered, without names for viewers, and
ended."""

from __future__ import annotations

import http.client
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from levity_trio.client import Api, Refusal, Sought
from tests.integration.charger import Charger, now
from tests.integration.foreign import api_of
from tests.integration.serving import Serving, environment, serving
from tests.integration.test_api import port_of
from tests.integration.test_operations import wait_for

Event = dict[str, Any]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path / "site.db", "--api-max-streams", "3") as running:
        yield running


class Stream:
    """An open stream, read event by event."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self._answer = connection.getresponse()
        self.status = self._answer.status

    def lines(self) -> Iterator[str]:
        while line := self._answer.readline():
            yield line.decode().rstrip("\n")

    def until(self, kind: str) -> list[Event]:
        """Read up to the next event of a kind."""
        found: list[Event] = []
        fields: dict[str, str] = {}
        for line in self.lines():
            name, _, value = line.partition(": ")
            if line == "" and "data" in fields:
                found.append(
                    {"id": fields.get("id"), "kind": fields["event"], **json.loads(fields["data"])}
                )
                fields = {}
                if found[-1]["kind"] == kind:
                    return found
            elif name:
                fields[name] = value
        raise EOFError(found)


@contextmanager
def streaming(
    server: Serving, query: str = "", last: str | None = None, token: str | None = None
) -> Iterator[Stream]:
    with closing(
        http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=60)
    ) as connection:
        headers = {} if last is None else {"Last-Event-ID": last}
        headers |= {} if token is None else {"Authorization": f"Bearer {token}"}
        connection.request("GET", f"/api/events{query}", headers=headers)
        yield Stream(connection)


def test_every_fact_once_and_on_from_the_last_one(tmp_path: Path) -> None:
    database = tmp_path / "site.db"
    with serving(database) as server, Charger(server.port, "CP-1") as charger:
        with streaming(server) as stream:
            charger.boot()
            first = stream.until("ChargerBooted")
        transaction = charger.start("TAG", 1000)
        charger.call("StopTransaction", transactionId=transaction, meterStop=3000, timestamp=now())
        wait_for(
            lambda: bool(server.query("SELECT 1 FROM event WHERE kind = 'TransactionStopped'"))
        )
    with serving(database) as server, streaming(server, last=first[-1]["id"]) as stream:
        rest = stream.until("ServerStarted")
        stored = server.query("SELECT id, kind FROM event ORDER BY id")
    told = [(int(event["id"]), event["kind"]) for event in (*first, *rest)]
    assert told == [row for row in stored if row[0] >= told[0][0]]
    assert "TransactionStopped" in [kind for _, kind in told]


def test_facts_of_one_charger_and_of_some_kinds(server: Serving) -> None:
    chargers = Charger(server.port, "CP-1"), Charger(server.port, "CP-2")
    query = "?charger=CP-2&kind=ChargerBooted,TransactionStarted"
    with chargers[0] as one, chargers[1] as two, streaming(server, query) as stream:
        for charger in (one, two):
            charger.boot()
            charger.start("TAG", 1000)
        told = stream.until("TransactionStarted")
    assert [(event["charger"], event["kind"]) for event in told] == [
        ("CP-2", "ChargerBooted"),
        ("CP-2", "TransactionStarted"),
    ]


def test_readings_are_live_and_have_no_id(server: Serving) -> None:
    with Charger(server.port, "CP-1") as charger, streaming(server, "?kind=reading") as stream:
        charger.boot()
        transaction = charger.start("TAG", 1000)
        sample = {"value": "7.2", "measurand": "Power.Active.Import", "unit": "kW"}
        charger.call(
            "MeterValues",
            connectorId=1,
            transactionId=transaction,
            meterValue=[
                {
                    "timestamp": now(),
                    "sampledValue": [sample, {"value": "230", "measurand": "Voltage"}],
                }
            ],
        )
        (reading,) = stream.until("reading")
    assert reading["id"] is None
    assert (reading["charger"], reading["connector"], reading["transaction"]) == (
        "CP-1",
        1,
        transaction,
    )
    assert reading["values"] == [["Power.Active.Import", "", "7.2", "kW"]]


def test_what_was_pruned_is_a_gap(server: Serving) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
    wait_for(lambda: bool(server.query("SELECT 1 FROM event WHERE kind = 'ChargerDisconnected'")))
    server.signal(signal.SIGTERM)
    server.wait()
    with closing(sqlite3.connect(server.database)) as connection, connection:
        connection.execute("DELETE FROM event WHERE id <= 2")
    with serving(server.database) as again, streaming(again, last="0") as stream:
        gap, *rest = stream.until("ServerStarted")
    assert (gap["kind"], gap["after"], gap["upto"]) == ("gap", 0, 2)
    assert int(rest[0]["id"]) == 3


def test_a_viewer_sees_no_names_and_a_revoked_token_ends_it(server: Serving) -> None:
    made = api_of(server).ask("POST", "admin", "tokens", given={"name": "eye", "role": "viewer"})
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        transaction = charger.start("TAG", 1000)
        for register in (4000, 4100):
            charger.call(
                "StopTransaction", transactionId=transaction, meterStop=register, timestamp=now()
            )
        with streaming(server, token=made["token"]) as stream:
            path = ("admin", "transactions", str(transaction), "confirm")
            api_of(server).ask("POST", *path, given={"reason": "seen"})
            told = stream.until("TransactionConfirmed")[-1]
            assert not {"by", "reason"} & told.keys()
            api_of(server).ask("DELETE", "admin", "tokens", str(made["id"]))
            charger.boot()
            with pytest.raises(EOFError):
                stream.until("Never")


def test_streams_have_places_of_their_own(server: Serving) -> None:
    with streaming(server) as one, streaming(server) as two, streaming(server) as three:
        assert [stream.status for stream in (one, two, three)] == [200] * 3
        with streaming(server) as fourth:
            assert fourth.status == 503
        assert api_of(server).ask("GET", "version")
    api = Api(f"http://127.0.0.1:{port_of(server)}", Sought("server", ""))
    with pytest.raises(Refusal) as refused:
        next(api.lines("events", headers={"Last-Event-ID": "x"}, patience=5))
    assert refused.value.status == 422


def test_the_shell_shows_them(server: Serving) -> None:
    with Charger(server.port, "CP-1") as charger:
        charger.boot()
        command = [
            sys.executable,
            "-m",
            "levity_trio",
            "events",
            "--kind",
            "ChargerBooted",
            "--after",
            "0",
            "--api",
        ]
        url = f"unix:{server.database}.sock"
        with subprocess.Popen(
            [*command, url], env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert "CP-1" in process.stdout.readline()
            charger.boot()
            assert "ChargerBooted" in process.stdout.readline()
            server.stop()
            assert process.wait(60) == 0
