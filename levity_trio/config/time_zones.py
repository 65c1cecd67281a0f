"""Time zones by their IANA names, and the one that this machine is set to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

LOCAL_TIME: Final = Path("/etc/localtime")
"""A link into the folder of zones."""
FOLDER: Final = "/zoneinfo/"
UTC: Final = "UTC"


class UnknownZone(ValueError):
    """No time zone has this name; the argument."""


def named(name: str) -> ZoneInfo:
    """Return a time zone by its name. Raises UnknownZone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # not found, a path that leads elsewhere, a folder
        raise UnknownZone(name) from None


def of_system(variable: str | None = None, local_time: Path = LOCAL_TIME) -> ZoneInfo:
    """Return the time zone of this machine: that of TZ, else that of its local time, else UTC."""
    given = os.environ.get("TZ", "") if variable is None else variable
    for name in (given.removeprefix(":"), os.path.realpath(local_time).rpartition(FOLDER)[2]):
        try:
            return named(name)
        except UnknownZone:
            continue
    return named(UTC)
