"""Listening, the errors when it fails, and the address for other machines."""

from __future__ import annotations

import socket

import pytest
import trio

from levity_trio.config import EnvironmentProblem
from levity_trio.listening.addresses import ALL_ADDRESSES, Flags, listen, reachable

FLAGS = Flags("--metrics-host", "--metrics-port")


async def test_it_listens() -> None:
    (listener,) = await listen("127.0.0.1", 0, FLAGS)
    async with listener:
        port = listener.socket.getsockname()[1]
        async with await trio.open_tcp_stream("127.0.0.1", port):
            pass


async def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = (
            rf"127\.0\.0\.1 port {port}: .*; stop the program .* choose another port with "
            r"--metrics-port"
        )
        with pytest.raises(EnvironmentProblem, match=line):
            await listen("127.0.0.1", port, FLAGS)


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
async def test_an_address_of_another_machine_is_reported(host: str) -> None:
    with pytest.raises(
        EnvironmentProblem, match="give --metrics-host an address of this machine"
    ) as raised:
        await listen(host, 0, FLAGS)
    assert "stop the program that uses it" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.168.1.5", "192.168.1.5:9000"),
        ("charging.example", "charging.example:9000"),
        ("fd00::5", "[fd00::5]:9000"),
    ],
)
def test_a_given_address_is_kept(host: str, expected: str) -> None:
    assert reachable(host, 9000) == expected


@pytest.mark.parametrize("host", ALL_ADDRESSES)
def test_a_wildcard_becomes_a_reachable_address(host: str) -> None:
    found = reachable(host, 9000)
    assert found.endswith(":9000")
    assert host not in (found.removesuffix(":9000").strip("[]"), "")
