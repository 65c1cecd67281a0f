"""One connection to an MQTT broker: paho-mqtt is the protocol, and trio drives its socket.

paho knows the packets of MQTT 5 and 3.1.1, and has functions for loops of others: what to do when
its socket can be read or written, and now and then. Only its connect blocks, so that alone runs in
a thread. Nothing is queued here: each caller waits until its messages are written or acknowledged,
and no more than those are kept.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import trio
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY, Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from levity_trio.config import ServerConfig
from levity_trio.config.settings import MQTT_PORTS
from levity_trio.groups import unwrapped
from levity_trio.records import record
from levity_trio.wire.texts import digest

STEP_SECONDS: Final = 3.0
"""How long a broker may take for the TCP connection, and for each step of TLS."""
CONNECT_SECONDS: Final = 8.0
ANSWER_SECONDS: Final = 3.0
"""How long a broker may take to answer MQTT 5. Some that know only 3.1.1 wait in vain for more."""
SILENT_SECONDS: Final = 10.0
"""After this time in which nothing could be written, or was acknowledged, the connection is
considered hung."""
KEEPALIVE_SECONDS: Final = 15
MISC_SECONDS: Final = 5.0
LEAST_MISC_SECONDS: Final = 0.25
"""A broker may want to hear of us more often than we ask of it (MQTT 5, 3.2.2.3.14)."""
MOST_BYTES: Final = 64 * 1024
"""The largest packet that the broker may send us (MQTT 5, 3.1.2.11.4). By 3.1.1 it cannot know; a
larger one ends the connection."""
MOST_OF_MQTT: Final = 268_435_455
HEAD_BYTES: Final = 64
"""Of a packet, at most, beside topic and payload."""
UNUSABLE: Final = frozenset("+#\0")
"""No topic of a message has these (MQTT 5, 3.3.2.1 and 4.7.3), so nothing could be answered
there."""
FAILURE: Final = 0x80
"""Reason codes from here on are failures (MQTT 5, 2.4)."""
REFUSALS: Final = frozenset({0x86, 0x87, 0x8A, 0x8C, 0x9A, 0x9B})
"""Bad user name or password, not authorized, banned, bad authentication method; no retained
messages, no QoS 1: a person must change something."""
KIND: Final = 0xF6
"""The kind of a packet in its first byte, and its QoS if it is a message (3.1.1, 2.2 and 3.3.1)."""
UNANSWERED: Final = frozenset({0x20, 0x30, 0x40, 0x90, 0xB0, 0xD0, 0xE0})
"""CONNACK, PUBLISH with QoS 0, PUBACK, SUBACK, UNSUBACK, PINGRESP, DISCONNECT."""
ANSWERED: Final = frozenset({0x32, 0x34, 0x62})
"""PUBLISH with QoS 1 or 2, and PUBREL: we subscribe with QoS 0, but some brokers send what is
retained with its own."""
SENT: Final = frozenset({0x30, 0x32})
"""PUBLISH: the only packets of ours that are many and answer nothing."""
MOST_ANSWERS: Final = 1000
"""So many packets may wait for the broker to read our answer, or for its next step of QoS 2."""
_VERSIONS: Final = (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311)


class Broken(Exception):
    """The broker is away, hangs, or ended the connection. The text says why, on one line."""


class BrokerRefuses(Broken):
    """The broker, or its certificate, is not as the settings say. A person must change
    something."""


class Untaken(Exception):
    """The broker does not take a message; the connection goes on. `index` is the place of the first
    such one among those that were delivered; those before it were acknowledged, unless one is too
    large."""

    def __init__(self, words: str, index: int) -> None:
        super().__init__(words)
        self.index = index


@record(kw_only=False)
class Message:
    """A message. One that is retained is kept by the broker for those who subscribe later."""

    topic: str
    payload: bytes = b""
    is_retained: bool = False


@record
class Broker:
    """Where the broker is, and who we are there. `prefix` begins all our topics."""

    host: str
    port: int
    is_tls: bool
    prefix: str
    user: str | None = None
    password: str | None = None
    password_file: Path | None = None
    ca: Path | None = None

    @classmethod
    def of(cls, config: ServerConfig) -> Broker:
        """Return the broker of --mqtt."""
        url = urlsplit(config.mqtt or "")
        return cls(
            host=url.hostname or "",
            port=url.port or MQTT_PORTS[url.scheme],
            is_tls=url.scheme == "mqtts",
            prefix=unquote(url.path).strip("/") or "levity",
            user=None if url.username is None else unquote(url.username),
            password=None if url.password is None else unquote(url.password),
            password_file=config.mqtt_password_file,
            ca=config.mqtt_ca,
        )

    @property
    def address(self) -> str:
        """Its host and port, for people."""
        return f"{self.host}:{self.port}"

    @property
    def client_id(self) -> str:
        """The same after each start, so that the broker ends an old connection of ours when the new
        one comes."""
        return f"levity-{digest(self.prefix)[:12]}"

    def secret(self) -> str | None:
        """Return the password. Raises BrokerRefuses if its file cannot be read."""
        if self.password_file is None:
            return self.password
        try:
            return self.password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BrokerRefuses(
                f"cannot read the password in {self.password_file}: {error}"
            ) from None

    def trust(self) -> ssl.SSLContext:
        """Return what its certificate is checked with. Raises BrokerRefuses if --mqtt-ca cannot be
        read."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as error:
            raise BrokerRefuses(f"cannot read the certificates in {self.ca}: {error}") from None
        context.sslsocket_class = _TlsSocket
        return context


Receive = Callable[[Message], None]
"""What takes each message that arrives. It runs on the event loop and must not block."""


@dataclass(slots=True)
class _Waiting:
    """Messages or a subscription on their way: their places by packet id, and what ends the
    wait."""

    places: dict[int, int] = field(default_factory=dict)
    done: trio.Event = field(default_factory=trio.Event)
    untaken: Untaken | None = None
    granted: Sequence[ReasonCode] = ()


class _TlsSocket(ssl.SSLSocket):
    """A socket of paho's, which forgets it when the handshake fails: the connection would stay open
    for a while."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


class _Client(Client):
    """paho's client, which takes no packet that would have it keep more and more."""

    too_large = 0
    """The bytes of a packet that was not taken."""

    def _sock_recv(self, bufsize: int) -> bytes:
        if bufsize > MOST_BYTES:
            self.too_large = bufsize
            raise ConnectionAbortedError
        return super()._sock_recv(bufsize)

    def _packet_handle(self) -> MQTTErrorCode:
        kind = self._in_packet["command"] & KIND
        if kind in UNANSWERED or (kind in ANSWERED and self._answers() < MOST_ANSWERS):
            return super()._packet_handle()
        return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _answers(self) -> int:
        waiting = sum(one["command"] & KIND not in SENT for one in self._out_packet)
        return waiting + len(self._in_messages)


class Link:
    """A connection to a broker. Its functions raise Broken when that ends."""

    def __init__(self, client: _Client, received: Receive) -> None:
        self._client = client
        self._received = received
        self._waiting: dict[int, _Waiting] = {}
        self._moved_at = trio.current_time()
        self._writable = trio.Event()
        self._connected = trio.Event()
        self._over = trio.Event()
        self._problem: Broken | None = None
        self._most_bytes = MOST_OF_MQTT
        self._most_on_their_way = MOST_OF_MQTT
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write

    async def publish(self, messages: Iterable[Message]) -> list[str]:
        """Send messages at most once; return when they are written. Those that are too large for
        the broker are left out; return their topics."""
        fitting, too_large = list[Message](), list[str]()
        for one in messages:
            if self._is_fitting(one):
                fitting.append(one)
            else:
                too_large.append(one.topic)
        await self._send(fitting, 0)
        return too_large

    async def deliver(self, messages: Iterable[Message]) -> None:
        """Send messages at least once; return when the broker has acknowledged all. Raises also
        Untaken.

        paho sends some at once, but does not know that a broker may allow fewer (MQTT 5,
        3.2.2.3.3).
        """
        whole = [*messages]
        at_once = self._most_on_their_way
        if at_once >= self._client.max_inflight_messages:
            at_once = max(len(whole), 1)
        for start in range(0, len(whole), at_once):
            try:
                await self._send(whole[start : start + at_once], 1)
            except Untaken as untaken:
                untaken.index += start
                raise

    async def subscribe(self, topics: Collection[str]) -> list[str]:
        """Subscribe to topics; return those that the broker refuses."""
        if not topics:
            return []
        asked = [(topic, 0) for topic in topics]
        waiting = _Waiting()
        _, number = self._client.subscribe(asked)
        self._expect(number, 0, waiting)
        await self._wait(waiting)
        return [
            topic
            for (topic, _), reason in zip(asked, waiting.granted, strict=False)
            if reason.value >= FAILURE
        ]

    async def unsubscribe(self, topics: Collection[str]) -> None:
        """End subscriptions."""
        if topics:
            self._check()
            self._client.unsubscribe([*topics])

    async def _send(self, messages: Iterable[Message], qos: int) -> None:
        waiting = _Waiting()
        for place, one in enumerate(messages):
            self._check()
            if not self._is_fitting(one):
                raise Untaken(
                    f"a message of {len(one.payload)} bytes is too large for the broker", place
                )
            sent = self._client.publish(one.topic, one.payload, qos, one.is_retained)
            self._expect(sent.mid, place, waiting)
        if waiting.places:
            await self._wait(waiting)

    def _is_fitting(self, message: Message) -> bool:
        return len(message.payload) + 2 * len(message.topic) + HEAD_BYTES <= self._most_bytes

    def _expect(self, number: int | None, place: int, waiting: _Waiting) -> None:
        if number is None:
            raise self._problem or Broken("the connection has ended")
        waiting.places[number] = place
        self._waiting[number] = waiting

    async def _wait(self, waiting: _Waiting) -> None:
        """Wait until nothing is on its way any more; the time begins anew with each message that is
        through."""
        self._moved_at = trio.current_time()
        try:
            while not waiting.done.is_set() and self._problem is None:
                with trio.move_on_at(self._moved_at + SILENT_SECONDS):
                    await waiting.done.wait()
                if trio.current_time() >= self._moved_at + SILENT_SECONDS:
                    raise Broken(f"the broker has taken nothing for {SILENT_SECONDS:g} s")
        finally:
            for number in waiting.places:
                self._waiting.pop(number, None)
        self._check()
        if waiting.untaken is not None:
            raise waiting.untaken

    def _check(self) -> None:
        if self._problem is not None:
            raise self._problem

    def _ended(self, number: int) -> None:
        """Note that a packet is through."""
        self._moved_at = trio.current_time()
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            del waiting.places[number]
            if not waiting.places:
                waiting.done.set()

    def _break(self, problem: Broken) -> None:
        """Note why the connection ended; the first reason counts. All who wait go on."""
        self._problem = self._problem or problem
        for waiting in self._waiting.values():
            waiting.done.set()
        self._over.set()
        self._connected.set()
        self._writable.set()

    # What paho calls. `*_` are the client itself, and what nobody needs.

    def _on_connect(
        self,
        _client: Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        told: Properties | None,
    ) -> None:
        self._most_bytes = getattr(told, "MaximumPacketSize", MOST_OF_MQTT)
        self._most_on_their_way = getattr(told, "ReceiveMaximum", MOST_OF_MQTT)
        if reason.value >= FAILURE:
            kind = BrokerRefuses if reason.value in REFUSALS else Broken
            self._break(kind(f"the broker says: {reason}"))
        self._connected.set()

    def _on_disconnect(
        self, _client: Client, _data: object, flags: Any, reason: ReasonCode, *_: object
    ) -> None:
        says = "the connection to the broker broke"
        if flags.is_disconnect_packet_from_server:
            says = f"the broker ended the connection: {reason}"
        elif self._client.too_large:
            says = (
                f"the broker sent a packet of {self._client.too_large} bytes; at most "
                f"{MOST_BYTES} are read"
            )
        self._break(Broken(says))

    def _on_publish(
        self, _client: Client, _data: object, number: int, reason: ReasonCode, *_: object
    ) -> None:
        if reason.value >= FAILURE and (waiting := self._waiting.get(number)) is not None:
            untaken = Untaken(
                f"the broker does not take a message: {reason}", waiting.places[number]
            )
            waiting.untaken = waiting.untaken or untaken
        self._ended(number)

    def _on_subscribe(
        self, _c: Client, _data: object, number: int, reasons: list[ReasonCode], *_: object
    ) -> None:
        if (waiting := self._waiting.get(number)) is not None:
            waiting.granted = reasons
        self._ended(number)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        with suppress(UnicodeDecodeError):  # no topic that anybody subscribes to
            topic = message.topic
            if UNUSABLE.isdisjoint(topic):
                self._received(
                    Message(topic=topic, payload=bytes(message.payload), is_retained=message.retain)
                )

    def _on_socket_close(self, _client: Client, _data: object, sock: Any) -> None:
        trio.lowlevel.notify_closing(sock)

    def _on_register_write(self, *_: object) -> None:
        self._writable.set()

    # The tasks

    async def wait_connected(self) -> None:
        """Wait until the broker lets us in."""
        await self._connected.wait()
        self._check()

    async def wait_over(self) -> None:
        """Wait until the connection ends; this always raises Broken."""
        await self._over.wait()
        self._check()

    async def read(self) -> None:
        """Read until the connection ends."""
        while (sock := self._client.socket()) is not None:
            with suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_readable(sock)
            self._client.loop_read()
            # What TLS has decrypted already makes no socket readable.
            while (
                (now := self._client.socket()) is not None
                and isinstance(now, ssl.SSLSocket)
                and now.pending()
            ):
                await trio.lowlevel.checkpoint()
                self._client.loop_read()

    async def write(self) -> None:
        """Write what waits for it until the connection ends."""
        while (sock := self._client.socket()) is not None:
            if not self._client.want_write():
                self._writable = trio.Event()
                await self._writable.wait()
                continue
            with suppress(trio.ClosedResourceError):
                await trio.lowlevel.wait_writable(sock)
            self._client.loop_write()

    async def keep_alive(self) -> None:
        """Ask the broker for a sign of life when nothing else was sent."""
        while True:
            if self._client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            await trio.sleep(min(MISC_SECONDS, max(self._client.keepalive / 4, LEAST_MISC_SECONDS)))


@asynccontextmanager
async def open_link(
    broker: Broker, received: Receive, will: Message | None = None
) -> AsyncIterator[Link]:
    """Connect to a broker, by MQTT 3.1.1 where it does not know 5. When the connection ends, for
    whatever reason, the broker sends `will`.

    Raises Broken, also in the block when the connection ends.
    """
    # sockets are closed when no task waits for them any more
    with (
        ExitStack() as closing,
        unwrapped(Broken),
    ):
        async with trio.open_nursery() as nursery:
            link = await _linked(nursery, closing, broker, received, will)
            nursery.start_soon(link.wait_over)
            yield link
            nursery.cancel_scope.cancel()


async def _linked(
    nursery: trio.Nursery,
    closing: ExitStack,
    broker: Broker,
    received: Receive,
    will: Message | None,
) -> Link:
    """Return a connection that the broker has accepted; its tasks run in the nursery. Raises
    Broken."""
    for version in _VERSIONS:
        is_last, link = version is _VERSIONS[-1], None
        with trio.move_on_after(CONNECT_SECONDS) as patience:
            client = await _connect(broker, version, will)
            closing.callback(_close, client)
            link = Link(client, received)
            for task in (link.read, link.write, link.keep_alive):
                nursery.start_soon(task)
            if not is_last:
                patience.deadline = min(patience.deadline, trio.current_time() + ANSWER_SECONDS)
            try:
                await link.wait_connected()
            except BrokerRefuses:
                raise
            except Broken:  # some that do not know MQTT 5 say so, others hang up or wait for more
                if is_last:
                    raise
                continue
            return link
        if link is None:
            break
    raise Broken(f"the broker did not answer within {CONNECT_SECONDS:g} s")


def _close(client: Client) -> None:
    client.on_socket_close = None  # no task waits for it any more
    if (sock := client.socket()) is not None:
        sock.close()


async def _connect(broker: Broker, version: MQTTProtocolVersion, will: Message | None) -> _Client:
    """Open a connection, in a thread: names, files and TLS take their time. Raises Broken."""
    is_wanted = True

    def connect() -> _Client:
        client = _client(broker, version, will)
        properties, clean_start = None, MQTT_CLEAN_START_FIRST_ONLY
        if version is MQTTProtocolVersion.MQTTv5:
            properties, clean_start = Properties(PacketTypes.CONNECT), True  # type: ignore[no-untyped-call]
            properties.MaximumPacketSize = MOST_BYTES
        client.connect(
            broker.host,
            broker.port,
            KEEPALIVE_SECONDS,
            clean_start=clean_start,
            properties=properties,
        )
        if not is_wanted:
            _close(client)
        return client

    try:
        return await trio.to_thread.run_sync(connect, abandon_on_cancel=True)
    except ssl.SSLCertVerificationError as error:
        words = f"its certificate is not trusted: {error.verify_message}"
        raise BrokerRefuses(f"{words}; give its authority with --mqtt-ca, or renew it") from None
    except OSError as error:
        raise Broken(f"{broker.address} cannot be reached: {error.strerror or error}") from None
    except ValueError as error:  # a name that is no host
        raise BrokerRefuses(f"{broker.address} cannot be reached: {error}") from None
    except trio.Cancelled:
        is_wanted = False
        raise


def _client(broker: Broker, version: MQTTProtocolVersion, will: Message | None) -> _Client:
    """Return paho's client of one connection. Raises BrokerRefuses if a file of the settings cannot
    be read."""
    client = _Client(
        CallbackAPIVersion.VERSION2,
        broker.client_id,
        clean_session=None if version is MQTTProtocolVersion.MQTTv5 else True,
        protocol=version,
        reconnect_on_failure=False,
    )
    client.connect_timeout = STEP_SECONDS
    if broker.user is not None:
        client.username_pw_set(broker.user, broker.secret())
    if broker.is_tls:
        client.tls_set_context(broker.trust())
    if will is not None:
        client.will_set(will.topic, will.payload, 1, will.is_retained)
    return client
