"""Transactions told with a wrong id, or more than once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from random import Random
from typing import ClassVar, Final

from levity_trio.simulator.charger.mail import Frame, Payload
from levity_trio.simulator.charger.memory import Message
from levity_trio.simulator.charger.state import State
from levity_trio.simulator.charger.telling import last_reading
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.ledger import KEPT_BACK, START, STOP
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.readings import PLACES
from levity_trio.simulator.quirks.registers import of_living, shown_at
from levity_trio.wire.times import parse_time, wire_time

NO_ID: Final = -1
LOST_EACH: Final = 3
SECOND_STOP: Final = timedelta(minutes=1)
SECOND_STOP_WH: Final = 100
LATER_SECONDS: Final = (3_600.0, 18_000.0, 43_200.0)
"""Perhaps after the next one began."""


class OfflineId(Quirk):
    __slots__ = ()
    name = "offline-id"
    does = "calls a transaction that began offline -1 for ever, in its readings and in its stop"
    seen_in = "chargers that start offline (libocpp#495, steve#571, MicroOcpp#298)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action not in PLACES or transaction is None or not transaction.began_offline:
            return payload
        return {**payload, "transactionId": NO_ID}


class NoIds(Quirk):
    __slots__ = ()
    name = "no-ids"
    does = "calls every transaction 0, in its readings and in its stop"
    seen_in = "TKT EV, whose stops say 0 (mikuso/ocpp-rpc#82); others with 0, -1 or null (steve#1569, steve#395)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action not in PLACES or transaction is None:
            return payload
        return {**payload, "transactionId": 0}


class StopsTwice(Quirk):
    __slots__ = ()
    name = "stops-twice"
    does = "sends each StopTransaction and at once another one, of 100 Wh and a minute more"
    seen_in = "stops with other values that SteVe took one after the other (steve#1293)"

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        return (frame,) if frame[0] == STOP else ()

    def last(self, frame: Frame) -> Frame:
        action, payload = frame
        if action != STOP or not isinstance(payload["meterStop"], int):
            return frame
        moment = parse_time(payload["timestamp"])
        later = payload["timestamp"] if moment is None else wire_time(moment + SECOND_STOP)
        return action, {**payload, "meterStop": payload["meterStop"] + SECOND_STOP_WH, "timestamp": later}


class StopIdLate(Quirk):
    __slots__ = ()
    name = "stop-id-late"
    does = "sends each stop without its id, some once more so and with 100 Wh more, and then as it is, with its id"
    seen_in = "no report yet; chargers that forget an id and read it again from their memory would do it"

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        action, payload = frame
        if action != STOP or not isinstance(payload["meterStop"], int):
            return ()
        without = {**payload, "transactionId": NO_ID}
        again = {**without, "meterStop": payload["meterStop"] + SECOND_STOP_WH}
        return ((action, without), (action, again))[: 1 + payload["meterStop"] % 2]


class StopUnreadable(Quirk):
    __slots__ = ("_garbled", "_stops")
    name = "stop-unreadable"
    does = "tells in every third StopTransaction a meterStop that is no number"
    seen_in = "no report yet; chargers whose meter does not answer at the end would do it"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._stops = 0
        self._garbled: list[int] = []
        """The last few, by local id: a stop that waits is the last one."""

    def loses(self, action: str, transaction: Transaction) -> bool:
        self._stops += action == STOP
        if action == STOP and self._stops % LOST_EACH == 0:
            self._garbled = [*self._garbled[-LOST_EACH:], transaction.local_id]
        return False

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action != STOP or transaction is None or transaction.local_id not in self._garbled:
            return payload
        return {**payload, "meterStop": "n/a"}


class StopEarly(Quirk):
    __slots__ = ("_registers",)
    name = "stop-early"
    does = (
        "tells as meterStop what its last reading told; what it ended at comes in a reading after that, or hours later"
    )
    seen_in = "no report yet; chargers that read their meter after they wrote the stop would do it"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._registers: dict[int, int] = {}
        """What was told last of each transaction."""

    def sampled(self, charger: State, transaction: Transaction, at: float) -> None:
        shown = shown_at(charger, transaction, at)
        self._registers = {**of_living(charger, self._registers), transaction.local_id: shown}

    def ended(self, charger: State, transaction: Transaction, at: float) -> None:
        message = last_reading(charger, transaction, at)
        if message is not None:
            later = self.random.choice((0.0, 0.0, *LATER_SECONDS))
            transaction.entry.lies.append(KEPT_BACK)
            charger.agenda.plan(at + later, partial(_send, charger, transaction, message), is_own=False)

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action != STOP or transaction is None:
            return payload
        told = self._registers.get(transaction.local_id, transaction.shown_start_wh)
        return {**payload, "meterStop": told}


def _send(charger: State, transaction: Transaction, message: Message, at: float) -> None:
    del at
    transaction.entry.lies.remove(KEPT_BACK)
    charger.mail.keep(message)


class StopLost(StopEarly):
    __slots__ = ("_stops",)
    name = "stop-lost"
    does = "forgets to send every second StopTransaction; else it is stop-early"
    seen_in = "chargers whose sessions never end (no report names the firmware); see stop-early"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._stops = 0

    def loses(self, action: str, transaction: Transaction) -> bool:
        del transaction
        self._stops += action == STOP
        return action == STOP and self._stops % 2 == 0


class StartLost(Quirk):
    __slots__ = ("_starts",)
    name = "start-lost"
    does = "forgets to send every third StartTransaction; readings and stop have a number of its own below 0"
    seen_in = "a Wallbox that charges for free and tells the stop only (ConnectorIO/connectorio-addons#199)"

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._starts = 0

    def loses(self, action: str, transaction: Transaction) -> bool:
        del transaction
        self._starts += action == START
        return action == START and self._starts % LOST_EACH == 0


class Repeats(Quirk):
    """One that says something several times over, without waiting for an answer."""

    __slots__ = ()
    action: ClassVar[str]
    times: ClassVar[int]
    """In all: what is sent before the one whose answer is awaited, and that one."""

    def ahead(self, frame: Frame) -> Sequence[Frame]:
        return (frame,) * (self.times - 1) if frame[0] == self.action else ()


class RepeatsStart(Repeats):
    __slots__ = ()
    name = "repeats-start"
    does = "sends each StartTransaction three times"
    seen_in = "chargers that would open ghosts (steve#1294, citrineos-core#880)"
    action = "StartTransaction"
    times = 3


class RepeatsStop(Repeats):
    __slots__ = ()
    name = "repeats-stop"
    does = "sends each StopTransaction three times"
    seen_in = "chargers that would be billed twice (mobilityhouse/ocpp#186, steve#1294)"
    action = "StopTransaction"
    times = 3
