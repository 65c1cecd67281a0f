"""Times as the clock on the wall of the site shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_DAY: Final = timedelta(days=1)


def local(text: str, zone: tzinfo) -> str:
    """Return a time of the database in local time; around a change of the clock with the name of the zone."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    before, after = ((moment + step).astimezone(zone).utcoffset() for step in (-_DAY, _DAY))
    pattern = "%Y-%m-%d %H:%M" + (":%S" if moment.second else "") + (" %Z" if before != after else "")
    return moment.astimezone(zone).strftime(pattern)
