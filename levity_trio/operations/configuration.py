"""The configuration of a charger: its standard keys, what an answer to GetConfiguration says, and
equal values.

How to read the whole configuration of a charger.

Asked for all keys, real chargers answer with some of them only, with none, or not at all. They are
then asked for the keys that they may have, some at a time, and for fewer at a time where that fails
(§5.8, §9.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from levity_trio.records import record


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


MAX_KEYS: Final = "getconfigurationmaxkeys"
LONGEST_NUMBER: Final = 4
"""Digits of GetConfigurationMaxKeys; a longer number is no limit."""
USUAL_PART: Final = 10
"""The keys of one call where nothing is known of the charger."""
MOST_CALLS: Final = 100
MOST_MISSES: Final = 5
"""Single keys without an answer, one after the other: the charger does not answer."""


@record
class Before:
    """What is known of a charger before a reading: keys that it reported or was sent, and those
    that it denied."""

    seen: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    most: int | None = None
    """GetConfigurationMaxKeys."""


@dataclass(slots=True)
class KeysReading:
    """One reading: which keys to ask for next, and what was answered so far. Keys are found by
    their lower case."""

    before: Before
    known: dict[str, str] = field(default_factory=dict, init=False)
    unknown: dict[str, str] = field(default_factory=dict, init=False)
    unanswered: dict[str, str] = field(default_factory=dict, init=False)
    _left: dict[str, str] = field(default_factory=dict, init=False)
    _asked: list[str] = field(default_factory=list, init=False)
    _calls: int = field(default=0, init=False)
    _misses: int = field(default=0, init=False)
    _size: int = field(default=USUAL_PART, init=False)
    _most: int = field(default=USUAL_PART, init=False)

    def next_keys(self) -> list[str] | None:
        """Return the keys to ask for next; empty for all keys, None at the end."""
        if self._calls == MOST_CALLS or self._misses == MOST_MISSES:
            self.stop()
        if self._calls and not self._left:
            return None
        self._calls += 1
        self._asked = list(self._left.values())[: self._size]
        return self._asked

    def take(self, response: object) -> None:
        """Note a response, None for an error."""
        before = len(self.known) + len(self.unknown)
        values = [*values_in(response)]
        self._note(self.known, [value.key for value in values])
        self._note(self.unknown, unknown_in(response))
        if self._asked:
            answered = len(self.known) + len(self.unknown)
            self._adapt(answered - before)
            return
        most: int | None = None
        for value in values:
            if value.key.casefold() == MAX_KEYS:
                most = limit(value.value)
                break
        # What it answered at once it can answer again.
        self._divide(most or self.before.most or len(values) or USUAL_PART)

    def miss(self) -> None:
        """Note that no response came in time: the next call asks for one key. If this one did, the
        reading ends."""
        if not self._asked:
            self._divide(self.before.most or USUAL_PART)
        elif len(self._asked) == 1:
            self.stop()
        else:
            self._size = 1

    def stop(self) -> None:
        """End the reading; what was not answered yet will not be."""
        self.unanswered |= self._left
        self._left = {}

    def _note(self, problems: dict[str, str], keys: Iterable[str]) -> None:
        for key in keys:
            folded = key.casefold()
            self._left.pop(folded, None)
            if folded not in self.known and folded not in self.unknown:
                problems[folded] = key

    def _divide(self, most: int) -> None:
        """Ask for all keys that are left, if the call for all lacked some that the charger must
        have."""
        self._size = self._most = most
        seen, denied = _folded(self.before.seen), _folded(self.before.unknown)
        expected = (seen.keys() | _folded(REQUIRED).keys()) - denied.keys()
        if expected <= self.known.keys():
            return
        every = _folded((*REQUIRED, *OPTIONAL)) | denied | seen
        for folded in self.known:
            every.pop(folded, None)
        self._left = every

    def _adapt(self, answered: int) -> None:
        """Ask for fewer keys at once where some were not answered, and for more again where all
        were."""
        asked = len(self._asked)
        self._misses = 0 if answered else self._misses + (asked == 1)
        if answered >= asked:
            self._size = min(self._most, self._size * 2)
        elif answered:
            self._size = self._most = answered
        elif asked > 1:
            self._size = asked // 2
        else:
            (key,) = self._asked
            self.unanswered[key.casefold()] = self._left.pop(key.casefold())


def _folded(keys: Iterable[str]) -> dict[str, str]:
    return {key.casefold(): key for key in keys}


def limit(text: str | None) -> int | None:
    """Return the number that GetConfigurationMaxKeys says, None where it says none."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > LONGEST_NUMBER:
        return None
    # 0 is no limit, either.
    return int(text) or None


class KeyStanding(StrEnum):
    """What is known of one key of a template at one charger, or of all of them together."""

    SAME = "same"
    DIFFERS = "differs"
    READ_ONLY = "read-only"
    UNKNOWN_KEY = "unknown key"
    NEVER_READ = "never read"
    NOT_KNOWN = "not known"


class Has(NamedTuple):
    """What a charger reported of a key. `is_known` is false where it does not know the key."""

    key: str
    value: str | None
    readonly: bool
    is_known: bool
    read_at: str


@record
class ComparedKey:
    """A key of a template at one charger: what is wanted, what the charger has, and when that was
    last read."""

    key: str
    standing: str
    wanted: str
    has: str | None = None
    read_at: str | None = None


def compare(wanted: Mapping[str, str], has: Mapping[str, Has]) -> list[ComparedKey]:
    """Compare a template with what a charger has, by the names of its keys in lower case."""
    compared: list[ComparedKey] = []
    for key, value in sorted(wanted.items()):
        reported = has.get(key.casefold())
        if reported is None:
            compared.append(ComparedKey(key=key, standing=KeyStanding.NEVER_READ, wanted=value))
            continue
        if not reported.is_known:
            standing = KeyStanding.UNKNOWN_KEY
        elif is_same(reported.key, value, reported.value):
            standing = KeyStanding.SAME
        else:
            standing = KeyStanding.READ_ONLY if reported.readonly else KeyStanding.DIFFERS
        compared.append(
            ComparedKey(
                key=key,
                standing=standing,
                wanted=value,
                has=reported.value,
                read_at=reported.read_at,
            )
        )
    return compared


def together(compared: list[ComparedKey]) -> KeyStanding:
    """Return where the charger stands: it differs if any key does, and is the same if every key
    is."""
    standings = {key.standing for key in compared}
    if KeyStanding.DIFFERS in standings:
        return KeyStanding.DIFFERS
    return KeyStanding.SAME if standings <= {KeyStanding.SAME} else KeyStanding.NOT_KNOWN
