"""The Remote Trigger profile (§5.17)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from levity_trio.operations import judges
from levity_trio.operations.declarations.common import connector_id, unknown_connector
from levity_trio.operations.operation import (
    Choice,
    FeatureProfile,
    Field,
    Object,
    Operation,
    Payload,
    Situation,
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
OPERATIONS: Final = (TRIGGER_MESSAGE,)
