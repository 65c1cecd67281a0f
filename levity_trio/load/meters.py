"""Reads the meters of circuits: over Modbus TCP, or as JSON over HTTP. Meters of the kind push come by the API.

One task a meter. A meter that cannot be read is logged when that begins and when it ends; what it last showed becomes
stale by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from math import isfinite
from typing import Any, Final

import orjson
import trio

from levity_trio.load import modbus
from levity_trio.load.document import PATHS, Meter
from levity_trio.load.modbus import MODELS, MeterFault
from levity_trio.load.tree import PHASES, Phases
from levity_trio.log.output import get_logger
from levity_trio.outgoing.request import Unanswered, get, leading_to

READ_SECONDS: Final = 3.0
"""A meter that takes longer is not there."""
MOST_PAUSE_SECONDS: Final = 30.0
BODY_BYTES: Final = 64 * 1024
MOST_AMPERES: Final = 10_000
OK: Final = 200
log = get_logger("system")

Measure = Callable[[str, Phases], object]
Read = Callable[[], Awaitable[Phases]]


def reader(meter: Meter) -> Callable[[Measure], Awaitable[None]] | None:
    """Return what reads a meter until it is cancelled; None if the meter tells by itself."""
    if meter.kind == "modbus":
        return partial(_over_modbus, meter)
    if meter.kind == "http":
        return partial(_keep_reading, meter, partial(_over_http, meter))
    return None


async def _over_modbus(meter: Meter, measured: Measure) -> None:
    """Read a meter over a connection that stays open as long as it works."""
    host, _, port = meter.address.rpartition(":") if ":" in meter.address else (meter.address, "", "")
    model, streams, transaction = MODELS[meter.model], list[trio.SocketStream](), 0

    async def read() -> Phases:
        nonlocal transaction
        transaction = (transaction + 1) % 0x10000
        if not streams:
            streams.append(await trio.open_tcp_stream(host, int(port or modbus.PORT)))
        try:
            return await _asked(streams[0], model, modbus.request(model, meter.unit, transaction))
        except BaseException:
            await trio.aclose_forcefully(streams.pop())  # half an answer may be on its way
            raise

    try:
        await _keep_reading(meter, read, measured)
    finally:
        for stream in streams:
            await trio.aclose_forcefully(stream)


async def _asked(stream: trio.abc.Stream, model: modbus.Model, sent: bytes) -> Phases:
    """Send a request and return the currents in its answer; late answers to earlier requests are left out."""
    await stream.send_all(sent)
    while True:
        head = await _exactly(stream, modbus.HEAD.size)
        found = modbus.currents(model, sent, head, await _exactly(stream, modbus.length(head)))
        if found is not None:
            return found


async def _exactly(stream: trio.abc.Stream, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        more = await stream.receive_some(count - len(received))
        if not more:
            raise MeterFault("the meter closed the connection")
        received += more
    return bytes(received)


async def _over_http(meter: Meter) -> Phases:
    """Request a document of a meter. Its address may be a private one: meters are beside us in the house."""
    answer = await get(leading_to(meter.url), READ_SECONDS, most_bytes=BODY_BYTES)
    if answer.status != OK:
        raise MeterFault(f"the meter answers with status {answer.status}")
    try:
        document = orjson.loads(answer.body)
    except ValueError:
        raise MeterFault("the answer is not JSON") from None
    paths = meter.path or PATHS[meter.model.casefold()]
    one, two, three = [*(_at(document, path) for path in paths), 0.0, 0.0][: len(PHASES)]
    return one, two, three


def _at(document: Any, path: str) -> float:
    """Return the number at a path such as `emeters.0.current`. Raises MeterFault."""
    found = document
    for part in path.split("."):
        if isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        elif isinstance(found, dict) and part in found:
            found = found[part]
        else:
            raise MeterFault(f"the answer has no {path}")
    with suppress(TypeError, ValueError):
        return float(found)
    raise MeterFault(f"{path} of the answer is not a number")


async def _keep_reading(meter: Meter, read: Read, measured: Measure) -> None:
    """Read again and again; after failures with pauses that become longer."""
    failures = 0
    while True:
        try:
            with trio.fail_after(READ_SECONDS):
                found = _checked(await read())
        except (MeterFault, Unanswered, OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
            failures += 1
            if failures == 1:
                reason = str(error) or f"no answer within {READ_SECONDS:g} s"
                log.warning("a meter cannot be read; it is tried again", meter=meter.name, reason=reason)
        else:
            if failures:
                log.info("a meter can be read again", meter=meter.name)
            failures = 0
            measured(meter.name, found)
        await trio.sleep(
            min(meter.every_seconds * 2 ** min(failures, 10), max(MOST_PAUSE_SECONDS, meter.every_seconds))
        )


def _checked(found: Phases) -> Phases:
    if all(isfinite(one) and abs(one) <= MOST_AMPERES for one in found):
        return found
    raise MeterFault("a current is not possible")
