"""Labels that others choose, held to what OCPP 1.6 knows: nobody can make series grow without bound."""

from __future__ import annotations

from typing import Final

OTHER: Final = "other"

STATUS_NUMBERS: Final = {
    "Available": 0,
    "Preparing": 1,
    "Charging": 2,
    "SuspendedEVSE": 3,
    "SuspendedEV": 4,
    "Finishing": 5,
    "Reserved": 6,
    "Unavailable": 7,
    "Faulted": 8,
}
"""Levity's numbers for the statuses of §7.7."""
NO_STATUS_NUMBER: Final = -1

ERRORS: Final = frozenset(
    {
        "ConnectorLockFailure",
        "EVCommunicationError",
        "GroundFailure",
        "HighTemperature",
        "InternalError",
        "LocalListConflict",
        "OtherError",
        "OverCurrentFailure",
        "OverVoltage",
        "PowerMeterFailure",
        "PowerSwitchFailure",
        "ReaderFailure",
        "ResetFailure",
        "UnderVoltage",
        "WeakSignal",
    }
)
"""§7.6, without NoError."""

SUCCESS: Final = frozenset({"Accepted", "Scheduled", "RebootRequired", "Unlocked", "AcceptedCanceled"})
"""What our calls are answered where all is well."""
REJECTIONS: Final = frozenset(
    {
        "CertificateNotFound",
        "Failed",
        "Faulted",
        "InvalidCertificate",
        "NotFound",
        "NotImplemented",
        "NotSupported",
        "Occupied",
        "Rejected",
        "RevokedCertificate",
        "Unavailable",
        "Unknown",
        "UnknownMessageId",
        "UnknownVendorId",
        "UnlockFailed",
        "VersionMismatch",
    }
)
"""All other words of §7 and of the security whitepaper that answer a call."""

HIGHEST_CONNECTOR: Final = 100
UNKNOWN_CONNECTOR: Final = "unknown"
"""Of a transaction whose start could not be read."""


def known(word: str, words: frozenset[str]) -> str:
    """The word, if it is one of these."""
    return word if word in words else OTHER


def connector_label(connector: int | None) -> str:
    """A connector's number, as far as a charger can have so many."""
    if connector is None:
        return UNKNOWN_CONNECTOR
    return str(connector) if 0 <= connector <= HIGHEST_CONNECTOR else OTHER
