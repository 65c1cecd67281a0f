"""The connection to a broker, against a real mosquitto."""

from __future__ import annotations

import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import pytest
import trio

from levity_trio.config import ServerConfig
from levity_trio.config.settings import MQTT, Unusable
from levity_trio.plugins.mqtt import broker as module
from levity_trio.plugins.mqtt.broker import (
    Broken,
    Broker,
    BrokerRefuses,
    Message,
    Untaken,
    open_link,
)
from tests.integration.keys import Authority
from tests.plugins.mqtt.clients import WAIT_SECONDS, Heard, at, listener
from tests.plugins.mqtt.mosquitto import Mosquitto, running

RIGHT: Final = "right"
SLASH: Final = "a/b"
WILL: Final = Message(topic="levity/status", payload=b"offline", is_retained=True)


async def refused(broker: Broker) -> Broken:
    with pytest.raises(Broken) as caught:
        async with open_link(broker, Heard()):
            pass
    return caught.value


async def test_messages_arrive_in_order(mosquitto: Mosquitto) -> None:
    async with listener(mosquitto, "levity/#") as heard, open_link(at(mosquitto), Heard()) as link:
        await link.publish(
            Message(topic="levity/power", payload=str(one).encode()) for one in range(500)
        )
        await link.deliver(
            [Message(topic="levity/events", payload=str(one).encode()) for one in range(100)]
        )
        messages = await heard.until(600)
        assert [int(one.payload) for one in messages] == [*range(500), *range(100)]


async def test_a_retained_message_says_so_to_those_who_come_later(mosquitto: Mosquitto) -> None:
    async with open_link(at(mosquitto), Heard()) as link:
        await link.deliver([Message(topic="levity/power", payload=b"7", is_retained=True)])
        async with listener(mosquitto, "levity/#") as heard:
            await heard.until(1)
            await link.publish([Message(topic="levity/power", payload=b"8", is_retained=True)])
            first, second = await heard.until(2)
        assert (first.payload, first.is_retained) == (b"7", True)
        assert (second.payload, second.is_retained) == (b"8", False)


async def test_the_broker_sends_the_last_will_however_the_connection_ends(
    mosquitto: Mosquitto,
) -> None:
    async with listener(mosquitto, "levity/status") as heard:
        async with open_link(at(mosquitto), Heard(), WILL):
            pass
        (will,) = await heard.until(1)
        assert will.payload == b"offline"


async def test_a_new_connection_of_ours_ends_the_old_one(mosquitto: Mosquitto) -> None:
    async def old() -> None:
        async with open_link(at(mosquitto), Heard(), WILL):
            connected.set()
            await trio.sleep(WAIT_SECONDS)

    connected = trio.Event()
    with pytest.RaisesGroup(Broken):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(old)
            await connected.wait()
            async with open_link(at(mosquitto), Heard(), WILL):
                await trio.sleep(WAIT_SECONDS)


async def test_a_broker_that_dies_ends_the_block(mosquitto: Mosquitto) -> None:
    with pytest.raises(Broken, match="broke"), trio.fail_after(WAIT_SECONDS):  # noqa: PT012 - the block ends by itself
        async with open_link(at(mosquitto), Heard()):
            mosquitto.kill()
            await trio.sleep_forever()


async def test_a_broker_that_is_away_is_named(mosquitto: Mosquitto) -> None:
    mosquitto.kill()
    problem = await refused(at(mosquitto))
    assert f"localhost:{mosquitto.port} cannot be reached: Connection refused" in str(problem)
    assert not isinstance(problem, BrokerRefuses)


async def test_a_host_that_nobody_knows_is_named() -> None:
    broker = Broker(host="broker.invalid", port=1883, is_tls=False, prefix="levity")
    assert "broker.invalid:1883 cannot be reached" in str(await refused(broker))


async def test_a_frozen_broker_is_left(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes what fits into the buffers of the system, and acknowledges nothing."""
    monkeypatch.setattr(module, "SILENT_SECONDS", 0.5)
    async with open_link(at(mosquitto), Heard()) as link:
        mosquitto.send(signal.SIGSTOP)
        large = Message(topic="levity/events", payload=bytes(60_000))
        for send in (partial(link.deliver, [large]), partial(link.publish, [large] * 200)):
            with pytest.raises(Broken, match="taken nothing"), trio.fail_after(WAIT_SECONDS):
                await send()
        mosquitto.send(signal.SIGCONT)


async def test_a_frozen_broker_does_not_answer(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_SECONDS", 0.5)
    mosquitto.send(signal.SIGSTOP)
    assert "did not answer within 0.5 s" in str(await refused(at(mosquitto)))
    mosquitto.send(signal.SIGCONT)


async def test_user_and_password(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{RIGHT}\n")
    with running(Mosquitto(tmp_path / "m", users={"levity": RIGHT})) as mosquitto:
        async with open_link(at(mosquitto, user="levity", password_file=file), Heard()):
            pass
        for wrong in ({}, {"user": "levity", "password": "wrong"}):
            problem = await refused(at(mosquitto, **wrong))
            assert isinstance(problem, BrokerRefuses)
            assert "Not authorized" in str(problem)
        file.unlink()
        assert "cannot read the password in" in str(
            await refused(at(mosquitto, user="levity", password_file=file))
        )


async def test_a_topic_that_is_not_allowed(tmp_path: Path) -> None:
    """By MQTT 5 the broker says so; nothing is lost without a word."""
    acl = "user levity\ntopic write levity/power\ntopic read other\n"
    with running(Mosquitto(tmp_path / "m", users={"levity": RIGHT}, acl=acl)) as mosquitto:
        async with open_link(at(mosquitto, user="levity", password=RIGHT), Heard()) as link:
            await link.deliver([Message(topic="levity/power", payload=b"7")])
            with pytest.raises(Untaken, match="Not authorized") as caught:
                await link.deliver([Message(topic="levity/power"), Message(topic="levity/events")])
            assert caught.value.index == 1
            await link.deliver([Message(topic="levity/power", payload=b"8")])


async def test_a_message_that_is_too_large(tmp_path: Path) -> None:
    with running(Mosquitto(tmp_path / "m", settings="max_packet_size 1000")) as mosquitto:
        async with open_link(at(mosquitto), Heard()) as link:
            with pytest.raises(Untaken, match="2000 bytes is too large") as caught:
                await link.deliver(
                    [Message(topic="levity/a"), Message(topic="levity/b", payload=bytes(2000))]
                )
            assert caught.value.index == 1


async def test_a_message_that_is_too_large_for_us_is_not_sent_to_us(mosquitto: Mosquitto) -> None:
    async with listener(mosquitto, "meter") as heard, open_link(at(mosquitto), Heard()) as link:
        await link.publish(
            [Message(topic="meter", payload=bytes(100_000)), Message(topic="meter", payload=b"7")]
        )
        assert [one.payload for one in await heard.until(1)] == [b"7"]


async def test_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.server()
    with running(Mosquitto(tmp_path / "m", certificate=(pair, pair))) as mosquitto:
        async with open_link(at(mosquitto, ca=authority.path), Heard()) as link:
            await link.deliver([Message(topic="levity/events", payload=bytes(50_000))] * 20)
        problem = await refused(at(mosquitto))
        assert isinstance(problem, BrokerRefuses)
        assert "its certificate is not trusted" in str(problem)
        assert isinstance(await refused(at(mosquitto, ca=tmp_path / "none.pem")), BrokerRefuses)
        assert "broke" in str(await refused(replace(at(mosquitto), is_tls=False)))


def sockets() -> int:
    """How many files and sockets this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


@pytest.mark.parametrize(
    ("name", "days", "why"), [("localhost", -1, "has expired"), ("other", 30, "not valid for")]
)
async def test_a_certificate_that_does_not_do(
    tmp_path: Path, name: str, days: int, why: str
) -> None:
    authority = Authority(tmp_path)
    pair = authority.server(name, days=days)
    with running(Mosquitto(tmp_path / "m", certificate=(pair, pair))) as mosquitto:
        before = sockets()
        problem = await refused(at(mosquitto, ca=authority.path))
        assert sockets() == before  # no socket is left, though the problem is not forgotten
        assert isinstance(problem, BrokerRefuses)
        assert why in str(problem)


@pytest.mark.parametrize("refusal", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b""])
async def test_a_broker_that_knows_only_3_1_1(mosquitto: Mosquitto, refusal: bytes) -> None:
    """It answers MQTT 5 in the form of 3.1.1, in that of 5, or hangs up."""

    async def between(stream: trio.SocketStream) -> None:
        first = await stream.receive_some()
        level = first[first.index(b"MQTT") + 4]
        if level == 5:
            await stream.send_all(refusal)
            await stream.aclose()
            return
        async with await trio.open_tcp_stream("127.0.0.1", mosquitto.port) as behind:
            await behind.send_all(first)
            async with trio.open_nursery() as both:
                both.start_soon(pass_on, stream, behind)
                both.start_soon(pass_on, behind, stream)

    async def pass_on(source: trio.SocketStream, target: trio.SocketStream) -> None:
        try:
            async for data in source:
                await target.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        await target.aclose()

    async with trio.open_nursery() as nursery:
        (listening,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, between, [listening])
        port = listening.socket.getsockname()[1]
        async with listener(mosquitto, "levity/#") as heard:
            async with open_link(at(mosquitto, host="127.0.0.1", port=port), Heard(), WILL) as link:
                await link.deliver([Message(topic="levity/power", payload=b"7")])
                await heard.until(1)
            await heard.until(2)
        nursery.cancel_scope.cancel()


CONNACK: Final = b"\x20\x03\x00\x00\x00"


def garbage(number: int) -> bytes:
    """What no broker sends: packets of each kind with random contents, and whatever else."""
    noise = Random(number).randbytes(Random(number).randrange(1, 40))
    return (
        CONNACK + bytes([number % 256, len(noise)]) + noise
        if number
        else b"SSH-2.0-OpenSSH_9.2p1\r\n"
    )


async def test_another_program_at_the_port() -> None:
    """Whatever it sends, the connection ends as any other does."""
    sent = b""

    async def greet(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(sent)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        (listening,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, greet, [listening])
        broker = Broker(
            host="127.0.0.1", port=listening.socket.getsockname()[1], is_tls=False, prefix="levity"
        )
        for number in range(512):
            sent = garbage(number)
            with pytest.raises(Broken), trio.fail_after(WAIT_SECONDS):
                async with open_link(broker, Heard()) as link:
                    await link.wait_over()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("text", "broker"),
    [
        ("mqtt://pi", Broker(host="pi", port=1883, is_tls=False, prefix="levity")),
        ("mqtts://anna%40pi:a%2Fb@[::1]:1234/Bauhof%2012/cars/", None),
    ],
)
def test_url(text: str, broker: Broker | None) -> None:
    found = Broker.of(ServerConfig(mqtt=str(MQTT.read(text))))
    expected = broker or Broker(
        host="::1", port=1234, is_tls=True, prefix="Bauhof 12/cars", user="anna@pi", password=SLASH
    )
    assert found == expected


@pytest.mark.parametrize(
    "text",
    [
        "pi",
        "http://pi",
        "mqtt://",
        "mqtt://pi:0",
        "mqtt://pi/a+b",
        "mqtt://pi/%23",
        "mqtt://pi?x=1",
    ],
)
def test_what_is_no_url_of_a_broker(text: str) -> None:
    with pytest.raises(Unusable, match="mqtts://user@host/prefix"):
        MQTT.read(text)
