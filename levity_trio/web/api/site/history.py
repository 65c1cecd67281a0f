"""Energy by the quarter of an hour, day or month, and costs: of the site, chargers and accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta
from starlette.responses import Response, StreamingResponse

from levity_trio.billing.money import CURRENCIES
from levity_trio.billing.months import Month, beginning
from levity_trio.billing.tariff_values import YEARS
from levity_trio.charging.quarters import SECONDS
from levity_trio.documents.cells import inert
from levity_trio.store.engine.database import Database, rows_of
from levity_trio.store.reads.load.load_day import SunDay, sun_day
from levity_trio.store.reads.transactions.costs import (
    Grouping,
    History,
    Period,
    WantedSeries,
    series,
    with_costs,
)
from levity_trio.store.reads.transactions.power import (
    DayPower,
    HouseholdQuarter,
    HouseholdSpan,
    OfWeek,
    WeekHistory,
    hours_of_week,
    household_quarters,
    households,
    power_of_day,
)
from levity_trio.store.reads.transactions.transactions import (
    ACTIVE,
    TransactionFilters,
    open_among,
)
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    ClientInput,
    Endpoints,
    Role,
    Server,
    TypedRequest,
    local_today,
    rule_of,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    Cell,
    LocalDay,
    MonthName,
    OfAccount,
    OfCharger,
    begins_at,
    encoded,
    in_parts,
    local_day,
)
from levity_trio.web.api.engine.problems import refusal
from levity_trio.web.api.money.billing import month_named
from levity_trio.wire.times import from_seconds, in_zone, stamp

ENDPOINTS: Final = Endpoints("history")

MOST_DAYS: Final = 400
MOST_YEARS: Final = 20
DAYS: Final = 30
"""Shown without `from`; months are those of a year."""
DAY: Final = timedelta(days=1)
WEEKS_DAYS: Final = 28
OF_QUARTER: Final = (
    "household",
    "name",
    "quarter",
    "local_time",
    "kwh",
    "sun_kwh",
    "state",
    "sun_state",
)

Format = Annotated[Literal["json", "csv"], Meta(description="As JSON, or the same as CSV.")]


class HistoryQuery(ClientInput, rename={"since": "from", "before": "to"}):
    """Periods from the one with the day `from` on, before the day `to` (by default, up to
    today).

    - by: The length of a period.
    - of: Whose: that of the site, of each charger, or of each household.
    + costs: With what the sessions cost.
    """

    by: Literal["day", "month"] = "day"
    of: Grouping = Grouping.SITE
    since: LocalDay | None = None
    before: LocalDay | None = None
    charger: OfCharger = None
    account: OfAccount = None
    costs: bool = False
    format: Format = "json"


class WeekQuery(ClientInput, rename={"since": "from", "before": "to"}):
    """A span from the day `from` on, before the day `to` (by default, up to today)."""

    since: LocalDay | None = None
    before: LocalDay | None = None
    charger: OfCharger = None
    account: OfAccount = None
    format: Format = "json"


class QuartersQuery(ClientInput, rename={"since": "from", "before": "to"}):
    """Of a month, and of the days from `from` on, before `to`; without any, all.

    - since (--from DAY): From this day on.
    - before (--to DAY): Before this day.
    - account (--household HOUSEHOLD)
    """

    month: MonthName | None = None
    since: LocalDay | None = None
    before: LocalDay | None = None
    account: OfAccount = None


class PowerQuery(ClientInput):
    """The day; by default, today."""

    day: LocalDay | None = None


@ENDPOINTS.get("/api/power", Role.VIEWER)
async def get_power(request: TypedRequest[PowerQuery, None]) -> DayPower:
    """Show the energy of a day by the quarter of an hour: of the site, of each charger, and of the
    day before. Two years are kept."""
    day = None if request.query.day is None else local_day(request.query.day, "day")
    return await request.read(read_power, server=request.api, wanted=day)


def read_power(db: Database, server: Server, wanted: date | None = None) -> DayPower:
    """Return the energy of a day; by default, of today."""
    zone = server.config.time_zone
    day = wanted or local_today(server)
    times = [begins_at(begin, zone) for begin in (day - DAY, day, day + DAY)]
    return power_of_day(db, day=str(day), zone=str(zone), times=times, now=server.stamp())


@ENDPOINTS.get("/api/sun", Role.VIEWER)
async def get_sun(request: TypedRequest[PowerQuery, None]) -> SunDay:
    """Show a day of the house's own sun by the quarter of an hour, and how much of it went into
    cars. It is kept as long as bills."""
    day = None if request.query.day is None else local_day(request.query.day, "day")
    return await request.read(read_sun, server=request.api, wanted=day)


def read_sun(db: Database, server: Server, wanted: date | None = None) -> SunDay:
    """Return the sun of a day; by default, of today."""
    return sun_day(db, read_power(db, server, wanted))


@ENDPOINTS.get("/api/history", Role.VIEWER, "forbidden", other_media_types=(CSV,))
async def get_history(request: TypedRequest[HistoryQuery, None]) -> History | Response:
    """Show the energy of each day or month, by the end of sessions; 400 days or 20 years at most.
    Costs are those of closed statements, else of today's tariffs and facts."""
    query = request.query
    is_by_household = query.of is Grouping.ACCOUNT or query.account is not None
    if (is_by_household or query.costs) and not request.sees_all:
        words = Told("history by household, and costs, need a token with the role operator")
        raise refusal("forbidden", words)
    history = await request.read(read_history, server=request.api, query=query)
    if query.format == "csv":
        return Response(encoded(_rows(history)), media_type=CSV)
    return history


def read_history(db: Database, server: Server, query: HistoryQuery) -> History:
    """Return the energy of each period. Raises Problem."""
    zone, wanted = server.config.time_zone, WantedSeries(query.of, query.charger, query.account)
    since, until = _given_days(server, query)
    if since is None and query.by == "day":
        since = until - timedelta(days=DAYS - 1)
    elif since is None:
        since = Month(until.year - 1, until.month).next.first_day

    periods = [*_periods(query.by, since, until, zone)]
    found, left_out_wh = series(db, wanted, periods), 0
    if query.of is Grouping.ACCOUNT:
        every = series(db, wanted._replace(of=Grouping.SITE), periods)
        left_out_wh = sum(one.total.energy_wh for one in every)
        left_out_wh -= sum(one.total.energy_wh for one in found)
    running = TransactionFilters(status=ACTIVE, charger=query.charger, account=query.account)
    is_present = bool(periods) and periods[-1].before > server.stamp()
    history = History(
        by=query.by,
        of=query.of,
        time_zone=str(zone),
        periods=periods,
        series=found,
        open_wh=open_among(rows_of(db), running).wh if is_present else 0,
        left_out_wh=left_out_wh,
    )
    if query.costs and periods:
        return with_costs(rows_of(db), history, wanted, rule_of(server))
    return history


def _given_days(server: Server, query: HistoryQuery | WeekQuery) -> tuple[date | None, date]:
    """Return the first day that is asked for, and the last one, by default today. Raises
    Problem."""
    until = local_today(server)
    if query.before is not None:
        until = local_day(query.before, "to") - DAY
    return None if query.since is None else local_day(query.since, "from"), until


def _rows(history: History) -> Iterator[tuple[str | int | Decimal, ...]]:
    """Yield the rows of a file: a line for each period and series in which somebody charged."""
    counted = ("kwh", "sessions", "in_doubt")
    yield "period", history.of, "name", *counted, "amount", "unbilled", "currency"
    exponent = CURRENCIES[history.currency].exponent if history.currency else 0
    for place, period in enumerate(history.periods):
        for listed in history.series:
            figures = listed.figures[place]
            if not figures.sessions:
                continue
            key = listed.charger if listed.account is None else listed.account
            begin = period.name, _cell(key), _cell(listed.name)
            sessions = _kwh(figures.energy_wh), figures.sessions, figures.doubtful
            amounts = _units(figures.amount, exponent), _units(figures.unbilled, exponent)
            yield *begin, *sessions, *amounts, history.currency or ""


def _cell(value: str | int | None) -> str:
    return str(inert("" if value is None else str(value)))


def _kwh(wh: int) -> Decimal:
    return Decimal(f"{wh / 1000:.3f}")


def _units(amount: int | None, exponent: int) -> str | Decimal:
    return "" if amount is None else Decimal(amount).scaleb(-exponent)


@ENDPOINTS.get("/api/history/week", Role.VIEWER, "forbidden", other_media_types=(CSV,))
async def get_week(request: TypedRequest[WeekQuery, None]) -> WeekHistory | Response:
    """Show the energy by the hour of the week, of 400 days at most; without `from`, of four
    weeks."""
    query = request.query
    if query.account is not None and not request.sees_all:
        words = Told("history by household needs a token with the role operator")
        raise refusal("forbidden", words)
    week = await request.read(read_week, server=request.api, query=query)
    if query.format != "csv":
        return week
    rows: list[tuple[str | int | Decimal, ...]] = [("weekday", "hour", "kwh")]
    for place, wh in enumerate(week.hours):
        weekday, hour = divmod(place, 24)
        rows.append((weekday + 1, hour, _kwh(wh)))
    return Response(encoded(rows), media_type=CSV)


def read_week(db: Database, server: Server, query: WeekQuery) -> WeekHistory:
    """Return the energy by the hour of the week. Raises Problem."""
    zone = server.config.time_zone
    first, last = _given_days(server, query)
    first = first or last - timedelta(days=WEEKS_DAYS - 1)
    first = max(first, last - timedelta(days=MOST_DAYS - 1))
    # A span that would end before it begins is its last day.
    since, before = begins_at(min(first, last), zone), begins_at(last + DAY, zone)
    return hours_of_week(db, OfWeek(since, before, zone, query.charger, query.account))


# For who settles with households


@ENDPOINTS.get("/api/admin/quarter-export", Role.OPERATOR, media_type=CSV)
async def export_quarters(request: TypedRequest[QuartersQuery, None]) -> StreamingResponse:
    """Download the energy of households by the quarter of an hour, as CSV. Quarters without energy
    are left out; where state is missing, the figure of a session is not certain yet, and its energy
    is not in kwh."""
    server, query = request.api, request.query
    months = [*_months(server, query)]
    last = months[-1][1] if months else server.now()
    found = await request.read(households, until=stamp(last), account=query.account)

    async def parts() -> AsyncIterator[Iterable[Iterable[Cell]]]:
        # One month of one household at once, so that a year needs no more memory.
        for household in found:
            for since, until in months:
                if household.first < stamp(until):
                    read = partial(household_quarters, account=household.account)
                    quarters = await server.reader.run(partial(read, since=since, until=until))
                    zone = server.config.time_zone
                    yield (_quarter_row(household, one, zone) for one in quarters)

    return in_parts(OF_QUARTER, parts())


def _months(server: Server, query: QuartersQuery) -> Iterator[tuple[datetime, datetime]]:
    """Yield the months that are wanted, or what is wanted of them, up to now. Raises Problem."""
    zone, until = server.config.time_zone, server.now()
    since = beginning(date(YEARS.start, 1, 1), zone)
    if query.month is not None:
        month = month_named(query.month)
        since, until = month.since(zone), min(until, month.until(zone))
    if query.since is not None:
        since = max(since, beginning(local_day(query.since, "from"), zone))
    if query.before is not None:
        until = min(until, beginning(local_day(query.before, "to"), zone))
    while since < until:
        after = Month.of(in_zone(since, zone)).until(zone)
        yield since, min(until, after)
        since = after


def _quarter_row(household: HouseholdSpan, one: HouseholdQuarter, zone: ZoneInfo) -> list[Cell]:
    begin = from_seconds(one.quarter * SECONDS)
    local = in_zone(begin, zone).isoformat(timespec="seconds")
    kwh, sun = (None if wh is None else _kwh(wh) for wh in (one.wh, one.sun_wh))
    return [
        *(household.account, household.name, f"{begin:%Y-%m-%dT%H:%M:%SZ}", local),
        *(kwh, sun, one.state, one.sun_state),
    ]


def _periods(by: str, since: date, until: date, zone: ZoneInfo) -> Iterator[Period]:
    """Yield the days, or the whole months with the days, from the first to the last; if they are
    too many, the last ones."""
    last = Month.of(until)
    day = max(since, until - timedelta(days=MOST_DAYS - 1))
    if by == "month":
        earliest = Month(last.year - MOST_YEARS, last.number).next
        day = max(Month.of(since), earliest).first_day
    while since <= until and day <= until:
        month = Month.of(day)
        after = day + DAY if by == "day" else month.next.first_day
        begin, end = begins_at(day, zone), begins_at(after, zone)
        yield Period(name=str(day if by == "day" else month), since=begin, before=end)
        day = after
