"""Values outside the OCPP 1.6 schemas, and times of wrong clocks. Fields that affect billing stay
unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from levity_trio.simulator.charger.agenda import UNSET
from levity_trio.simulator.charger.connector import NO_ERROR, Transaction
from levity_trio.simulator.charger.outbox import Payload
from levity_trio.simulator.charger.power import settle_all
from levity_trio.simulator.charger.state import Quirk, State
from levity_trio.simulator.quirks.registers import with_values

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
