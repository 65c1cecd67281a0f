"""The Reservation profile (§5.1, §5.13)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from levity_trio.operations import judges
from levity_trio.operations.declarations.common import ID_TAG, connector_id, time, unknown_connector
from levity_trio.operations.operation import (
    Allotted,
    FeatureProfile,
    Field,
    Integer,
    Object,
    Operation,
    Payload,
    Situation,
)
from levity_trio.told import Told
from levity_trio.wire.times import parse_time
from levity_trio.wire.words import of_ocpp

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
OPERATIONS: Final = (
    RESERVE_NOW,
    CANCEL_RESERVATION,
)
