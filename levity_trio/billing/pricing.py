"""The price of a charging session, line by line, and the base fee of a month.

The fee a session, minimum, maximum and the least energy are those of the version in which the
session started; energy is at the version of each part's time, blocking at that of the last energy.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from typing import Final

from levity_trio.billing.blocking import Stay, begun_minutes
from levity_trio.billing.money import minor_units, units
from levity_trio.billing.splitting import Flow, Level, Power, divide
from levity_trio.billing.statement import Line, LineKind, Position, Split
from levity_trio.billing.tariff import Tariff, Versions, Window
from levity_trio.billing.windows import Span, spans
from levity_trio.records import record
from levity_trio.wire.times import in_zone

WH_PER_KWH: Final = 1000


@record
class Evidence:
    """What is known of the course of a session beside its energy."""

    levels: Sequence[Level] = ()
    powers: Sequence[Power] = ()
    stay: Stay | None = None
    """This is None if the end of the charging is not known. Then there is no fee for blocking."""


def price_session(
    session: Position, evidence: Evidence, versions: Versions, zone: tzinfo
) -> Position:
    """Return a session with its lines; without any if it is free.

    Raises ValueError without start and end, and NoVersion if no version holds when the session
    starts.
    """
    if session.started_at is None or session.ended_at is None:
        raise ValueError("a session without start or end has no price")
    at_start = versions.version_at(in_zone(session.started_at, zone).date())
    if session.energy_wh < at_start.free_below_wh:
        return replace(session, lines=(), split=None)
    until = max(session.started_at, session.ended_at)
    flow = Flow(session.started_at, until, session.energy_wh, evidence.levels, evidence.powers)
    by, lines = _energy_lines(flow, versions, zone)
    if at_start.session_fee is not None:
        lines.append(_line(at_start, LineKind.SESSION, at_start.session_fee))
    if evidence.stay is not None:
        lines += _blocking_lines(evidence.stay, versions, zone)
    return replace(session, lines=(*lines, *_limit_lines(lines, at_start)), split=by)


def pieces(
    versions: Versions, since: datetime, until: datetime, zone: tzinfo
) -> list[Span[tuple[Tariff, Window]]]:
    """Return the versions and windows that hold between two times, in order. Raises NoVersion."""

    def at(local: datetime) -> tuple[Tariff, Window]:
        version = versions.version_at(local.date())
        return version, version.window_at(local)

    return spans(
        since, until, zone, {minute for version in versions for minute in version.minutes}, at
    )


def amount(
    kind: LineKind, quantity: int, of_days: int | None, price: Decimal, tariff: Tariff
) -> int:
    """Return quantity × price in minor units, rounded once."""
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


def _energy_lines(flow: Flow, versions: Versions, zone: tzinfo) -> tuple[Split, list[Line]]:
    """Return what divided the energy, and a line for each version and window in which it flowed, in
    order of time."""
    spans_of_time = pieces(versions, flow.since, flow.until, zone)
    parts, by = divide(flow, [piece.since for piece in spans_of_time[1:]])
    energies: dict[tuple[Tariff, Window], int] = defaultdict(int)
    for piece, wh in zip(spans_of_time, parts, strict=True):
        energies[piece.holds] += wh
    return by, [
        _line(version, LineKind.ENERGY, window.price, wh, window=window.name)
        for (version, window), wh in energies.items()
        if wh
    ]


def _blocking_lines(stay: Stay, versions: Versions, zone: tzinfo) -> Iterator[Line]:
    """Yield the fee for blocking, and what its own maximum takes off."""
    version = versions.version_at(in_zone(stay.last_energy_at, zone).date())
    terms = version.blocking
    if terms is None or not (minutes := begun_minutes(stay, terms, zone)):
        return
    fee = _line(version, LineKind.BLOCKING, terms.price, minutes)
    yield fee
    if terms.maximum is not None:
        yield from _limit(
            version, LineKind.MAXIMUM, fee.amount, terms.maximum, limited=LineKind.BLOCKING
        )


def _limit_lines(lines: Sequence[Line], version: Tariff) -> Iterator[Line]:
    """Yield what is missing to the minimum of a session, or what its maximum takes off."""
    total = sum(line.amount for line in lines)
    if version.minimum is not None:
        yield from _limit(version, LineKind.MINIMUM, total, version.minimum)
    if version.maximum is not None:
        yield from _limit(version, LineKind.MAXIMUM, total, version.maximum)


def _limit(
    version: Tariff, kind: LineKind, total: int, limit: Decimal, *, limited: LineKind | None = None
) -> Iterator[Line]:
    """Yield the line that brings a total to its limit, if it lies beyond; `limited` is the kind of
    its lines."""
    missing = minor_units(limit, version.currency) - total
    if missing > 0 if kind is LineKind.MINIMUM else missing < 0:
        yield _line(
            version, kind, units(missing, version.currency), window=limited, taxed_as=limited
        )


def base_fee(versions: Versions, since: date, until: date) -> tuple[Line, ...]:
    """Return the base fee for local days of one month, `until` excluded; none for days without one.

    Versions with the same fee share a line, so that a change of another price does not change the
    rounding.
    """
    days = [since + timedelta(days=number) for number in range((until - since).days)]
    if days and (days[-1].year, days[-1].month) != (since.year, since.month):
        raise ValueError(f"{since} to {until} is more than one month")
    of_days = monthrange(since.year, since.month)[1]
    fees = [(version, version.base_fee) for version in map(versions.version_at, days)]
    return tuple(
        _line(same[0][0], LineKind.BASE, fee, len(same), of_days=of_days)
        for (fee, _), alike in groupby(
            fees, key=lambda pair: (pair[1], pair[0].tax_rate(LineKind.BASE))
        )
        if fee is not None and (same := list(alike))
    )
