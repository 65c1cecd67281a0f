"""What a backend may ask: nothing that reaches a charger. Two commands are answered from what is
stored, three intervals are kept for the copy, and each other one gets the refusal that OCPP has for
it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from levity_trio.operations.configuration import is_standard
from levity_trio.wire.errors import ErrorCode, Refused
from levity_trio.wire.payloads import SERVER_ACTIONS, read_request
from levity_trio.wire.secrets import is_secret_key

INTERVALS: Final = ("HeartbeatInterval", "MeterValueSampleInterval", "WebSocketPingInterval")
TRIGGERED: Final = ("BootNotification", "Heartbeat", "MeterValues", "StatusNotification")
"""What a trigger lets the copy say again."""
LONGEST_INTERVAL: Final = 86_400
ACCEPTED: Final[Mapping[str, Any]] = {"status": "Accepted"}
_REJECTED: Final[Mapping[str, Any]] = {"status": "Rejected"}
_NOT_SUPPORTED: Final[Mapping[str, Any]] = {"status": "NotSupported"}
OTHER_REFUSALS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ClearChargingProfile": {"status": "Unknown"},
    "DeleteCertificate": {"status": "NotFound"},
    "GetDiagnostics": {},  # there is no file
    "GetInstalledCertificateIds": {"status": "NotFound"},
    "GetLocalListVersion": {"listVersion": -1},
    "SendLocalList": _NOT_SUPPORTED,
    "UnlockConnector": _NOT_SUPPORTED,
}
"""The results of commands that cannot be answered with Rejected."""


def answer_to(
    action: str, payload: object, known: Mapping[str, str | None], own: dict[str, int]
) -> tuple[Mapping[str, Any], str | None]:
    """Return the result of a command, and what the copy is to say again (None: nothing).

    `known` is the configuration of the charger. An interval that is set goes into `own`. Raises
    Refused.
    """
    request = read_request(action, payload, strict=False, accepted=SERVER_ACTIONS).message
    if action == "GetConfiguration":
        return _configuration(request.key, known, own), None
    if action == "ChangeConfiguration":
        if request.key not in INTERVALS:
            is_known = _entry(request.key, known, own) is not None
            return _REJECTED if is_known else _NOT_SUPPORTED, None
        text = request.value
        is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(LONGEST_INTERVAL))
        if not is_number or int(text) > LONGEST_INTERVAL:
            return _REJECTED, None
        own[request.key] = int(text)
        return ACCEPTED, None
    if action in ("TriggerMessage", "ExtendedTriggerMessage"):
        wanted = request.requested_message
        return (ACCEPTED, wanted) if wanted in TRIGGERED else ({"status": "NotImplemented"}, None)
    if action == "UpdateFirmware":  # which has no result that refuses it (§5.19)
        raise Refused(ErrorCode.NOT_SUPPORTED, "this is a copy of a charger, which only tells")
    return OTHER_REFUSALS.get(action, _REJECTED), None


def _configuration(
    keys: list[str] | None, known: Mapping[str, str | None], own: Mapping[str, int]
) -> dict[str, Any]:
    entries = {key: _entry(key, known, own) for key in keys or sorted({*known, *own})}
    unknown = [key for key, entry in entries.items() if entry is None and keys]
    result: dict[str, Any] = {"configurationKey": [entry for entry in entries.values() if entry]}
    return result | ({"unknownKey": unknown} if unknown else {})


def _entry(
    key: str, known: Mapping[str, str | None], own: Mapping[str, int]
) -> dict[str, Any] | None:
    if key in own:
        return {"key": key, "readonly": False, "value": str(own[key])}
    if key in known and is_standard(key) and not is_secret_key(key):
        return {"key": key, "readonly": True, "value": known[key] or ""}
    return None
