"""Times that an operator gives in the time zone of the site: a day is its local midnight."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from msgspec import Meta

from levity_trio.billing.tariff_values import YEARS
from levity_trio.records import whole_text
from levity_trio.told import Told
from levity_trio.web.api.engine.bodies import MONTH_PATTERN
from levity_trio.web.api.engine.endpoints import Server, local_today
from levity_trio.web.api.engine.lists import FORMATS, time_field
from levity_trio.web.api.engine.problems import invalid
from levity_trio.wire.times import in_zone, stamp

_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII
)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EXACT: Final = Told(
    "a date and a time such as 2026-03-15T12:00; without an offset, that of the site"
)


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


_MEANT: Final = Told("a time such as 2026-03-15T12:00, or a day, in the time zone of the site")

GivenTime = Annotated[str, time_field(_sentence(_MEANT))]
LocalTime = GivenTime | None
UNTIL: Final[dict[str, Any]] = {**FORMATS, "x-until": True}
"""Marks the end of a stretch, which is not part of it. Pages ask for the last day instead, and send
the next one."""
GivenEnd = Annotated[str, Meta(description=_sentence(_MEANT), extra_json_schema=UNTIL)]
_INSTANT: Final = Meta(description=_sentence(_EXACT), extra_json_schema={"format": "date-time"})
LocalEnd = GivenEnd | None
LocalInstant = Annotated[str, _INSTANT] | None
DAY: Final[dict[str, Any]] = {"format": "date", "pattern": r"^2[01]\d\d-"}
LocalDay = Annotated[
    str, Meta(description="A day such as 2026-10-01, of the site.", extra_json_schema=DAY)
]


def local_moment(text: str | None, field: str, zone: ZoneInfo) -> str | None:
    """Return a time in the database's format; one without an offset is in this zone. Raises
    Problem.

    A time that a change of the clock repeats means the first of both; one that it leaves out is as
    far after it.
    """
    if text is None:
        return None
    time = None
    if _TIME.fullmatch(text):
        # A text of this form may still be the 30th of February.
        with suppress(ValueError):
            time = datetime.fromisoformat(text)
    if time is None or time.year not in YEARS:
        raise invalid(field, Told("give {1}, from {2} on", _MEANT, YEARS.start))
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return stamp(in_zone(time, UTC))


def local_instant(text: str | None, field: str, zone: ZoneInfo) -> str | None:
    """Return a time of day likewise. A day alone is refused: it may mean its beginning or its end.
    Raises Problem."""
    if text is not None and _DAY.fullmatch(text):
        raise invalid(field, Told("give {1}", _EXACT))
    return local_moment(text, field, zone)


def local_day(text: str, field: str) -> date:
    """Return a day. Raises Problem."""
    day = None
    if _DAY.fullmatch(text):
        with suppress(ValueError):
            day = date.fromisoformat(text)
    if day is None or day.year not in YEARS:
        raise invalid(field, Told("give a day such as 2026-10-01, from {1} on", YEARS.start))
    return day


def begins_at(day: date, zone: ZoneInfo) -> str:
    """Return when a day of a zone begins, in the database's format. One that it leaves out begins
    with the next one."""
    midnight = datetime.combine(day, datetime.min.time(), zone)
    return stamp(in_zone(midnight, UTC))


def midnight(server: Server) -> str:
    """Return the beginning of the present day of the site, in the database's format."""
    return begins_at(local_today(server), server.config.time_zone)


MonthName = Annotated[
    str,
    whole_text(
        pattern=MONTH_PATTERN,
        words=Told("give a month such as 2026-10"),
        description="Such as 2026-10.",
    ),
]
