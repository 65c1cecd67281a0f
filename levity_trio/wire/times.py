"""Times as chargers write them, and the one way in which we write ours.

Chargers send every variety of ISO 8601 and some of their own: without a zone, `+02`, `+0200`, lower-case
letters, a blank for the T, seven digits of a fraction. All of these can be understood, so they are
(OCPP 1.6 leaves the zone open and recommends UTC: what has no zone is read as UTC; how far a charger's
clock is off is measured elsewhere). `datetime.fromisoformat` alone would not do: it also takes week
dates, bare dates and any letter for the T, and makes a time out of what is none.

In the other direction there is one spelling only: real chargers reject microseconds and `+00:00`. The database has
one of its own, `stamp`.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import orjson

FIRST_BELIEVABLE: Final = datetime(2021, 1, 1, tzinfo=UTC)
STATUS_AHEAD: Final = timedelta(minutes=5)
TRANSACTION_AHEAD: Final = timedelta(days=1)
SENT_CHARACTERS: Final = 64
"""Kept of a time as it was sent: it stands in each row of its readings. The whole text is in the frame."""

# Possessive where it repeats: no text may take long to refuse.
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ]"
    r"(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d++))?)?"
    r"\s*+(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?",
    re.ASCII,
)
_USUAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\dZ", re.ASCII)
_LEAP_SECOND = 60


def parse_time(text: str) -> datetime | None:
    """Read a charger's time; None if it cannot be read, whatever the text is.

    The result is aware, in UTC, and exact to the microsecond (further digits are cut off).
    """
    try:
        if _USUAL.fullmatch(text):  # nearly all, and six times as fast
            return datetime.fromisoformat(text)
        match = _TIME.fullmatch(text.strip())
        return None if match is None else _moment(match)
    except (ValueError, OverflowError):  # 30 February, 25 o'clock; an offset that leaves the years 1 to 9999
        return None


class ReadTime(NamedTuple):
    """A charger's own time: what it means, how it was sent, whether it can be believed.

    `skew_seconds` is how far it lies ahead of its receipt; None where it could not be read.
    """

    meaning: datetime
    sent: str | None
    is_believable: bool
    skew_seconds: int | None


def judge_time(sent: str | None, received: datetime, ahead: timedelta) -> ReadTime:
    """What a time means: itself, where it lies after 2020 and no more than `ahead` in the future; else its receipt."""
    sent = sent and sent[:SENT_CHARACTERS]
    told = parse_time(sent) if sent else None
    if told is None:
        return ReadTime(received, sent, False, None)
    is_believable = FIRST_BELIEVABLE <= told <= received + ahead
    return ReadTime(told if is_believable else received, sent, is_believable, round((told - received).total_seconds()))


def _moment(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, fraction, sign, offset_hours, offset_minutes = match.groups()
    seconds = int(second or 0)
    leap = seconds == _LEAP_SECOND  # allowed by ISO 8601; Python has no such second
    moment = datetime(
        int(year),
        int(month),
        int(day),
        int(hour),
        int(minute),
        seconds - leap,
        int((fraction or "0")[:6].ljust(6, "0")),
        tzinfo=UTC,
    )
    return moment + timedelta(seconds=leap) - _offset(sign, offset_hours, offset_minutes)


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> timedelta:
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    if offset >= timedelta(days=1) or int(minutes or 0) >= 60:
        raise ValueError("no such offset")
    return -offset if sign == "-" else offset


def stamp(moment: datetime) -> str:
    """The moment as the database keeps it, `YYYY-MM-DDTHH:MM:SS.sssZ`: text order is time order.

    `moment` must be aware and in UTC. Each message needs three, and orjson takes a third of isoformat's time.
    """
    text = orjson.dumps(moment).decode()  # "YYYY-MM-DDTHH:MM:SS.ssssss+00:00"; without the fraction where that is 0
    return text[1:24] + "Z" if moment.microsecond else text[1:20] + ".000Z"


def wire_time(moment: datetime) -> str:
    """Write `YYYY-MM-DDTHH:MM:SSZ`, fractions of a second cut off; ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone cannot be sent")
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"
