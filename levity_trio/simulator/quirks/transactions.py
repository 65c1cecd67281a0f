"""Transactions told with a wrong id, or more than once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, ClassVar, Final

from levity_trio.simulator.ledger import START, STOP
from levity_trio.simulator.quirks.base import Frame, Payload, Quirk
from levity_trio.simulator.quirks.readings import PLACES
from levity_trio.wire.times import parse_time, wire_time

if TYPE_CHECKING:
    from levity_trio.simulator.charger.transaction import Transaction

NO_ID: Final = -1
LOST_EACH: Final = 3
SECOND_STOP: Final = timedelta(minutes=1)
SECOND_STOP_WH: Final = 100


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
        if action != STOP:
            return frame
        moment = parse_time(payload["timestamp"])
        later = payload["timestamp"] if moment is None else wire_time(moment + SECOND_STOP)
        return action, {**payload, "meterStop": payload["meterStop"] + SECOND_STOP_WH, "timestamp": later}


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
