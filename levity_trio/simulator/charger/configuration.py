"""The configuration keys of a charger: those of OCPP 1.6 §9 and of the security whitepaper.

All chargers share one table, so that each of 5,000 stores its changed values only. Our code spells
keys as in the table; the central system may use any case (CiString50Type). A changed value is kept
as the text that GetConfiguration returns.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from levity_trio.simulator.physics import SUPPORTED

ACCEPTED, REJECTED = "Accepted", "Rejected"
REBOOT_REQUIRED, NOT_SUPPORTED = "RebootRequired", "NotSupported"

AUTHORIZATION_KEY: Final = "AuthorizationKey"
SECURITY_PROFILE: Final = "SecurityProfile"
PHASE_ROTATION: Final = "ConnectorPhaseRotation"

Check = Callable[[str], str | None]
"""Return the value as it is stored; None if it is out of range or malformed."""

_DAY: Final = 86_400  # seconds
_WHOLE: Final = re.compile(r"\d{1,9}", re.ASCII)
# 16 to 20 bytes (security whitepaper, AuthorizationKey)
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")
_ROTATION: Final = re.compile(r"\d{1,2}\.(NotApplicable|Unknown|RST|RTS|SRT|STR|TRS|TSR)", re.ASCII)
_MAX_ORGANIZATION: Final = (
    64  # characters of an O in a certificate (RFC 5280, ub-organization-name)
)
_SPELLINGS: Final = {measurand.casefold(): measurand for measurand in SUPPORTED}
_COUNT: Final = str(len(SUPPORTED))
_READINGS: Final = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"
_PROFILES: Final = (
    "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger"
)


class Key(NamedTuple):
    """One key. `check` reads a new value; None marks a read-only key."""

    name: str
    default: str
    check: Check | None = None
    needs_reboot: bool = False


def whole(lowest: int, highest: int) -> Check:
    """Return the check of a whole number in this range."""

    def check(value: str) -> str | None:
        is_within = _WHOLE.fullmatch(value) and lowest <= int(value) <= highest
        return str(int(value)) if is_within else None

    return check


def _switch(value: str) -> str | None:
    return value.lower() if value.lower() in ("true", "false") else None


def _measurands(value: str) -> str | None:
    return _list(_SPELLINGS.get(item.casefold()) for item in _items(value))


def _rotations(value: str) -> str | None:
    return _list(item if _ROTATION.fullmatch(item) else None for item in _items(value))


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.split(",")] if value.strip() else []


def _list(items: Iterable[str | None]) -> str | None:
    """Return a comma-separated list; None if an item is None or repeated."""
    kept = list(items)
    known = [item for item in kept if item is not None]
    return ",".join(known) if len(kept) == len(set(known)) else None


KEYS: Final[Mapping[str, Key]] = {
    key.name: key
    for key in (
        # Core (§9.1)
        Key("AllowOfflineTxForUnknownId", "false", _switch),
        Key("AuthorizationCacheEnabled", "true", _switch),
        Key("AuthorizeRemoteTxRequests", "false", _switch),
        Key("BlinkRepeat", "3", whole(0, 100)),
        Key("ClockAlignedDataInterval", "0", whole(0, _DAY)),
        Key("ConnectionTimeOut", "60", whole(1, _DAY)),
        Key(PHASE_ROTATION, "", _rotations),  # depends on the number of connectors
        Key(f"{PHASE_ROTATION}MaxLength", ""),  # the same
        Key("GetConfigurationMaxKeys", "100"),
        Key("HeartbeatInterval", "300", whole(1, 7 * _DAY)),
        Key("LightIntensity", "100", whole(0, 100)),
        Key("LocalAuthorizeOffline", "true", _switch),
        Key("LocalPreAuthorize", "false", _switch),
        Key("MaxEnergyOnInvalidId", "0", whole(0, 1_000_000)),
        Key("MeterValuesAlignedData", "Energy.Active.Import.Register", _measurands),
        Key("MeterValuesAlignedDataMaxLength", _COUNT),
        Key("MeterValuesSampledData", _READINGS, _measurands),
        Key("MeterValuesSampledDataMaxLength", _COUNT),
        Key("MeterValueSampleInterval", "60", whole(0, _DAY)),
        Key("MinimumStatusDuration", "0", whole(0, 3600)),
        Key("NumberOfConnectors", ""),  # see _by_size
        Key("ResetRetries", "1", whole(0, 10)),
        Key("StopTransactionOnEVSideDisconnect", "true", _switch),
        Key("StopTransactionOnInvalidId", "true", _switch),
        Key("StopTxnAlignedData", "", _measurands),
        Key("StopTxnAlignedDataMaxLength", _COUNT),
        Key("StopTxnSampledData", "", _measurands),
        Key("StopTxnSampledDataMaxLength", _COUNT),
        Key("SupportedFeatureProfiles", _PROFILES),
        Key("SupportedFeatureProfilesMaxLength", "6"),
        Key("SupportedFileTransferProtocols", "HTTP,HTTPS"),  # §8
        Key("TransactionMessageAttempts", "3", whole(1, 1000)),
        Key("TransactionMessageRetryInterval", "60", whole(0, _DAY)),
        Key("UnlockConnectorOnEVSideDisconnect", "true", _switch),
        Key("WebSocketPingInterval", "0", whole(0, _DAY), needs_reboot=True),
        # Local list (§9.2), reservation (§9.3), smart charging (§9.4)
        Key("LocalAuthListEnabled", "true", _switch),
        Key("LocalAuthListMaxLength", "500"),
        Key("SendLocalListMaxLength", "100"),
        Key("ReserveConnectorZeroSupported", "true"),
        Key("ChargeProfileMaxStackLevel", "10"),
        Key("ChargingScheduleAllowedChargingRateUnit", "Current,Power"),
        Key("ChargingScheduleMaxPeriods", "48"),
        Key("ConnectorSwitch3to1PhaseSupported", "false"),
        Key("MaxChargingProfilesInstalled", "20"),
        # Security whitepaper
        Key("AdditionalRootCertificateCheck", "false"),
        Key(AUTHORIZATION_KEY, "", lambda value: value if _HEX.fullmatch(value) else None),
        Key("CertificateSignedMaxChainSize", "10000"),
        Key("CertificateStoreMaxLength", "8"),
        Key("CpoName", "", lambda value: value if len(value) <= _MAX_ORGANIZATION else None),
        Key(SECURITY_PROFILE, "0", whole(0, 3), needs_reboot=True),
    )
}
_NAMES: Final = {name.casefold(): name for name in KEYS}
Keys = Mapping[str, Key | None]
"""Keys of one charger beside or instead of the common ones; None for one that it lacks."""


@cache
def _by_size(connectors: int) -> Mapping[str, str]:
    """Return the defaults of a charger with this number of connectors, shared by all chargers of
    that size."""
    rotations = ",".join(f"{number}.Unknown" for number in range(connectors + 1))
    return {name: key.default for name, key in KEYS.items()} | {
        PHASE_ROTATION: rotations,
        f"{PHASE_ROTATION}MaxLength": str(connectors + 1),
        "NumberOfConnectors": str(connectors),
    }


class Configuration:
    """The configuration of one charger: changed values (in its memory) over its own defaults over
    the common ones.

    `defaults` are factory settings, AuthorizationKey and SecurityProfile included. Their values are
    not checked. Raises ValueError for a name that is not in the table. `own` are keys that differ
    from the common ones. The charger itself still acts by the common default of a key that it
    lacks.
    """

    def __init__(
        self,
        changed: dict[str, str],
        connectors: int,
        defaults: Mapping[str, str] = MappingProxyType({}),
        own: Keys = MappingProxyType({}),
    ) -> None:
        if unknown := defaults.keys() - KEYS.keys():
            raise ValueError(f"unknown configuration keys: {', '.join(sorted(unknown))}")
        self._changed = changed
        self._defaults = defaults
        self._connectors = connectors
        self._common, self._keys, self._names = _by_size(connectors), KEYS, _NAMES
        if own:
            self._keys = {name: key for name, key in {**KEYS, **own}.items() if key is not None}
            self._names = {name.casefold(): name for name in self._keys}
            self._common = {
                **self._common,
                **{key.name: key.default for key in own.values() if key is not None},
            }

    def text(self, key: str) -> str:
        """Return the value as text. Raises KeyError for a name that is not in the table."""
        value = self._changed.get(key)
        if value is None:
            value = self._defaults.get(key)
        return self._common[key] if value is None else value

    def integer(self, key: str) -> int:
        return int(self.text(key))

    def boolean(self, key: str) -> bool:
        return self.text(key) == "true"

    def listed(self, key: str) -> list[str]:
        return _items(self.text(key))

    def read(self, keys: list[str] | None) -> tuple[list[dict[str, str | bool]], list[str]]:
        """GetConfiguration (§5.8): configurationKey and unknownKey, as on the wire.

        Without `keys` it returns all but AuthorizationKey, which is write-only and never returned
        with a value.
        """
        if not keys:
            return [self._shown(name) for name in self._keys if name != AUTHORIZATION_KEY], []
        known = [self._shown(name) for key in keys if (name := self._names.get(key.casefold()))]
        return known, [key for key in keys if key.casefold() not in self._names]

    def change(self, key: str, value: str) -> str:
        """ChangeConfiguration (§5.3): Accepted, RebootRequired, Rejected or NotSupported."""
        name = self._names.get(key.casefold())
        if name is None:
            return NOT_SUPPORTED
        check = self._keys[name].check
        kept = check(value) if check else None
        if kept is None or not self._allows(name, kept):
            return REJECTED
        self._changed[name] = kept
        return REBOOT_REQUIRED if self._keys[name].needs_reboot else ACCEPTED

    def set_interval(self, seconds: int) -> None:
        """Take the HeartbeatInterval of a BootNotification.conf (§4.2), without an upper limit, at
        least 1 s."""
        self._changed["HeartbeatInterval"] = str(max(1, seconds))

    def _shown(self, name: str) -> dict[str, str | bool]:
        shown: dict[str, str | bool] = {"key": name, "readonly": self._keys[name].check is None}
        return shown if name == AUTHORIZATION_KEY else shown | {"value": self.text(name)}

    def _allows(self, name: str, value: str) -> bool:
        """Check what depends on other keys: the length of lists (§5.3), connectors, security."""
        if f"{name}MaxLength" in KEYS and len(_items(value)) > self.integer(f"{name}MaxLength"):
            return False
        if name == PHASE_ROTATION:
            numbers = [int(item.split(".")[0]) for item in _items(value)]
            return len(set(numbers)) == len(numbers) and all(
                number <= self._connectors for number in numbers
            )
        if name != SECURITY_PROFILE:
            return True
        # Never lower, and 1 and 2 only with a password (whitepaper A05). Certificates are not
        # checked here.
        needs_password = int(value) in (1, 2)
        return int(value) >= self.integer(name) and (
            not needs_password or bool(self.text(AUTHORIZATION_KEY))
        )
