"""Transaction messages with wrong ids or values, repeated, or lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final

from levity_trio.simulator.charger.connector import Transaction
from levity_trio.simulator.charger.notifications import last_reading
from levity_trio.simulator.charger.outbox import Frame, Payload
from levity_trio.simulator.charger.state import Quirk, State
from levity_trio.simulator.ledger import KEPT_BACK, READINGS, START, STOP
from levity_trio.simulator.quirks.registers import remember, shown_at
from levity_trio.wire.times import parse_time, wire_time

NO_ID: Final = -1
LOST_EACH: Final = 3
SECOND_STOP: Final = timedelta(minutes=1)
SECOND_STOP_WH: Final = 100
LATER_SECONDS: Final = (3_600.0, 18_000.0, 43_200.0)
"""Possibly after the next transaction began."""


class OfflineId(Quirk):
    name = "offline-id"
    does = "uses id -1 in all readings and the stop of a transaction that began offline"
    seen_in = "chargers that start offline (libocpp#495, steve#571, MicroOcpp#298)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action not in READINGS or transaction is None or not transaction.began_offline:
            return payload
        return {**payload, "transactionId": NO_ID}


class NoIds(Quirk):
    name = "no-ids"
    does = "uses id 0 in the readings and the stop of every transaction"
    seen_in = (
        "TKT EV, with 0 in stops (mikuso/ocpp-rpc#82); others with 0, -1 or null (steve#1569, "
        "steve#395)"
    )

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action not in READINGS or transaction is None:
            return payload
        return {**payload, "transactionId": 0}


class StopsTwice(Quirk):
    name = "stops-twice"
    does = (
        "sends a second StopTransaction right after each one, with 100 Wh more and a minute later"
    )
    seen_in = "repeated stops with other values, which SteVe accepted (steve#1293)"

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        return (frame,) if frame[0] == STOP else ()

    def last(self, frame: Frame) -> Frame:
        action, payload = frame
        if action != STOP or not isinstance(payload["meterStop"], int):
            return frame
        moment = parse_time(payload["timestamp"])
        later = payload["timestamp"] if moment is None else wire_time(moment + SECOND_STOP)
        return action, {
            **payload,
            "meterStop": payload["meterStop"] + SECOND_STOP_WH,
            "timestamp": later,
        }


class StopIdLate(Quirk):
    name = "stop-id-late"
    does = (
        "sends each stop with id -1, half of them again so with 100 Wh more, and then the correct "
        "stop"
    )
    seen_in = "no report yet; plausible for chargers that lose an id and read it from memory again"

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        action, payload = frame
        if action != STOP or not isinstance(payload["meterStop"], int):
            return ()
        without = {**payload, "transactionId": NO_ID}
        again = {**without, "meterStop": payload["meterStop"] + SECOND_STOP_WH}
        return ((action, without), (action, again))[: 1 + payload["meterStop"] % 2]


class StopUnreadable(Quirk):
    name = "stop-unreadable"
    does = "sends a meterStop that is not a number in every third StopTransaction"
    seen_in = "no report yet; plausible for chargers whose meter does not respond at the end"
    _stops = 0
    _garbled: Sequence[int] = ()
    """Local ids of the last few garbled stops; only the last stop can await its response."""

    def loses(self, action: str, transaction: Transaction) -> bool:
        self._stops += action == STOP
        if action == STOP and self._stops % LOST_EACH == 0:
            self._garbled = [*self._garbled[-LOST_EACH:], transaction.local_id]
        return False

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action != STOP or transaction is None or transaction.local_id not in self._garbled:
            return payload
        return {**payload, "meterStop": "n/a"}


@dataclass
class StopEarly(Quirk):
    name = "stop-early"
    does = (
        "sends its last reading as meterStop; the true end follows in a reading after the stop, "
        "or hours later"
    )
    seen_in = (
        "no report yet; plausible for chargers that read the meter after they compose the stop"
    )

    _registers: dict[int, int] = field(default_factory=dict)
    """The last reported register of each transaction."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        shown = shown_at(charger, transaction, at)
        remember(charger, self._registers, transaction, shown)

    def ended(self, charger: State, transaction: Transaction, at: float) -> None:
        message = last_reading(charger, transaction, at)
        if message is not None:
            later = self.random.choice((0.0, 0.0, *LATER_SECONDS))
            transaction.entry.lies.append(KEPT_BACK)

            def send(_at: float) -> None:
                transaction.entry.lies.remove(KEPT_BACK)
                charger.outbox.keep(message)

            charger.agenda.plan(at + later, send, is_own=False)

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action != STOP or transaction is None:
            return payload
        reported = self._registers.get(transaction.local_id, transaction.shown_start_wh)
        return {**payload, "meterStop": reported}


class StopLost(StopEarly):
    name = "stop-lost"
    does = "sends no StopTransaction for every second transaction; otherwise behaves as stop-early"
    seen_in = "chargers whose transactions never end (no report names the firmware); see stop-early"
    _stops = 0

    def loses(self, action: str, _transaction: Transaction) -> bool:
        self._stops += action == STOP
        return action == STOP and self._stops % 2 == 0


class StartLost(Quirk):
    name = "start-lost"
    does = (
        "sends no StartTransaction for every third transaction; its readings and stop have a "
        "negative id"
    )
    seen_in = (
        "a Wallbox that charges for free and sends the stop only "
        "(ConnectorIO/connectorio-addons#199)"
    )
    _starts = 0

    def loses(self, action: str, _transaction: Transaction) -> bool:
        self._starts += action == START
        return action == START and self._starts % LOST_EACH == 0


class Repeats(Quirk):
    """Repeats an action without waiting for responses in between."""

    action: ClassVar[str]
    times: ClassVar[int]
    """Total number of frames, including the last, whose response is awaited."""

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        return (frame,) * (self.times - 1) if frame[0] == self.action else ()


class RepeatsStart(Repeats):
    name = "repeats-start"
    does = "sends each StartTransaction three times"
    seen_in = "chargers that cause duplicate transactions (steve#1294, citrineos-core#880)"
    action = "StartTransaction"
    times = 3


class RepeatsStop(Repeats):
    name = "repeats-stop"
    does = "sends each StopTransaction three times"
    seen_in = "chargers that cause double billing (mobilityhouse/ocpp#186, steve#1294)"
    action = "StopTransaction"
    times = 3
