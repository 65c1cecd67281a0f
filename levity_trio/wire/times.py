"""Times as chargers write them, and the formats in which we write ours.

Chargers send many variants of ISO 8601 and some of their own: no zone, `+02`, `+0200`, lower-case
letters, a blank instead of the T, seven digits of a fraction. All of these are accepted. OCPP 1.6
leaves the zone open and recommends UTC, so a time without a zone is read as UTC; a charger's clock
skew is measured elsewhere. `datetime.fromisoformat` alone does not suffice: it also accepts week
dates, bare dates and any letter for the T, which are no valid times.

We send one format only, because real chargers reject microseconds and `+00:00`. The database has a
format of its own, `stamp`.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

import orjson

FIRST_BELIEVABLE: Final = datetime(2021, 1, 1, tzinfo=UTC)
CLOCK_YEARS: Final = range(1900, 2200)
STATUS_AHEAD: Final = timedelta(minutes=5)
TRANSACTION_AHEAD: Final = timedelta(days=1)
SENT_CHARACTERS: Final = 64
"""Maximum length of a time as sent, which each row of its readings repeats. The frame has the whole
text."""

# Repetitions are possessive, so that no text makes matching slow.
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ]"
    r"(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d++))?)?"
    r"\s*+(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\dZ", re.ASCII)
_LEAP_SECOND = 60
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CALENDAR_SECONDS: Final = 1e12
"""More seconds than the calendar has before 1970 or after it."""


def parse_time(text: str) -> datetime | None:
    """Parse a charger's time; return None if it is unreadable. Never raises.

    The result is aware, in UTC, and exact to the microsecond (further digits are truncated).
    """
    try:
        # Nearly all times, and six times as fast.
        if _USUAL.fullmatch(text):
            return datetime.fromisoformat(text)
        match = _TIME.fullmatch(text.strip())
        if match is None:
            return None
        year, month, day, hour, minute = [int(number) for number in match.groups()[:5]]
        second, fraction, sign, offset_hours, offset_minutes = match.groups()[5:]
        # A leap second is valid in ISO 8601, but not in Python.
        seconds = int(second or 0)
        leap = seconds == _LEAP_SECOND
        moment = datetime(year, month, day, hour, minute, seconds - leap, tzinfo=UTC)
        microseconds = int((fraction or "0")[:6].ljust(6, "0"))
        moment += timedelta(seconds=leap, microseconds=microseconds)
        offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
        if offset >= timedelta(days=1) or int(offset_minutes or 0) >= 60:
            return None
        if sign == "-":
            offset = -offset
        return moment - offset
    except (ValueError, OverflowError):
        # 30 February, 25 o'clock, an offset that leads outside the years 1 to 9999
        return None


def clock_time(text: str) -> datetime | None:
    """Parse the time that a charger's clock shows; None if it is unreadable, or in a year that no
    clock shows.

    Firmware may send the zero time of its language, 0001-01-01. A difference to it could leave the
    years 1 to 9999.
    """
    moment = parse_time(text)
    return moment if moment is not None and moment.year in CLOCK_YEARS else None


class ReadTime(NamedTuple):
    """A charger's own time: its interpretation, its text as sent, and whether it is plausible.

    `skew_seconds` is how far it is ahead of its receipt, None if it is unreadable.
    """

    meaning: datetime
    sent: str | None
    is_believable: bool
    skew_seconds: int | None


def judge_time(sent: str | None, received: datetime, ahead: timedelta) -> ReadTime:
    """Interpret a charger's time: as sent if it is after 2020 and at most `ahead` in the future,
    else as received."""
    sent = sent and sent[:SENT_CHARACTERS]
    own = clock_time(sent) if sent else None
    if own is None:
        return ReadTime(received, sent, False, None)
    skew_seconds = round((own - received).total_seconds())
    is_believable = FIRST_BELIEVABLE <= own <= received + ahead
    meaning = own if is_believable else received
    return ReadTime(meaning, sent, is_believable, skew_seconds)


def in_zone(moment: datetime, zone: tzinfo | None) -> datetime:
    """Return a moment by the clock of a zone, None for that of this machine. Never raises.

    In the first and the last hours of the calendar it may show none of the years 1 to 9999; it
    stands still then.
    """
    try:
        return moment.astimezone(zone)
    except (OverflowError, ValueError):
        return (_FIRST if moment.year < _EPOCH.year else _LAST).replace(tzinfo=zone or UTC)


def shifted(moment: datetime, by: timedelta) -> datetime:
    """Return a moment some time later or earlier, or the end of the calendar that lies before it.
    Never raises."""
    try:
        return moment + by
    except OverflowError:
        return (_LAST if by > timedelta() else _FIRST).replace(tzinfo=moment.tzinfo)


def from_seconds(seconds: float) -> datetime:
    """Return the moment some seconds after 1970, or the end of the calendar that lies before it.
    Never raises."""
    within = max(-_CALENDAR_SECONDS, min(_CALENDAR_SECONDS, seconds))
    return shifted(_EPOCH, timedelta(seconds=within))


def stamp(moment: datetime) -> str:
    """Return a moment in the database's format, `YYYY-MM-DDTHH:MM:SS.sssZ`, whose text order is
    time order.

    `moment` must be aware and in UTC. Each message needs three stamps, and orjson takes a third of
    isoformat's time.
    """
    # "YYYY-MM-DDTHH:MM:SS.ssssss+00:00" in quotation marks; without the fraction where that is 0.
    text = orjson.dumps(moment).decode()
    return text[1:24] + "Z" if moment.microsecond else text[1:20] + ".000Z"


def shifted_stamp(text: str, by: timedelta) -> str:
    """Return a stamp that is some time later or earlier, as `shifted` does."""
    return stamp(shifted(datetime.fromisoformat(text), by))


def minutes_before(at: str, minutes: int) -> str:
    """Return a stamp that is this many minutes earlier."""
    return shifted_stamp(at, timedelta(minutes=-minutes))


def wire_time(moment: datetime) -> str:
    """Return `YYYY-MM-DDTHH:MM:SSZ`, fractions truncated. Raises ValueError for a time without a
    zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone cannot be sent")
    return in_zone(moment, UTC).isoformat(timespec="seconds")[:19] + "Z"
