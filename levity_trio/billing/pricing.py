"""The price of a charging session, line by line, and the base fee of a month.

The fee a session, minimum, maximum and the least energy are those of the version in which the
session started; energy is at the version of each part's time, blocking at that of the last energy.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate, groupby, pairwise
from typing import Final

from levity_trio.billing.blocking import Stay, begun_minutes
from levity_trio.billing.money import PRICE_DECIMALS, decimal_of, minor_units, units
from levity_trio.billing.splitting import (
    EnergyFlow,
    FlowLevel,
    FlowPower,
    QuarterEnergy,
    by_quarter,
    divide,
    quarter,
    quarter_seams,
)
from levity_trio.billing.statement import (
    GRID,
    SUN,
    Line,
    LineKind,
    Position,
    QuarterCost,
    Split,
)
from levity_trio.billing.tariff import MovingPrice, Tariff, Versions, Window
from levity_trio.billing.windows import HoldingSpan, spans
from levity_trio.charging.quarters import SECONDS
from levity_trio.records import record
from levity_trio.told import Moment, Told
from levity_trio.wire.times import from_seconds, in_zone, stamp

WH_PER_KWH: Final = 1000


class NoPrice(LookupError):
    """A price series has no price for a session, and the tariff has no fallback."""


@record
class SessionEvidence:
    """What is known of the course of a session beside its energy. Quarters of an hour count from
    1970 in UTC."""

    levels: Sequence[FlowLevel] = ()
    powers: Sequence[FlowPower] = ()
    stay: Stay | None = None
    """This is None if the end of the charging is not known. Then there is no fee for blocking."""
    energy: QuarterEnergy | None = None
    """Its energy by the quarter, if that was divided before."""
    prices: Mapping[tuple[Tariff, Window], Mapping[int, Fraction]] = field(default_factory=dict)
    """What a kWh costs in each quarter where the price moves, as far as that is known."""
    sun: Mapping[int, int] = field(default_factory=dict)
    """The Wh of the house's own sun in each quarter."""
    measured: Collection[int] = ()
    """The quarters in which grid and panels were measured."""


def price_session(
    session: Position, evidence: SessionEvidence, versions: Versions, zone: tzinfo
) -> Position:
    """Return a session with its lines; without any if it is free.

    Raises ValueError without start and end, and NoVersion if no version holds when the session
    starts.
    """
    started_at, ended_at = session.started_at, session.ended_at
    if started_at is None or ended_at is None:
        raise ValueError("a session without start or end has no price")
    # What belongs to the session as a whole is by the version in which it started.
    at_start = versions.version_at(in_zone(started_at, zone).date())
    # So little is hardly a session: it has neither price nor fee.
    if session.energy_wh < at_start.free_below_wh:
        return replace(session, lines=(), split=None)

    # A clock that was set meanwhile may show an end before the start.
    until = max(started_at, ended_at)
    flow = EnergyFlow(started_at, until, session.energy_wh, evidence.levels, evidence.powers)
    split, lines, seams = _energy_lines(flow, evidence, versions, zone)
    if at_start.session_fee is not None:
        lines.append(_line(at_start, LineKind.SESSION, at_start.session_fee))
    if evidence.stay is not None:
        lines += _blocking_lines(evidence.stay, versions, zone)

    # The limits of a session are for all of its lines.
    total = sum(line.amount for line in lines)
    lines += _limit(at_start, LineKind.MINIMUM, at_start.minimum, total)
    lines += _limit(at_start, LineKind.MAXIMUM, at_start.maximum, total)
    return replace(session, lines=tuple(lines), split=split, seams=seams)


def _energy_lines(
    flow: EnergyFlow, evidence: SessionEvidence, versions: Versions, zone: tzinfo
) -> tuple[Split, list[Line], tuple[tuple[datetime, int], ...]]:
    """Return what divided the energy, and a line for each version and window in which it flowed, in
    order of time; by the quarter of an hour where the version asks for that. Also what had flowed
    until each seam, if readings show it. Raises NoPrice."""
    spans_of_price = pieces(versions, flow.since, flow.until, zone)
    if any(span.holds[0].is_by_quarter for span in spans_of_price):
        return (*_lines_by_quarter(flow, evidence, spans_of_price), ())
    seams = [span.since for span in spans_of_price[1:]]
    parts, split = divide(flow, seams)

    # A window that comes back, as the next night, adds to its line: a line is rounded only once.
    energies: dict[tuple[Tariff, Window], int] = defaultdict(int)
    for span, wh in zip(spans_of_price, parts, strict=True):
        energies[span.holds] += wh

    lines = list[Line]()
    for (version, window), wh in energies.items():
        if wh:
            line = _line(version, LineKind.ENERGY, window.price, wh, window=window.name)
            lines.append(line)
    shown = zip(seams, accumulate(parts), strict=False) if split is Split.REGISTER else ()
    return split, lines, tuple(shown)


def _lines_by_quarter(
    flow: EnergyFlow, evidence: SessionEvidence, spans_of_price: Sequence[PricePiece]
) -> tuple[Split, list[Line]]:
    """Return the same by the quarter of an hour. Of a quarter, sun comes first in time where a
    window begins within."""
    energy, cut = evidence.energy, cut_by_quarter(spans_of_price)
    if energy is None or len(energy.wh) != len(cut):
        energy = by_quarter(flow, [span.since for span in cut[1:]])
    costs = dict[tuple[Tariff, Window | None], dict[int, QuarterCost]]()
    sun_left = {**evidence.sun}
    for span, wh in zip(cut, energy.wh, strict=True):
        (version, _), one = span.holds, quarter(span.since)
        sun = 0 if version.sun_price is None else min(wh, sun_left.get(one, 0))
        sun_left[one] = sun_left.get(one, 0) - sun
        marks = {
            "is_divided": one in energy.divided,
            "is_unmeasured": version.sun_price is not None and one not in evidence.measured,
        }
        if sun:
            price = Fraction(version.sun_price or 0)
            cost = QuarterCost(quarter=one, wh=sun, price=price, **marks)
            _add(costs.setdefault((version, None), {}), cost)
        if wh > sun:
            price, marks["is_fallback"] = _price_in(span.holds, one, evidence)
            cost = QuarterCost(quarter=one, wh=wh - sun, price=price, **marks)
            _add(costs.setdefault(span.holds, {}), cost)
    lines = [_line_of_quarters(*of, [*quarters.values()]) for of, quarters in costs.items()]
    return energy.by, lines


def _add(quarters: dict[int, QuarterCost], cost: QuarterCost) -> None:
    """Add what flowed in a quarter; some may be there, before another window began within it."""
    before = quarters.get(cost.quarter)
    quarters[cost.quarter] = cost if before is None else replace(cost, wh=before.wh + cost.wh)


def _price_in(
    holds: tuple[Tariff, Window], one: int, evidence: SessionEvidence
) -> tuple[Fraction, bool]:
    """Return what a kWh of a window costs in a quarter, and whether that is the fallback. Raises
    NoPrice."""
    moving = holds[1].moving
    if moving is None:
        return Fraction(holds[1].price), False
    price = evidence.prices[holds].get(one) if holds in evidence.prices else None
    if price is not None:
        return price, False
    if moving.fallback is not None:
        return Fraction(moving.fallback), True
    at = Moment(stamp(from_seconds(one * SECONDS)))
    words = Told(
        "the price series {1} has no price for {2}: enter it, or give the tariff a fallback",
        *(moving.series, at),
    )
    if moving.is_average:
        words = Told(
            "the price series {1} has no mean yet for the month of {2}: a tenth of its prices or "
            "more is missing",
            *(moving.series, at),
        )
    raise NoPrice(words)


def price_by(version: Tariff, moving: MovingPrice, price: Fraction, *, is_gross: bool) -> Fraction:
    """Return what a kWh costs at a price of the series, which has tax in it or not, in the kind of
    the tariff."""
    with_tax = (100 + Fraction(version.tax_rate(LineKind.ENERGY))) / 100
    if is_gross and not version.are_gross:
        price /= with_tax
    elif version.are_gross and not is_gross:
        price *= with_tax
    return moving.of(price)


def exact_cost(quarters: Iterable[QuarterCost]) -> Fraction:
    """Return the sum of the costs of quarters, in units of the currency."""
    # Whole numbers of each denominator are added much faster than fractions.
    sums = defaultdict[int, int](int)
    for one in quarters:
        sums[one.price.denominator] += one.wh * one.price.numerator
    exact = sum((Fraction(sum_of, of) for of, sum_of in sums.items()), Fraction())
    return exact / WH_PER_KWH


def _line_of_quarters(
    version: Tariff, window: Window | None, quarters: Sequence[QuarterCost]
) -> Line:
    """Return the line of a window, or of sun, by its quarters: their costs are rounded once."""
    wh, exact = sum(one.wh for one in quarters), exact_cost(quarters)
    name = SUN if window is None else window.name
    if name is None and version.sun_price is not None:
        name = GRID
    plain = version.sun_price if window is None else None if window.moving else window.price
    price = decimal_of(exact / wh * WH_PER_KWH, PRICE_DECIMALS) if plain is None else plain
    line = _line(version, LineKind.ENERGY, price, wh, window=name)
    amount = minor_units(exact, version.currency)
    is_plain = plain is not None and version.sun_price is None
    return line if is_plain else replace(line, amount=amount, quarters=tuple(quarters))


def _blocking_lines(stay: Stay, versions: Versions, zone: tzinfo) -> list[Line]:
    """Return the fee for blocking, and what its own maximum takes off."""
    # A car may stand there over a change of the tariff: what held when it was full counts.
    version = versions.version_at(in_zone(stay.last_energy_at, zone).date())
    terms = version.blocking
    if terms is None:
        return []
    minutes = begun_minutes(stay, terms, zone)
    if not minutes:
        return []
    fee = _line(version, LineKind.BLOCKING, terms.price, minutes)
    limit = _limit(version, LineKind.MAXIMUM, terms.maximum, fee.amount, limited=LineKind.BLOCKING)
    return [fee, *limit]


def _limit(
    version: Tariff,
    kind: LineKind,
    limit: Decimal | None,
    total: int,
    *,
    limited: LineKind | None = None,
) -> list[Line]:
    """Return the line that brings a total to a minimum or a maximum, if it lies beyond.

    `limited` is the kind of the lines in the total, if it is only one: the limit is taxed as these.
    """
    if limit is None:
        return []
    missing = minor_units(limit, version.currency) - total
    is_beyond = missing > 0 if kind is LineKind.MINIMUM else missing < 0
    if not is_beyond:
        return []
    price = units(missing, version.currency)
    return [_line(version, kind, price, window=limited, taxed_as=limited)]


def base_fee(versions: Versions, since: date, until: date) -> tuple[Line, ...]:
    """Return the base fee for local days of one month, `until` excluded; none for days without
    one."""
    days = [since + timedelta(days=number) for number in range((until - since).days)]
    if days and (days[-1].year, days[-1].month) != (since.year, since.month):
        raise ValueError(f"{since} to {until} is more than one month")
    _, of_days = monthrange(since.year, since.month)

    # Versions with the same fee share a line, so that a change of another price does not change the
    # rounding.
    lines = list[Line]()
    by_fee = groupby(map(versions.version_at, days), key=_base_fee_and_tax)
    for (fee, _), same in by_fee:
        first, *others = same
        if fee is not None:
            line = _line(first, LineKind.BASE, fee, 1 + len(others), of_days=of_days)
            lines.append(line)
    return tuple(lines)


def _base_fee_and_tax(version: Tariff) -> tuple[Decimal | None, Decimal]:
    return version.base_fee, version.tax_rate(LineKind.BASE)


PricePiece = HoldingSpan[tuple[Tariff, Window]]


def cut_by_quarter(spans_of_price: Sequence[PricePiece]) -> list[PricePiece]:
    """Return the same spans, cut at the quarters of an hour."""
    cut = list[PricePiece]()
    for span in spans_of_price:
        seams = [span.since, *quarter_seams(span.since, span.until), span.until]
        cut += [HoldingSpan(since, until, span.holds) for since, until in pairwise(seams)]
    return cut


def pieces(versions: Versions, since: datetime, until: datetime, zone: tzinfo) -> list[PricePiece]:
    """Return the versions and windows that hold between two times, in order. Raises NoVersion."""

    def at(local: datetime) -> tuple[Tariff, Window]:
        version = versions.version_at(local.date())
        return version, version.window_at(local)

    # The windows of any version may begin at any of these.
    minutes = set[int]()
    for version in versions:
        minutes.update(version.minutes)
    return spans(since, until, zone, minutes, at)


def amount(
    kind: LineKind, quantity: int, of_days: int | None, price: Decimal, tariff: Tariff
) -> int:
    """Return quantity × price in minor units, rounded once."""
    # A price is per kWh, per month of so many days, or for one.
    per = WH_PER_KWH if kind is LineKind.ENERGY else of_days or 1
    return minor_units(Fraction(quantity, per) * Fraction(price), tariff.currency)


def _line(
    tariff: Tariff,
    kind: LineKind,
    price: Decimal,
    quantity: int = 1,
    *,
    window: str | None = None,
    of_days: int | None = None,
    taxed_as: LineKind | None = None,
) -> Line:
    """Return a line of this quantity; `taxed_as` is the kind by which it is taxed, if not its
    own."""
    return Line(
        kind=kind,
        tariff=tariff.name,
        version=tariff.since,
        window=window,
        quantity=quantity,
        of_days=of_days,
        price=price,
        amount=amount(kind, quantity, of_days, price, tariff),
        tax_rate=tariff.tax_rate(taxed_as or kind),
    )
