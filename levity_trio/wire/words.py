"""Words of OCPP, which messages of chargers have, as texts of the program."""

from __future__ import annotations

from typing import Final

from levity_trio.told import N_, Told

_OF_OCPP: Final = frozenset(
    (
        *(N_("Available"), N_("Preparing"), N_("Charging"), N_("SuspendedEV")),
        *(N_("SuspendedEVSE"), N_("Finishing"), N_("Reserved"), N_("Unavailable")),
        *(
            N_("Faulted"),
            N_("ConnectorLockFailure"),
            N_("EVCommunicationError"),
            N_("GroundFailure"),
        ),
        *(N_("HighTemperature"), N_("InternalError"), N_("LocalListConflict"), N_("OtherError")),
        *(
            N_("OverCurrentFailure"),
            N_("OverVoltage"),
            N_("PowerMeterFailure"),
            N_("PowerSwitchFailure"),
        ),
        *(N_("ReaderFailure"), N_("ResetFailure"), N_("UnderVoltage"), N_("WeakSignal")),
        *(
            N_("EVDisconnected"),
            N_("DeAuthorized"),
            N_("EmergencyStop"),
            N_("HardReset"),
            N_("Local"),
            N_("Other"),
        ),
        *(N_("PowerLoss"), N_("Reboot"), N_("Remote"), N_("SoftReset"), N_("UnlockCommand")),
        *(N_("DownloadFailed"), N_("InstallationFailed"), N_("UploadFailed"), N_("Rejected")),
        *(
            N_("Downloaded"),
            N_("Downloading"),
            N_("Installing"),
            N_("Installed"),
            N_("Uploaded"),
            N_("Uploading"),
        ),
    )
)
"""The statuses, error codes and reasons for a stop of OCPP."""


def of_ocpp(word: str) -> str:
    """Return a word of OCPP as a text, and one that OCPP does not have as the charger sent it."""
    return Told(word) if word in _OF_OCPP else word
