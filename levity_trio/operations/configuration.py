"""The configuration of a charger: its standard keys, what an answer to GetConfiguration says, and
equal values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, NamedTuple


def _names(words: str) -> tuple[str, ...]:
    return tuple(words.split())


REQUIRED: Final = _names(
    "AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation "
    "GetConfigurationMaxKeys HeartbeatInterval LocalAuthorizeOffline LocalPreAuthorize "
    "MeterValuesAlignedData MeterValuesSampledData MeterValueSampleInterval NumberOfConnectors "
    "ResetRetries StopTransactionOnEVSideDisconnect StopTransactionOnInvalidId StopTxnAlignedData "
    "StopTxnSampledData SupportedFeatureProfiles TransactionMessageAttempts "
    "TransactionMessageRetryInterval UnlockConnectorOnEVSideDisconnect"
)
"""Keys that every charger must have (§9.1)."""
OPTIONAL: Final = _names(
    "AllowOfflineTxForUnknownId AuthorizationCacheEnabled BlinkRepeat "
    "ConnectorPhaseRotationMaxLength LightIntensity MaxEnergyOnInvalidId "
    "MeterValuesAlignedDataMaxLength MeterValuesSampledDataMaxLength MinimumStatusDuration "
    "StopTxnAlignedDataMaxLength StopTxnSampledDataMaxLength SupportedFeatureProfilesMaxLength "
    "SupportedFileTransferProtocols WebSocketPingInterval LocalAuthListEnabled "
    "LocalAuthListMaxLength SendLocalListMaxLength ReserveConnectorZeroSupported "
    "ChargeProfileMaxStackLevel ChargingScheduleAllowedChargingRateUnit "
    "ChargingScheduleMaxPeriods ConnectorSwitch3to1PhaseSupported MaxChargingProfilesInstalled "
    "AdditionalRootCertificateCheck CertificateSignedMaxChainSize CertificateStoreMaxLength "
    "CpoName SecurityProfile"
)
"""Keys that a charger may have (§9.1 to §9.4, whitepaper §4). AuthorizationKey is write-only."""
_STANDARD: Final = frozenset(key.casefold() for key in (*REQUIRED, *OPTIONAL, "AuthorizationKey"))
LISTS: Final = _names(
    "connectorphaserotation metervaluesaligneddata metervaluessampleddata stoptxnaligneddata "
    "stoptxnsampleddata supportedfeatureprofiles supportedfiletransferprotocols "
    "chargingscheduleallowedchargingrateunit"
)
"""Keys whose value is a list with commas, in lower case."""
SWITCHES: Final = ("true", "false")


def is_standard(key: str) -> bool:
    """Whether OCPP 1.6 or its security extension defines a key. Case makes no difference (§7.1,
    CiString)."""
    return key.strip().casefold() in _STANDARD


class Value(NamedTuple):
    """What a charger says of a key. `value` is None where it tells none."""

    key: str
    value: str | None
    readonly: bool


def values_in(response: object) -> Iterator[Value]:
    """Yield the values in the response to GetConfiguration, each key once. It is not validated: any
    type may occur."""
    entries = response.get("configurationKey") if isinstance(response, dict) else None
    seen: set[str] = set()
    for entry in entries if isinstance(entries, list) else [entries]:
        if (
            not isinstance(entry, dict)
            or not isinstance(key := entry.get("key"), str)
            or not key.strip()
        ):
            continue
        if key.strip() not in seen:
            seen.add(key.strip())
            yield Value(key.strip(), _text(entry.get("value")), _is_true(entry.get("readonly")))


def unknown_in(response: object) -> list[str]:
    """Return the keys that the charger says it does not know, each once."""
    keys = response.get("unknownKey") if isinstance(response, dict) else None
    texts = (
        key.strip() for key in (keys if isinstance(keys, list) else [keys]) if isinstance(key, str)
    )
    return list(dict.fromkeys(text for text in texts if text))


def _text(value: object) -> str | None:
    return (
        value
        if value is None or isinstance(value, str)
        else json.dumps(value, separators=(",", ":"))
    )


def _is_true(readonly: object) -> bool:
    """Read a flag that may be a text or a number."""
    return (
        readonly.strip().casefold() in ("true", "1")
        if isinstance(readonly, str)
        else bool(readonly)
    )


def is_same(key: str, one: str | None, other: str | None) -> bool:
    """Whether two values of a key mean the same: chargers write lists, numbers and switches in
    their own way."""
    return one == other or (
        one is not None and other is not None and _meaning(key, one) == _meaning(key, other)
    )


def _meaning(key: str, value: str) -> object:
    text = value.strip()
    if key.casefold() in LISTS:
        return sorted(item.strip().casefold() for item in text.split(",") if item.strip())
    if text.isascii() and text.isdecimal():
        return text.lstrip("0") or "0"
    return text.casefold() if text.casefold() in SWITCHES else text
