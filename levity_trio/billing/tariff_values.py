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
from levity_trio.told import WEEKDAYS, Day, Told

_USUAL: Final = (Told("day"), Told("night"), Told("weekend"), Told("other times"), Told("grid"))
USUAL_WINDOWS: Final[Mapping[str, Told]] = {
    **{str(one): one for one in _USUAL},
    "sun": Told("own sun"),
}
"""What a price is called that nobody named otherwise."""
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


class ValueFault(ValueError):
    """A value that is not understood. Its text says what to do."""


def table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueFault(Told("must be a table; write its name in [brackets], and its keys below"))
    return value


def is_table(value: object) -> bool:
    return isinstance(value, dict)


def tables(value: object) -> Sequence[Mapping[str, object]]:
    if not isinstance(value, list):
        raise ValueFault(Told("may come several times; write [[window]] with two brackets"))
    return list(map(table, value))


def text(value: object) -> str:
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > LONGEST_NAME
        or not value.isprintable()
    ):
        raise ValueFault(
            Told("must be a name in quotes, of at most {1} visible characters", LONGEST_NAME)
        )
    return value.strip()


def tariff_name(value: object) -> str:
    """A name that is not taken for a number."""
    name = text(value)
    if name.isdecimal():
        raise ValueFault(
            Told(
                '{1} would be taken for a number; give words, such as "Tariff {2}"',
                shown(name),
                name,
            )
        )
    return name


def day(value: object) -> date:
    try:
        parsed = date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        parsed = None
    if not isinstance(parsed, date) or isinstance(parsed, datetime):
        raise ValueFault(
            Told("{1} must be a day without time; write for instance 2026-10-01", shown(value))
        )
    if parsed.year not in YEARS:
        raise ValueFault(
            Told("{1} must be a day from {2} on, before {3}", Day(parsed), YEARS.start, YEARS.stop)
        )
    return parsed


def currency(value: object) -> Currency:
    if not isinstance(value, str) or value not in CURRENCIES:
        raise ValueFault(
            Told(
                '{1} is no currency of ISO 4217; write for instance "EUR", "CAD", "AUD"',
                shown(value),
            )
        )
    return CURRENCIES[value]


def gross_or_net(value: object) -> bool:
    """Whether prices are gross."""
    if value not in ("gross", "net"):
        raise ValueFault(
            Told('{1} must be "gross" (tax is in the prices) or "net" (tax is added)', shown(value))
        )
    return value == "gross"


def switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueFault(Told("{1} must be true or false, without quotes", shown(value)))
    return value


def number(value: object) -> Decimal:
    """A decimal number, as a number or in quotes."""
    written = value.strip() if isinstance(value, str) else value
    if isinstance(written, str):
        written = typed_number(written) or written
    if isinstance(written, bool) or not isinstance(written, int | Decimal | str):
        raise ValueFault(Told("{1} must be a number", shown(value)))
    if isinstance(written, str) and not _NUMBER.fullmatch(written):
        raise ValueFault(Told("{1} must be a number without unit, for instance 0.32", shown(value)))
    exact = Decimal(written)
    if not exact.is_finite() or exact.copy_abs() >= HIGHEST_PRICE:
        raise ValueFault(Told("must be a number below {1}", format(HIGHEST_PRICE, ",")))
    if int(exact.as_tuple().exponent) < -PRICE_DECIMALS:
        raise ValueFault(Told("has more than {1} decimals; round it", PRICE_DECIMALS))
    return exact


price = number
"""A price per kWh. It may be negative: at noon, energy may cost less than nothing."""


def fee(value: object) -> Decimal:
    """An amount that is not negative."""
    amount = number(value)
    if amount < 0:
        raise ValueFault(
            Told("{1} must not be negative; only a price of energy may be", format(amount, "f"))
        )
    return amount


def percent(value: object) -> Decimal:
    rate = number(value)
    if not 0 <= rate < 100:
        raise ValueFault(Told("{1} must be percent, from 0 to below 100", format(rate, "f")))
    if 0 < rate < 1:
        raise ValueFault(
            Told(
                "{1} would be less than one percent; write {2} percent",
                format(rate, "f"),
                format((rate * 100).normalize(), "f"),
            )
        )
    return rate


def minutes(value: object) -> int:
    return _whole(value, HIGHEST_MINUTES)


def wh(value: object) -> int:
    return _whole(value, HIGHEST_WH)


def _whole(value: object, highest: int) -> int:
    if type(value) is not int or not 0 <= value <= highest:
        raise ValueFault(
            Told(
                "{1} must be a whole number from 0 to {2}, without quotes",
                shown(value),
                format(highest, ","),
            )
        )
    return value


def times(value: object) -> tuple[Times, ...]:
    return tuple(map(_times, _several(value, '"22:00-06:00"')))


def _times(text: str) -> Times:
    match = _TIMES.fullmatch(text)
    if not match:
        raise ValueFault(
            Told('{1} must be two times of day; write for instance "22:00-06:00"', shown(text))
        )
    hours, minute, until_hours, until_minute = map(int, match.groups())
    since, until = hours * 60 + minute, until_hours * 60 + until_minute
    if max(minute, until_minute) >= 60 or since >= DAY_MINUTES or until > DAY_MINUTES:
        raise ValueFault(Told("{1} must lie between 00:00 and 24:00", shown(text)))
    if since == until:
        raise ValueFault(
            Told('{1} has no length; write "00:00-24:00" for the whole day', shown(text))
        )
    return Times(since, until or DAY_MINUTES)


def weekdays(value: object) -> frozenset[int]:
    return frozenset().union(*map(_weekdays, _several(value, '"Mon-Fri" or ["Sat", "Sun"]')))


def _weekdays(text: str) -> frozenset[int]:
    names = [part.strip().capitalize() for part in re.split("[-–]", text)]
    if not 1 <= len(names) <= 2 or any(name not in WEEKDAYS for name in names):
        raise ValueFault(
            Told("{1} must be of {2}, or a range as Mon-Fri", shown(text), ", ".join(WEEKDAYS))
        )
    first, last = WEEKDAYS.index(names[0]), WEEKDAYS.index(names[-1])
    return frozenset(day % 7 for day in range(first, last + 1 if first <= last else last + 8))


def season(value: object) -> Season:
    match = _SEASON.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueFault(
            Told(
                '{1} must be two days (month-day), both included; write "10-01 to 03-31"',
                shown(value),
            )
        )
    first_month, first_day, last_month, last_day = map(int, match.groups())
    return Season(_day_of_year(first_month, first_day), _day_of_year(last_month, last_day))


def _day_of_year(month: int, number: int) -> tuple[int, int]:
    try:
        date(_LEAP_YEAR, month, number)
    except ValueError:
        raise ValueFault(
            Told("{1} is no day of the year (month-day)", f"{month:02}-{number:02}")
        ) from None
    return month, number


def _several(value: object, example: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(part, str) for part in texts):
        raise ValueFault(
            Told(
                "{1} must be text in quotes, or a list of it; write for instance {2}",
                shown(value),
                example,
            )
        )
    return texts


def shown(value: object) -> str:
    """Return a value as the file has it, shortened."""
    # Python refuses to write very long ones.
    if isinstance(value, int) and value.bit_length() > LONGEST_NAME:
        return Told("this number")
    written = str(value)
    if isinstance(value, str):
        written = f'"{value}"'
    elif isinstance(value, bool):
        written = written.lower()
    return written if len(written) <= LONGEST_NAME else f"{written[:LONGEST_NAME]}…"


def clock(minute: int) -> str:
    """Return a minute of the day as a time."""
    return f"{minute // 60:02}:{minute % 60:02}"
