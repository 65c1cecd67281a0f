"""What systemd hears, over real datagram sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.server.systemd import open_supervision


@pytest.fixture(params=["file", "abstract"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A socket as systemd opens it, and what NOTIFY_SOCKET says of it."""
    path = str(tmp_path / "notify")
    name, address = (f"@{path}", f"\0{path}") if request.param == "abstract" else (path, path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        yield name, listener


def words(listener: socket.socket) -> list[str]:
    heard = []
    try:
        while True:
            heard.append(listener.recv(100).decode())
    except BlockingIOError:
        return heard


async def test_ready_then_stopping(told: tuple[str, socket.socket]) -> None:
    name, listener = told
    async with open_supervision({"NOTIFY_SOCKET": name}):
        assert words(listener) == ["READY=1"]
    assert words(listener) == ["STOPPING=1"]


async def test_alive_at_half_of_the_watchdog_s_time(
    told: tuple[str, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    name, listener = told
    environment = {
        "NOTIFY_SOCKET": name,
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    async with open_supervision(environment):
        await trio.sleep(31)
        assert words(listener) == ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
        await trio.sleep(15)
        assert words(listener) == ["WATCHDOG=1"]
        assert autojump_clock.current_time() == pytest.approx(46)


@pytest.mark.parametrize(
    "environment",
    [
        {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "x"},
    ],
)
async def test_a_watchdog_that_is_not_ours_hears_nothing(
    told: tuple[str, socket.socket],
    environment: dict[str, str],
    autojump_clock: trio.testing.MockClock,
) -> None:
    name, listener = told
    async with open_supervision({"NOTIFY_SOCKET": name, **environment}):
        await trio.sleep(100)
        assert autojump_clock.current_time() == pytest.approx(100)
        assert words(listener) == ["READY=1"]


async def test_stopping_is_told_when_it_is_cancelled(told: tuple[str, socket.socket]) -> None:
    name, listener = told
    with trio.CancelScope() as scope:
        async with open_supervision({"NOTIFY_SOCKET": name}):
            scope.cancel()
            await trio.sleep_forever()
    assert words(listener) == ["READY=1", "STOPPING=1"]


async def test_nobody_is_told_without_systemd(log_lines: list[EventDict]) -> None:
    async with open_supervision({"WATCHDOG_USEC": "1"}):
        await trio.testing.wait_all_tasks_blocked()
    assert not log_lines


async def test_a_socket_that_is_gone_costs_a_line(
    tmp_path: Path, log_lines: list[EventDict]
) -> None:
    async with open_supervision({"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        pass
    assert {line["event"] for line in log_lines} == {"systemd cannot be notified"}


async def test_a_full_socket_is_waited_for_a_second(
    told: tuple[str, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    name, _ = told
    fill(f"\0{name[1:]}" if name.startswith("@") else name)
    async with open_supervision({"NOTIFY_SOCKET": name}):
        assert autojump_clock.current_time() == pytest.approx(1)


def fill(address: str) -> None:
    """Fill the queue of a socket. One sender cannot fill a long one, which may take more than its
    own buffer."""
    while send_all(address):
        pass


def send_all(address: str) -> int:
    """Send until nothing more is taken, and return how many were."""
    sent = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flooder, suppress(BlockingIOError):
        flooder.connect(address)
        flooder.setblocking(False)
        while True:
            flooder.send(b"X")
            sent += 1
    return sent
