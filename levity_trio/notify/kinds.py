"""What people can choose to be told."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from levity_trio.locale import N_


class MessageKind(StrEnum):
    """What a recipient can choose to be told."""

    FAULTED = "fault"
    AWAY = "away"
    DOUBTFUL = "doubt"
    """Sessions in doubt, in one digest a day."""
    BACKUP = "backup"
    DISK = "disk"
    """Little space, or nothing can be stored."""
    EXCEEDED = "exceeded"
    """The current at a circuit is above its limit."""
    METER = "meter"
    """A meter of load management is silent."""
    IGNORED = "ignored"
    """A charger does not obey the limits of load management."""
    PRICES = "prices"
    """A series of prices has none for today or tomorrow."""
    CERTIFICATE = "certificate"
    BACKEND = "backend"
    """Another backend does not get its copy, or refuses some of it."""
    COMMAND = "command"
    """A charger does not obey."""
    REPORT = "report"
    """A household reported something, such as a lost card."""
    FULL = "full"
    UNPLUGGED = "unplugged"
    STOPPED = "stopped"
    """A session ended early, and not because its household wanted that."""
    STATEMENT = "statement"
    REMINDER = "reminder"
    """A statement is overdue; an owner asked for it."""
    LIMIT = "limit"
    """A card or the household has used four fifths of what it may in the month, or all of it."""


OF_SITE: Final[Mapping[str, str]] = N_(
    {
        MessageKind.FAULTED: "A charger is faulted, or seems to be",
        MessageKind.AWAY: "A charger is away",
        MessageKind.COMMAND: "A charger does not do what it was asked",
        MessageKind.DOUBTFUL: "Sessions are in doubt (once a day)",
        MessageKind.REPORT: "A household reports something, such as a lost card",
        MessageKind.BACKUP: "A backup is missing",
        MessageKind.DISK: "The disk is nearly full",
        MessageKind.EXCEEDED: "A circuit is above its limit",
        MessageKind.METER: "A meter of load management is silent",
        MessageKind.IGNORED: "A charger does not obey its limit",
        MessageKind.PRICES: "Prices of a series are missing",
        MessageKind.CERTIFICATE: "A certificate ends soon",
        MessageKind.BACKEND: "Another backend does not get everything",
    }
)
"""For owners and caretakers."""
OF_DRIVER: Final[Mapping[str, str]] = N_(
    {
        MessageKind.FULL: "The car is full",
        MessageKind.STOPPED: "A session stopped early",
        MessageKind.UNPLUGGED: "The car was unplugged",
        MessageKind.STATEMENT: "A statement is ready",
        MessageKind.LIMIT: "Four fifths of what we may use this month are used",
    }
)
DRIVER: Final = "driver"


def kinds_for(who: str) -> Mapping[str, str]:
    """Return what a recipient can choose, with its words."""
    return OF_DRIVER if who == DRIVER else OF_SITE
