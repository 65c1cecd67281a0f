"""The Smart Charging profile (§3.13, §5.5, §5.7, §5.16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from levity_trio.operations import judges
from levity_trio.operations.declarations.common import UNITS, connector_id, time, unknown_connector
from levity_trio.operations.operation import (
    Allotted,
    Choice,
    Decimal,
    FeatureProfile,
    Field,
    Integer,
    ListOf,
    Object,
    Operation,
    Payload,
    Situation,
)
from levity_trio.told import Told

TRANSACTION: Final = "TxProfile"
CHARGER: Final = "ChargePointMaxProfile"
PURPOSES: Final = Choice((CHARGER, "TxDefaultProfile", TRANSACTION))
UNIT_WORDS: Final = {"A": "Current", "W": "Power"}
"""The words of ChargingScheduleAllowedChargingRateUnit (§9.4.2)."""
MANAGED: Final = Told(
    "load management limits this charger: what it draws is booked with the higher of both until "
    "it is cleared"
)

PERIOD: Final = Object(
    (
        Field(
            "startPeriod", Integer(), "Seconds from the schedule's start.", required=True, example=0
        ),
        Field("limit", Decimal(), "The limit in the schedule's unit.", required=True, example=16),
        Field("numberPhases", Integer(), "The phases that may be used; if left out, 3."),
    )
)
SCHEDULE: Final = Object(
    (
        Field("duration", Integer(), "Seconds; if left out, the last period has no end."),
        time("startSchedule", "Where an absolute or recurring schedule starts."),
        Field("chargingRateUnit", UNITS, "A or W.", required=True, example="A"),
        Field(
            "chargingSchedulePeriod",
            ListOf(PERIOD),
            "The limits, in order of time; the first starts at 0.",
            required=True,
            example=[{"startPeriod": 0, "limit": 16}],
        ),
        Field("minChargingRate", Decimal(), "Below this the car charges inefficiently."),
    )
)
PROFILE: Final = Object(
    (
        Field(
            "chargingProfileId",
            Integer(),
            "The profile's id; one with the same id is replaced.",
            required=True,
            allotted=Allotted.PROFILE,
        ),
        Field("transactionId", Integer(), "The session that a TxProfile is for."),
        Field(
            "stackLevel",
            Integer(),
            "Of several profiles the one with the highest level wins.",
            True,
            example=0,
        ),
        Field(
            "chargingProfilePurpose",
            PURPOSES,
            (
                "ChargePointMaxProfile limits the charger, TxDefaultProfile each session, "
                "TxProfile one."
            ),
            required=True,
            example=TRANSACTION,
        ),
        Field(
            "chargingProfileKind",
            Choice(("Absolute", "Recurring", "Relative")),
            "Relative counts from the start of the session.",
            required=True,
            example="Relative",
        ),
        Field("recurrencyKind", Choice(("Daily", "Weekly")), "How a recurring profile repeats."),
        time("validFrom", "From when the profile is valid."),
        time("validTo", "Until when the profile is valid."),
        Field("chargingSchedule", SCHEDULE, "The limits.", required=True),
    )
)


def profile_warnings(
    profile: Payload, connector: int | None, situation: Situation
) -> Iterator[str]:
    """Warn about what the charger's configuration does not allow, or a schedule that cannot be
    meant."""
    schedule = profile["chargingSchedule"]
    periods, unit = schedule["chargingSchedulePeriod"], schedule["chargingRateUnit"]
    highest = situation.number("ChargeProfileMaxStackLevel")
    level = profile["stackLevel"]
    if highest is not None and level > highest:
        yield Told(
            "stackLevel {1}: the charger allows {2} (ChargeProfileMaxStackLevel)", level, highest
        )
    most = situation.number("ChargingScheduleMaxPeriods")
    if most is not None and len(periods) > most:
        yield Told("more than {1} periods (ChargingScheduleMaxPeriods)", most)
    yield from unit_warnings(unit, situation)
    yield from _schedule_warnings(profile, schedule)

    # A charger of direct current converts amperes by a voltage that nobody knows.
    known = situation.connector(connector) if connector else None
    if known is not None and known.current_type == "DC" and unit == "A":
        yield Told("connector {1} is DC: a limit in W is meant more exactly (§7.12)", known.number)


def unit_warnings(unit: str, situation: Situation) -> Iterator[str]:
    """Warn about a unit that the charger does not support."""
    allowed = situation.words("ChargingScheduleAllowedChargingRateUnit")
    word = UNIT_WORDS[unit]
    if allowed and word not in allowed and unit not in allowed:
        yield Told("the charger does not list {1} in ChargingScheduleAllowedChargingRateUnit", word)


def _schedule_warnings(profile: Payload, schedule: Payload) -> Iterator[str]:
    kind = profile["chargingProfileKind"]
    starts = [period["startPeriod"] for period in schedule["chargingSchedulePeriod"]]
    if starts[:1] != [0]:
        yield Told("the first period must start at 0 (§7.14)")
    if starts != sorted(starts):
        yield Told("the periods are not in order of time")
    if kind == "Recurring" and "recurrencyKind" not in profile:
        yield Told("a recurring profile needs a recurrencyKind")
    if kind != "Relative" and "startSchedule" not in schedule:
        yield Told("the schedule of profile kind {1} needs a startSchedule", kind)


def _set_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    number, profile = payload["connectorId"], payload["csChargingProfiles"]
    purpose = profile["chargingProfilePurpose"]
    yield from unknown_connector(situation, number, may_be_0=True)
    if situation.is_managed:
        yield MANAGED
    if purpose == CHARGER and number != 0:
        yield Told("a ChargePointMaxProfile is for connector 0 (§5.16)")
    if purpose == TRANSACTION:
        yield from _transaction_warnings(number, profile.get("transactionId"), situation)
    elif "transactionId" in profile:
        yield Told("only a TxProfile has a transactionId, not a {1} (§5.16)", purpose)
    yield from profile_warnings(profile, number, situation)


def _transaction_warnings(
    number: int, transaction: int | None, situation: Situation
) -> Iterator[str]:
    """§5.16: a TxProfile is for the open transaction of a connector."""
    if number <= 0:
        yield Told("a TxProfile is for a connector above 0 (§5.16)")
    present = situation.transaction_on(number)
    if transaction is None:
        needs = Told("a TxProfile needs its transactionId (§5.16)")
        yield Told("{1}: {2} is open", needs, present.id) if present else needs
    elif all(known.id != transaction for known in situation.transactions):
        yield Told("session {1} is not open at this charger", transaction)
    elif present is None or present.id != transaction:
        yield Told("session {1} is not open on connector {2}", transaction, number)


def _clear_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    if "connectorId" in payload:
        yield from unknown_connector(situation, payload["connectorId"], may_be_0=True)
    if "id" in payload and len(payload) > 1:
        yield Told("with an id the charger ignores the other fields (§5.5)")


def _composite_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    yield from unknown_connector(situation, payload["connectorId"], may_be_0=True)
    if "chargingRateUnit" in payload:
        yield from unit_warnings(payload["chargingRateUnit"], situation)


SET_CHARGING_PROFILE: Final = Operation(
    action="SetChargingProfile",
    path="set-charging-profile",
    section="§5.16",
    feature_profile=FeatureProfile.SMART_CHARGING,
    summary="Limit the current or power of a charger, a connector or a session.",
    payload=Object(
        (
            connector_id("The connector; 0 is the charger, or the default of all connectors."),
            Field("csChargingProfiles", PROFILE, "The profile.", required=True),
        )
    ),
    warner=_set_warnings,
    outcome=judges.SET_CHARGING_PROFILE,
    stored="the profile with its state",
)
CLEAR_CHARGING_PROFILE: Final = Operation(
    action="ClearChargingProfile",
    path="clear-charging-profile",
    section="§5.5",
    feature_profile=FeatureProfile.SMART_CHARGING,
    summary="Remove the charging profiles that fit; without fields, all.",
    payload=Object(
        (
            Field("id", Integer(), "The profile's id."),
            connector_id("The connector; 0 is the charger itself.", required=False),
            Field("chargingProfilePurpose", PURPOSES, "The profiles' purpose."),
            Field("stackLevel", Integer(), "The profiles' level."),
        )
    ),
    warner=_clear_warnings,
    stored="the profiles that ended",
)
GET_COMPOSITE_SCHEDULE: Final = Operation(
    action="GetCompositeSchedule",
    path="get-composite-schedule",
    section="§5.7",
    feature_profile=FeatureProfile.SMART_CHARGING,
    summary="Ask for the limits that result from all profiles.",
    payload=Object(
        (
            connector_id("The connector; 0 is the whole charger."),
            Field("duration", Integer(), "Seconds from now.", required=True, example=86400),
            Field("chargingRateUnit", UNITS, "A or W; if left out, the charger chooses."),
        )
    ),
    warner=_composite_warnings,
    stored="the schedule as reported",
)
OPERATIONS: Final = (
    SET_CHARGING_PROFILE,
    CLEAR_CHARGING_PROFILE,
    GET_COMPOSITE_SCHEDULE,
)
