"""Energy and costs by day or month: of the site, of each charger, of each account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta
from starlette.responses import Response

from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.months import Month
from levity_trio.documents.cells import inert
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.transactions.costs import with_costs
from levity_trio.store.reads.transactions.history import (
    Grouping,
    History,
    Period,
    WantedSeries,
    series,
)
from levity_trio.store.reads.transactions.power import OfWeek, WeekHistory, hours_of_week
from levity_trio.told import Told
from levity_trio.web.api.engine.bodies import ClientInput
from levity_trio.web.api.engine.context import Server, rule_of
from levity_trio.web.api.engine.endpoints import HIGHEST_ID, Endpoints, Role, TypedRequest
from levity_trio.web.api.engine.lists import OfCharger
from levity_trio.web.api.engine.local_times import LocalDay, begins_at, local_day, today
from levity_trio.web.api.engine.problems import Problem
from levity_trio.web.api.engine.sheets import encoded

ENDPOINTS: Final = Endpoints("history")

MOST_DAYS: Final = 400
MOST_YEARS: Final = 20
DAYS: Final = 30
"""Shown without `from`; months are those of a year."""
DAY: Final = timedelta(days=1)
WEEKS_DAYS: Final = 28


OfAccount = Annotated[int, Meta(ge=1, le=HIGHEST_ID, description="Only of this account.")] | None
Format = Annotated[Literal["json", "csv"], Meta(description="As JSON, or the same as CSV.")]
CSV: Final = "text/csv"


class HistoryQuery(ClientInput, rename={"since": "from", "before": "to"}):
    """Periods from the one with the day `from` on, before the day `to` (by default, up to
    today)."""

    by: Literal["day", "month"] = "day"
    of: Grouping = Grouping.SITE
    since: LocalDay | None = None
    before: LocalDay | None = None
    charger: OfCharger = None
    account: OfAccount = None
    costs: Annotated[bool, Meta(description="With what the sessions cost.")] = False
    format: Format = "json"


class WeekQuery(ClientInput, rename={"since": "from", "before": "to"}):
    """A span from the day `from` on, before the day `to` (by default, up to today)."""

    since: LocalDay | None = None
    before: LocalDay | None = None
    charger: OfCharger = None
    account: OfAccount = None
    format: Format = "json"


@ENDPOINTS.get("/api/history", Role.VIEWER, "invalid", "forbidden", other_media_types=(CSV,))
async def get_history(request: TypedRequest[HistoryQuery, None]) -> History | Response:
    """Show the energy of each day or month, by the end of sessions; 400 days or 20 years at most.
    Costs are those of closed statements, else of today's tariffs and facts."""
    query = request.query
    if (
        query.of is Grouping.ACCOUNT or query.account is not None or query.costs
    ) and not request.sees_all:
        words = Told("history by household, and costs, need a token with the role operator")
        raise Problem(HTTPStatus.FORBIDDEN, "forbidden", words)
    history = await request.read(partial(read_history, server=request.api, query=query))
    return Response(encoded(_rows(history)), media_type=CSV) if query.format == "csv" else history


def read_history(db: Database, server: Server, query: HistoryQuery) -> History:
    """Return the energy of each period. Raises Problem."""
    zone, wanted = server.config.time_zone, WantedSeries(query.of, query.charger, query.account)
    periods = _periods(query, today(server.now(), zone), zone)
    found = series(db, wanted, periods)
    history = History(by=query.by, of=query.of, time_zone=str(zone), periods=periods, series=found)
    return (
        with_costs(rows_of(db), history, wanted, rule_of(server))
        if query.costs and periods
        else history
    )


def _rows(history: History) -> Iterator[tuple[str | int | Decimal, ...]]:
    """Yield the rows of a file: a line for each period and series in which somebody charged."""
    yield (
        "period",
        history.of,
        "name",
        "kwh",
        "sessions",
        "in_doubt",
        "amount",
        "unbilled",
        "currency",
    )
    exponent = CURRENCIES[history.currency].exponent if history.currency else 0
    for place, period in enumerate(history.periods):
        for one in history.series:
            figures, key = one.figures[place], one.charger if one.account is None else one.account
            if figures.sessions:
                amounts = (
                    _units(amount, exponent) for amount in (figures.amount, figures.unbilled)
                )
                told = (
                    Decimal(f"{figures.energy_wh / 1000:.3f}"),
                    figures.sessions,
                    figures.doubtful,
                )
                yield (
                    period.name,
                    _cell(key),
                    _cell(one.name),
                    *told,
                    *amounts,
                    history.currency or "",
                )


def _cell(value: str | int | None) -> str:
    return str(inert("" if value is None else str(value)))


def _units(amount: int | None, exponent: int) -> str | Decimal:
    return "" if amount is None else Decimal(amount).scaleb(-exponent)


@ENDPOINTS.get("/api/history/week", Role.VIEWER, "invalid", "forbidden", other_media_types=(CSV,))
async def get_week(request: TypedRequest[WeekQuery, None]) -> WeekHistory | Response:
    """Show the energy by the hour of the week, of 400 days at most; without `from`, of four
    weeks."""
    query = request.query
    if query.account is not None and not request.sees_all:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "forbidden",
            Told("history by household needs a token with the role operator"),
        )
    found = await request.read(partial(read_week, server=request.api, query=query))
    return Response(encoded(_hours(found)), media_type=CSV) if query.format == "csv" else found


def read_week(db: Database, server: Server, query: WeekQuery) -> WeekHistory:
    """Return the energy by the hour of the week. Raises Problem."""
    zone = server.config.time_zone
    last = (
        today(server.now(), zone) if query.before is None else local_day(query.before, "to") - DAY
    )
    first = (
        last - timedelta(days=WEEKS_DAYS - 1)
        if query.since is None
        else local_day(query.since, "from")
    )
    first = max(first, last - timedelta(days=MOST_DAYS - 1))
    since, before = begins_at(min(first, last), zone), begins_at(last + DAY, zone)
    return hours_of_week(db, OfWeek(since, before, zone, query.charger, query.account))


def _hours(found: WeekHistory) -> Iterator[tuple[str | int | Decimal, ...]]:
    yield ("weekday", "hour", "kwh")
    for place, wh in enumerate(found.hours):
        yield (place // 24 + 1, place % 24, Decimal(f"{wh / 1000:.3f}"))


def _periods(query: HistoryQuery, last: date, zone: ZoneInfo) -> list[Period]:
    """Return the days, or the whole months, from the first wanted day to the last; if they are too
    many, the last ones.

    Raises Problem for what is no day.
    """
    until = last if query.before is None else local_day(query.before, "to") - timedelta(days=1)
    since = _first(query, until) if query.since is None else local_day(query.since, "from")
    return [*(_days if query.by == "day" else _months)(since, until, zone)]


def _first(query: HistoryQuery, until: date) -> date:
    """Return the first day if none is given."""
    if query.by == "day":
        return until - timedelta(days=DAYS - 1)
    return Month(until.year - 1, until.month).next.first_day


def _days(since: date, until: date, zone: ZoneInfo) -> Iterator[Period]:
    since = max(since, until - timedelta(days=MOST_DAYS - 1))
    for number in range((until - since).days + 1):
        day = since + timedelta(days=number)
        yield Period(
            name=str(day),
            since=begins_at(day, zone),
            before=begins_at(day + timedelta(days=1), zone),
        )


def _months(since: date, until: date, zone: ZoneInfo) -> Iterator[Period]:
    last = Month.of(until)
    month = max(Month.of(since), Month(last.year - MOST_YEARS, last.number).next)
    while since <= until and month <= last:
        after = month.next
        yield Period(
            name=str(month),
            since=begins_at(month.first_day, zone),
            before=begins_at(after.first_day, zone),
        )
        month = after
