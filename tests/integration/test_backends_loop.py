"""A backend that leads back to the server itself: by any name, behind a proxy, or through another
server. The server refuses its own copy at the door, tells its owner, and its charger stays."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from levity_trio.wire.handshake import COPIED_BY
from tests.integration import backend_hasty
from tests.integration.backend_given import give_backend
from tests.integration.charger import Charger, Closed, meter_values, now
from tests.integration.serving import Serving, serving
from tests.integration.test_operations import wait_for
from tests.integration.websocket import upgrade_request
from tests.ports import free_port

NAMES: Final = (
    *("localhost", "localhost.", "LOCALHOST", "127.0.0.1", "127.1", "127.0.1", "127.0.0.2"),
    *("127.255.255.254", "0", "0x0", "0x00000000", "0x7f.1", "0x7f000001", "0x7f.0.0.1"),
    *("017700000001", "0177.0.0.1", "0177.1", "2130706433", "2130706434"),
    *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]"),
)
V6_NAMES: Final = ("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "ip6-localhost", "ip6-loopback")
ALL: Final = "0.0.0.0"  # noqa: S104 - only in a test
MOST_SECONDS: Final = timedelta(seconds=10)


def leads_here(name: str) -> bool:
    """Whether this machine takes that for an address at all."""
    with suppress(OSError):
        return bool(socket.getaddrinfo(name.strip("[]"), 80))
    return False


def charge(charger: Charger, wh: int = 1000) -> None:
    """One session with a reading."""
    number = charger.start("CARD", wh, now())
    charger.call("MeterValues", **meter_values(number, str(wh + 400)))
    charger.call("StopTransaction", transactionId=number, meterStop=wh + 900, timestamp=now())


def frames(server: Serving) -> int:
    """How many messages came, of any charger, without those that say nothing."""
    ((count,),) = server.query(
        "SELECT count(*) FROM log WHERE direction = 'recv' AND action <> 'Heartbeat'"
    )
    return int(count)


def wait_for_problems(server: Serving) -> list[str]:
    """Wait until each copy was refused; return why."""
    problems = "SELECT problem FROM backend_cp JOIN backend ON id = backend_id"
    wait_for(lambda: all(text for (text,) in server.query(problems)))
    return [str(text) for (text,) in server.query(problems)]


def assert_only_its_charger(server: Serving, sent: int) -> None:
    """The charger was connected once, and nobody else has spoken."""
    assert server.query("SELECT count(*) FROM session") == [(1,)]
    assert frames(server) == sent


def assert_told(server: Serving, charger: str = "CP-1") -> None:
    """The owner was told, on *Now* and in the log."""
    wait_for(lambda: bool(server.query("SELECT 1 FROM turned_away WHERE kind = 'loop'")))
    ((subject,),) = server.query("SELECT subject FROM turned_away WHERE kind = 'loop'")
    assert subject == charger


@pytest.mark.parametrize(
    ("host", "names"),
    [
        (ALL, (*filter(leads_here, NAMES), socket.gethostname())),
        ("::", (*filter(leads_here, V6_NAMES), socket.gethostname())),
    ],
)
def test_no_name_of_its_own_host_makes_a_loop(
    host: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    assert len(names) >= (18 if host == ALL else 2)
    database, port = tmp_path / "levity.db", free_port()
    for name in names:
        url = f"ws://{name}:{port}/ws/"
        give_backend(database, port, ["CP-1"], name=name, url=url)
    flags = ("--host", host, "--port", str(port))
    with serving(database, *flags, module=backend_hasty.MODULE) as server:
        if host == "::":
            problems = wait_for_problems(server)
        else:
            with Charger(port, "CP-1") as charger:
                charger.boot()
                charge(charger)
                problems = wait_for_problems(server)
                charger.call("Heartbeat")
                assert_only_its_charger(server, 4)
        refused = [text for text in problems if "508" in text]
        # A name may lead to an address at which this one does not listen.
        assert len(refused) >= len(names) - 1, problems
        assert_told(server)


@contextmanager
def forwarding(to: int) -> Iterator[int]:
    """A port that forwards each connection to another one, as a proxy does."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    opened: list[socket.socket] = []

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", to))
                opened.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    for one in opened:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


def test_a_proxy_before_it_makes_no_loop(tmp_path: Path) -> None:
    database, port = tmp_path / "levity.db", free_port()
    with forwarding(port) as proxy:
        give_backend(database, proxy, ["CP-1"])
        with (
            serving(database, "--port", str(port), module=backend_hasty.MODULE) as server,
            Charger(port, "CP-1") as charger,
        ):
            charger.boot()
            charge(charger)
            (problem,) = wait_for_problems(server)
            assert "508" in problem
            charger.call("Heartbeat")
            assert_only_its_charger(server, 4)
            assert_told(server)


@contextmanager
def ring(folder: Path, ports: tuple[int, int]) -> Iterator[tuple[Serving, Serving]]:
    """Two servers, each the backend of the other one. They may begin anew."""
    databases = [folder / str(number) / "levity.db" for number in range(2)]
    for database, to in zip(databases, reversed(ports), strict=True):
        if not database.exists():
            database.parent.mkdir()
            give_backend(database, to, ["CP-1"])
    with (
        serving(databases[0], "--port", str(ports[0]), module=backend_hasty.MODULE) as first,
        serving(databases[1], "--port", str(ports[1]), module=backend_hasty.MODULE) as second,
    ):
        yield first, second


def charge_once(port: int) -> None:
    """Charge, as a charger that connects again until it is left alone."""
    with suppress(Closed), Charger(port, "CP-1") as charger:
        charger.boot()
        charge(charger)
        return
    charge_once(port)


def ended(server: Serving) -> int:
    return len(server.query("SELECT 1 FROM tx WHERE status = 'Completed'"))


def test_a_ring_of_two_servers_stops(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    with ring(tmp_path, ports) as (first, second):
        # None knows of the other one yet. So the first copies may take the place of the charger.
        charge_once(ports[0])
        wait_for(lambda: ended(second) == 1)
        wait_for(lambda: "508" in wait_for_problems(second)[0])
        assert_told(first)
        for server in (first, second):
            ((begun, stopped),) = server.query(
                "SELECT min(connected_at), max(connected_at) FROM session"
            )
            assert datetime.fromisoformat(stopped) - datetime.fromisoformat(begun) <= MOST_SECONDS

        with Charger(ports[0], "CP-1") as charger:
            charger.boot()
            wait_for(lambda: "508" in wait_for_problems(second)[0])
            before = frames(first), frames(second)
            for wh in (2000, 3000, 4000):
                charge(charger, wh)
            wait_for(lambda: ended(second) == 4)
            assert (frames(first) - before[0], frames(second) - before[1]) == (9, 9)
    # It is known from the beginning of the next run on.
    with ring(tmp_path, ports) as (first, second):
        ((newest,),) = first.query("SELECT max(id) FROM session")
        wait_for(lambda: "508" in wait_for_problems(second)[0])
        with Charger(ports[0], "CP-1") as charger:
            charger.boot()
            charge(charger, 5000)
            wait_for(lambda: ended(second) == 5)
            charger.boot()
        assert first.query("SELECT count(*) FROM session WHERE id > ?", newest) == [(1,)]
        assert ended(first) == 5


def test_what_others_say_of_themselves_is_harmless(tmp_path: Path) -> None:
    """Any text is kept and sent on, or left out."""
    database, port = tmp_path / "levity.db", free_port()
    with serving(database, "--port", str(port)) as server:
        for text in ("x" * 4000, "\xe4\xff", "a, b", ""):
            head = upgrade_request("/ws/CP-1", port).replace(
                b"\r\n\r\n", f"\r\n{COPIED_BY}: {text}\r\n\r\n".encode("latin-1")
            )
            with Charger(port, "CP-1", head=head) as charger:
                charger.boot()
        assert server.query("SELECT count(*) FROM session") == [(4,)]
