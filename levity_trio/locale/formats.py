"""Numbers, days, times and money in the language of the request, for all that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from levity_trio.locale import FOLDER, SOURCE, catalogue_of, language, languages, writing
from levity_trio.told import WEEKDAYS

if TYPE_CHECKING:
    from gettext import GNUTranslations

THIN: Final = "\u202f"
"""Between thousands of English pages."""


class Format(NamedTuple):
    """How a language writes. `short` and `long` are patterns of days, `dated` of one with its
    weekday."""

    name: str
    """What those who speak it call it."""
    decimal: str
    thousands: str
    on_paper: str
    """Between thousands of papers and files."""
    separator: str
    """Of cells in a CSV file."""
    short: str
    long: str
    dated: str
    weekdays: Sequence[str]
    months: Sequence[str]
    short_months: Sequence[str]
    symbols: Sequence[str]
    """What stands for the code of a currency."""
    zones: Sequence[str]
    """What is written for the abbreviation of a time zone."""


ENGLISH: Final = Format(
    name="English",
    decimal=".",
    thousands=THIN,
    on_paper=",",
    separator=",",
    short="{day} {short}",
    long="{day} {month} {year}",
    dated="{weekday} {day}",
    weekdays=WEEKDAYS,
    months=(
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    short_months=(
        "Jan",
        "Feb",
        "Mar",
        "Apr",
        "May",
        "Jun",
        "Jul",
        "Aug",
        "Sep",
        "Oct",
        "Nov",
        "Dec",
    ),
    symbols=("EUR", "GBP", "USD"),
    zones=("CET", "CEST", "UTC"),
)
FORMATS: Final = {SOURCE: ENGLISH}
"""Those that were read. The catalogue of a language has what each word and sign here is there, by
its field."""


def format_of(name: str) -> Format:
    """Return how a language writes; one without a catalogue writes as English does."""
    if name not in FORMATS and name in languages():
        known = catalogue_of(name, FOLDER)
        FORMATS[name] = Format(
            *(_in(known, field, words) for field, words in ENGLISH._asdict().items())
        )
    return FORMATS.get(name, ENGLISH)


def _in(known: GNUTranslations, field: str, words: str | Sequence[str]) -> Any:
    return (
        known.pgettext(field, words)
        if isinstance(words, str)
        else [known.pgettext(field, word) for word in words]
    )


def _for(word: str, known: Sequence[str], own: Sequence[str]) -> str:
    """Return what is written for one of the known words, itself if it is none of them."""
    return own[known.index(word)] if word in known else word


def symbol(currency: str) -> str:
    """Return what the language of the request writes for the code of a currency."""
    return _for(currency, ENGLISH.symbols, format_of(language()).symbols)


def number(value: float | Decimal, digits: int) -> str:
    """Return a number with so many decimals."""
    return _signed(f"{value:,.{digits}f}")


def printed(value: float | Decimal, digits: int) -> str:
    """Return a number with so many decimals, in thousands as papers and commands have them."""
    here = format_of(language())
    plain = f"{value:,.{digits}f}".replace(",", "T").replace(".", here.decimal)
    return plain.replace("T", here.on_paper)


def of_environment(given: Mapping[str, str]) -> str:
    """Return the language in which numbers are written, by the variables of a process: de_DE.UTF-8
    is German."""
    named = next(
        (given[name] for name in ("LC_ALL", "LC_NUMERIC", "LANG") if given.get(name)), SOURCE
    )
    name = re.split(r"[_.@]", named)[0].lower()
    return name if name in languages() else SOURCE


def writing_as_in(environment: Mapping[str, str]) -> AbstractContextManager[None]:
    """Let numbers, days and money be as these variables of a process say."""
    return writing(of_environment(environment))


def typed(value: Decimal) -> str:
    """Return a number as somebody types it: with all its decimals, without a sign between
    thousands."""
    return f"{value:f}".replace(".", format_of(language()).decimal)


def in_sheet(value: object) -> object:
    """Return a cell of a CSV file as spreadsheets of the country read it."""
    return typed(Decimal(str(value))) if isinstance(value, float | Decimal) else value


def separator() -> str:
    """Return what stands between the cells of such a file."""
    return format_of(language()).separator


def _signed(text: str) -> str:
    here = format_of(language())
    return text.replace(",", "T").replace(".", here.decimal).replace("T", here.thousands)


def weekday(day: date) -> str:
    """Return a weekday: Tue."""
    return format_of(language()).weekdays[day.weekday()]


def short_day(day: date, *, has_weekday: bool = False, has_year: bool = False) -> str:
    """Return a day with its month in few letters: 3 Nov, Tue 3 Nov, 3 Nov 2026."""
    here = format_of(language())
    text = here.short.format(day=day.day, short=here.short_months[day.month - 1])
    dated = here.dated.format(weekday=weekday(day), day=text) if has_weekday else text
    return f"{dated} {day.year}" if has_year else dated


def short_month(day: date) -> str:
    """Return a month and its year: Nov 2026."""
    return f"{format_of(language()).short_months[day.month - 1]} {day.year}"


def zone_name(local: datetime) -> str:
    """Return the name of the time zone of a local time: CET."""
    name = local.tzname() or ""
    return _for(name, ENGLISH.zones, format_of(language()).zones)


def tables(name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return how a language writes as the tables of a template of papers (documents.template)."""
    here = format_of(name)
    symbols = {
        code: sign for code, sign in zip(ENGLISH.symbols, here.symbols, strict=True) if code != sign
    }
    return {
        "numbers": {
            "decimal": here.decimal,
            "thousands": here.on_paper,
            "minus": "−",
            "percent": "{number} %",
        },
        "money": {"pattern": "{amount} {currency}", "symbols": symbols},
        "dates": {
            "day": here.long,
            "short": here.short,
            "month": "{month} {year}",
            "time": "{hour}:{minute}",
            "months": here.months,
            "short_months": here.short_months,
        },
        "csv": {"separator": here.separator, "decimal": here.decimal},
    }


# Days that people type

_TYPED_DAYS: Final = (
    re.compile(r"(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)"),
    re.compile(r"(?P<day>\d\d?)\. ?(?P<month>\d\d?)\.(?: ?(?P<year>\d{4}|\d\d))?"),
    re.compile(
        r"(?P<day>\d\d?)(?:\.|st|nd|rd|th)? ?(?P<month>[^\W\d_]{3,})\.?(?: (?P<year>\d{4}))?"
    ),
    re.compile(
        r"(?P<month>[^\W\d_]{3,})\.? (?P<day>\d\d?)(?:\.|st|nd|rd|th)?(?: (?P<year>\d{4}))?"
    ),
)
CENTURY: Final = 2000
LEAP_YEARS: Final = 8
"""So many years back every day of the calendar has been."""


def typed_day(text: str, today: date) -> date | None:
    """Return the day that a text is in any language, such as 6 Jan, 6. Januar, 6.1. or Jan 6; None
    for none. Without a year it is the last one that there was."""
    plain = " ".join(text.casefold().replace(",", " ").split())
    found = next(filter(None, (form.fullmatch(plain) for form in _TYPED_DAYS)), None)
    month = None if found is None else _typed_month(found["month"])
    if found is None or month is None:
        return None

    years: Iterable[int] = range(today.year, today.year - LEAP_YEARS - 1, -1)
    if found["year"]:
        years = [CENTURY + int(found["year"][-2:])]
    for year in years:
        with suppress(ValueError):  # the 31st of April
            day = date(year, month, int(found["day"]))
            if found["year"] or day <= today:
                return day
    return None


def _typed_month(text: str) -> int | None:
    """Return the number of a month: itself, or of its name in any language, of which three letters
    are enough."""
    if text.isdecimal():
        return int(text)
    for name in languages():
        for number, month in enumerate(format_of(name).months, 1):
            known = month.casefold()
            if known.startswith(text) or known.replace("ä", "ae").startswith(text):
                return number
    return None
