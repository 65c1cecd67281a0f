"""Bad peers cost themselves: their connection, and nobody else anything."""

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import count

import pytest

from tests.integration.websocket import TEXT, client_frame, upgrade_request
from tests.sizes import size

from .charger import Charger, deaf, reset
from .fleet import Account, Fleet, accounts, missing
from .flood import FLOODS, LARGEST_BYTES, flooding, large_frame
from .serving import Serving, serving

CHARGERS = 20
FLOOD_SECONDS = size(2, 1)
GENEROUS_MILLISECONDS = 5000.0
"""On a quiet machine the others' p99 stays under 50 ms, which the tests print."""
FLEETS = count(1)
GARBAGE = (
    *(
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-scanner\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ),
    *(b"\x00" * 300, b"\xff\xfb\x01\r\n\r\n", b"*1\r\n$4\r\nPING\r\n"),
    *(
        b"GET /ocpp/\xff HTTP/1.1\r\nHost: \xe9\r\n\r\n",
        b"POST /ocpp/CP-1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
    ),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One for all tests here, and it lives."""
    with serving(tmp_path_factory.mktemp("peers") / "levity.db", may_log_errors=True) as running:
        yield running


@pytest.fixture(autouse=True)
def no_errors(server: Serving) -> Iterator[None]:
    """Nothing that a peer does is an error of ours; said with the test that made it one."""
    before = len(server.errors())
    yield
    assert not server.errors()[before:]


@pytest.fixture
def others(server: Serving) -> Iterator[Fleet]:
    """Normal chargers: they talk while a test lets them, and everything that they were answered
    must be right."""
    fleet = accounts(CHARGERS, f"NORMAL-{next(FLEETS)}")
    with Fleet(server.port) as load:
        load.join(fleet)
        yield load
        all_go_on(load, fleet)
        assert not load.faults, (load.faults, load.samples)
    assert not missing(fleet, server.database)


def all_go_on(load: Fleet, fleet: list[Account]) -> None:
    before = [account.answered for account in fleet]
    assert load.run(30, lambda: all(a.answered > b for a, b in zip(fleet, before, strict=True)))


def measure(
    load: Fleet, what: str, seconds: float = 1.0, until: Callable[[], bool] | None = None
) -> None:
    """Let the others talk meanwhile, and look at what they had to wait for their answers."""
    waits = load.measure(seconds, until)
    print(f"\n{what}; {CHARGERS} others: {waits}")
    assert until is None or until()
    assert waits.p99_milliseconds < GENEROUS_MILLISECONDS


def test_nobody_rude(others: Fleet) -> None:
    """What the figures below are to be compared with."""
    measure(others, "nobody rude")


def test_a_port_scanner(server: Serving, others: Fleet) -> None:
    for number in range(50):
        scanner = socket.create_connection(("127.0.0.1", server.port))
        noise = random.randbytes(random.randint(1, 2000))
        scanner.sendall(noise if number % 2 else GARBAGE[number // 2 % len(GARBAGE)])
        reset(scanner)
        others.run(0.01)


def test_a_peer_that_is_gone_before_its_answer(server: Serving, others: Fleet) -> None:
    for number in range(50):
        connected = socket.create_connection(("127.0.0.1", server.port))
        connected.sendall(upgrade_request(f"/ocpp/GONE-{number}", server.port))
        reset(connected)
        others.run(0.01)


def test_bytes_after_the_handshake_that_are_no_websocket(server: Serving, others: Fleet) -> None:
    for number in range(20):
        with Charger(server.port, f"GARBAGE-{number}") as charger:
            charger.socket.sendall(random.randbytes(500))
            if number % 2:
                charger.vanish()
            others.run(0.01)


def test_bytes_above_127_in_a_header(server: Serving) -> None:
    head = upgrade_request("/ocpp/LATIN", server.port)
    with Charger(
        server.port, "LATIN", head.replace(b"Host:", b"X-Site: B\xfcro \xff\xfe\r\nHost:")
    ) as charger:
        assert charger.boot()["status"] == "Accepted"


def test_who_breaks_the_websocket_protocol_is_told_so(server: Serving, others: Fleet) -> None:
    with Charger(server.port, "BREAKS") as charger:
        charger.boot()
        charger.socket.sendall(b"\xff" * 5000)
        others.run(0.01)
        assert charger.wait_closed().code == 1002
    server.wait_line("ChargerDisconnected", charger=charger.identity)
    assert server.query("SELECT close_code FROM session WHERE cp_id = ?", charger.identity) == [
        (1002,)
    ]


def test_a_boot_in_latin_1(server: Serving) -> None:
    with Charger(server.port, "COLOGNE") as charger:
        told = '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"Köln"}]'
        charger.socket.sendall(client_frame(TEXT, told.encode("latin-1")))
        assert charger.receive()[2]["status"] == "Accepted"
    counted = server.query("SELECT kind FROM repair WHERE cp_id = ?", charger.identity)
    assert counted == [("frame: not UTF-8",)]


def test_a_frame_that_comes_with_the_request(server: Serving) -> None:
    early = client_frame(TEXT, b'[2,"early","Heartbeat",{}]')
    with Charger(
        server.port, "EARLY", upgrade_request("/ocpp/EARLY", server.port) + early
    ) as charger:
        assert charger.receive()[:2] == [3, "early"]


def test_half_open_handshakes(server: Serving, others: Fleet) -> None:
    with ExitStack() as stack:
        for number in range(300):
            connected = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connected.sendall(
                upgrade_request(f"/ocpp/HALF-{number}", server.port)[: 10 + number % 100]
            )
        measure(others, "300 half-open handshakes")


def test_one_that_never_reads(server: Serving, others: Fleet) -> None:
    """Its answers fill both sides' buffers; the server gives it up after 5 s, and only it."""
    with deaf(server.port):
        measure(
            others,
            "one that never reads",
            30,
            lambda: bool(server.find("ChargerDisconnected", "DEAF")),
        )


@pytest.mark.parametrize("declared", [LARGEST_BYTES + 1, 20_000_000])
def test_a_frame_that_is_too_large(declared: int, server: Serving) -> None:
    with Charger(server.port, f"LARGE-{declared}") as charger:
        charger.boot()
        with suppress(ConnectionError):  # it may well be thrown out before the last byte
            charger.socket.sendall(large_frame(declared))
        assert charger.wait_closed().code == 1009
    server.wait_line("ChargerDisconnected", charger=charger.identity)
    assert server.query("SELECT close_code FROM session WHERE cp_id = ?", charger.identity) == [
        (1009,)
    ]


def test_a_frame_of_the_largest_size(server: Serving) -> None:
    with Charger(server.port, "LARGEST") as charger:
        charger.boot()
        for _ in range(5):
            charger.socket.sendall(large_frame(LARGEST_BYTES))
        assert [charger.receive()[:2] for _ in range(5)] == [[3, "1"]] * 5


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.night
def test_a_flood(kind: str, server: Serving, others: Fleet) -> None:
    with flooding(server.port, kind, FLOOD_SECONDS + 0.5) as flood:
        measure(others, f"flood of {kind}", FLOOD_SECONDS)
    codes = {code: flood.codes.count(code) for code in flood.codes}
    print(
        f"it sent {flood.sent_bytes / 1e6:.1f} MB in {flood.connections} connections, ended with "
        f"{codes}"
    )
    assert flood.sent_bytes
    assert kind != "garbage" or 1008 in codes
