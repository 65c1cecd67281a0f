"""Connections through a proxy that tells in a PROXY header whose they are."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
import trio

from levity_trio.charger.central import Central
from tests.charger.parts import InlineWriter, configure
from tests.charger.peers import RawPeer, at, open_raw, upgrade
from tests.wire.test_proxy_header import header, tcp4, tcp6

PROXY = "10.0.0.5"
LOCAL = header(0x20, 0x00)


@pytest.fixture
def proxied(central: Central) -> Central:
    configure(central, proxy_from=(ip_network("10.0.0.0/24"),))
    return central


async def answer(central: Central, sent: bytes, address: str = PROXY) -> str:
    """Return the head that comes back. A charger then sends a message, with which its session is
    stored."""
    async with open_raw(central, at(address)) as peer:
        await peer.send(sent)
        head = await peer.read_head()
        if head.startswith("HTTP/1.1 101 "):
            await beat(peer)
        return head


async def beat(peer: RawPeer) -> None:
    await peer.send_frame('[2, "1", "Heartbeat", {}]')
    assert (await peer.receive())[0] == 3


def addresses(writer: InlineWriter) -> list[str]:
    return [address for (address,) in writer.rows("SELECT remote_address FROM session ORDER BY id")]


@pytest.mark.parametrize(
    ("sent", "address"),
    [
        (tcp4("192.0.2.7"), "192.0.2.7"),
        (tcp6("2001:db8::7", b"\x04\x00\x01x"), "2001:db8::7"),
        (header(0x21, 0x00), "unknown"),
        (header(0x21, 0x31, bytes(216)), "unknown"),
    ],
)
async def test_a_session_has_the_address_that_the_proxy_names(
    proxied: Central, writer: InlineWriter, sent: bytes, address: str
) -> None:
    assert (await answer(proxied, sent + upgrade())).startswith("HTTP/1.1 101 ")
    assert addresses(writer) == [address]


async def test_a_header_in_pieces(proxied: Central, writer: InlineWriter) -> None:
    sent = tcp4("192.0.2.7") + upgrade()
    async with open_raw(proxied, at(PROXY)) as peer:
        for number in range(40):
            await peer.send(sent[number : number + 1])
            await trio.sleep(0.01)
        await peer.send(sent[40:])
        assert (await peer.read_head()).startswith("HTTP/1.1 101 ")
        await beat(peer)
    assert addresses(writer) == ["192.0.2.7"]


@pytest.mark.parametrize("address", ["10.0.1.5", "memory", "::ffff:10.0.1.5"])
async def test_a_header_from_elsewhere_ends_the_connection(proxied: Central, address: str) -> None:
    told = await answer(proxied, tcp4("192.0.2.7") + upgrade(), address)
    assert told.startswith("HTTP/1.1 400 ")


async def test_who_is_no_proxy_needs_no_header(proxied: Central, writer: InlineWriter) -> None:
    assert (await answer(proxied, upgrade(), "10.0.1.5")).startswith("HTTP/1.1 101 ")
    assert addresses(writer) == ["10.0.1.5"]


@pytest.mark.parametrize("address", [PROXY, "::ffff:10.0.0.5"])
@pytest.mark.parametrize(
    "sent", [b"", b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n", header(0x21, 0x11, b"short")]
)
async def test_a_proxy_without_a_sound_header_is_refused(
    proxied: Central, writer: InlineWriter, sent: bytes, address: str
) -> None:
    assert (await answer(proxied, sent + upgrade(), address)).startswith("HTTP/1.1 400 ")
    assert addresses(writer) == []


async def test_a_header_that_does_not_come_is_not_waited_for_long(proxied: Central) -> None:
    async with open_raw(proxied, at(PROXY)) as peer:
        await peer.send(tcp4("192.0.2.7")[:15])
        assert (await peer.read_head()).startswith("HTTP/1.1 408 ")


async def test_a_health_check_is_no_failure(proxied: Central) -> None:
    async with open_raw(proxied, at(PROXY)) as peer:
        await peer.send(LOCAL)
        assert await peer.read_to_end() == b""
    assert len(proxied.registry) == 0
    assert proxied.failures.wait_seconds((PROXY, None)) == 0


async def test_strangers_are_counted_by_their_own_addresses(proxied: Central) -> None:
    """One address may hold few connections of strangers; a proxy may pass on more of them, from
    many addresses."""
    configure(proxied, max_connections=100)
    heads = list[str]()
    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(
                _hold, proxied, tcp4(f"192.0.2.{number}") + upgrade(f"/ocpp/CP-{number}"), heads
            )
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [head[:12] for head in heads] == ["HTTP/1.1 101"] * 30


async def _hold(central: Central, sent: bytes, heads: list[str]) -> None:
    async with open_raw(central, at(PROXY)) as peer:
        await peer.send(sent)
        heads.append(await peer.read_head())
        await _listen(peer)


async def _listen(peer: RawPeer) -> None:
    with trio.move_on_after(60):
        await peer.read_to_end()
