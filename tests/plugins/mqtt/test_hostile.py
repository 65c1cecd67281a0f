"""What other brokers than mosquitto do, and what none should."""

from __future__ import annotations

import socket
import ssl
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

import pytest
import trio

from levity_trio.config import ServerConfig
from levity_trio.plugins.base import Api, Chargers, Load, Site
from levity_trio.plugins.mqtt import broker as module
from levity_trio.plugins.mqtt.broker import (
    Broken,
    Broker,
    BrokerRefuses,
    Message,
    Untaken,
    open_link,
)
from levity_trio.plugins.mqtt.states import States
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.reader import Reader
from tests.charger.parts import wall_clock
from tests.integration.keys import Authority
from tests.plugins.mqtt.clients import WAIT_SECONDS, Heard, at
from tests.plugins.mqtt.hostile import (
    CONNACK,
    CONNACK_OF_3,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    UNSUPPORTED,
    Peer,
    hostile,
    message,
    packet,
)
from tests.plugins.mqtt.mosquitto import Mosquitto, running
from tests.ports import free_port

LARGE: Final = 268_435_455
REFUSING: Final = 0x87
FLOOD: Final = 20_000
FLOOD_BYTES: Final = 2_000_000


async def ended(broker: Broker) -> str:
    """Connect, wait for the end of the connection, and return why it ended."""
    with pytest.raises(Broken) as caught, trio.fail_after(WAIT_SECONDS):
        async with open_link(broker, Heard()) as link:
            await link.wait_over()
    return str(caught.value)


async def test_a_broker_that_waits_for_more_of_mqtt_5_is_asked_by_3_1_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.1)

    async def handle(peer: Peer) -> None:
        if await peer.greeted() == 5:
            await trio.sleep_forever()
        await peer.send(CONNACK_OF_3 + message("levity/power", b"7"))
        await trio.sleep_forever()

    heard = Heard()
    async with hostile(handle) as broker, open_link(broker, heard):
        await heard.until(1)


@pytest.mark.parametrize(
    ("setting", "why"),
    [("max_qos 0", "QoS not supported"), ("retain_available false", "Retain not supported")],
)
async def test_a_broker_that_does_too_little_is_not_asked_by_3_1_1(
    tmp_path: Path, setting: str, why: str
) -> None:
    """By 3.1.1 it would only hang up."""
    with (
        running(Mosquitto(tmp_path / "m", settings=setting)) as mosquitto,
        pytest.raises(BrokerRefuses, match=why),
    ):
        async with open_link(
            at(mosquitto), Heard(), Message(topic="levity/status", is_retained=True)
        ):
            pass


@pytest.mark.parametrize("version", [4, 5])
async def test_each_reason_for_a_refusal(version: int) -> None:
    code = 0

    async def handle(peer: Peer) -> None:
        level = await peer.greeted()
        if level == version:
            await peer.send(
                packet(0x20, bytes([0, code]))
                if version == 4
                else packet(0x20, bytes([0, code, 0]))
            )
        else:
            await peer.send(UNSUPPORTED)

    async with hostile(handle) as broker:
        for code in range(1, 256):  # noqa: B007 - what the broker says
            assert "\n" not in await ended(broker)


async def test_no_more_is_on_its_way_than_the_broker_allows() -> None:
    """Some allow fewer messages at once than paho sends, and end the connection of who sends
    more."""
    at_once = list[int]()
    numbers = list[bytes]()

    async def handle(peer: Peer) -> None:
        await peer.greeted()
        await peer.send(b"\x20\x06\x00\x00\x03\x21\x00\x03")
        waiting = list[bytes]()
        while True:
            with trio.move_on_after(0.1):
                kind, rest = await peer.receive()
                assert kind == PUBLISH
                topic = int.from_bytes(rest[:2])
                waiting.append(rest[2 + topic : 4 + topic])
                continue
            at_once.append(len(waiting))
            for number in waiting:
                numbers.append(number)
                reason = REFUSING if len(numbers) == 5 else 0
                await peer.send(packet(0x40, number + bytes([reason])))
            waiting.clear()

    async with hostile(handle) as broker, open_link(broker, Heard()) as link:
        sent = [Message(topic="levity/events", payload=b"%d" % number) for number in range(10)]
        with pytest.raises(Untaken) as caught:
            await link.deliver(sent)
        assert caught.value.index == 4
        await link.deliver(sent)
    assert max(at_once) <= 3


async def test_a_packet_that_nobody_could_keep() -> None:
    """By 3.1.1 the broker cannot be told how much we take."""

    async def handle(peer: Peer) -> None:
        if await peer.greeted() == 5:
            await peer.send(UNSUPPORTED)
            return
        await peer.send(CONNACK_OF_3 + packet(0x30, bytes(LARGE))[:5])
        for _ in range(1000):
            await peer.send(bytes(100_000))

    async with hostile(handle) as broker:
        assert (
            await ended(broker)
            == f"the broker sent a packet of {LARGE} bytes; at most 65536 are read"
        )


async def test_what_a_broker_may_not_send_is_not_answered() -> None:
    """The answers would wait in memory for a broker that does not read them."""
    for sent in (
        b"\xc0\x00",
        b"\x50\x02\x00\x01",
        b"\x70\x02\x00\x01",
        b"\xf0\x00",
        b"\x82\x06\x00\x01\x00\x01a\x00",
    ):

        async def handle(peer: Peer, sent: bytes = sent) -> None:
            await peer.greeted()
            await peer.send(CONNACK + sent)
            await trio.sleep_forever()

        async with hostile(handle) as broker:
            assert await ended(broker) == "the connection to the broker broke"


def with_qos(qos: int, number: int) -> bytes:
    return packet(0x31 + 2 * qos, b"\x00\x01a" + number.to_bytes(2) + b"\x00" + b"7")


@pytest.mark.parametrize(("qos", "kinds"), [(1, [PUBACK]), (2, [PUBREC, PUBCOMP])])
async def test_messages_with_another_qos_than_ours(qos: int, kinds: list[int]) -> None:
    """Some brokers send with its own QoS what is retained, and wait for the answer."""
    answered = list[int]()

    async def handle(peer: Peer) -> None:
        await peer.greeted()
        await peer.send(CONNACK + with_qos(qos, 1) + packet(0x62, b"\x00\x01") * (qos - 1))
        for _ in kinds:
            answered.append((await peer.receive())[0])
        await peer.send(packet(0x30, b"\x00\x01a\x00" + b"8"))
        await trio.sleep_forever()

    heard = Heard()
    async with hostile(handle) as broker, open_link(broker, heard):
        assert [(one.payload, one.is_retained) for one in await heard.until(2)] == [
            (b"7", True),
            (b"8", False),
        ]
    assert answered == kinds


async def test_messages_whose_second_step_never_comes_are_not_kept() -> None:
    async def handle(peer: Peer) -> None:
        await peer.greeted()
        await peer.send(CONNACK + b"".join(with_qos(2, number) for number in range(1, 2000)))
        await trio.sleep_forever()

    async with hostile(handle) as broker:
        assert await ended(broker) == "the connection to the broker broke"


@pytest.mark.parametrize("topic", ["a+b", "#", "a\0b"])
async def test_a_topic_that_no_message_can_have_is_not_handed_on(topic: str) -> None:
    async def handle(peer: Peer) -> None:
        if await peer.greeted() == 5:
            await peer.send(UNSUPPORTED)
            return
        await peer.send(
            CONNACK_OF_3
            + message(topic, b"1")
            + packet(0x30, b"\x00\x02\xff\xfe1")
            + message("a", b"2")
        )
        await trio.sleep_forever()

    heard = Heard()
    async with hostile(handle) as broker, open_link(broker, heard):
        assert [one.payload for one in await heard.until(1)] == [b"2"]


async def test_a_broker_that_wants_to_hear_of_us_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MISC_SECONDS", 60.0)
    asked = trio.Event()

    async def handle(peer: Peer) -> None:
        await peer.greeted()
        await peer.send(b"\x20\x06\x00\x00\x03\x13\x00\x01")
        kind, _ = await peer.receive()
        assert kind == PINGREQ
        asked.set()
        await trio.sleep_forever()

    async with hostile(handle) as broker, open_link(broker, Heard()):
        with trio.fail_after(WAIT_SECONDS):
            await asked.wait()


async def test_a_flood_over_tls_leaves_time_for_others(tmp_path: Path) -> None:
    """Messages that lie across the records of TLS always leave some of a record."""
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.server())
    port, over = free_port(), threading.Event()

    def flood() -> None:
        with socket.create_server(("127.0.0.1", port)) as listening:
            listening_ready.set()
            connection, _ = listening.accept()
            with context.wrap_socket(connection, server_side=True) as peer:
                peer.recv(4096)
                with suppress(OSError):
                    peer.sendall(CONNACK + packet(0x30, b"\x00\x01a\x00" + bytes(30)) * FLOOD)
                over.wait(WAIT_SECONDS)

    listening_ready = threading.Event()
    thread = threading.Thread(target=flood)
    thread.start()
    listening_ready.wait()
    heard = Heard()
    broker = Broker(host="localhost", port=port, is_tls=True, prefix="levity", ca=authority.path)
    async with open_link(broker, heard):
        await heard.until(1)
        count = len(heard.messages)
        over.set()
    thread.join()
    assert count < FLOOD // 2


async def test_statuses_of_chargers_and_connectors_that_nobody_has_take_little_memory() -> None:
    site = Site(
        config=ServerConfig(database=Path("levity.db")),
        settings={},
        clock=wall_clock,
        writer=cast(Writer, None),  # nothing is read or written
        reader=cast(Reader, None),
        publish=lambda _: None,
        chargers=cast(Chargers, None),
        load=cast(Load, None),
        api=cast(Api, None),
        is_clock_trusted=lambda: True,
        pages={},
    )
    states = States(site, "levity")
    states.take(Message(topic="levity/CP-1/link", is_retained=True))
    tracemalloc.start()
    try:
        for number in range(100_000):
            states.take(Message(topic=f"levity/CP-1/{number}/status", is_retained=True))
        for number in range(2000):
            states.take(Message(topic=f"levity/{number:060000}/link", is_retained=True))
        assert tracemalloc.get_traced_memory()[0] < FLOOD_BYTES
    finally:
        tracemalloc.stop()
