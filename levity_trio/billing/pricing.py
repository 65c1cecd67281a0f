"""The price of a charging session, line by line, and the base fee of a month.

The fee a session, minimum, maximum and the least energy are those of the version in which the
session started; energy is at the version of each part's time, blocking at that of the last energy.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Final

from levity_trio.billing.blocking import Stay, begun_minutes
from levity_trio.billing.money import minor_units, units
from levity_trio.billing.splitting import EnergyFlow, FlowLevel, FlowPower, divide
from levity_trio.billing.statement import Line, LineKind, Position, Split
from levity_trio.billing.tariff import Tariff, Versions, Window
from levity_trio.billing.windows import HoldingSpan, spans
from levity_trio.records import record
from levity_trio.wire.times import in_zone

WH_PER_KWH: Final = 1000


@record
class SessionEvidence:
    """What is known of the course of a session beside its energy."""

    levels: Sequence[FlowLevel] = ()
    powers: Sequence[FlowPower] = ()
    stay: Stay | None = None
    """This is None if the end of the charging is not known. Then there is no fee for blocking."""


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
    split, lines = _energy_lines(flow, versions, zone)
    if at_start.session_fee is not None:
        lines.append(_line(at_start, LineKind.SESSION, at_start.session_fee))
    if evidence.stay is not None:
        lines += _blocking_lines(evidence.stay, versions, zone)

    # The limits of a session are for all of its lines.
    total = sum(line.amount for line in lines)
    lines += _limit(at_start, LineKind.MINIMUM, at_start.minimum, total)
    lines += _limit(at_start, LineKind.MAXIMUM, at_start.maximum, total)
    return replace(session, lines=tuple(lines), split=split)


def _energy_lines(flow: EnergyFlow, versions: Versions, zone: tzinfo) -> tuple[Split, list[Line]]:
    """Return what divided the energy, and a line for each version and window in which it flowed, in
    order of time."""
    spans_of_price = pieces(versions, flow.since, flow.until, zone)
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
    return split, lines


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


def pieces(
    versions: Versions, since: datetime, until: datetime, zone: tzinfo
) -> list[HoldingSpan[tuple[Tariff, Window]]]:
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
