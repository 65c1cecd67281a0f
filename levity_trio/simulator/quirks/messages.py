"""Messages with wrong ids, values outside the OCPP 1.6 schemas, and times of wrong clocks;
transaction messages that are repeated or lost.

In values outside the schemas, fields that affect billing stay unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, ClassVar, Final

from levity_trio.simulator.charger.connectors import last_reading, settle_all
from levity_trio.simulator.charger.state import (
    NO_ERROR,
    UNSET,
    Frame,
    Payload,
    Quirk,
    State,
    Transaction,
)
from levity_trio.simulator.ledger import KEPT_BACK, READINGS, START, STOP
from levity_trio.simulator.quirks.registers import remember, shown_at, with_values
from levity_trio.wire.times import parse_time, wire_time

NO_ID: Final = -1
LOST_EACH: Final = 3
SECOND_STOP: Final = timedelta(minutes=1)
SECOND_STOP_WH: Final = 100
LATER_SECONDS: Final = (3_600.0, 18_000.0, 43_200.0)
"""Possibly after the next transaction began."""


LONG: Final[Mapping[str, Payload]] = {
    "BootNotification": {
        "chargePointModel": "a model whose name says all that its maker is proud of",
        "chargePointSerialNumber": "SN" + 24 * "0123456789",
        "chargeBoxSerialNumber": "0" * 26,
        "firmwareVersion": "1.0.0-" + 20 * "build.",
    },
    "StatusNotification": {
        "info": 10 * "nothing in particular is wrong here; ",
        "vendorErrorCode": 6 * "0x00000000",
        "vendorId": 32 * "maker of chargers; ",
    },
}
EXTRA: Final[Payload] = {"vendorData": {"signal": -71, "uptime": "14 days", "relays": [1, 1, 0]}}

STATUSES: Final[Mapping[str, str]] = {
    "Preparing": "Occupied",
    "Finishing": "finishing",
    "SuspendedEV": "Suspended_EV",
    "SuspendedEVSE": "SuspendedEvse",
    "Faulted": "Error",
}
ERROR, NO_ERROR_RESPELT = "Error", "No_Error"
REASONS: Final[Mapping[str, str]] = {
    "EVDisconnected": "CableRemoved",
    "Remote": "RemoteStop",
    "PowerLoss": "Brownout",
}
WITHOUT_REASON: Final = "UserStop"
CURRENT, CURRENT_RESPELT = "Current.Import", "Current.import"
STRANGE_SAMPLES: Final = (
    {"value": "50.00", "measurand": "Frequency", "unit": "Hz"},
    {"value": "25.0", "measurand": "Temperature", "unit": "Celcius", "location": "Body"},
    {"value": "0.00", "measurand": CURRENT_RESPELT, "phase": "N", "unit": "A"},
)
AHEAD_HOURS: Final = (1.0, 9.0)
UNTIL_SET_SECONDS: Final = (1 * 3600.0, 5 * 3600.0)
UNTIL_LOST_SECONDS: Final = (4 * 3600.0, 30 * 3600.0)
AHEAD: Final = timedelta(hours=2)
"""Summer time in Berlin. A central system would not believe a clock that is a day ahead."""


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


class LongStrings(Quirk):
    name = "long-strings"
    does = (
        "sends texts far above their maximum length (model, serial numbers, info), and unknown "
        "properties"
    )
    seen_in = (
        "long serial numbers, info above 50 characters (mobilityhouse/ocpp#128, #273, "
        "lbbrhzn/ocpp#1248)"
    )

    def payload(self, action: str, payload: Payload, _transaction: Transaction | None) -> Payload:
        return {**payload, **LONG.get(action, {}), **EXTRA}


class UnknownValues(Quirk):
    name = "unknown-values"
    does = (
        "uses values that OCPP 1.6 does not have: Occupied, Error, Hz, Celcius, Current.import on "
        "phase N"
    )
    seen_in = "unknown enumeration values (mobilityhouse/ocpp#273, lbbrhzn/ocpp#1248)"

    def payload(self, action: str, payload: Payload, _transaction: Transaction | None) -> Payload:
        if action == "StatusNotification":
            status = STATUSES.get(payload["status"], payload["status"])
            error_code = NO_ERROR_RESPELT if payload["errorCode"] == NO_ERROR else ERROR
            return {**payload, "status": status, "errorCode": error_code}
        if action == "StopTransaction":
            known = payload.get("reason")
            reason = WITHOUT_REASON if known is None else REASONS.get(known, known)
            payload = {**payload, "reason": reason}

        def strange(value: dict[str, Any]) -> dict[str, Any]:
            respelt = [
                {**sample, "measurand": CURRENT_RESPELT}
                if sample.get("measurand") == CURRENT
                else sample
                for sample in value["sampledValue"]
            ]
            return {**value, "sampledValue": [*respelt, *STRANGE_SAMPLES]}

        return with_values(action, payload, strange)


class Clock1970(Quirk):
    name = "clock-1970"
    does = "has a stopped clock that was never set: every timestamp is 1970-01-01T00:00:00Z"
    seen_in = "chargers without a clock battery (MicroOcpp#311, steve#136)"

    def clock(self, _moment: datetime) -> datetime:
        return UNSET


class ClockWrong(Quirk):
    name = "clock-wrong"
    does = "sends local time, two hours ahead, marked as UTC (Z)"
    seen_in = "chargers set to local time (evcc#10399)"

    def clock(self, moment: datetime) -> datetime:
        return moment + AHEAD


class ClockSetLate(Quirk):
    name = "clock-set-late"
    does = (
        "has a clock that is 1 to 9 hours ahead after start-up, is set hours later, and becomes "
        "wrong again"
    )
    seen_in = "no report yet; plausible for chargers that take their first time from a modem"

    _ahead = timedelta()

    def power_on(self, charger: State, at: float) -> None:
        self._lose(charger, at)

    def clock(self, moment: datetime) -> datetime:
        return moment + self._ahead

    def _lose(self, charger: State, at: float) -> None:
        self._ahead = timedelta(hours=self.random.uniform(*AHEAD_HOURS))
        settle_all(charger, at)
        charger.agenda.plan(
            at + self.random.uniform(*UNTIL_SET_SECONDS), partial(self._set, charger)
        )

    def _set(self, charger: State, at: float) -> None:
        self._ahead = timedelta()
        settle_all(charger, at)
        charger.agenda.plan(
            at + self.random.uniform(*UNTIL_LOST_SECONDS), partial(self._lose, charger)
        )
