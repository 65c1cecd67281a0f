"""Label values that chargers choose, limited to the words of OCPP 1.6 so that the number of series
is bounded."""

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
"""Levity's numbers for the statuses of OCPP 1.6 §7.7."""
NO_STATUS_NUMBER: Final = -1

ERRORS: Final = frozenset(
    {
        *(
            "ConnectorLockFailure",
            "EVCommunicationError",
            "GroundFailure",
            "HighTemperature",
            "InternalError",
        ),
        *(
            "LocalListConflict",
            "OtherError",
            "OverCurrentFailure",
            "OverVoltage",
            "PowerMeterFailure",
        ),
        *("PowerSwitchFailure", "ReaderFailure", "ResetFailure", "UnderVoltage", "WeakSignal"),
    }
)
"""The error codes of OCPP 1.6 §7.6, without NoError."""

SUCCESS: Final = frozenset(
    {"Accepted", "Scheduled", "RebootRequired", "Unlocked", "AcceptedCanceled"}
)
"""Statuses of successful calls to chargers."""
REJECTIONS: Final = frozenset(
    {
        *(
            "CertificateNotFound",
            "Failed",
            "Faulted",
            "InvalidCertificate",
            "NotFound",
            "NotImplemented",
        ),
        *(
            "NotSupported",
            "Occupied",
            "Rejected",
            "RevokedCertificate",
            "Unavailable",
            "Unknown",
            "UnknownMessageId",
        ),
        *("UnknownVendorId", "UnlockFailed", "VersionMismatch"),
    }
)
"""All other response statuses of OCPP 1.6 §7 and of the security whitepaper."""

SECURITY_EVENTS: Final = frozenset(
    {
        *(
            "AttemptedReplayAttacks",
            "CentralSystemFailedToAuthenticate",
            "FailedToAuthenticateAtCentralSystem",
        ),
        *("FirmwareUpdated", "InvalidCentralSystemCertificate", "InvalidChargePointCertificate"),
        *("InvalidFirmwareSignature", "InvalidFirmwareSigningCertificate", "InvalidMessages"),
        *(
            "InvalidTLSCipherSuite",
            "InvalidTLSVersion",
            "MemoryExhaustion",
            "ReconfigurationOfSecurityParameters",
        ),
        *("ResetOrReboot", "SecurityLogWasCleared", "SettingSystemTime", "StartupOfTheDevice"),
        *("TamperDetectionActivated",),
    }
)
"""The security events of the whitepaper's appendix."""

HIGHEST_CONNECTOR: Final = 100
UNKNOWN_CONNECTOR: Final = "unknown"
"""Label of transactions whose start could not be parsed."""


def known(word: str, words: frozenset[str]) -> str:
    """Return the word if it is one of these, else `other`."""
    return word if word in words else OTHER


def connector_label(connector: int | None) -> str:
    """Return a connector's number as a label; `other` above HIGHEST_CONNECTOR."""
    if connector is None:
        return UNKNOWN_CONNECTOR
    return str(connector) if 0 <= connector <= HIGHEST_CONNECTOR else OTHER
