"""Servers that share one PostgreSQL database: commands that were given up, and chargers that
another server refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from levity_trio.client import Refusal
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from tests.store.postgresql.stored import query

from .charger import Charger, Closed, NoWebSocket
from .test_servers import SECONDS, ask, two, wait_until

HOLD = (
    "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0; SELECT 1 FROM levity.counted WHERE "
    "name = 'event'"
)
LOCATION = "ftp://anna:secret@host/x"


def test_a_command_that_was_given_up_is_not_sent(
    address: PostgresqlAddress, tmp_path: Path
) -> None:
    """It is stored after its asker was told that nothing was done, and is read as news then. Its
    secret is unknown."""
    with (
        ThreadPoolExecutor(1) as pool,
        two(address, tmp_path) as (one, _),
        Charger(one.port, "CP-1") as charger,
    ):
        charger.boot()
        charger.socket.settimeout(SECONDS)
        request = ("POST", "admin", "chargers", "CP-1")
        with closing(PostgresqlConnection(connect(address))) as holder:
            holder.run(f"{HOLD} FOR UPDATE")
            with pytest.raises(Refusal, match="nothing was done"):
                ask(one, *request, "get-diagnostics", location=LOCATION)
            holder.run("COMMIT")
        wait_until(lambda: query(address, "SELECT 1 FROM command WHERE state <> 'queued'"))
        answered = pool.submit(ask, one, *request, "trigger-message", requestedMessage="Heartbeat")
        _, message_id, action, _ = charger.receive()
        assert action == "TriggerMessage"
        charger.send_text(f'[3, "{message_id}", {{"status": "Accepted"}}]')
        assert answered.result()["state"] == "accepted"
    found = query(address, "SELECT action, state, error_code FROM command ORDER BY id")
    assert found == [
        ("GetDiagnostics", "cancelled", "given_up"),
        ("TriggerMessage", "accepted", None),
    ]


def test_a_charger_that_the_other_server_refused(
    address: PostgresqlAddress, tmp_path: Path
) -> None:
    with two(address, tmp_path, "--registration", "closed") as (one, other):
        ask(one, "POST", "admin", "chargers", id="CP-1")
        with connected_at_last(other.port) as charger:
            charger.boot()
            charger.socket.settimeout(SECONDS)
            ask(one, "POST", "admin", "chargers", "CP-1", "refuse")
            with pytest.raises(Closed) as closed:
                charger.receive()
            assert (closed.value.code, closed.value.reason) == (1008, "this charger is refused")
        with pytest.raises(NoWebSocket):
            Charger(other.port, "CP-1")


def connected_at_last(port: int) -> Charger:
    """A charger that connects as soon as its server has learned that it was created."""
    found: list[Charger] = []

    def is_done() -> bool:
        with suppress(NoWebSocket):
            found.append(Charger(port, "CP-1"))
        return bool(found)

    wait_until(is_done)
    return found[0]
