"""Charging profiles that are refused, ignored, obeyed late or roughly, or forgotten.

GetCompositeSchedule shows what was accepted, whatever the charger makes of it: a liar believes
itself.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from typing import ClassVar, Final

from levity_trio.simulator.charger.configuration import KEYS, Key, Keys, whole
from levity_trio.simulator.charger.connectors import settle_all
from levity_trio.simulator.charger.profiles import Kept
from levity_trio.simulator.charger.state import AC, Connector, Profile, Quirk, State, Transaction
from levity_trio.simulator.physics import LEAST_AC_A
from levity_trio.simulator.quirks.messages import remember
from levity_trio.wire.charging_profiles import CHARGER, DEFAULT, TRANSACTION, Limit, smallest
from levity_trio.wire.times import wire_time

LATE_SECONDS: Final = 90.0
STEP_A: Final = 4.0
SET_CURRENT: Final = "SetCurrent"
LEAST_MA, MOST_MA = 8_000, 40_000
FEATURES: Final = "SupportedFeatureProfiles"
SMART_CHARGING: Final = "SmartCharging"
UNITS: Final = "ChargingScheduleAllowedChargingRateUnit"
SAMPLED: Final = "MeterValuesSampledData"
LEVELS: Final = "ChargeProfileMaxStackLevel"
SMART_KEYS: Final = (
    LEVELS,
    UNITS,
    "ChargingScheduleMaxPeriods",
    "ConnectorSwitch3to1PhaseSupported",
    "MaxChargingProfilesInstalled",
)


Heeded = tuple[Kept, Transaction | None]
"""A profile; a TxProfile with its transaction."""


def purpose_of(profile: Profile) -> str:
    purpose: str = profile["chargingProfilePurpose"]
    return purpose


class Ignores(Quirk):
    """Accepts some profiles, and charges as if it did not have them."""

    @abstractmethod
    def ignores(self, profile: Profile) -> bool: ...

    def heeded(
        self, _charger: State, _connector: Connector, kept: Sequence[Kept]
    ) -> Sequence[Kept]:
        return [one for one in kept if not self.ignores(one["profile"])]


class Refuses(Quirk):
    """Answers Rejected to some profiles."""

    @abstractmethod
    def refuses(self, charger: State, profile: Profile) -> bool: ...

    def received(self, charger: State, profile: Profile, _at: float) -> Profile | None:
        return None if self.refuses(charger, profile) else profile


# What it refuses


class OneProfileOnly(Refuses):
    name = "one-profile-only"
    does = (
        "keeps profiles of one purpose and one stack level only, and rejects any other; it can "
        "replace one in place"
    )
    seen_in = "no report yet; plausible for chargers that cannot combine profiles (evcc#4957)"

    def refuses(self, charger: State, profile: Profile) -> bool:
        kept = [one["profile"] for one in charger.memory.profiles]
        return any(
            one[name] != profile[name]
            for one in kept
            for name in ("chargingProfilePurpose", "stackLevel")
        )


class OnePeriodOnly(Quirk):
    name = "one-period-only"
    does = (
        "accepts schedules of one period only (ChargingScheduleMaxPeriods 1), with a duration if "
        "there is one"
    )
    seen_in = "no report yet; plausible, since the key exists for such chargers"
    keys: ClassVar[Keys] = {"ChargingScheduleMaxPeriods": Key("ChargingScheduleMaxPeriods", "1")}


class NoZeroLimit(Refuses):
    name = "no-zero-limit"
    does = "rejects charging profiles with a limit of 0"
    seen_in = (
        "a charger that rejects a Relative TxDefaultProfile of 0 A (LeoAlioth/Load-Juggler#14)"
    )

    def refuses(self, _charger: State, profile: Profile) -> bool:
        return any(
            period["limit"] == 0 for period in profile["chargingSchedule"]["chargingSchedulePeriod"]
        )


class NoRelativeDefault(Refuses):
    name = "no-relative-default"
    does = "rejects a Relative TxDefaultProfile"
    seen_in = "chargers that need Absolute profiles, such as Easee (evcc#15240, lbbrhzn/ocpp#1565)"

    def refuses(self, _charger: State, profile: Profile) -> bool:
        return purpose_of(profile) == DEFAULT and profile["chargingProfileKind"] == "Relative"


class NoAbsolute(Refuses):
    name = "no-absolute"
    does = "rejects Absolute profiles"
    seen_in = "no report yet; plausible where a charger has no clock"

    def refuses(self, _charger: State, profile: Profile) -> bool:
        kind: str = profile["chargingProfileKind"]
        return kind == "Absolute"


class WattsOnly(Refuses):
    name = "watts-only"
    does = (
        "takes limits in W only, divides them over all its lines whatever numberPhases says, and "
        "tells no current"
    )
    seen_in = "no report yet; plausible, since OCPP 1.6 §7.13 leaves open what numberPhases limits"
    keys: ClassVar[Keys] = {
        UNITS: Key(UNITS, "Power"),
        SAMPLED: Key(SAMPLED, "Energy.Active.Import.Register,Power.Active.Import"),
    }

    def refuses(self, _charger: State, profile: Profile) -> bool:
        unit: str = profile["chargingSchedule"]["chargingRateUnit"]
        return unit == "A"

    def offered(self, charger: State, limit: Limit | None) -> Limit | None:
        return None if limit is None else replace(limit, phases=charger.spec.phases)


class NoSmartCharging(Quirk):
    name = "no-smart-charging"
    does = "has no SmartCharging, but a key SetCurrent in mA, from 8000 on"
    seen_in = "Grizzl-E Smart v2 (lbbrhzn/ocpp#899)"
    keys: ClassVar[Keys] = {
        FEATURES: Key(FEATURES, KEYS[FEATURES].default.replace(f",{SMART_CHARGING}", "")),
        **dict.fromkeys(SMART_KEYS),
        "MaxCurrent": Key("MaxCurrent", str(MOST_MA)),
        "MinCurrent": Key("MinCurrent", str(LEAST_MA)),
        SET_CURRENT: Key(SET_CURRENT, str(MOST_MA), whole(LEAST_MA, MOST_MA)),
    }
    lacks = frozenset({"SetChargingProfile", "ClearChargingProfile", "GetCompositeSchedule"})

    def received(self, _charger: State, _profile: Profile, _at: float) -> None:
        """A remote start may still bring a profile, which it does not read."""

    def offered(self, charger: State, limit: Limit | None) -> Limit | None:
        if charger.spec.power_type != AC:
            return limit
        chosen = Limit(charger.configuration.integer(SET_CURRENT) / 1000, "A", charger.spec.phases)
        return smallest([chosen] if limit is None else [chosen, limit])


# What it ignores


class ProfilesLate(Quirk):
    name = "profiles-late"
    does = (
        "heeds a profile only 90 seconds after it accepted it, and a cleared one 90 seconds longer"
    )
    seen_in = "EVerest, up to 30 s after a profile is cleared (libocpp#811)"

    _heeded: Sequence[Heeded] = ()

    def power_on(self, charger: State, at: float) -> None:
        self._heed(charger, self._installed(charger), at)

    def profiles_changed(self, charger: State, at: float) -> None:
        charger.agenda.plan(
            at + LATE_SECONDS, partial(self._heed, charger, self._installed(charger))
        )

    def heeded(
        self, _charger: State, connector: Connector, _kept: Sequence[Kept]
    ) -> Sequence[Kept]:
        return [
            one for one, transaction in self._heeded if transaction in (None, connector.transaction)
        ]

    def _installed(self, charger: State) -> Sequence[Heeded]:
        installed: list[Heeded] = []
        for one in charger.memory.profiles:
            connector = charger.connectors[one["connectorId"]]
            installed.append((one, connector.transaction if is_of(one, TRANSACTION) else None))
        return installed

    def _heed(self, charger: State, profiles: Sequence[Heeded], at: float) -> None:
        self._heeded = profiles
        settle_all(charger, at)


class ProfilesIgnored(Ignores):
    name = "profiles-ignored"
    does = "accepts charging profiles, and charges as if it had none"
    seen_in = (
        "go-eCharger (goecharger/go-eCharger-API-v2#249); a charger at 12 A instead of 7 A "
        "(steve#1192)"
    )

    def ignores(self, _profile: Profile) -> bool:
        return True


class StackLevel0(Ignores):
    name = "stack-level-0-only"
    does = "accepts profiles of all stack levels, and heeds those at stackLevel 0 only"
    seen_in = "a Mini (evcc#32502, evcc#33908)"

    def ignores(self, profile: Profile) -> bool:
        return bool(profile["stackLevel"])


class ChargerLimitIgnored(Ignores):
    name = "charger-limit-ignored"
    does = "accepts a ChargePointMaxProfile and ignores it; it heeds all others"
    seen_in = "Grizzl-E Smart, 39.8 A at a limit of 20 A (lbbrhzn/ocpp#442)"

    def ignores(self, profile: Profile) -> bool:
        return purpose_of(profile) == CHARGER


class ChargerLimitOnly(Ignores):
    name = "charger-limit-only"
    does = "accepts all profiles, and heeds a ChargePointMaxProfile only"
    seen_in = "no report yet; plausible for chargers that pass one limit on to their load balancing"

    def ignores(self, profile: Profile) -> bool:
        return purpose_of(profile) != CHARGER


@dataclass
class DefaultNextTime(Quirk):
    name = "default-next-time"
    does = "heeds a changed TxDefaultProfile from the next transaction on"
    seen_in = (
        "chargers that keep a new limit for the next session (ConnectorIO/connectorio-addons#160)"
    )

    _defaults: dict[int, Sequence[Kept]] = field(default_factory=dict)
    """The TxDefaultProfiles at the start of each transaction."""

    def heeded(self, charger: State, connector: Connector, kept: Sequence[Kept]) -> Sequence[Kept]:
        transaction = connector.transaction
        if transaction is None:
            return kept
        if transaction.local_id not in self._defaults:
            remember(
                charger, self._defaults, transaction, [one for one in kept if is_of(one, DEFAULT)]
            )
        others = [one for one in kept if not is_of(one, DEFAULT)]
        return [*others, *self._defaults[transaction.local_id]]


# How it reads and keeps them


class RelativeFromReceipt(Quirk):
    name = "relative-from-receipt"
    does = "counts a Relative TxProfile from its receipt instead of the start of the transaction"
    seen_in = "no report yet; plausible, since OCPP 1.6 §7.13 is easily read so"

    def received(self, charger: State, profile: Profile, at: float) -> Profile:
        if purpose_of(profile) != TRANSACTION or profile["chargingProfileKind"] != "Relative":
            return profile
        schedule = {
            **profile["chargingSchedule"],
            "startSchedule": wire_time(charger.shown_time(at)),
        }
        return {**profile, "chargingProfileKind": "Absolute", "chargingSchedule": schedule}


class LimitsRounded(Quirk):
    name = "limits-rounded"
    does = "rounds a limit above 0 up to the next multiple of 4 A, and to 6 A at least"
    seen_in = (
        "no report yet; plausible for chargers with a rotary switch or a coarse table of currents"
    )

    def offered(self, _charger: State, limit: Limit | None) -> Limit | None:
        if limit is None or limit.value == 0:
            return limit
        amps = ceil(round(limit.amps / STEP_A, 6)) * STEP_A
        return Limit(max(LEAST_AC_A, amps), "A", limit.phases)


class ZeroIsLeast(Quirk):
    name = "zero-is-least"
    does = "never pauses: it charges with 6 A at any lower limit, also at 0"
    seen_in = "no report yet; plausible for chargers that clamp a limit to their least current"

    def offered(self, _charger: State, limit: Limit | None) -> Limit | None:
        return (
            limit
            if limit is None or limit.amps >= LEAST_AC_A
            else Limit(LEAST_AC_A, "A", limit.phases)
        )


class ProfilesForgotten(Quirk):
    name = "profiles-forgotten"
    does = (
        "forgets all charging profiles at a restart: after a soft or hard Reset, and after a "
        "power cut"
    )
    seen_in = "no report yet; plausible for chargers that keep profiles in RAM"

    def power_on(self, charger: State, at: float) -> None:
        charger.memory.profiles.clear()
        settle_all(charger, at)


class HighestLevelForgotten(Quirk):
    name = "highest-level-forgotten"
    does = "accepts profiles of its highest stack level, which is 8, and forgets them at a boot"
    seen_in = "Tinkerforge WARP (tfocpp) and MicroOcpp, which read their files one level short"
    keys: ClassVar[Keys] = {LEVELS: Key(LEVELS, "8")}

    def power_on(self, charger: State, at: float) -> None:
        highest = charger.profiles.max_stack_level
        kept = charger.memory.profiles
        kept[:] = [one for one in kept if one["profile"]["stackLevel"] != highest]
        settle_all(charger, at)


class OneProfileKept(Quirk):
    name = "one-profile-kept"
    does = "forgets all charging profiles but the last one in a power cut"
    seen_in = "MicroOcpp (MicroOcpp#332)"

    def power_cut(self, charger: State) -> None:
        del charger.memory.profiles[:-1]


class ProfilesLostOffline(Quirk):
    name = "profiles-lost-offline"
    does = (
        "drops all charging profiles as soon as its connection ends, and charges without a limit "
        "until a new one"
    )
    seen_in = "go-eCharger with firmware 56.2 (goecharger/go-eCharger-API-v2#217)"

    def disconnected(self, charger: State, at: float) -> None:
        charger.memory.profiles.clear()
        settle_all(charger, charger.agenda.reach(at))


def is_of(one: Kept, purpose: str) -> bool:
    return purpose_of(one["profile"]) == purpose
