"""The Firmware Management profile (§5.9, §5.19)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from levity_trio.operations import transfers
from levity_trio.operations.declarations.common import RETRIES, RETRY_INTERVAL, time
from levity_trio.operations.operation import (
    Allotted,
    FeatureProfile,
    Field,
    Object,
    Operation,
    OperationRole,
    Payload,
    Situation,
    Text,
)
from levity_trio.told import Told

LONGEST_URL: Final = 512
"""What the security extension allows; OCPP 1.6 itself states no limit."""


def _warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    return location_warnings(payload["location"], situation)


def location_warnings(location: str, situation: Situation) -> Iterator[str]:
    """Warn about a location that the charger may not use."""
    if "://" not in location:
        yield Told("the location is no URL, nor the name of a firmware file")
        return
    length = len(location)
    if length > LONGEST_URL:
        yield Told(
            "the location has {1} characters; many chargers read {2} at most", length, LONGEST_URL
        )
    scheme = location.partition(":")[0].upper()
    protocols = [word.upper() for word in situation.words("SupportedFileTransferProtocols")]
    if protocols and scheme not in protocols:
        yield Told("the charger does not list {1} in SupportedFileTransferProtocols", scheme)


GET_DIAGNOSTICS: Final = Operation(
    action="GetDiagnostics",
    path="get-diagnostics",
    section="§5.9",
    feature_profile=FeatureProfile.FIRMWARE,
    summary="Make the charger upload its diagnostics.",
    payload=Object(
        (
            Field(
                "location",
                Text(),
                "The folder's URL to upload to, with user and password if needed.",
                required=True,
                example="https://files.example.org/diagnostics/",
                allotted=Allotted.UPLOAD,
            ),
            RETRIES,
            RETRY_INTERVAL,
            time("startTime", "The oldest entry."),
            time("stopTime", "The newest entry."),
        )
    ),
    warner=_warnings,
    outcome=transfers.DIAGNOSTICS,
    stored="the statuses, the file if it is sent to us",
)
UPDATE_FIRMWARE: Final = Operation(
    action="UpdateFirmware",
    path="update-firmware",
    section="§5.19",
    feature_profile=FeatureProfile.FIRMWARE,
    summary="Make the charger download and install firmware.",
    role=OperationRole.ADMIN,
    payload=Object(
        (
            Field(
                "location",
                Text(),
                (
                    "The firmware's URL, with user and password if needed, or a firmware "
                    "file's name."
                ),
                required=True,
                example="https://files.example.org/firmware.bin",
            ),
            RETRIES,
            time(
                "retrieveDate",
                "When to download; in the past: now.",
                required=True,
                example="2030-01-31T22:00:00Z",
            ),
            RETRY_INTERVAL,
        )
    ),
    needs_force_under_transaction=True,
    warner=_warnings,
    outcome=transfers.FIRMWARE,
    stored="the statuses, the firmware of each boot",
)
OPERATIONS: Final = (
    GET_DIAGNOSTICS,
    UPDATE_FIRMWARE,
)
