"""Two sockets of one charger: the newest wins, and what the older one leaves behind touches nothing of it; and who has
to wait, or to leave, for whom."""

import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.benchmarks.websocket import upgrade_request

from .charger import ANSWER_SECONDS, Charger, NoWebSocket, meter_values, now
from .serving import Serving, serving

REPLACED = "replaced by a newer connection"


@pytest.mark.parametrize("older_talks", [True, False])
def test_the_newest_connection_wins(older_talks: bool, tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, ExitStack() as stack:
        older = stack.enter_context(Charger(server.port, "CP-1"))
        if older_talks:
            older.boot()
        newer = stack.enter_context(Charger(server.port, "CP-1"))
        newer.boot()
        last_line = "ChargerDisconnected" if older_talks else "connection closed without a valid message"
        assert leave(older, server, last_line) == (1000, REPLACED)
        newer.call("StatusNotification", connectorId=0, status="Available", errorCode="NoError")
        assert server.query("SELECT is_connected FROM cp") == [(1,)]
        assert sessions(server) == [(1000, REPLACED)] * older_talks + [(None, None)]
        newer.close()
        server.wait_line("ChargerDisconnected")


def test_a_transaction_moves_to_the_newer_connection(tmp_path: Path) -> None:
    """Unsuspended, for its charger never was away; and what the older one said last is stored."""
    with serving(tmp_path / "levity.db") as server, Charger(server.port, "CP-1") as older:
        older.boot()
        transaction = older.start("TAG")
        older.call("MeterValues", **meter_values(transaction, "1100"))
        with Charger(server.port, "CP-1") as newer:
            newer.call("Heartbeat")
            leave(older, server)
            newer.call("MeterValues", **meter_values(transaction, "1200"))
            assert server.query("SELECT status, suspended_at FROM tx") == [("Active", None)]
            assert server.query("SELECT is_connected, session_id FROM cp") == [(1, 2)]
            newer.call("StopTransaction", transactionId=transaction, meterStop=1300, timestamp=now())
        steps = [kind for (kind,) in server.query("SELECT kind FROM tx_event ORDER BY id")]
        assert steps == ["start", "stop"]
        readings = server.query("SELECT session_id, tx_id, value FROM meter_val ORDER BY id")
        assert readings == [(1, transaction, "1100"), (2, transaction, "1200")]
        assert server.query("SELECT energy_delivered FROM tx") == [(300,)]


def leave(older: Charger, server: Serving, last_line: str = "ChargerDisconnected") -> tuple[int | None, str]:
    """Let the older connection end only now, after the newer one has spoken; gives what it was told.

    What the server then still has to write of it is handed in with that line, before anything that is sent later.
    """
    closed = older.wait_closed()
    server.wait_line(last_line)
    return closed.code, closed.reason


def test_twenty_reconnects_at_once_leave_one(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, ExitStack() as stack:
        chargers = [stack.enter_context(Charger(server.port, "CP-1")) for _ in range(20)]
        last = chargers.pop()
        assert {charger.wait_closed().code for charger in chargers} == {1000}
        last.boot()
        assert server.query("SELECT is_connected, session_id FROM cp") == [(1, 1)]
        assert sessions(server) == [(None, None)]


def test_two_clients_with_one_identity_take_turns(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, ExitStack() as stack:
        here = stack.enter_context(Charger(server.port, "CP-1"))
        here.boot()
        there = stack.enter_context(Charger(server.port, "CP-1", address="127.0.0.2"))
        there.boot()
        assert here.wait_closed().code == 1000
        waiting = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), ANSWER_SECONDS))
        waiting.sendall(upgrade_request("/ocpp/CP-1", server.port))
        server.wait_line("two clients use one identity; the newer request waits")
        there.call("Heartbeat")
        there.close()
        assert waiting.recv(1024).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_charger_with_transactions_takes_the_place_of_a_stranger(is_restarted: bool, tmp_path: Path) -> None:
    database, limit = tmp_path / "levity.db", ("--max-connections", "2")
    with ExitStack() as stack:
        server = stack.enter_context(serving(database, *limit))
        with Charger(server.port, "KNOWN") as known:
            known.boot()
            transaction = known.start("TAG")
            known.call("StopTransaction", transactionId=transaction, meterStop=4000, timestamp=now())
        if is_restarted:
            server.stop()
            server = stack.enter_context(serving(database, *limit))
        strangers = [stack.enter_context(Charger(server.port, f"STRANGER-{number}")) for number in range(2)]
        for stranger in strangers:
            stranger.boot()
        with pytest.raises(NoWebSocket, match="503"):
            Charger(server.port, "STRANGER-3")
        with Charger(server.port, "KNOWN") as known:
            known.boot()
            assert strangers[0].wait_closed().code == 1013
            strangers[1].call("Heartbeat")


def sessions(server: Serving) -> list[tuple[object, ...]]:
    return server.query("SELECT close_code, close_reason FROM session ORDER BY id")
