"""Whether a charger's answer to one of our CALLs agrees to it: some agree in other words than
Accepted, and some have no status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

SUCCESSES: Final = frozenset(
    {"accepted", "scheduled", "rebootrequired", "unlocked", "acceptedcanceled"}
)
"""Statuses that agree, in lower case because chargers vary the case."""
WITHOUT_STATUS: Final = frozenset(
    {"GetConfiguration", "GetDiagnostics", "GetLocalListVersion", "UpdateFirmware"}
)
"""Actions whose CALLRESULT has no status: any answer agrees."""
WITH_STATUS: Final = frozenset(
    {
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "Reset",
        "UnlockConnector",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "TriggerMessage",
        "DataTransfer",
        "SendLocalList",
        "ReserveNow",
        "CancelReservation",
        "SetChargingProfile",
        "ClearChargingProfile",
        "GetCompositeSchedule",
        "ExtendedTriggerMessage",
        "GetLog",
        "SignedUpdateFirmware",
        "InstallCertificate",
        "DeleteCertificate",
        "GetInstalledCertificateIds",
        "CertificateSigned",
    }
)
_KNOWN: Final = {
    word.casefold(): word
    for word in (
        "Accepted",
        "AcceptedCanceled",
        "Failed",
        "Faulted",
        "InvalidCertificate",
        "NotFound",
        "NotImplemented",
        "NotSupported",
        "Occupied",
        "RebootRequired",
        "Rejected",
        "RevokedCertificate",
        "Scheduled",
        "Unavailable",
        "Unknown",
        "UnknownMessageId",
        "UnknownVendorId",
        "UnlockFailed",
        "Unlocked",
        "VersionMismatch",
    )
}


def status_of(answer: object) -> str | None:
    """Return the status of a CALLRESULT's payload, a known word in its own spelling; None if it has
    none."""
    if not isinstance(answer, Mapping):
        return None
    status = answer.get("status")
    if not isinstance(status, str):
        return None
    return _KNOWN.get(status.strip().casefold(), status)


def succeeded(action: str, answer: Any) -> bool:
    """Whether a CALLRESULT's payload agrees to the operation.

    Without a status an answer agrees, unless its action must have one. Words are compared without
    regard to case.
    """
    if action in WITHOUT_STATUS:
        return True
    status = status_of(answer)
    if status is None:
        return action not in WITH_STATUS
    return status.strip().casefold() in SUCCESSES
