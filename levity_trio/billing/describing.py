"""A tariff in words, with worked examples that show its author what was understood; and the arithmetic of a line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from levity_trio.billing.blocking import Stay
from levity_trio.billing.money import foot, written
from levity_trio.billing.pricing import WH_PER_KWH, Evidence, amount, price_session
from levity_trio.billing.statement import Currency, Line, LineKind, Position
from levity_trio.billing.tariff import TAXED, Blocking, Tariff, Versions, Window
from levity_trio.billing.tariff_values import WEEKDAYS, clock
from levity_trio.billing.windows import ALL_DAY, ALL_WEEKDAYS, Recurrence, spans
from levity_trio.charging.sent.plain import plain

EXAMPLE_WH: Final = 10_000
CHARGING: Final = timedelta(hours=4)
STANDING: Final = timedelta(hours=10)
"""The car of the example charges, and stands there afterwards, so long."""
STARTS_AT: Final = time(20)
_YEAR: Final = timedelta(days=366)
_NAMES: Final = {
    LineKind.ENERGY: "energy",
    LineKind.SESSION: "fee for the session",
    LineKind.BLOCKING: "fee for staying after charging",
    LineKind.BASE: "base fee",
    LineKind.MINIMUM: "what is missing to the lowest price of a session",
    LineKind.MAXIMUM: "what is above the highest price of a session",
}


def words(tariff: Tariff) -> Iterator[str]:
    """Yield what a tariff says, line by line."""
    code = tariff.currency.code
    yield f"{tariff.name}, from {tariff.since} on"
    yield f"Prices are {'gross (tax is in them)' if tariff.are_gross else 'net (tax is added)'}, in {code}."
    for window in tariff.windows:
        always = "at all other times" if len(tariff.windows) > 1 else "at all times"
        when = always if window.when is None else _recurrence(window.when)
        yield f"{_name(window)}: {window.price} {code} a kWh, {when}."
    amounts = {
        "Each session": tariff.session_fee,
        "Each month": tariff.base_fee,
        "A session costs at least": tariff.minimum,
        "A session costs at most": tariff.maximum,
    }
    yield from (f"{what}: {price} {code}." for what, price in amounts.items() if price is not None)
    if tariff.blocking is not None:
        yield from _blocking(tariff.blocking, code)
    yield (
        f"A session of less than {tariff.free_below_wh} Wh is free." if tariff.free_below_wh else "No session is free."
    )
    yield f"Tax: {', '.join(f'{kind} {tariff.tax_rate(kind)} %' for kind in TAXED)}."


def in_short(tariff: Tariff) -> str:
    """Return what a tariff costs in one line: 0.32 EUR per kWh; 22:00-06:00: 0.28 EUR; 0.50 EUR a session."""
    code = tariff.currency.code
    *others, first = sorted(tariff.windows, key=lambda window: window.when is None)
    times = {window: _recurrence(window.when).replace(";", ",") for window in tariff.windows if window.when is not None}
    parts = [f"{first.price} {code} per kWh" + (f", {times[first]}" if first in times else "")]
    parts += [f"{times[window]}: {window.price} {code}" for window in others]
    fees = {"session": tariff.session_fee, "month": tariff.base_fee}
    parts += [f"{price} {code} a {what}" for what, price in fees.items() if price]
    if tariff.blocking is not None:
        parts.append(f"{tariff.blocking.price} {code} a minute of blocking")
    return "; ".join(parts)


def _name(window: Window) -> str:
    return window.name or LineKind.ENERGY.value


def _recurrence(when: Recurrence) -> str:
    parts = []
    if when.times != ALL_DAY:
        parts.append(" and ".join(f"{clock(times.since)}-{clock(times.until)}" for times in when.times))
    if when.weekdays != ALL_WEEKDAYS:
        parts.append(", ".join(WEEKDAYS[day] for day in sorted(when.weekdays)))
    if when.season is not None:
        first, last = (f"{month:02}-{day:02}" for month, day in when.season)
        parts.append(f"{first} to {last}")
    return "; ".join(parts) or "at all times"


def _blocking(terms: Blocking, code: str) -> Iterator[str]:
    end = "the connector is available again" if terms.is_until_available else "the session stops"
    yield f"Blocking: {terms.price} {code} a begun minute, {terms.grace_minutes} minutes after charging, until {end}."
    if terms.maximum is not None:
        yield f"Blocking costs at most {terms.maximum} {code} a session."
    if terms.free is not None:
        yield f"Blocking is free at {_recurrence(terms.free)}."


def examples(tariff: Tariff) -> Iterator[str]:
    """Yield what 10 kWh cost in each window, and a session with all its lines. Times are local."""
    start = datetime.combine(tariff.since, STARTS_AT, UTC)
    for moment, window in _first_moments(tariff):
        price = amount(LineKind.ENERGY, EXAMPLE_WH, None, window.price, tariff)
        yield f"{_energy(EXAMPLE_WH)} on {_moment(moment)}, {_name(window)}: {written(price, tariff.currency)}"
    yield f"A session of {_energy(EXAMPLE_WH)}, charged from {_moment(start)} to {_moment(start + CHARGING)},"
    yield f"the cable out on {_moment(start + CHARGING + STANDING)}:"
    yield from (f"  {line}" for line in _worked(tariff, start))


def _first_moments(tariff: Tariff) -> Iterator[tuple[datetime, Window]]:
    """Yield when each window first holds; not those that do not in a year."""
    since = datetime.combine(tariff.since, time(), UTC)
    seen: set[Window] = set()
    for span in spans(since, since + _YEAR, UTC, tariff.minutes, tariff.window_at):
        if span.holds not in seen:
            seen.add(span.holds)
            yield span.since, span.holds


def _worked(tariff: Tariff, start: datetime) -> Iterator[str]:
    charged, left = start + CHARGING, start + CHARGING + STANDING
    stay = Stay(last_energy_at=charged, stopped_at=left)
    session = price_session(_session(start, charged), Evidence(stay=stay), Versions([tariff]), UTC)
    for line in session.lines:
        yield f"{_quantity(line)} × {line.price} = {written(line.amount, tariff.currency)}"
    sums = foot([session], are_gross=tariff.are_gross)
    for tax in sums.taxes:
        net, part, gross = (written(minor, tariff.currency) for minor in (tax.net, tax.tax, tax.gross))
        yield f"net {net} + {tax.rate} % tax {part} = {gross}"
    yield f"total {written(sums.total, tariff.currency)}"


def _session(started_at: datetime, ended_at: datetime) -> Position:
    return Position(
        id=0,
        transaction=None,
        charger=None,
        connector=None,
        space=None,
        tag=None,
        vehicle=None,
        started_at=started_at,
        ended_at=ended_at,
        energy_wh=EXAMPLE_WH,
        split=None,
        lines=(),
    )


def _quantity(line: Line) -> str:
    """Return what a line counts."""
    what = f"{line.kind}, {line.window}" if line.window else line.kind
    if line.kind is LineKind.ENERGY:
        return f"{what}: {_energy(line.quantity)}"
    return f"{what}: {line.quantity}{' min' if line.kind is LineKind.BLOCKING else ''}"


def _energy(wh: int) -> str:
    return f"{plain(wh / WH_PER_KWH, 12)} kWh"


def _moment(moment: datetime) -> str:
    return f"{WEEKDAYS[moment.weekday()]} {moment:%Y-%m-%d %H:%M}"


def kilowatt_hours(wh: int) -> str:
    """Return energy in kWh, to the Wh."""
    return f"{Decimal(wh).scaleb(-3):.3f} kWh"


def arithmetic(line: Line, currency: Currency) -> str:
    """Return what a line is for, and how its amount comes about: quantity × price, rounded once."""
    name = f"{_NAMES[line.kind]}, {line.window}" if line.window else _NAMES[line.kind]
    total = written(line.amount, currency)
    if line.kind in (LineKind.MINIMUM, LineKind.MAXIMUM) or (line.kind is LineKind.SESSION and line.quantity == 1):
        return f"{name}: {total}"
    if line.kind is LineKind.ENERGY:
        quantity = kilowatt_hours(line.quantity)
    elif line.kind is LineKind.BASE:
        quantity = f"{line.quantity} of {line.of_days} days"
    else:
        quantity = f"{line.quantity} min" if line.kind is LineKind.BLOCKING else str(line.quantity)
    decimals = max(len(f"{line.price:f}".partition(".")[2]), currency.exponent)
    return f"{name}: {quantity} × {line.price:.{decimals}f} {currency.code} = {total}"
