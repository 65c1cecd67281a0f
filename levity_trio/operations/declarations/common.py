"""Fields and warnings that several feature profiles share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from levity_trio.operations.operation import (
    Allotted,
    Choice,
    DateTime,
    Field,
    Integer,
    Situation,
    Text,
)
from levity_trio.told import Told

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
