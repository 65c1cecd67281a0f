"""A tariff in words, with worked examples that show its author what was understood; and the
arithmetic of a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import starmap
from typing import Final

from levity_trio.billing.money import foot, units, written
from levity_trio.billing.pricing import WH_PER_KWH, SessionEvidence, Stay, amount, price_session
from levity_trio.billing.statement import Currency, Line, LineKind, Position
from levity_trio.billing.tariff import TAXED, Blocking, MovingPrice, Tariff, Versions, Window
from levity_trio.billing.tariff_values import USUAL_WINDOWS, clock
from levity_trio.billing.windows import ALL_DAY, ALL_WEEKDAYS, Recurrence, spans
from levity_trio.charging.sent.plain import plain
from levity_trio.told import (
    WEEKDAYS,
    Amount,
    Day,
    DayOfYear,
    Figure,
    Quantity,
    Told,
    Value,
    Weekday,
    joined,
)

EXAMPLE_WH: Final = 10_000
EXAMPLE_PRICE: Final = Decimal("0.10")
"""What a price series has in the example."""
CHARGING: Final = timedelta(hours=4)
STANDING: Final = timedelta(hours=10)
"""The car of the example charges, and stands there afterwards, so long."""
STARTS_AT: Final = time(20)
_YEAR: Final = timedelta(days=366)
_NAMES: Final = {
    LineKind.ENERGY: Told("energy"),
    LineKind.SESSION: Told("fee for the session"),
    LineKind.BLOCKING: Told("fee for staying after charging"),
    LineKind.BASE: Told("base fee"),
    LineKind.MINIMUM: Told("what is missing to the lowest price of a session"),
    LineKind.MAXIMUM: Told("what is above the highest price of a session"),
}


def words(tariff: Tariff) -> Iterator[Told]:
    """Yield what a tariff says, line by line."""
    code = tariff.currency.code
    yield Told("{1}, from {2} on", tariff.name, Day(tariff.since))
    kind = Told("gross (tax is in them)") if tariff.are_gross else Told("net (tax is added)")
    yield Told("Prices are {1}, in {2}.", kind, code)
    for window in tariff.windows:
        always = Told("at all other times") if len(tariff.windows) > 1 else Told("at all times")
        when = always if window.when is None else _recurrence(window.when)
        if window.moving is None:
            yield Told("{1}: {2} a kWh, {3}.", _name(window), Amount(window.price, code), when)
        else:
            price = _moving(window.moving, code)
            yield Told("{1}, {2}: a kWh costs {3}.", _name(window), when, price)
    if tariff.sun_price is not None:
        yield Told("Own sun: {1} a kWh.", Amount(tariff.sun_price, code))
    if tariff.session_fee is not None:
        yield Told("Each session: {1}.", Amount(tariff.session_fee, code))
    if tariff.base_fee is not None:
        yield Told("Each month: {1}.", Amount(tariff.base_fee, code))
    if tariff.minimum is not None:
        yield Told("A session costs at least: {1}.", Amount(tariff.minimum, code))
    if tariff.maximum is not None:
        yield Told("A session costs at most: {1}.", Amount(tariff.maximum, code))
    if tariff.blocking is not None:
        yield from _blocking(tariff.blocking, code)
    if tariff.free_below_wh:
        yield Told("A session of less than {1} is free.", Quantity(tariff.free_below_wh, "Wh"))
    else:
        yield Told("No session is free.")
    rates = (Figure(float(tariff.tax_rate(kind))) for kind in TAXED)
    yield Told("Tax: energy {1} %, session fee {2} %, blocking fee {3} %, base fee {4} %.", *rates)


def in_short(tariff: Tariff) -> Told:
    """Return what a tariff costs in one line: 0.32 EUR per kWh; 22:00-06:00: 0.28 EUR; 0.50 EUR a
    session."""
    code = tariff.currency.code
    *others, first = sorted(tariff.windows, key=lambda window: window.when is None)
    price: Value = Told("{1} per kWh", Amount(first.price, code))
    if first.moving is not None:
        price = _moving(first.moving, code)
    when = () if first.when is None else (_recurrence(first.when, ", "),)
    parts = [joined(", ", (price, *when))]
    for window in others:
        if window.when is None:
            continue
        other: Value = Amount(window.price, code)
        if window.moving is not None:
            other = _moving(window.moving, code)
        parts.append(joined(": ", (_recurrence(window.when, ", "), other)))
    if tariff.sun_price is not None:
        parts.append(Told("{1} per kWh of own sun", Amount(tariff.sun_price, code)))
    if tariff.session_fee:
        parts.append(Told("{1} a session", Amount(tariff.session_fee, code)))
    if tariff.base_fee:
        parts.append(Told("{1} a month", Amount(tariff.base_fee, code)))
    if tariff.blocking is not None:
        parts.append(Told("{1} a minute of blocking", Amount(tariff.blocking.price, code)))
    return joined("; ", parts)


def _name(window: Window) -> str:
    """Return what a price is called: a name that somebody chose is no text of the program."""
    return Told("energy") if window.name is None else _window(window.name)


def _window(name: str) -> str:
    return USUAL_WINDOWS.get(name, name)


def _moving(moving: MovingPrice, code: str) -> Told:
    """Return how a price follows its series: price series Day-ahead × 1.05 + 0.12 EUR."""
    price = Told("price series {1}", moving.series)
    if moving.is_average:
        price = Told("the month's mean of price series {1}", moving.series)
    if moving.factor != 1:
        price = joined(" × ", (price, Figure(float(moving.factor))))
    if moving.markup:
        sign = " + " if moving.markup > 0 else " - "
        price = joined(sign, (price, Amount(abs(moving.markup), code)))
    if moving.floor is not None:
        price = Told("{1}, at least {2}", price, Amount(moving.floor, code))
    if moving.cap is not None:
        price = Told("{1}, at most {2}", price, Amount(moving.cap, code))
    if moving.fallback is not None:
        fallback = Amount(moving.fallback, code)
        price = Told("{1}; {2} where the series has no price", price, fallback)
    return price


def tax_of_series(tariff: Tariff, series: str, *, are_gross: bool) -> Told:
    """Return whether the prices of a series have tax in them, and what becomes of it before the
    factor and the markup of a tariff."""
    rate = Figure(float(tariff.tax_rate(LineKind.ENERGY)))
    if tariff.are_gross and not are_gross:
        return Told("{1} is without tax: {2} % is added before factor and markup.", series, rate)
    if are_gross and not tariff.are_gross:
        return Told("{1} has tax in it: {2} % is taken out before factor and markup.", series, rate)
    if are_gross:
        return Told("{1} has tax in it.", series)
    return Told("{1} is without tax.", series)


def is_by_clock(tariff: Tariff) -> bool:
    """Whether the price of a kWh follows the quarter of an hour in which it flowed, by clocks that
    nobody calibrates."""
    moving = [window.moving for window in tariff.windows if window.moving is not None]
    return not all(one.is_average for one in moving)


def _recurrence(when: Recurrence, separator: str = "; ") -> Told:
    parts = []
    if when.times != ALL_DAY:
        spans_of_day = [f"{clock(times.since)}-{clock(times.until)}" for times in when.times]
        text = joined("", spans_of_day[:1])
        for span in spans_of_day[1:]:
            text = Told("{1} and {2}", text, span)
        parts.append(text)
    if when.weekdays != ALL_WEEKDAYS:
        parts.append(joined(", ", map(Weekday, sorted(when.weekdays))))
    if when.season is not None:
        parts.append(Told("{1} to {2}", *starmap(DayOfYear, when.season)))
    return joined(separator, parts) if parts else Told("at all times")


def _blocking(terms: Blocking, code: str) -> Iterator[Told]:
    end = Told("the session stops")
    if terms.is_until_available:
        end = Told("the connector is available again")
    yield Told(
        "Blocking: {1} a begun minute, {2} minutes after charging, until {3}.",
        *(Amount(terms.price, code), terms.grace_minutes, end),
    )
    if terms.maximum is not None:
        yield Told("Blocking costs at most {1} a session.", Amount(terms.maximum, code))
    if terms.free is not None:
        yield Told("Blocking is free at {1}.", _recurrence(terms.free))


def examples(tariff: Tariff) -> Iterator[str]:
    """Yield what 10 kWh cost in each window, and a session with all its lines. Times are local.

    Prices that move are shown at one price of their series.
    """
    if tariff.sun_price is not None:
        minor = amount(LineKind.ENERGY, EXAMPLE_WH, None, tariff.sun_price, tariff)
        yield f"{_energy(EXAMPLE_WH)} of own sun: {written(minor, tariff.currency)}"
    windows: list[Window] = []
    for window in tariff.windows:
        price, moving = window.price, window.moving
        if moving is not None:
            at = Amount(EXAMPLE_PRICE, tariff.currency.code)
            yield f"While {moving.series} is at {at} a kWh:"
            exact = moving.of(Fraction(EXAMPLE_PRICE))
            price = Decimal(exact.numerator) / exact.denominator
        windows.append(replace(window, price=price, moving=None))
    tariff = replace(tariff, windows=tuple(windows), sun_price=None)

    start = datetime.combine(tariff.since, STARTS_AT, UTC)
    # A tariff has no zone. In UTC no hour comes twice or never.
    since = datetime.combine(tariff.since, time(), UTC)
    shown = set[Window]()
    for span in spans(since, since + _YEAR, UTC, tariff.minutes, tariff.window_at):
        window = span.holds
        if window in shown:
            continue
        shown.add(window)
        cost = written(
            amount(LineKind.ENERGY, EXAMPLE_WH, None, window.price, tariff), tariff.currency
        )
        moment = _moment(span.since)
        yield f"{_energy(EXAMPLE_WH)} on {moment}, {_name(window)}: {cost}"

    charged, left = start + CHARGING, start + CHARGING + STANDING
    yield (
        f"A session of {_energy(EXAMPLE_WH)}, charged from {_moment(start)} to {_moment(charged)},"
    )
    yield f"the cable out on {_moment(left)}:"
    session = Position(
        id=0,
        transaction=None,
        charger=None,
        connector=None,
        space=None,
        tag=None,
        vehicle=None,
        started_at=start,
        ended_at=charged,
        energy_wh=EXAMPLE_WH,
        split=None,
        lines=(),
    )
    evidence = SessionEvidence(stay=Stay(last_energy_at=charged, stopped_at=left))
    priced = price_session(session, evidence, Versions([tariff]), UTC)
    yield from (f"  {line}" for line in _worked(priced, tariff))


def _worked(session: Position, tariff: Tariff) -> Iterator[str]:
    """Yield the lines of a session, its tax and its total."""
    currency = tariff.currency
    for line in session.lines:
        what = f"{line.kind}, {line.window}" if line.window else str(line.kind)
        quantity = str(line.quantity)
        if line.kind is LineKind.ENERGY:
            quantity = _energy(line.quantity)
        elif line.kind is LineKind.BLOCKING:
            quantity = f"{line.quantity} min"
        yield f"{what}: {quantity} × {line.price} = {written(line.amount, currency)}"
    sums = foot([session], are_gross=tariff.are_gross)
    for tax in sums.taxes:
        net, part, gross = (written(minor, currency) for minor in (tax.net, tax.tax, tax.gross))
        yield f"net {net} + {tax.rate} % tax {part} = {gross}"
    yield f"total {written(sums.total, currency)}"


def _energy(wh: int) -> str:
    return f"{plain(wh / WH_PER_KWH, 12)} kWh"


def _moment(moment: datetime) -> str:
    return f"{WEEKDAYS[moment.weekday()]} {moment:%Y-%m-%d %H:%M}"


def kilowatt_hours(wh: int) -> str:
    """Return energy in kWh, to the Wh."""
    return f"{Decimal(wh).scaleb(-3):.3f} kWh"


def arithmetic(line: Line, currency: Currency) -> Told:
    """Return what a line is for, and how its amount comes about: quantity × price, rounded once."""
    name = _NAMES[line.kind]
    if line.window:
        name = joined(", ", (name, _window(line.window)))
    total = Amount(units(line.amount, currency), currency.code)
    # These are one amount, so there is nothing to multiply.
    is_one_fee = line.kind is LineKind.SESSION and line.quantity == 1
    if is_one_fee or line.kind in (LineKind.MINIMUM, LineKind.MAXIMUM):
        return joined(": ", (name, total))

    quantity: Value = line.quantity
    if line.kind is LineKind.ENERGY:
        quantity = Told("{1} kWh", Figure(line.quantity / WH_PER_KWH, 3))
    elif line.kind is LineKind.BASE:
        quantity = Told("{1} of {2} days", line.quantity, line.of_days or 0)
    elif line.kind is LineKind.BLOCKING:
        quantity = Told("{1} min", line.quantity)
    # A price of 0.3 is written as money, 0.30; one of 0.2999 with all its decimals.
    decimals = max(len(f"{line.price:f}".partition(".")[2]), currency.exponent)
    price = Amount(Decimal(f"{line.price:.{decimals}f}"), currency.code)
    if line.is_mean:
        # Its amount was not made of the mean, which is rounded.
        return joined(": ", (name, Told("{1} at {2} on average", quantity, price), total))
    product = joined(" × ", (quantity, price))
    return joined(": ", (name, joined(" = ", (product, total))))
