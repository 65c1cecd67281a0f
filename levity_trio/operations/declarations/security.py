"""The security extension of OCPP 1.6 (the whitepaper's use cases A02, A05, L01, M03 to M05,
N01)."""

from __future__ import annotations

from typing import Final

from levity_trio.operations import judges
from levity_trio.operations.declarations.profiles import (
    CONNECTOR,
    LOCATION,
    REQUEST_ID,
    RETRIES,
    RETRY_INTERVAL,
    location_warnings,
    requested_message,
    time,
    trigger_warnings,
)
from levity_trio.operations.operation import (
    Allotted,
    Choice,
    FeatureProfile,
    Field,
    Object,
    Operation,
    OperationRole,
    Text,
)

PEM: Final = Text(5500)
HASH: Final = Text(128)
CERTIFICATE_TYPE: Final = Field(
    "certificateType",
    Choice(("CentralSystemRootCertificate", "ManufacturerRootCertificate")),
    "What the certificate verifies: the central system, or firmware.",
    required=True,
    example="CentralSystemRootCertificate",
)
PEM_EXAMPLE: Final = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"

LOG_PARAMETERS: Final = Object(
    (
        Field(
            "remoteLocation",
            LOCATION,
            "The URL to upload to, with user and password if needed.",
            required=True,
            example="https://files.example.org/logs/",
            allotted=Allotted.UPLOAD,
        ),
        time("oldestTimestamp", "The oldest entry."),
        time("latestTimestamp", "The newest entry."),
    )
)
FIRMWARE: Final = Object(
    (
        Field(
            "location",
            LOCATION,
            "The firmware's URL, or a firmware file's name.",
            required=True,
            example="https://files.example.org/firmware.bin",
        ),
        time(
            "retrieveDateTime", "When to download.", required=True, example="2030-01-31T22:00:00Z"
        ),
        time("installDateTime", "When to install; if left out, at once."),
        Field(
            "signingCertificate",
            PEM,
            "The certificate of the signature, in PEM.",
            True,
            example=PEM_EXAMPLE,
        ),
        Field(
            "signature",
            Text(800),
            "The signature of the firmware, in Base64.",
            True,
            example="c2lnbmF0dXJl",
        ),
    )
)
CERTIFICATE_HASH: Final = Object(
    (
        Field(
            "hashAlgorithm",
            Choice(("SHA256", "SHA384", "SHA512")),
            "How it is hashed.",
            True,
            example="SHA256",
        ),
        Field("issuerNameHash", HASH, "The hash of the issuer's name.", True, example="0a1b"),
        Field("issuerKeyHash", HASH, "The hash of the issuer's key.", True, example="2c3d"),
        Field(
            "serialNumber",
            Text(40),
            "The certificate's serial number, hexadecimal.",
            True,
            example="4e5f",
        ),
    )
)

EXTENDED_TRIGGER_MESSAGE: Final = Operation(
    action="ExtendedTriggerMessage",
    path="extended-trigger-message",
    section="A02",
    feature_profile=FeatureProfile.SECURITY,
    summary="Make the charger send a message now, also one of the security extension.",
    payload=Object(
        (
            requested_message(
                "BootNotification",
                "LogStatusNotification",
                "FirmwareStatusNotification",
                "Heartbeat",
                "MeterValues",
                "SignChargePointCertificate",
                "StatusNotification",
            ),
            CONNECTOR,
        )
    ),
    warner=trigger_warnings,
    outcome=judges.EXTENDED_TRIGGER,
    stored="the message, like any other",
)
GET_LOG: Final = Operation(
    action="GetLog",
    path="get-log",
    section="N01",
    feature_profile=FeatureProfile.SECURITY,
    summary="Make the charger upload its diagnostics or its security log.",
    payload=Object(
        (
            Field("log", LOG_PARAMETERS, "Where to and what.", required=True),
            Field(
                "logType",
                Choice(("DiagnosticsLog", "SecurityLog")),
                "Which log.",
                required=True,
                example="SecurityLog",
            ),
            REQUEST_ID,
            RETRIES,
            RETRY_INTERVAL,
        )
    ),
    warner=lambda payload, situation: location_warnings(
        payload["log"]["remoteLocation"], situation
    ),
    outcome=judges.LOG,
    stored="the statuses, the file if it is sent to us",
)
SIGNED_UPDATE_FIRMWARE: Final = Operation(
    action="SignedUpdateFirmware",
    path="signed-update-firmware",
    section="L01",
    feature_profile=FeatureProfile.SECURITY,
    summary="Make the charger download, verify and install firmware.",
    role=OperationRole.ADMIN,
    payload=Object(
        (
            RETRIES,
            RETRY_INTERVAL,
            REQUEST_ID,
            Field("firmware", FIRMWARE, "The firmware.", required=True),
        )
    ),
    needs_force_under_transaction=True,
    warner=lambda payload, situation: location_warnings(payload["firmware"]["location"], situation),
    outcome=judges.FIRMWARE,
    stored="the statuses, the firmware of each boot",
)
INSTALL_CERTIFICATE: Final = Operation(
    action="InstallCertificate",
    path="install-certificate",
    section="M05",
    feature_profile=FeatureProfile.SECURITY,
    summary="Install a root certificate on the charger.",
    role=OperationRole.ADMIN,
    payload=Object(
        (
            CERTIFICATE_TYPE,
            Field("certificate", PEM, "The certificate in PEM.", True, PEM_EXAMPLE, Allotted.ROOT),
        )
    ),
)
DELETE_CERTIFICATE: Final = Operation(
    action="DeleteCertificate",
    path="delete-certificate",
    section="M04",
    feature_profile=FeatureProfile.SECURITY,
    summary="Delete a root certificate from the charger.",
    role=OperationRole.ADMIN,
    payload=Object(
        (
            Field(
                "certificateHashData",
                CERTIFICATE_HASH,
                "Which one, as GetInstalledCertificateIds answers.",
                required=True,
            ),
        )
    ),
)
GET_INSTALLED_CERTIFICATE_IDS: Final = Operation(
    action="GetInstalledCertificateIds",
    path="get-installed-certificate-ids",
    section="M03",
    feature_profile=FeatureProfile.SECURITY,
    summary="Ask which root certificates the charger has.",
    payload=Object((CERTIFICATE_TYPE,)),
)
CERTIFICATE_SIGNED: Final = Operation(
    action="CertificateSigned",
    path="certificate-signed",
    section="A02",
    feature_profile=FeatureProfile.SECURITY,
    summary="Send the charger its new client certificate.",
    role=OperationRole.ADMIN,
    payload=Object(
        (
            Field(
                "certificateChain",
                Text(10000),
                "The certificate in PEM, and those between it and the root.",
                required=True,
                example=PEM_EXAMPLE,
            ),
        )
    ),
)
OPERATIONS: Final = (
    EXTENDED_TRIGGER_MESSAGE,
    GET_LOG,
    SIGNED_UPDATE_FIRMWARE,
    INSTALL_CERTIFICATE,
    DELETE_CERTIFICATE,
    GET_INSTALLED_CERTIFICATE_IDS,
    CERTIFICATE_SIGNED,
)
