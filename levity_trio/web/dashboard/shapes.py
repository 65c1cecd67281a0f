"""How values are written for people: energy, power, times in the site's zone, ages. Unknown is "–",
never 0."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

import orjson

from levity_trio.billing.money import typed_number
from levity_trio.locale import N_, _, _n
from levity_trio.locale.formats import number, short_day, typed, weekday, zone_name
from levity_trio.wire.times import in_zone

UNKNOWN: Final = "–"
MINUTE, HOUR, DAY = 60, 3600, 86_400
SOON: Final = 60
"""An age below so many seconds is `now`."""
NEAR_DAYS: Final = 6
"""A weekday says enough for so many days."""
TWO: Final = 2
_INNER: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def kwh(wh: float | None, digits: int = 1) -> str:
    """Return energy in kWh, without its unit."""
    return UNKNOWN if wh is None else number(wh / 1000, digits).replace("-", "\N{MINUS SIGN}")


def typed_kwh(wh: int) -> str:
    """Return energy as a field of a form takes it: in kWh, exact to the Wh."""
    return typed(Decimal(wh).scaleb(-3))


def wh_of(text: str) -> int:
    """Return energy as it was typed, in kWh. Raises ValueError with what to type."""
    wh = whole(text, 3)
    if wh is None:
        words = N_("give kWh such as 13 or %(kwh)s, with three decimals at most")
        raise ValueError(_(words, kwh=typed_kwh(13_275)))
    return wh


def whole(text: str, decimals: int) -> int | None:
    """Return a number as it was typed, in units so many decimals smaller; None if that is not a
    whole number."""
    typed = typed_number(text)
    if typed is None:
        return None
    exact = typed.scaleb(decimals)
    return int(exact) if exact == exact.to_integral_value() else None


def kilowatts(watts: float | None) -> str:
    """Return power in kW, without its unit."""
    return kwh(watts)


def moment(stamp: str) -> datetime:
    """Return the moment of a time in the database's format."""
    at = datetime.fromisoformat(stamp)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def when(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a time as short as it can be understood: 18:04, Tue 18:04, 3 Nov, 3 Nov 2025."""
    local, today = in_zone(at, zone), in_zone(now, zone)
    days = (today.date() - local.date()).days
    if days == 0:
        return f"{local:%H:%M}"
    if 0 < days <= NEAR_DAYS:
        return f"{weekday(local)} {local:%H:%M}"
    return short_day(local, has_year=local.year != today.year)


def dated(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a time as short as it can be understood, with its time of day: 18:04, Tue 18:04, 3 Nov
    18:04."""
    short = when(at, now, zone)
    return short if ":" in short else f"{short} {in_zone(at, zone):%H:%M}"


def period(since: datetime, until: datetime | None, now: datetime, zone: tzinfo) -> str:
    """Return from when to when something was: 18:04 – 20:15, Tue 3 Nov 22:10 – Wed 01:30, 18:04 –
    now."""
    begin, end = in_zone(since, zone), in_zone(until or now, zone)
    today = in_zone(now, zone)
    first = "" if begin.date() == today.date() else f"{day(begin, today)} "
    if until is None:
        return _("%(begin)s – now", begin=f"{first}{begin:%H:%M}")
    days = (end.date() - begin.date()).days
    last = ""
    if days:
        is_near = 0 < days <= NEAR_DAYS
        last = f"{weekday(end) if is_near else day(end, today)} "
    return f"{first}{begin:%H:%M} – {last}{end:%H:%M}"


def day(local: datetime, today: datetime) -> str:
    """Return a day: Tue 3 Nov, Tue 3 Nov 2025."""
    return short_day(local, has_weekday=True, has_year=local.year != today.year)


def wrong_way_round(first: str | None, last: str | None) -> str:
    """Return what is wrong with two days, such as 2026-11-01: that the first is after the last;
    else ""."""
    try:
        begin, end = date.fromisoformat(first or ""), date.fromisoformat(last or "")
    except ValueError:
        # One is missing, or the API refuses it with words.
        return ""
    if begin <= end:
        return ""
    first, last = short_day(begin, has_year=True), short_day(end, has_year=True)
    words = N_("The days are the wrong way round: %(first)s is after %(last)s.")
    return _(words, first=first, last=last)


def minute(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a time to the minute: 18:04, 3 Nov 18:04."""
    local, today = in_zone(at, zone), in_zone(now, zone)
    day = "" if local.date() == today.date() else f"{short_day(local)} "
    return f"{day}{local:%H:%M}"


def clock(at: datetime, now: datetime, zone: tzinfo) -> str:
    """Return a time to the second: 18:04:05, 3 Nov 18:04:05."""
    return f"{minute(at, now, zone)}:{in_zone(at, zone):%S}"


def size(count: int | None) -> str:
    """Return a number of bytes in its largest unit: 12 B, 3.4 kB, 5.6 MB, 7.8 GB."""
    if count is None:
        return UNKNOWN
    for unit, factor in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)):
        if count >= factor:
            return f"{number(count / factor, 1)} {unit}"
    return f"{count} B"


def fingerprint(digest: str) -> str:
    """Return the beginning of a digest in groups, as people compare it."""
    return " ".join(digest[place : place + 4] for place in range(0, 16, 4))


def json_text(value: Any) -> str:
    """Return a value as JSON that can be read."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def words(name: str) -> str:
    """Return a name of a program in words: `stop_time` and `GroundFailure` are stop time and ground
    failure."""
    spaced = name.replace("_", " ").replace("-", " ")
    return _INNER.sub(" ", spaced).lower()


def whole_time(at: datetime, zone: tzinfo) -> str:
    """Return a time in full: Tue 3 Nov 2026, 18:04:05 CET."""
    local = in_zone(at, zone)
    day = short_day(local, has_weekday=True, has_year=True)
    return f"{day}, {local:%H:%M:%S} {zone_name(local)}"


def span(seconds: float) -> str:
    """Return a length of time in its largest unit: 4 min, 3 h, 2 d."""
    if seconds < SOON:
        return _("now")
    if seconds < HOUR:
        return _("%(count)s min", count=int(seconds // MINUTE))
    if seconds < TWO * DAY:
        return _("%(count)s h", count=int(seconds // HOUR))
    return _("%(count)s d", count=int(seconds // DAY))


def length(seconds: float) -> str:
    """Return a length of time in words: 1 minute, 90 minutes, 5 hours, 3 days."""
    if seconds >= TWO * DAY:
        return _("%(count)s days", count=round(seconds / DAY))
    if seconds >= TWO * HOUR:
        return _("%(count)s hours", count=round(seconds / HOUR))
    return _n("%(num)s minute", "%(num)s minutes", max(1, round(seconds / MINUTE)))


def duration(seconds: float) -> str:
    """Return how long a session took: under a minute, 0:45 h, 12:05 h (hours and minutes)."""
    if seconds < MINUTE:
        return _("under a minute")
    hours, rest = divmod(int(seconds), HOUR)
    return _("%(count)s h", count=f"{hours}:{rest // MINUTE:02}")
