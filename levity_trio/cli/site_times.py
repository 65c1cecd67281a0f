"""The time zone of the site, as the server says with each response: people read and type times in it."""

from __future__ import annotations

from contextvars import ContextVar
from datetime import datetime
from email.message import Message
from typing import Final
from zoneinfo import ZoneInfo

from levity_trio.config import time_zones
from levity_trio.wire.times import in_zone

HEADER: Final = "Time-Zone"
_ZONE: Final[ContextVar[ZoneInfo | None]] = ContextVar("zone", default=None)


def forget() -> None:
    """Go by the time zone of this machine until a server has said its own."""
    _ZONE.set(None)


def hear(headers: Message) -> None:
    """Note the time zone that a response names. One that this machine does not know is passed over."""
    try:
        _ZONE.set(time_zones.named(headers.get(HEADER, "")))
    except time_zones.UnknownZone:
        return


def zone() -> ZoneInfo | None:
    """Return the time zone of the site; None, which is that of this machine, while no server has said one."""
    return _ZONE.get()


def local(text: str) -> datetime:
    """Return a time in the time zone of the site."""
    return in_zone(datetime.fromisoformat(text), zone())


def instant(text: str) -> datetime:
    """Return a time as it was typed; one without an offset, or a day, is in the time zone of the site.

    Raises ValueError.
    """
    given = datetime.fromisoformat(text)
    return given if given.tzinfo is not None else in_zone(given.replace(tzinfo=zone()), zone())
