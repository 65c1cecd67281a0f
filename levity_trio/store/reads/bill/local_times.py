"""Times as the clock on the wall of the site shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from levity_trio.wire.times import in_zone, shifted

_DAY: Final = timedelta(days=1)


def local(text: str, zone: tzinfo) -> str:
    """Return a time of the database in local time; around a change of the clock with the name of the zone."""
    moment = datetime.fromisoformat(text)
    return _written(moment, zone, ":%S" if moment.second else "")


def to_the_minute(text: str, zone: tzinfo) -> str:
    """Return the same without its seconds."""
    return _written(datetime.fromisoformat(text), zone, "")


def _written(moment: datetime, zone: tzinfo, seconds: str) -> str:
    moment = in_zone(moment, UTC)  # so that a day is 24 hours
    before, after = (in_zone(shifted(moment, step), zone).utcoffset() for step in (-_DAY, _DAY))
    return in_zone(moment, zone).strftime(f"%Y-%m-%d %H:%M{seconds}" + (" %Z" if before != after else ""))
