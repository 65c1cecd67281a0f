"""Why a transaction costs what it costs now: by which assignment and versions, how its energy was
divided, and which minutes a fee for blocking counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from levity_trio.billing.assignments import Assignment
from levity_trio.billing.pricing import (
    CountedStay,
    Crossing,
    EnergyFlow,
    Stay,
    counted,
    crossings,
    pieces,
)
from levity_trio.billing.statement import Position, PositionKind
from levity_trio.billing.tariff import Blocking, Tariff, Versions, Window
from levity_trio.billing.windows import HoldingSpan
from levity_trio.records import record
from levity_trio.store.billing.pricing import Priced, Pricer, Rule
from levity_trio.store.engine.database import Rows
from levity_trio.wire.times import in_zone

Piece = HoldingSpan[tuple[Tariff, Window]]


@record
class Blocked:
    """A stay under a tariff with a fee for blocking. `counted` is None if the end of the charging
    is not known."""

    terms: Blocking
    stay: Stay | None
    counted: CountedStay | None


@record
class Reasoned:
    """A price and its reasons. `pieces` are the versions and windows that held, in order;
    `crossings` lie between them."""

    priced: Priced
    assignment: Assignment | None
    pieces: Sequence[Piece] = ()
    crossings: Sequence[Crossing] = ()
    blocked: Blocked | None = None


def reasoned(rows: Rows, number: int, rule: Rule, now: datetime | None = None) -> Reasoned | None:
    """Return what a transaction costs now, and why; None if there is no such transaction. An open
    one is priced as `Pricer` says."""
    pricer = Pricer(rows, rule, now=now)
    priced = pricer.price((number,)).get(number)
    if priced is None:
        return None
    position = priced.position
    start, end = _span(position)
    day = in_zone(start, rule.zone).date()
    assignment = pricer.tariffs.assigned(priced.account, position.charger, day)
    if priced.versions is None or priced.kind is not PositionKind.SESSION:
        return Reasoned(priced=priced, assignment=assignment)
    evidence = priced.evidence
    parts = pieces(priced.versions, start, end, rule.zone)
    flow = EnergyFlow(start, end, position.energy_wh, evidence.levels, evidence.powers)
    return Reasoned(
        priced=priced,
        assignment=assignment,
        pieces=parts,
        crossings=crossings(flow, [piece.since for piece in parts[1:]]),
        blocked=_blocked(priced, priced.versions, start, rule.zone),
    )


def _span(position: Position) -> tuple[datetime, datetime]:
    if position.started_at is None or position.ended_at is None:
        raise ValueError("a session without start or end has no price")
    return position.started_at, position.ended_at


def _blocked(priced: Priced, versions: Versions, start: datetime, zone: ZoneInfo) -> Blocked | None:
    """Return what a fee for blocking counts; None without one, and while the charging of an open
    transaction goes on or is held back, unless the car had stayed before."""
    stay = priced.evidence.stay
    since = start if stay is None else stay.last_energy_at
    terms = versions.version_at(in_zone(since, zone).date()).blocking
    if terms is None:
        return None
    found = None if stay is None else counted(stay, terms, zone)
    is_going_on = found is None or (stay is not None and stay.is_held and not found.minutes)
    return (
        None if priced.is_open and is_going_on else Blocked(terms=terms, stay=stay, counted=found)
    )
