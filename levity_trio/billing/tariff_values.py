"""The values of a tariff file: what each may be, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from levity_trio.billing.money import CURRENCIES, PRICE_DECIMALS, typed_number
from levity_trio.billing.statement import Currency
from levity_trio.billing.windows import DAY_MINUTES, Season, Times

WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HIGHEST_PRICE: Final = Decimal(10) ** 9
HIGHEST_MINUTES: Final = 7 * DAY_MINUTES
HIGHEST_WH: Final = 1_000_000
LONGEST_NAME: Final = 60
YEARS: Final = range(2000, 2200)
"""The years of days that somebody may mean."""
_LEAP_YEAR: Final = 2000
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_TIMES: Final = re.compile(r"\s*(\d?\d):(\d\d)\s*[-–]\s*(\d?\d):(\d\d)\s*", re.ASCII)
_SEASON: Final = re.compile(r"\s*(\d\d)-(\d\d)\s+to\s+(\d\d)-(\d\d)\s*", re.ASCII)


class Fault(ValueError):
    """A value that is not understood. Its text says what to do."""


def table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Fault("must be a table; write its name in [brackets], and its keys below")
    return value


def is_table(value: object) -> bool:
    return isinstance(value, dict)


def tables(value: object) -> Sequence[Mapping[str, object]]:
    if not isinstance(value, list):
        raise Fault("may come several times; write [[window]] with two brackets")
    return list(map(table, value))


def text(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME or not value.isprintable():
        raise Fault(f"must be a name in quotes, of at most {LONGEST_NAME} visible characters")
    return value.strip()


def tariff_name(value: object) -> str:
    """A name that is not taken for a number."""
    name = text(value)
    if name.isdecimal():
        raise Fault(f'{shown(name)} would be taken for a number; give words, such as "Tariff {name}"')
    return name


def day(value: object) -> date:
    try:
        parsed = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        parsed = None
    if not isinstance(parsed, date) or isinstance(parsed, datetime):
        raise Fault(f"{shown(value)} must be a day without time; write for instance 2026-10-01")
    if parsed.year not in YEARS:
        raise Fault(f"{parsed} must be a day from {YEARS.start} on, before {YEARS.stop}")
    return parsed


def currency(value: object) -> Currency:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise Fault(f'{shown(value)} is no currency of ISO 4217; write for instance "EUR", "CAD", "AUD"')
    return CURRENCIES[value]


def gross_or_net(value: object) -> bool:
    """Whether prices are gross."""
    if value not in ("gross", "net"):
        raise Fault(f'{shown(value)} must be "gross" (tax is in the prices) or "net" (tax is added)')
    return value == "gross"


def switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise Fault(f"{shown(value)} must be true or false, without quotes")
    return value


def number(value: object) -> Decimal:
    """A decimal number, as a number or in quotes."""
    written = value.strip() if isinstance(value, str) else value
    if isinstance(written, str):
        written = typed_number(written) or written
    if isinstance(written, bool) or not isinstance(written, int | Decimal | str):
        raise Fault(f"{shown(value)} must be a number")
    if isinstance(written, str) and not _NUMBER.fullmatch(written):
        raise Fault(f"{shown(value)} must be a number without unit, for instance 0.32")
    exact = Decimal(written)
    if not exact.is_finite() or exact.copy_abs() >= HIGHEST_PRICE:
        raise Fault(f"must be a number below {HIGHEST_PRICE:,}")
    if int(exact.as_tuple().exponent) < -PRICE_DECIMALS:
        raise Fault(f"has more than {PRICE_DECIMALS} decimals; round it")
    return exact


price = number
"""A price per kWh. It may be negative: at noon, energy may cost less than nothing."""


def fee(value: object) -> Decimal:
    """An amount that is not negative."""
    amount = number(value)
    if amount < 0:
        raise Fault(f"{amount:f} must not be negative; only a price of energy may be")
    return amount


def percent(value: object) -> Decimal:
    rate = number(value)
    if not 0 <= rate < 100:
        raise Fault(f"{rate:f} must be percent, from 0 to below 100")
    if 0 < rate < 1:
        raise Fault(f"{rate:f} would be less than one percent; write {(rate * 100).normalize():f} percent")
    return rate


def minutes(value: object) -> int:
    return _whole(value, HIGHEST_MINUTES)


def wh(value: object) -> int:
    return _whole(value, HIGHEST_WH)


def _whole(value: object, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= highest:
        raise Fault(f"{shown(value)} must be a whole number from 0 to {highest:,}, without quotes")
    return value


def times(value: object) -> tuple[Times, ...]:
    return tuple(map(_times, _several(value, '"22:00-06:00"')))


def _times(text: str) -> Times:
    match = _TIMES.fullmatch(text)
    if not match:
        raise Fault(f'{shown(text)} must be two times of day; write for instance "22:00-06:00"')
    hours, minute, until_hours, until_minute = map(int, match.groups())
    since, until = hours * 60 + minute, until_hours * 60 + until_minute
    if max(minute, until_minute) >= 60 or since >= DAY_MINUTES or until > DAY_MINUTES:
        raise Fault(f"{shown(text)} must lie between 00:00 and 24:00")
    if since == until:
        raise Fault(f'{shown(text)} has no length; write "00:00-24:00" for the whole day')
    return Times(since, until or DAY_MINUTES)


def weekdays(value: object) -> frozenset[int]:
    return frozenset().union(*map(_weekdays, _several(value, '"Mon-Fri" or ["Sat", "Sun"]')))


def _weekdays(text: str) -> frozenset[int]:
    names = [part.strip().capitalize() for part in re.split("[-–]", text)]
    if not 1 <= len(names) <= 2 or any(name not in WEEKDAYS for name in names):
        raise Fault(f"{shown(text)} must be of {', '.join(WEEKDAYS)}, or a range as Mon-Fri")
    first, last = WEEKDAYS.index(names[0]), WEEKDAYS.index(names[-1])
    return frozenset(day % 7 for day in range(first, last + 1 if first <= last else last + 8))


def season(value: object) -> Season:
    match = _SEASON.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise Fault(f'{shown(value)} must be two days (month-day), both included; write "10-01 to 03-31"')
    first_month, first_day, last_month, last_day = map(int, match.groups())
    return Season(_day_of_year(first_month, first_day), _day_of_year(last_month, last_day))


def _day_of_year(month: int, number: int) -> tuple[int, int]:
    try:
        date(_LEAP_YEAR, month, number)
    except ValueError:
        raise Fault(f"{month:02}-{number:02} is no day of the year (month-day)") from None
    return month, number


def _several(value: object, example: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(part, str) for part in texts):
        raise Fault(f"{shown(value)} must be text in quotes, or a list of it; write for instance {example}")
    return texts


def shown(value: object) -> str:
    """Return a value as the file has it, shortened."""
    if isinstance(value, int) and value.bit_length() > LONGEST_NAME:  # Python refuses to write very long ones
        return "this number"
    written = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return written if len(written) <= LONGEST_NAME else f"{written[:LONGEST_NAME]}…"


def clock(minute: int) -> str:
    """Return a minute of the day as a time."""
    return f"{minute // 60:02}:{minute % 60:02}"
