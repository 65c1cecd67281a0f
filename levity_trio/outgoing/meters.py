"""Reads the meters of circuits: over Modbus TCP, as JSON over HTTP, or by what they publish over
MQTT. Meters of the kind push come by the API.

One task a meter that is asked. A meter that cannot be read is logged when that begins and when it
ends; what it last showed becomes stale by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

import trio

from levity_trio.load.tree import Phases, as_phases
from levity_trio.log.output import get_logger
from levity_trio.outgoing.request import Unanswered, get, leading_to
from levity_trio.wire import modbus
from levity_trio.wire.meters import AMPERES, PATHS, POWER_PATHS, WATTS, MeterConfig
from levity_trio.wire.modbus import MODELS, POWERS, MeterFault
from levity_trio.wire.published import PAYLOAD_BYTES, NoNumber, number_in

READ_SECONDS: Final = 3.0
"""A meter that takes longer is not there."""
MOST_PAUSE_SECONDS: Final = 30.0
OK: Final = 200
log = get_logger("system")

MeterValues = tuple[Phases | None, Phases | None]
"""The A and the W of the phases; None where a meter does not show them."""
Measure = Callable[[str, Phases | None, Phases | None], object]
Read = Callable[[], Awaitable[MeterValues]]


def reader(
    meter: MeterConfig, *, with_power: bool = False
) -> Callable[[Measure], Awaitable[None]] | None:
    """Return what reads a meter until it is cancelled; None if the meter tells by itself. Only
    where panels are, powers are asked for."""
    if meter.kind == "modbus":
        return partial(_over_modbus, meter, with_power)
    if meter.kind == "http":
        return partial(_keep_reading, meter, partial(_over_http, meter))
    return None


async def _over_modbus(meter: MeterConfig, with_power: bool, measured: Measure) -> None:
    """Read a meter over a connection that stays open as long as it works."""
    host, port = meter.address, ""
    if ":" in meter.address:
        host, _, port = meter.address.rpartition(":")
    streams: list[trio.SocketStream] = []
    transaction = 0

    async def read() -> MeterValues:
        amperes = await read_of(MODELS[meter.model])
        return amperes, await read_of(POWERS[meter.model]) if with_power else None

    async def read_of(model: modbus.Model) -> Phases:
        nonlocal transaction
        transaction = (transaction + 1) % 0x10000
        if not streams:
            streams.append(await trio.open_tcp_stream(host, int(port or modbus.PORT)))
        request = modbus.request(model, meter.unit, transaction)
        try:
            await streams[0].send_all(request)
            # Late answers to earlier requests are left out.
            values = None
            while values is None:
                head = await _exactly(streams[0], modbus.HEAD.size)
                body = await _exactly(streams[0], modbus.length(head))
                values = modbus.shown(model, request, head, body)
        except BaseException:
            # Half an answer may be on its way.
            await trio.aclose_forcefully(streams.pop())
            raise
        return as_phases(values)

    try:
        await _keep_reading(meter, read, measured)
    finally:
        for stream in streams:
            await trio.aclose_forcefully(stream)


async def _exactly(stream: trio.abc.Stream, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        more = await stream.receive_some(count - len(received))
        if not more:
            raise MeterFault("the meter closed the connection")
        received += more
    return bytes(received)


async def _over_http(meter: MeterConfig) -> MeterValues:
    """Request a document of a meter. Its address may be a private one: meters are beside us in the
    house."""
    answer = await get(leading_to(meter.url), READ_SECONDS, most_bytes=PAYLOAD_BYTES)
    if answer.status != OK:
        raise MeterFault(f"the meter answers with status {answer.status}")
    body = answer.body
    if meter.path:
        return _shown(meter, [(body, path) for path in meter.path])
    model = meter.model.casefold()
    places = [(body, path) for path in PATHS[model]]
    amperes, _ = _shown(replace(meter, shows="A"), places)
    places = [(body, path) for path in POWER_PATHS[model]]
    try:
        _, watts = _shown(replace(meter, shows="W"), places)
    except MeterFault:  # without its power, what it shows holds no less
        watts = None
    return amperes, watts


def _shown(meter: MeterConfig, places: Iterable[tuple[bytes, str]]) -> MeterValues:
    """Return what the phases show: of each, a payload and the place in it. Raises MeterFault."""
    try:
        numbers = [float(number_in(payload, path)) for payload, path in places]
    except NoNumber as wrong:
        raise MeterFault(f"what it told is of no use: {wrong}") from None
    if meter.shows in WATTS:
        return None, as_phases(number * WATTS[meter.shows] for number in numbers)
    return as_phases(number * AMPERES[meter.shows] for number in numbers), None


async def _keep_reading(meter: MeterConfig, read: Read, measured: Measure) -> None:
    """Read again and again; after failures with pauses that become longer."""
    failures = 0
    while True:
        try:
            with trio.fail_after(READ_SECONDS):
                amperes, watts = await read()
        except (
            MeterFault,
            Unanswered,
            OSError,
            ValueError,
            trio.BrokenResourceError,
            trio.TooSlowError,
        ) as error:
            failures += 1
            if failures == 1:
                reason = str(error) or f"no answer within {READ_SECONDS:g} s"
                log.warning(
                    "a meter cannot be read; it is tried again", meter=meter.name, reason=reason
                )
        else:
            if failures:
                log.info("a meter can be read again", meter=meter.name)
            failures = 0
            measured(meter.name, amperes, watts)
        pause = meter.every_seconds * 2 ** min(failures, 10)
        await trio.sleep(min(pause, max(MOST_PAUSE_SECONDS, meter.every_seconds)))


# By MQTT


class PublishedReading(NamedTuple):
    """What a meter showed, and when the oldest of it was published."""

    meter: str
    amperes: Phases | None
    watts: Phases | None
    at: float


class Subscribed:
    """The meters of the kind mqtt, by what they publish.

    A meter with a topic for each phase shows something once each topic has come since the last
    time. So phases belong together, and a phase that is no longer published makes the meter silent.
    """

    def __init__(self, meters: Iterable[MeterConfig]) -> None:
        published = [meter for meter in meters if meter.kind == "mqtt"]
        self._payloads = {meter: dict[str, tuple[float, bytes]]() for meter in published}
        """Those that came since a meter last showed something, by topic, and when they came."""
        self._failing: set[MeterConfig] = set()
        self.topics = frozenset(topic for meter in published for topic in meter.topic)

    def heard(self, topic: str, payload: bytes, now: float) -> Iterator[PublishedReading]:
        """Take a message that was published now. Yield the meters that it completes."""
        for meter, payloads in self._payloads.items():
            if topic not in meter.topic:
                continue
            payloads[topic] = now, payload
            if not payloads.keys() >= {*meter.topic}:
                continue
            places: list[tuple[bytes, str]] = []
            for part in meter.topic:
                places += [(payloads[part][1], path) for path in meter.path or ("",)]
            oldest = min(at for at, _ in payloads.values())
            payloads.clear()

            # What is of no use is logged when it begins and when it ends.
            is_failing = meter in self._failing
            try:
                amperes, watts = _shown(meter, places)
            except MeterFault as fault:
                if not is_failing:
                    reason = str(fault)
                    log.warning(
                        "a meter publishes what is of no use", meter=meter.name, reason=reason
                    )
                self._failing.add(meter)
                continue
            if is_failing:
                log.info("a meter publishes currents again", meter=meter.name)
            self._failing.discard(meter)
            yield PublishedReading(meter.name, amperes, watts, oldest)
