"""Values, properties and lengths outside the OCPP 1.6 schemas. Fields that affect billing stay unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.simulator.charger.outbox import Payload
from levity_trio.simulator.charger.transaction import Transaction
from levity_trio.simulator.quirks.base import Quirk
from levity_trio.simulator.quirks.readings import with_values

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
NO_ERROR: Final = "NoError"
ERROR, NO_ERROR_RESPELT = "Error", "No_Error"
REASONS: Final[Mapping[str, str]] = {"EVDisconnected": "CableRemoved", "Remote": "RemoteStop", "PowerLoss": "Brownout"}
WITHOUT_REASON: Final = "UserStop"
CURRENT, CURRENT_RESPELT = "Current.Import", "Current.import"
STRANGE_SAMPLES: Final = (
    {"value": "50.00", "measurand": "Frequency", "unit": "Hz"},
    {"value": "25.0", "measurand": "Temperature", "unit": "Celcius", "location": "Body"},
    {"value": "0.00", "measurand": CURRENT_RESPELT, "phase": "N", "unit": "A"},
)


class LongStrings(Quirk):
    __slots__ = ()
    name = "long-strings"
    does = "sends texts far above their maximum length (model, serial numbers, info), and unknown properties"
    seen_in = "long serial numbers, info above 50 characters (mobilityhouse/ocpp#128, #273, lbbrhzn/ocpp#1248)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        del transaction
        return {**payload, **LONG.get(action, {}), **EXTRA}


class UnknownValues(Quirk):
    __slots__ = ()
    name = "unknown-values"
    does = "uses values that OCPP 1.6 does not have: Occupied, Error, Hz, Celcius, Current.import on phase N"
    seen_in = "unknown enumeration values (mobilityhouse/ocpp#273, lbbrhzn/ocpp#1248)"

    def payload(self, action: str, payload: Payload, transaction: Transaction | None) -> Payload:
        del transaction
        if action == "StatusNotification":
            return {**payload, **_strange_status(payload)}
        if action == "StopTransaction":
            known = payload.get("reason")
            reason = WITHOUT_REASON if known is None else REASONS.get(known, known)
            payload = {**payload, "reason": reason}
        return with_values(action, payload, _strange_value)


def _strange_status(payload: Payload) -> Payload:
    status = STATUSES.get(payload["status"], payload["status"])
    error_code = NO_ERROR_RESPELT if payload["errorCode"] == NO_ERROR else ERROR
    return {"status": status, "errorCode": error_code}


def _strange_value(value: dict[str, Any]) -> dict[str, Any]:
    respelt = [
        {**sample, "measurand": CURRENT_RESPELT} if sample.get("measurand") == CURRENT else sample
        for sample in value["sampledValue"]
    ]
    return {**value, "sampledValue": [*respelt, *STRANGE_SAMPLES]}
