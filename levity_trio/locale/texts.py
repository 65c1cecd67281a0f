"""Texts of the program in the language of the request: by their templates, where they have one
(levity_trio.told)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from levity_trio.locale import _, catalogue, language
from levity_trio.locale.formats import format_of, number, short_day, symbol, typed
from levity_trio.told import (
    Amount,
    Bare,
    Clock,
    Day,
    DayOfYear,
    Figure,
    Moment,
    Quantity,
    Told,
    Value,
    Weekday,
    filled,
)
from levity_trio.wire.times import in_zone

if TYPE_CHECKING:
    from gettext import GNUTranslations


class Reader(NamedTuple):
    """Where and when somebody reads: the time zone of the site, and the present time, None on
    paper."""

    zone: tzinfo = UTC
    now: datetime | None = None


_ANYWHERE: Final = Reader()
_reader: ContextVar[Reader] = ContextVar("reader", default=_ANYWHERE)


@contextmanager
def read_at(zone: tzinfo, now: datetime) -> Iterator[None]:
    """Let texts inside the block be read in a time zone, at a time."""
    before = _reader.set(Reader(zone, now))
    try:
        yield
    finally:
        _reader.reset(before)


def said(words: str, reader: Reader | None = None) -> str:
    """Return a text of the program in the language of the request: what its catalogue has not stays
    English.

    Times are shown as the reader of the request reads them, or this one.

    A Told knows its template. Its figures are shown in the units of people, and its names stay as
    they are. Another text is a name, or what somebody wrote: it stays as it is.
    """
    return (
        _translated(catalogue(), words, reader or _reader.get())
        if isinstance(words, Told)
        else words
    )


def _translated(catalogue: GNUTranslations | None, text: Told, reader: Reader) -> str:
    number = None if text.many is None else int(str(text.values[0]))
    if catalogue is None:
        template = text.template if text.many is None or number == 1 else text.many
    elif text.many is None or number is None:
        # "" would be the head of the catalogue
        template = catalogue.gettext(text.template) if text.template else ""
    else:
        template = catalogue.ngettext(text.template, text.many, number)
    return filled(template, [_shown(catalogue, value, reader) for value in text.values])


def _shown(catalogue: GNUTranslations | None, value: Value, reader: Reader) -> str:
    match value:
        case Told():
            return _translated(catalogue, value, reader)
        case Figure():
            return typed(Decimal(str(value)))
        case Quantity():
            return " ".join(in_units(value.value, value.unit)).rstrip()
        case Bare():
            return in_units(value.value, value.unit)[0]
        case Amount(amount, currency):
            return f"{typed(amount)}\N{NO-BREAK SPACE}{symbol(currency)}"
        case Moment() | Clock() | Day() | DayOfYear() | Weekday():
            return _dated(value, reader)
        case _:
            return str(value)


def _dated(value: Moment | Clock | Day | DayOfYear | Weekday, reader: Reader) -> str:
    match value:
        case Moment():
            return _time(value, reader, "%H:%M:%S")
        case Clock(stamp):
            return _time(Moment(stamp), reader, "%H:%M")
        case Day(day):
            return short_day(day, has_year=reader.now is None or day.year != reader.now.year)
        case DayOfYear(month, day_of_month):
            return short_day(date(LEAP, month, day_of_month))
        case Weekday(place):
            return format_of(language()).weekdays[place]


def _time(value: Moment, reader: Reader, clock: str) -> str:
    """Return a time: 18:04:05, 3 Nov 18:04:05, and with its year where the present time is not
    known."""
    try:
        local = in_zone(value.at, reader.zone)
    except ValueError:  # a charger wrote it
        return value.stamp
    if reader.now is None:
        return f"{short_day(local, has_year=True)} {local:{clock}}"
    today = in_zone(reader.now, reader.zone).date()
    day = "" if local.date() == today else f"{short_day(local, has_year=local.year != today.year)} "
    return f"{day}{local:{clock}}"


LEAP: Final = 2000
"""A year that has all days."""
LONGEST_SECONDS: Final = 120
"""Up to here a length of time is told in seconds."""
MINUTE: Final = 60
LONGEST_MINUTES: Final = 120


def in_units(value: float, unit: str) -> tuple[str, str]:
    """Return a number and its unit as people write them: energy in kWh, power in kW."""
    if unit in ("Wh", "W", "varh", "var", "VA"):
        return _trimmed(value / 1000), f"k{unit}"
    if unit != "s" or value < LONGEST_SECONDS:
        return _trimmed(value), unit
    if value < LONGEST_MINUTES * MINUTE:
        return str(round(value / MINUTE)), "min"
    hours, rest = divmod(int(value) // MINUTE, MINUTE)
    figure, _unit, shown = _("%(count)s h", count=f"{hours}:{rest:02}").partition(" ")
    return figure, shown


def _trimmed(value: float) -> str:
    """Return a number with three decimals at most."""
    return number(value, 3).rstrip("0").rstrip(".,")
