"""Passwords and profiles of chargers in memory, and handshakes that present them."""

from __future__ import annotations

from base64 import b64encode

from trio.testing import memory_stream_pair

from levity_trio.access import passwords
from levity_trio.access.passwords import GENERATED, Kind
from levity_trio.charger.central import Central
from levity_trio.events import HandshakeRefused
from levity_trio.store.writes.chargers import security
from levity_trio.wire.times import stamp
from tests.charger.parts import START, InlineWriter
from tests.charger.peers import StreamPair, open_charger, open_raw, upgrade
from tests.plugins.sites import Witness

PASSWORD = bytes(range(0x80, 0x80 + 20))
"""Not UTF-8."""
OTHER = bytes(range(20))


def basic(user: str, password: bytes) -> str:
    """The header line of HTTP Basic."""
    return f"Authorization: Basic {b64encode(user.encode() + b':' + password).decode()}"


async def give(
    writer: InlineWriter, charger: str, password: bytes = PASSWORD, kind: Kind = GENERATED
) -> int:
    """Store a password of a known charger, as an operator does; return its id."""
    stored = passwords.store(password, kind)
    return await writer.run(security.expect_password, charger, stored, stamp(START), "anna")


async def make_known(central: Central, *chargers: str) -> None:
    for charger in chargers:
        async with open_charger(central, f"/ws/{charger}") as connected:
            await connected.call("Heartbeat")


async def use(central: Central, charger: str, *lines: str) -> None:
    """Connect with these header lines and send a message: the charger has used what it proved."""
    async with open_raw(central) as peer:
        await peer.send(upgrade(f"/ws/{charger}", *lines))
        assert (await peer.read_head()).startswith("HTTP/1.1 101 ")
        await peer.send_frame('[2,"h","Heartbeat",{}]')
        assert (await peer.receive())[:2] == [3, "h"]


async def knock(
    central: Central, charger: str, *lines: str, pair: StreamPair = memory_stream_pair
) -> str:
    """Send a handshake; return the head of the response."""
    async with open_raw(central, pair) as peer:
        await peer.send(upgrade(f"/ws/{charger}", *lines))
        return await peer.read_head()


async def status(
    central: Central, charger: str, *lines: str, pair: StreamPair = memory_stream_pair
) -> int:
    """Send a handshake; return the status of the response."""
    return int((await knock(central, charger, *lines, pair=pair)).split(" ")[1])


def watch(central: Central) -> Witness:
    """Observe the events of a server."""
    witness = Witness()
    central.hooks.join(witness)
    return witness


def kinds(witness: Witness) -> list[str]:
    """The kinds of the refusals that were seen."""
    return [event.kind for event in witness.of(HandshakeRefused)]
