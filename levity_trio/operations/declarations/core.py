"""The Core profile: what every charger must support (§5.2 to §5.18)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from levity_trio.operations import judges
from levity_trio.operations.declarations.common import (
    ID_TAG,
    connector_id,
    same_tag,
    unknown_connector,
)
from levity_trio.operations.declarations.smart_charging import PROFILE, profile_warnings
from levity_trio.operations.operation import (
    Allotted,
    Choice,
    FeatureProfile,
    Field,
    Integer,
    ListOf,
    Object,
    Operation,
    Payload,
    Situation,
    Text,
)
from levity_trio.told import Told
from levity_trio.wire.words import of_ocpp

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
)
