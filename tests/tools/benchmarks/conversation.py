"""What one charger says, call by call: from its boot to the end of its transaction.

A conversation is a Python generator: it yields the body of its next call (action and payload, as
the bytes that follow the message id) and is sent the payload of the answer; None is no call but a
wait until the bench lets it go on. So the script reads from top to bottom, and driving it costs a
tenth of a microsecond.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

Conversation = Generator[bytes | None, bytes, None]

HEARTBEAT = b'"Heartbeat",{}'
READINGS_OF_SHORT = 3
METER_START_WH = 1_000_000
METER_APART_WH = 100_000
"""The chargers have a meter each. Registers that rise together would be one that two chargers
read."""
WH_PER_READING = 2  # a reading a second at 7.2 kW
HISTORY = timedelta(days=2)

_READING = (
    b'"MeterValues",{"connectorId":1,"transactionId":%d,"meterValue":[{"timestamp":"%s",'
    b'"sampledValue":[{"value":"%d","context":"Sample.Periodic",'
    b'"measurand":"Energy.Active.Import.Register","unit":"Wh"},{"value":"31.%d",'
    b'"context":"Sample.Periodic","measurand":"Current.Import","unit":"A"},{"value":"23%d",'
    b'"context":"Sample.Periodic","measurand":"Voltage","unit":"V"}]}]}'
)


class ReadingTimes:
    """The time of the n-th reading of any charger, as text, a second apart.

    A server that drops repeated readings must not find any, so no charger uses a time twice. The
    first lies two days back: at 10,000 readings a second, which no charger reaches, it would come
    to tomorrow, and be no longer believed, after 25 s.
    """

    def __init__(self) -> None:
        self._first = datetime.now(UTC).replace(microsecond=0) - HISTORY
        self._texts: list[bytes] = []

    def text(self, number: int) -> bytes:
        """`YYYY-MM-DDTHH:MM:SSZ` of reading `number`, counted from 0."""
        texts = self._texts
        while len(texts) <= number:
            time = self._first + timedelta(seconds=len(texts))
            texts.append(time.strftime("%Y-%m-%dT%H:%M:%SZ").encode())
        return texts[number]


@dataclass
class Conductor:
    """What all chargers of a run share: the bench changes it, the conversations look at it."""

    times: ReadingTimes
    heartbeat_every: int | None = 10
    are_short: bool = False
    """Transactions of READINGS_OF_SHORT readings, one after the other."""
    stopping: bool = False
    without_transaction: int = 0


def boot_call(identity: str) -> bytes:
    """BootNotification of a charger of the usual sort."""
    return _body(
        "BootNotification",
        chargePointVendor="Benchmark",
        chargePointModel="Closed Loop 32",
        chargePointSerialNumber=identity,
        firmwareVersion="1.0.0",
    )


def boot_only(identity: str) -> Conversation:
    """A charger that comes back after a power cut."""
    yield boot_call(identity)


def charge(identity: str, number: int, conductor: Conductor) -> Conversation:
    """Boot, status, authorize, start; once released, readings until the conductor says stop; stop.

    The wait is for fairness: trio accepts one connection a turn of its loop, and a turn is long
    when thousands already talk without a pause; the last of 2,000 would not be in after a minute.
    """
    tag = f"TAG{number:05d}"
    text = conductor.times.text
    meter_start = METER_START_WH + number * METER_APART_WH
    begin = text(0).decode()
    yield boot_call(identity)
    yield _body(
        "StatusNotification",
        connectorId=1,
        errorCode="NoError",
        status="Preparing",
        timestamp=begin,
    )
    yield _body("Authorize", idTag=tag)
    answer = yield _body(
        "StartTransaction", connectorId=1, idTag=tag, meterStart=meter_start, timestamp=begin
    )
    transaction_id = _transaction_id(answer, conductor)
    yield None
    reading = since = 0
    turn = number  # so that not all chargers send their Heartbeat in the same moment
    while not conductor.stopping:
        turn += 1
        if conductor.heartbeat_every and turn % conductor.heartbeat_every == 0:
            yield HEARTBEAT
            continue
        if conductor.are_short and reading - since >= READINGS_OF_SHORT:
            since, energy, now = (
                reading,
                meter_start + reading * WH_PER_READING,
                text(reading).decode(),
            )
            yield _stop(transaction_id, tag, energy, now)
            answer = yield _body(
                "StartTransaction", connectorId=1, idTag=tag, meterStart=energy, timestamp=now
            )
            transaction_id = _transaction_id(answer, conductor)
        reading += 1
        energy = meter_start + reading * WH_PER_READING
        yield _READING % (transaction_id, text(reading), energy, reading % 10, reading % 10)
    yield _stop(
        transaction_id, tag, meter_start + reading * WH_PER_READING, text(reading + 1).decode()
    )


def _stop(transaction_id: int, tag: str, energy: int, time: str) -> bytes:
    told: dict[str, str | int] = {
        "transactionId": transaction_id,
        "idTag": tag,
        "meterStop": energy,
        "timestamp": time,
    }
    return _body("StopTransaction", **told, reason="Local")


def _transaction_id(answer: bytes, conductor: Conductor) -> int:
    """The id from the answer to a start; the echo gives none."""
    payload = json.loads(answer) if answer else {}
    transaction_id = payload.get("transactionId")
    if isinstance(transaction_id, int) and transaction_id > 0:
        return transaction_id
    conductor.without_transaction += 1
    return 1


def _body(action: str, **payload: str | int) -> bytes:
    return f'"{action}",{json.dumps(payload, separators=(",", ":"))}'.encode()
