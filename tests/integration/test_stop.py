"""Signals: everybody is told 1001, what was answered is stored, and nobody holds the stop up."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.integration.websocket import upgrade_request

from .charger import Charger, Closed, NoWebSocket, deaf
from .fleet import Fleet, accounts, answered, missing
from .forking import run_forked
from .outages import locked
from .serving import environment, serving

CHARGERS = 200
GENEROUS_SECONDS = 30.0
"""On a quiet machine it is under 2 s, which the tests print."""
LAST_RESORT_SECONDS = 15.0
"""What the server may take beyond its grace, and the end of a process on a busy machine."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_everyone_talking_is_told_1001(number: signal.Signals, tmp_path: Path) -> None:
    fleet, database = accounts(CHARGERS), tmp_path / "levity.db"
    with serving(database) as server, Fleet(server.port) as load:
        load.join(fleet)
        assert load.run(GENEROUS_SECONDS, lambda: all(account.answered for account in fleet))
        server.signal(number)
        began = time.monotonic()
        assert load.run_out()
        told = time.monotonic() - began
        status = server.wait()
        seconds = time.monotonic() - began
        assert load.endings == dict.fromkeys(
            (account.identity for account in fleet), "closed with 1001"
        )
    print(
        f"\n{number.name}, {CHARGERS} talking: all told after {told:.2f} s, ended after "
        f"{seconds:.2f} s"
    )
    assert (status, seconds < GENEROUS_SECONDS) == (0, True)
    assert not database.with_name("levity.db-wal").exists()  # all of it is in the one file
    assert answered(fleet) >= CHARGERS
    assert not missing(fleet, database)
    assert server.query("SELECT clean, ended_at IS NOT NULL FROM run") == [(1, 1)]
    assert server.query("SELECT close_code, count(*) FROM session GROUP BY 1") == [(1001, CHARGERS)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_with_the_first_word_is_a_stop_as_well(
    number: signal.Signals, tmp_path: Path
) -> None:
    with serving(tmp_path / "levity.db") as server:  # it has said that it serves, and nothing else
        server.signal(number)
        assert server.wait() == 0
    assert server.query("SELECT clean FROM run") == [(1,)]


def test_a_database_that_another_program_locks_is_told_at_the_start(tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with serving(database) as server:
        server.stop()
    with locked(database):
        ended = run_forked(
            ("serve", "--port", "0", "--db", str(database)), tmp_path, environment(), 60
        )
    assert ended.returncode == 1
    assert ended.stderr == f"levity-trio: cannot use the database {database}: database is locked\n"


def test_a_handshake_after_the_signal_finds_no_door(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server:
        Charger(server.port, "CP-1").close()
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            Charger(server.port, "CP-1")


def test_whoever_never_reads_does_not_hold_the_stop(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "levity.db") as server,
        deaf(server.port),
        Charger(server.port, "CP-2") as other,
    ):
        other.boot()
        server.signal(signal.SIGTERM)
        began = time.monotonic()
        assert other.wait_closed().code == 1001
        assert server.wait() == 0
        seconds = time.monotonic() - began
        print(f"\nstop beside one that never reads: {seconds:.2f} s")
        assert seconds < GENEROUS_SECONDS + LAST_RESORT_SECONDS


def test_half_open_handshakes_do_not_hold_the_stop(tmp_path: Path) -> None:
    with serving(tmp_path / "levity.db") as server, ExitStack() as stack:
        for _ in range(50):
            connected = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connected.sendall(upgrade_request("/ocpp/HALF", server.port)[:-10])
        with Charger(server.port, "CP-1") as charger:
            charger.boot()
        print(f"\nstop beside 50 half-open handshakes: {server.stop():.2f} s")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_leaves_at_once(number: signal.Signals, tmp_path: Path) -> None:
    database = tmp_path / "levity.db"
    with serving(database, may_log_errors=True) as server, Charger(server.port, "CP-1") as charger:
        charger.boot()
        with locked(database):  # so that the first one waits
            server.signal(number)
            server.wait_line("stopping")
            assert charger.wait_closed().code == 1001
            server.signal(number)
            assert server.wait() == -number  # after the grace it would be 1


def test_a_disk_that_hangs_at_the_stop_is_left(tmp_path: Path) -> None:
    database, grace = tmp_path / "levity.db", 1.0
    with serving(database, "--shutdown-grace", f"{grace:g}", may_log_errors=True) as server:
        with Charger(server.port, "CP-1") as charger, locked(database):
            charger.send("BootNotification", chargePointVendor="Waits", chargePointModel="For Ever")
            server.signal(signal.SIGTERM)
            began = time.monotonic()
            assert server.wait() == 1
            seconds = time.monotonic() - began
        print(f"\nstop with the disk hanging, grace {grace:g} s: left after {seconds:.2f} s")
        assert grace <= seconds < grace + LAST_RESORT_SECONDS
        left = "shutdown exceeded the grace period; exiting"
        assert server.find(left) or server.find(
            "stopped with uncommitted writes; none of them was acknowledged"
        )


def test_what_hangs_is_gone_two_seconds_after_the_grace() -> None:
    """Also what holds the interpreter all the time, as ten thousand connections do."""
    program = (
        "import time\nfrom levity_trio.server.signals import last_resort\n"
        "with last_resort(0.2):\n    print(flush=True)\n    while True: pass\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        assert process.wait(30) == 1
        assert time.monotonic() - began < LAST_RESORT_SECONDS


def test_nobody_new_while_stopping(tmp_path: Path) -> None:
    """A connection that waits to be accepted when the signal comes is not left hanging."""
    with serving(tmp_path / "levity.db") as server:
        server.signal(signal.SIGTERM)
        with suppress(OSError, NoWebSocket, Closed):
            while True:
                Charger(server.port, "CP-1").close()
        assert server.wait() == 0
