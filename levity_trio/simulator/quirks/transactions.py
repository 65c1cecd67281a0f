"""Transactions told with a wrong id, or more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from levity_trio.simulator.quirks.base import Frame, Payload, Quirk
from levity_trio.simulator.quirks.readings import PLACES

if TYPE_CHECKING:
    from levity_trio.simulator.charger.transaction import Transaction

NO_ID: Final = -1


class OfflineId(Quirk):
    __slots__ = ()
    name = "offline-id"
    does = "calls a transaction that began offline -1 for ever, in its readings and in its stop"
    seen_in = "chargers that start offline (libocpp#495, steve#571, MicroOcpp#298)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        if action not in PLACES or transaction is None or not transaction.began_offline:
            return payload
        return {**payload, "transactionId": NO_ID}


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
