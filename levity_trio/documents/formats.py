"""Numbers, money, days and times as texts, by a template. Energy is in Wh, amounts are minor units."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from levity_trio.billing.statement import Currency, Party, Statement
from levity_trio.documents.sheet import tidy
from levity_trio.documents.template import Template
from levity_trio.wire.times import in_zone


def number(template: Template, value: Decimal) -> str:
    """Return a number with all its decimals and with the signs of the template."""
    signs = template.values["numbers"]
    plain = f"{abs(value):,f}".replace(",", "T").replace(".", "D")
    text = plain.replace("T", signs["thousands"]).replace("D", signs["decimal"])
    return f"{signs['minus']}{text}" if value < 0 else text


def amount(template: Template, minor: int, currency: Currency) -> str:
    """Return an amount without its currency."""
    return number(template, units(minor, currency))


def money(template: Template, minor: int, currency: Currency) -> str:
    """Return an amount with its currency, on one line."""
    pattern: str = template.values["money"]["pattern"]
    text = pattern.format(amount=amount(template, minor, currency), currency=symbol(template, currency))
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def symbol(template: Template, currency: Currency) -> str:
    """Return what stands for a currency."""
    return str(template.values["money"]["symbols"].get(currency.code, currency.code))


def units(minor: int, currency: Currency) -> Decimal:
    """Return an amount in whole units of its currency, with as many decimals as it has."""
    return Decimal(minor).scaleb(-currency.exponent)


def kilowatt_hours(template: Template, energy_wh: int) -> str:
    """Return energy in kWh, to the Wh."""
    return number(template, Decimal(energy_wh).scaleb(-3))


def price_decimals(prices: Iterable[Decimal], currency: Currency) -> int:
    """Return with how many decimals all of these prices can be shown exactly, in one column."""
    return max([currency.exponent, *(decimals(price) for price in prices)])


def price(template: Template, value: Decimal, places: int) -> str:
    """Return a price of whole units of its currency."""
    return number(template, value.quantize(Decimal(1).scaleb(-places)))


def percent(template: Template, rate: Decimal) -> str:
    """Return a rate without trailing zeros."""
    plain = rate.quantize(Decimal(1).scaleb(-decimals(rate)))
    return str(template.values["numbers"]["percent"].format(number=number(template, plain)))


def decimals(value: Decimal) -> int:
    """Return how many decimals a number has, without trailing zeros."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def day(template: Template, when: date, pattern: str = "day") -> str:
    """Return a day by one of the patterns day, short, month."""
    dates = template.values["dates"]
    return str(
        dates[pattern].format(
            day=when.day,
            day2=f"{when.day:02}",
            month=dates["months"][when.month - 1],
            short=dates["short_months"][when.month - 1],
            number=when.month,
            number2=f"{when.month:02}",
            year=when.year,
        )
    )


def span(template: Template, start: datetime, end: datetime | None, zone: ZoneInfo) -> str:
    """Return from when to when, in local time; the last day only where it is another.

    Where the clock was changed between, each time says which one it is: 02:30 may come twice.
    """
    begin, until = in_zone(start, zone), in_zone(end, zone) if end else None
    changed = until is not None and begin.utcoffset() != until.utcoffset()
    first = _clock(template, begin, changed)
    if until is None:
        return f"{first} –"
    last = _clock(template, until, changed)
    if until.date() == begin.date():
        return f"{first} – {last}"
    return f"{first} – {day(template, until.date(), 'short')} {last}"


def _clock(template: Template, when: datetime, with_zone: bool) -> str:
    text = template.values["dates"]["time"].format(hour=f"{when.hour:02}", minute=f"{when.minute:02}")
    return f"{text} {when.tzname()}" if with_zone else str(text)


def household(template: Template, statement: Statement) -> Party:
    """Return to whom a statement goes; after the names were removed, the number of the account stands for them."""
    return statement.to or Party(name=template.say("nameless", account=statement.account), address=())


def address(template: Template, party: Party) -> tuple[str, ...]:
    """Return name, address and contact in the template's order."""
    parts = {"name": (party.name,), "address": party.address, "contact": (party.contact or "",)}
    lines = [tidy(line) for part in template.values["address"]["order"] for line in parts[part]]
    return tuple(line for line in lines if line)
