"""Money as pages write it: from whole minor units, by the formats of statements; and as people type
it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from levity_trio.billing.money import CURRENCIES, units
from levity_trio.documents.json_file import LineDocument, PositionDocument
from levity_trio.documents.template import ENGLISH, DocumentTemplate, window_name
from levity_trio.locale import N_, _, formats, language
from levity_trio.locale.formats import format_of, tables
from levity_trio.store.reads.transactions.bill import BillLine, OwnBill
from levity_trio.told import Amount, Told, Value
from levity_trio.web.dashboard.shapes import UNKNOWN, whole
from levity_trio.wire.times import in_zone

LARGEST: Final = 2**53
_SOLE: Final = N_(
    {
        "session fee": "Fee for the session",
        "minimum": "Up to the lowest price of a session",
        "maximum": "Above the highest price",
    }
)
"""The lines without a quantity."""


@cache
def _template(name: str) -> DocumentTemplate:
    """Return the formats of statements in a language, with the thousands of the dashboard."""
    written = tables(name)
    numbers = {**written["numbers"], "thousands": format_of(name).thousands}
    return DocumentTemplate({**ENGLISH.values, **written, "numbers": numbers})


def _here() -> DocumentTemplate:
    return _template(language())


def _saying(*beginnings: str) -> DocumentTemplate:
    """Return the formats with the words of statements that begin so."""
    words = ENGLISH.values["words"]
    here = {name: _(words[name]) for name in words if name.startswith(beginnings)}
    return DocumentTemplate({**_here().values, "words": here})


def metered(one: PositionDocument | OwnBill, begin_wh: int | None, end_wh: int | None) -> str:
    """Return a session's registers, and how its energy was measured, as its statement says it."""
    words = _saying("registers", "measured_", "signed")
    return words.metered(begin_wh, end_wh, one.measured, signed=getattr(one, "signed", None))


def by_quarter(one: PositionDocument, zone: str) -> str:
    """Return the dearest and the cheapest quarter of a session, and what of it was not measured, as
    its statement says it."""
    words = _saying("extremes", "of_quarters", "windows_", "fallback", "unmeasured")
    return words.by_quarter(one.by_quarter, one.started_at, ZoneInfo(zone), one.split)


def money(minor: int | None, code: str | None) -> str:
    """Return an amount with its currency."""
    if minor is None or code is None:
        return UNKNOWN
    return _here().money(minor, CURRENCIES[code])


def amount(minor: int | None, code: str | None) -> str:
    """Return an amount without its currency, for columns that name it in their head."""
    if minor is None or code is None:
        return UNKNOWN
    return _here().amount(minor, CURRENCIES[code])


def in_currency(refusal: Told, code: str) -> Told:
    """Return what the API refuses about an amount, with the bound, which is in minor units there,
    in a currency."""
    values: list[Value] = []
    for value in refusal.values:
        if isinstance(value, int):
            values.append(Amount(units(value, CURRENCIES[code]), code))
        else:
            values.append(value)
    return Told(refusal.template, *values)


def price(text: str | None, code: str | None) -> str:
    """Return the price of one thing (a kWh, a minute, a session), which the API tells as a text,
    with its currency."""
    if text is None or code is None:
        return UNKNOWN
    return _here().unit_price(Decimal(text), CURRENCIES[code])


def typed(minor: int, code: str) -> str:
    """Return an amount as a field of a form takes it."""
    return formats.typed(units(minor, CURRENCIES[code]))


def minor_of(text: str, code: str) -> int:
    """Return an amount of money as it was typed in minor units. Raises ValueError with what to
    type."""
    minor = whole(text, CURRENCIES[code].exponent)
    if minor is None or not abs(minor) < LARGEST:
        raise ValueError(_("give an amount such as %(amount)s", amount=typed(500, code)))
    return minor


def month(text: str) -> str:
    """Return a month that is written as 2026-10 in words."""
    return _here().day(date.fromisoformat(f"{text[:7]}-01"), "month")


def day(text: str | None, later: int = 0) -> str:
    """Return a day that is written as 2026-10-01 in words, or the one so many days later."""
    if text is None:
        return UNKNOWN
    return _here().day(date.fromisoformat(text) + timedelta(later))


def percent(rate: str | Decimal) -> str:
    """Return a tax rate."""
    return _here().percent(Decimal(rate))


def line(position: BillLine | LineDocument, code: str) -> str:
    """Return a line of a statement with its arithmetic."""
    kind = position.kind
    quantity = position.quantity
    price = _here().number(Decimal(position.price))
    total = amount(position.amount, code)
    if kind == "energy":
        window = window_name(position.window) if position.window else _("Energy")
        kwh = f"{_here().kilowatt_hours(quantity)} kWh"
        if not position.is_mean:
            return f"{window}: {kwh} × {price} = {total}"
        mean = _here().mean_price(Decimal(position.price))
        return _saying("mean").say("mean", what=window, quantity=kwh, price=mean, amount=total)
    if kind == "blocking fee":
        words = N_("Blocking fee: %(minutes)s min × %(price)s = %(total)s")
        return _(words, minutes=quantity, price=price, total=total)
    if isinstance(position, LineDocument) and kind == "base fee":
        words = N_("Base fee: %(days)s of %(all)s days × %(price)s a month = %(total)s")
        return _(words, days=quantity, all=position.of_days, price=price, total=total)
    return f"{_(_SOLE[kind])}: {total}"


def times(position: PositionDocument, zone: str) -> str:
    """Return when a charging session was, in the zone of its statement."""
    began = position.started_at
    if began is None:
        return ""
    site = ZoneInfo(zone)
    first_day = _here().day(in_zone(began, site).date(), "short")
    span = _here().span(began, position.ended_at, site)
    return f"{first_day}, {span}"
