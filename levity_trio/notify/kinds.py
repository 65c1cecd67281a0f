"""What people can choose to be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from levity_trio.locale import N_

OF_SITE: Final[Mapping[str, str]] = N_(
    {
        "fault": "A charger is faulted",
        "away": "A charger is away",
        "command": "A charger does not do what it was asked",
        "doubt": "Sessions are in doubt (once a day)",
        "report": "A household reports something, such as a lost card",
        "backup": "A backup is missing",
        "disk": "The disk is nearly full",
        "certificate": "A certificate ends soon",
    }
)
"""For owners and caretakers."""
OF_DRIVER: Final[Mapping[str, str]] = N_(
    {
        "full": "The car is full",
        "stopped": "A session stopped early",
        "unplugged": "The car was unplugged",
        "statement": "A statement is ready",
        "limit": "Four fifths of what we may use this month are used",
    }
)
DRIVER: Final = "driver"


def kinds_for(who: str) -> Mapping[str, str]:
    """Return what a recipient can choose, with its words."""
    return OF_DRIVER if who == DRIVER else OF_SITE
