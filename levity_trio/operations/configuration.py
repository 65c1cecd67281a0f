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
    if not isinstance(entries, list):
        # Some chargers send a single value without its list.
        entries = [entries]
    seen: set[str] = set()
    for entry in entries:
        name = entry.get("key") if isinstance(entry, dict) else None
        key = name.strip() if isinstance(name, str) else ""
        if not key or key in seen:
            continue
        seen.add(key)
        value = entry.get("value")
        if value is not None and not isinstance(value, str):
            value = json.dumps(value, separators=(",", ":"))
        readonly = entry.get("readonly")
        # A flag may be a text or a number.
        if isinstance(readonly, str):
            readonly = readonly.strip().casefold() in ("true", "1")
        yield Value(key, value, bool(readonly))


def unknown_in(response: object) -> list[str]:
    """Return the keys that the charger says it does not know, each once."""
    keys = response.get("unknownKey") if isinstance(response, dict) else None
    unknown: dict[str, None] = {}
    for key in keys if isinstance(keys, list) else [keys]:
        text = key.strip() if isinstance(key, str) else ""
        if text:
            unknown[text] = None
    return list(unknown)


def is_same(key: str, one: str | None, other: str | None) -> bool:
    """Whether two values of a key mean the same: chargers write lists, numbers and switches in
    their own way."""
    if one is None or other is None:
        return one == other
    return one == other or _meaning(key, one) == _meaning(key, other)


def _meaning(key: str, value: str) -> object:
    text = value.strip()
    if key.casefold() in LISTS:
        items = [item.strip().casefold() for item in text.split(",")]
        return sorted(filter(None, items))
    if text.isascii() and text.isdecimal():
        return text.lstrip("0") or "0"
    return text.casefold() if text.casefold() in SWITCHES else text
