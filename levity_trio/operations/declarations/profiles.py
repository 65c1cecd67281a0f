"""The feature profiles of OCPP 1.6: Smart Charging (§3.13, §5.5, §5.7, §5.16), Core, which every
charger must support (§5.2 to §5.18), Firmware Management (§5.9, §5.19), Local Auth List Management
(§5.10, §5.15), Reservation (§5.1, §5.13) and Remote Trigger (§5.17)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from levity_trio.operations import judges
from levity_trio.operations.operation import (
    Allotted,
    Choice,
    DateTime,
    Decimal,
    FeatureProfile,
    Field,
    Integer,
    ListOf,
    Object,
    Operation,
    OperationRole,
    Payload,
    Situation,
    Text,
)
from levity_trio.told import Told
from levity_trio.wire.times import parse_time
from levity_trio.wire.words import of_ocpp

ID_TAG: Final = Text(20)
LOCATION: Final = Text(512)
UNITS: Final = Choice(("A", "W"))
RETRIES: Final = Field(
    "retries", Integer(), "How often the charger tries again; if left out, as it likes."
)
RETRY_INTERVAL: Final = Field("retryInterval", Integer(), "Seconds between two tries.")
REQUEST_ID: Final = Field(
    "requestId",
    Integer(),
    "The number that the charger's status notifications name.",
    required=True,
    allotted=Allotted.REQUEST,
)


def connector_id(help_text: str, *, required: bool = True) -> Field:
    """Return the field connectorId."""
    return Field("connectorId", Integer(), help_text, required=required, example=1)


def time(name: str, help_text: str, *, required: bool = False, example: str | None = None) -> Field:
    """Return a field with a time."""
    return Field(name, DateTime(), help_text, required=required, example=example)


def unknown_connector(
    situation: Situation, number: int, *, may_be_0: bool = False
) -> Iterator[str]:
    """Warn about a connector that the charger does not have, as far as is known."""
    if number == 0:
        if not may_be_0:
            yield Told(
                "connector 0 is the charger itself: this operation is for a connector above 0"
            )
    elif number < 0 or (situation.connectors and not situation.connector(number)):
        known = ", ".join(str(connector.number) for connector in situation.connectors)
        unknown = Told("the charger has not reported a connector {1}", number)
        yield Told("{1}, only {2}", unknown, known) if known else unknown


def same_tag(one: Any, other: Any) -> bool:
    """Whether two idTags are equal: they are compared without regard to case (§7.28)."""
    return isinstance(one, str) and isinstance(other, str) and one.casefold() == other.casefold()


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


STARTABLE: Final = frozenset({"Available", "Preparing", "Reserved", "Finishing"})


def _start_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    number = payload.get("connectorId")
    if number is not None:
        yield from unknown_connector(situation, number)
        yield from _not_free(situation, number, payload["idTag"])
    elif len(situation.connectors) > 1:
        yield Told("no connectorId: the charger chooses the connector, or rejects")

    profile = payload.get("chargingProfile")
    if profile is None:
        return
    if profile["chargingProfilePurpose"] != "TxProfile":
        yield Told("the profile of a remote start must be a TxProfile (§5.11)")
    if "transactionId" in profile:
        yield Told("the profile of a remote start must not have a transactionId (§5.11)")
    yield from profile_warnings(profile, number, situation)


def _not_free(situation: Situation, number: int, id_tag: str) -> Iterator[str]:
    """Warn about a connector that is in use, or reserved for another card."""
    transaction = situation.transaction_on(number)
    connector = situation.connector(number)
    # An open session says more than its status.
    if transaction is not None:
        yield Told("session {1} is open on connector {2}", transaction.id, number)
    elif connector is not None and connector.status not in STARTABLE:
        yield Told("connector {1} is {2}", number, of_ocpp(connector.status))

    for reservation in situation.reservations:
        if reservation.connector != number:
            continue
        holders = (reservation.id_tag, reservation.parent_id_tag, *reservation.members)
        if not any(same_tag(holder, id_tag) for holder in holders):
            yield Told(
                "connector {1} is reserved for another card (reservation {2})",
                number,
                reservation.id,
            )


def _stop_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    if "transactionId" not in payload:
        return
    number = payload["transactionId"]
    if all(transaction.id != number for transaction in situation.transactions):
        yield Told("session {1} is not open at this charger", number)


def _unlock_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    return unknown_connector(situation, payload["connectorId"])


def _availability_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    return unknown_connector(situation, payload["connectorId"], may_be_0=True)


def _change_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    if payload["key"] in situation.read_only:
        yield Told("{1} is read-only, as the charger last reported", payload["key"])


def _configuration_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    most = situation.number("GetConfigurationMaxKeys")
    if most is not None and len(payload.get("key", ())) > most:
        yield Told("the charger answers for {1} keys at most (GetConfigurationMaxKeys)", most)


REMOTE_START_TRANSACTION: Final = Operation(
    action="RemoteStartTransaction",
    path="remote-start",
    section="§5.11",
    feature_profile=FeatureProfile.CORE,
    summary="Start a session with a card, as if it were presented at the charger.",
    payload=Object(
        (
            connector_id("The connector; if left out, the charger chooses.", required=False),
            Field(
                "idTag",
                ID_TAG,
                "The card that the session is started with.",
                required=True,
                example="GUEST",
            ),
            Field(
                "chargingProfile",
                PROFILE,
                "A TxProfile without transactionId, for this session.",
            ),
        )
    ),
    warner=_start_warnings,
    outcome=judges.REMOTE_START,
    stored="the session that began",
)
REMOTE_STOP_TRANSACTION: Final = Operation(
    action="RemoteStopTransaction",
    path="remote-stop",
    section="§5.12",
    feature_profile=FeatureProfile.CORE,
    summary="Stop a session.",
    payload=Object(
        (
            Field(
                "transactionId",
                Integer(),
                "The session's id.",
                required=True,
                example=1,
                allotted=Allotted.TRANSACTION,
            ),
        )
    ),
    warner=_stop_warnings,
    outcome=judges.REMOTE_STOP,
    stored="the session that ended",
)
RESET: Final = Operation(
    action="Reset",
    path="reset",
    section="§5.14",
    feature_profile=FeatureProfile.CORE,
    summary="Restart the charger. An open session ends.",
    payload=Object(
        (
            Field(
                "type",
                Choice(("Hard", "Soft")),
                (
                    "Soft stops sessions and restarts the program; Hard is like switching off "
                    "and on."
                ),
                required=True,
                example="Soft",
            ),
        )
    ),
    needs_force_under_transaction=True,
    outcome=judges.RESET,
)
UNLOCK_CONNECTOR: Final = Operation(
    action="UnlockConnector",
    path="unlock-connector",
    section="§5.18",
    feature_profile=FeatureProfile.CORE,
    summary="Release a cable that the charger holds. An open session of the connector ends.",
    payload=Object((connector_id("The connector."),)),
    needs_force_under_transaction=True,
    warner=_unlock_warnings,
    outcome=judges.UNLOCK,
)
CHANGE_AVAILABILITY: Final = Operation(
    action="ChangeAvailability",
    path="change-availability",
    section="§5.2",
    feature_profile=FeatureProfile.CORE,
    summary="Take a connector or the whole charger out of use, or put it back into use.",
    payload=Object(
        (
            connector_id("The connector; 0 is the whole charger."),
            Field(
                "type",
                Choice(("Inoperative", "Operative")),
                "Inoperative is out of use; under a session it begins after the end.",
                required=True,
                example="Operative",
            ),
        )
    ),
    warner=_availability_warnings,
    outcome=judges.CHANGE_AVAILABILITY,
    stored="the intent, compared with the status",
)
CHANGE_CONFIGURATION: Final = Operation(
    action="ChangeConfiguration",
    path="change-configuration",
    section="§5.3",
    feature_profile=FeatureProfile.CORE,
    summary="Change a value of the charger's configuration.",
    payload=Object(
        (
            Field(
                "key",
                Text(50),
                "The key's name.",
                required=True,
                example="MeterValueSampleInterval",
            ),
            Field(
                "value",
                Text(500),
                "The new value, as a text.",
                required=True,
                example="60",
                secret=True,
            ),
        )
    ),
    warner=_change_warnings,
    outcome=judges.CHANGE_CONFIGURATION,
    stored="the value, when it was accepted",
)
GET_CONFIGURATION: Final = Operation(
    action="GetConfiguration",
    path="get-configuration",
    section="§5.8",
    feature_profile=FeatureProfile.CORE,
    summary="Read the charger's configuration.",
    payload=Object(
        (
            Field(
                "key",
                ListOf(Text(50)),
                "The keys; if left out, all.",
                example=["HeartbeatInterval"],
            ),
        )
    ),
    warner=_configuration_warnings,
    stored="each value with its time",
)
CLEAR_CACHE: Final = Operation(
    action="ClearCache",
    path="clear-cache",
    section="§5.4",
    feature_profile=FeatureProfile.CORE,
    summary="Make the charger forget the cards that it knows from earlier authorizations.",
)
DATA_TRANSFER: Final = Operation(
    action="DataTransfer",
    path="data-transfer",
    section="§5.6",
    feature_profile=FeatureProfile.CORE,
    summary="Send a message of the vendor's own.",
    payload=Object(
        (
            Field(
                "vendorId",
                Text(255),
                "The vendor's reversed domain name.",
                required=True,
                example="com.example",
            ),
            Field("messageId", Text(50), "The vendor's name of the message."),
            Field("data", Text(), "Anything; JSON is sent as a text too."),
        )
    ),
)


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
    outcome=judges.DIAGNOSTICS,
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
    outcome=judges.FIRMWARE,
    stored="the statuses, the firmware of each boot",
)


FULL: Final = "Full"
ID_TAG_INFO: Final = Object(
    (
        time("expiryDate", "Until when the card is valid."),
        Field("parentIdTag", ID_TAG, "The group of the card."),
        Field(
            "status",
            Choice(("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")),
            "Whether the card may charge.",
            required=True,
            example="Accepted",
        ),
    )
)
ENTRY: Final = Object(
    (
        Field("idTag", ID_TAG, "The card.", required=True, example="GUEST"),
        Field(
            "idTagInfo",
            ID_TAG_INFO,
            "Its state; in a differential list an entry without it deletes the card.",
        ),
    )
)


def _list_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    entries = payload.get("localAuthorizationList", [])
    is_full = payload["updateType"] == FULL
    if situation.is_false("LocalAuthListEnabled"):
        yield Told("LocalAuthListEnabled is false: the charger does not use its list")
    yield from _entry_warnings(entries, situation, is_full=is_full)

    version = payload.get("listVersion")
    if version is None:
        return
    present = situation.list_version
    if version <= 0:
        yield Told("list version {1} stands for no list (§5.10)", version)
    elif not is_full and present is not None and version <= present:
        yield Told("the charger has list version {1}: it may answer VersionMismatch", present)


def _entry_warnings(
    entries: list[Payload], situation: Situation, *, is_full: bool
) -> Iterator[str]:
    """Warn about more entries than the charger takes, and about those that it may reject."""
    length = len(entries)
    at_once = situation.number("SendLocalListMaxLength")
    if at_once is not None and length > at_once:
        yield Told(
            "{1} entries: the charger accepts {2} at once (SendLocalListMaxLength)", length, at_once
        )
    in_all = situation.number("LocalAuthListMaxLength")
    # How long a list becomes that is only changed is not known.
    if is_full and in_all is not None and length > in_all:
        yield Told(
            "{1} entries: the charger's list holds {2} (LocalAuthListMaxLength)", length, in_all
        )

    counts = Counter(str(entry["idTag"]).casefold() for entry in entries)
    twice = sum(count > 1 for count in counts.values())
    if twice:
        yield Told(
            "{1} card is in the list more than once: the charger may reject it (§5.15)",
            twice,
            many="{1} cards are in the list more than once: the charger may reject it (§5.15)",
        )
    # In a list that is only changed, an entry without it deletes the card.
    bare = sum("idTagInfo" not in entry for entry in entries)
    if is_full and bare:
        yield Told(
            "{1} entries of a full list have no idTagInfo: the charger may reject it (§6.41)", bare
        )


GET_LOCAL_LIST_VERSION: Final = Operation(
    action="GetLocalListVersion",
    path="get-local-list-version",
    section="§5.10",
    feature_profile=FeatureProfile.LOCAL_LIST,
    summary=("Ask for the version of the charger's list of cards: 0 is none, -1 is not supported."),
    stored="the version with its time",
)
SEND_LOCAL_LIST: Final = Operation(
    action="SendLocalList",
    path="send-local-list",
    section="§5.15",
    feature_profile=FeatureProfile.LOCAL_LIST,
    summary="Send the list of cards that the charger uses while it has no connection.",
    payload=Object(
        (
            Field(
                "listVersion",
                Integer(),
                "The list's version after this message.",
                required=True,
                allotted=Allotted.LIST_VERSION,
            ),
            Field(
                "localAuthorizationList",
                ListOf(ENTRY),
                "The cards; a full list without any deletes all.",
            ),
            Field(
                "updateType",
                Choice(("Differential", FULL)),
                "Full replaces the list, Differential changes these cards.",
                required=True,
                example=FULL,
            ),
        )
    ),
    warner=_list_warnings,
    outcome=judges.SEND_LOCAL_LIST,
    stored="the list with its version",
)


ZERO_KEY: Final = "ReserveConnectorZeroSupported"


def _reserve_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    number = payload["connectorId"]
    yield from unknown_connector(situation, number, may_be_0=True)
    is_zero_supported = (situation.configuration.get(ZERO_KEY) or "").strip().casefold()
    if number == 0 and is_zero_supported != "true":
        yield Told(
            "connector 0 can be reserved only where {1} is true; it is not known to be", ZERO_KEY
        )
    connector = situation.connector(number)
    if connector is not None and connector.status != "Available":
        yield Told("connector {1} is {2}", number, of_ocpp(connector.status))
    expiry = parse_time(payload["expiryDate"])
    if expiry is not None and expiry <= situation.now:
        yield Told("expiryDate is in the past")
    reservation_id: Any = payload.get("reservationId")
    if any(reservation.id == reservation_id for reservation in situation.reservations):
        yield Told("reservation {1} is in force and is replaced", reservation_id)


def _cancel_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    number = payload["reservationId"]
    if all(reservation.id != number for reservation in situation.reservations):
        yield Told("reservation {1} is not in force, as far as is known", number)


RESERVE_NOW: Final = Operation(
    action="ReserveNow",
    path="reserve-now",
    section="§5.13",
    feature_profile=FeatureProfile.RESERVATION,
    summary="Keep a connector for a card.",
    payload=Object(
        (
            connector_id("The connector; 0 is any, if the charger supports it."),
            time(
                "expiryDate",
                "When the reservation ends.",
                required=True,
                example="2035-01-31T22:00:00Z",
            ),
            Field("idTag", ID_TAG, "The card that it is for.", required=True, example="GUEST"),
            Field("parentIdTag", ID_TAG, "A group whose cards may use it too."),
            Field(
                "reservationId",
                Integer(),
                "The reservation's id; one in force is replaced.",
                required=True,
                allotted=Allotted.RESERVATION,
            ),
        )
    ),
    warner=_reserve_warnings,
    outcome=judges.RESERVE,
    stored="the reservation with its state",
)
CANCEL_RESERVATION: Final = Operation(
    action="CancelReservation",
    path="cancel-reservation",
    section="§5.1",
    feature_profile=FeatureProfile.RESERVATION,
    summary="End a reservation.",
    payload=Object(
        (Field("reservationId", Integer(), "The reservation's id.", required=True, example=1),)
    ),
    warner=_cancel_warnings,
    outcome=judges.CANCEL_RESERVATION,
    stored="the end of the reservation",
)


CONNECTOR: Final = connector_id("The connector that the message is about.", required=False)


def trigger_warnings(payload: Payload, situation: Situation) -> Iterator[str]:
    """Warn about a connector that the charger does not have."""
    if "connectorId" in payload:
        is_of_connector = payload["requestedMessage"] == "MeterValues"
        yield from unknown_connector(
            situation, payload["connectorId"], may_be_0=not is_of_connector
        )


def requested_message(*names: str) -> Field:
    """Return the field requestedMessage."""
    return Field(
        "requestedMessage",
        Choice(names),
        "The message.",
        required=True,
        example="StatusNotification",
    )


TRIGGER_MESSAGE: Final = Operation(
    action="TriggerMessage",
    path="trigger-message",
    section="§5.17",
    feature_profile=FeatureProfile.TRIGGER,
    summary="Make the charger send a message now.",
    payload=Object(
        (
            requested_message(
                "BootNotification",
                "DiagnosticsStatusNotification",
                "FirmwareStatusNotification",
                "Heartbeat",
                "MeterValues",
                "StatusNotification",
            ),
            CONNECTOR,
        )
    ),
    warner=trigger_warnings,
    outcome=judges.TRIGGER,
    stored="the message, like any other",
)


OPERATIONS: Final = (
    REMOTE_START_TRANSACTION,
    REMOTE_STOP_TRANSACTION,
    RESET,
    UNLOCK_CONNECTOR,
    CHANGE_AVAILABILITY,
    CHANGE_CONFIGURATION,
    GET_CONFIGURATION,
    CLEAR_CACHE,
    DATA_TRANSFER,
    GET_DIAGNOSTICS,
    UPDATE_FIRMWARE,
    GET_LOCAL_LIST_VERSION,
    SEND_LOCAL_LIST,
    RESERVE_NOW,
    CANCEL_RESERVATION,
    SET_CHARGING_PROFILE,
    CLEAR_CHARGING_PROFILE,
    GET_COMPOSITE_SCHEDULE,
    TRIGGER_MESSAGE,
)
