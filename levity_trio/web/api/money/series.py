"""Price series: where their prices come from, what they are, and how they are corrected."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal

import trio
from msgspec import Meta

from levity_trio.billing.money import typed_number
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.nouns import Name
from levity_trio.outgoing.request import Unanswered
from levity_trio.prices.fetching import fetch, quarters_of, with_address
from levity_trio.prices.reading import (
    HIGHEST,
    PRESETS,
    PriceSource,
    PricesRefused,
    ReadingTerms,
    holes,
    read,
)
from levity_trio.records import Personal, copied, names_of, record
from levity_trio.store.billing.quarters import CorrectedPrices
from levity_trio.store.reads.money import tariffs as stored
from levity_trio.store.reads.money.tariffs import SeriesState
from levity_trio.store.reads.pages import ListPage, WantedPage
from levity_trio.store.writes.money.tariffs import SeriesData, add_prices, set_series
from levity_trio.told import Told
from levity_trio.web.api.engine.endpoints import (
    CREATED,
    ClientInput,
    Endpoints,
    Request,
    Role,
    StreamedBody,
    TypedRequest,
    Values,
    changes_of,
    content_of,
    local_today,
)
from levity_trio.web.api.engine.lists import (
    CSV,
    GivenEnd,
    GivenTime,
    LocalDay,
    OfName,
    Paged,
    local_day,
    local_moment,
    page,
    wanted,
)
from levity_trio.web.api.engine.problems import conflict, invalid, not_found, refusal
from levity_trio.web.api.money.wallets import Currency
from levity_trio.web.api.people.accounts import said
from levity_trio.wire.secrets import MASK, masked_url
from levity_trio.wire.times import from_seconds, stamp

TAG: Final = "tariffs"
ENDPOINTS: Final = Endpoints(TAG)
EVERY: Final = "/api/admin/series"
ONE: Final = f"{EVERY}/{{id}}"
MOST_BYTES: Final = 4 * 1024 * 1024
MOST_AT_ONCE: Final = 400 * 96
"""Prices of an import: more than a year would hold up all else that is stored."""
MOST_DAYS: Final = 62
MOST_QUARTERS: Final = MOST_DAYS * 96
MOST_SHOWN: Final = 100
"""Prices of an answer: those of a day."""

Path = Annotated[str, Meta(max_length=200)]
Unit = Annotated[str, Meta(max_length=20, examples=["EUR/MWh", "ct/kWh", "EUR/kWh"])]
Reason = Annotated[Personal[str], Meta(max_length=500)] | None
Form = Literal["json", "csv"]
Minutes = (
    Annotated[
        Literal[15, 30, 60],
        Meta(description="For how many a row holds if the rows around it do not tell."),
    ]
    | None
)


class SeriesBody(ClientInput):
    """A series of prices for a kWh, and where they are fetched: from a `url`, or as from one of the
    public sources (`preset`), of which what is given differs. Without both, people enter them.

    In JSON, `list` is the path to a list of objects, in which `time` and `price` are paths; if it
    leads to an object, they are the paths of two lists beside each other. In CSV, these are names
    of columns.
    """

    name: Name
    currency: Currency
    prices: Annotated[Literal["gross", "net"], Meta(description="With tax or without.")] = "net"
    preset: Literal["energy-charts", "awattar", "smard"] | None = None
    url: (
        Annotated[
            str,
            Meta(
                max_length=1000,
                description="Where the day stands in it, put the word date in braces.",
            ),
        ]
        | None
    ) = None
    form: Form | None = None
    list: Path | None = None
    time: Path | None = None
    price: Path | None = None
    unit: Unit | None = None
    minutes: Minutes = None


@changes_of(SeriesBody)
class SeriesChangeBody(ClientInput):
    """What is to change of a series; the rest stays. An empty `url`: it is fetched nowhere."""


class SeriesQuery(Paged):
    name: OfName = None


class PricesQuery(ClientInput):
    """The first and the last day; today and tomorrow by default."""

    since: LocalDay | None = None
    until: LocalDay | None = None


class PriceImportQuery(ClientInput):
    """How a document is read, as it is said of a source; with a `reason`, its prices replace those
    that are stored."""

    form: Form = "csv"
    list: Path = ""
    time: Path = "time"
    price: Path = "price"
    unit: Unit | None = None
    minutes: Minutes = None
    reason: Reason = None


class StretchBody(ClientInput):
    """What each kWh costs from one time to another; with a `reason`, this replaces the prices that
    are stored."""

    since: GivenTime
    until: GivenEnd
    price: Annotated[str, Meta(max_length=20, examples=["0.0954"])]
    reason: Reason = None


class FetchBody(ClientInput):
    """The day whose prices are fetched, today by default."""

    day: LocalDay | None = None


@record
class PriceAt:
    """What a kWh costs in the quarter of an hour that begins at a time."""

    at: str
    price: str


@record
class SeriesPrices:
    """Prices in the order of time."""

    prices: list[PriceAt]


@record
class ShownPrices(SeriesPrices):
    """Prices, with who corrected some of them, and why."""

    corrections: list[CorrectedPrices]


@record
class TakenPrices(SeriesPrices):
    """Prices that were read. `added` is how many of them are stored now, `same` how many were
    stored before; `kept` of them contradict a stored price, which stays: `words` say so."""

    added: int
    same: int
    kept: int
    words: str | None
    lacks: str | None


@ENDPOINTS.get(EVERY, Role.OPERATOR)
async def list_series(request: TypedRequest[SeriesQuery, None]) -> ListPage[SeriesState]:
    """List the price series, by their names."""
    query = request.query
    return await page(request, stored.pages, name=query.name, wanted=wanted(query))


@ENDPOINTS.post(EVERY, Role.ADMIN, "in_use", status=CREATED)
async def create_series(request: TypedRequest[None, SeriesBody]) -> SeriesState:
    """Add a price series."""
    return await _set(request, request.body.given(), None)


@ENDPOINTS.get(ONE, Role.OPERATOR, "not_found")
async def get_series(request: Request) -> SeriesState:
    """Show a price series: until when its prices are known, and how fetching them goes."""
    return await _found(request, request.number())


@ENDPOINTS.patch(ONE, Role.ADMIN, "not_found", "in_use", "conflict")
async def change_series(request: TypedRequest[None, SeriesChangeBody]) -> SeriesState:
    """Change a price series. Its currency and kind stay once it has prices."""
    series = await _found(request, request.number())
    return await _set(request, asdict(series) | request.body.given(), series.id)


async def _set(request: Request, fields: Values, number: int | None) -> SeriesState:
    source, known = source_of(fields), fields.get("source") or {}
    address = None
    if source is not None and MASK in str(source.url):
        if number is None or source.url != known.get("url"):
            raise invalid("url", Told("enter the address with its key, which is not shown"))
        address = await request.read(stored.sealed_address, number)
    elif source is not None and source.url != masked_url(str(source.url)):
        address = request.api.key.sealed(str(source.url))
        source = replace(source, url=masked_url(str(source.url)))
    data = SeriesData(
        name=fields["name"].strip(),
        currency=fields["currency"],
        prices=fields["prices"],
        source=None if source is None else json.dumps(asdict(source)),
        address=address,
    )
    done = await request.commit(set_series, data, said(request, None), number)
    return await _found(request, done.id)


def source_of(fields: Values) -> PriceSource | None:
    """Return the source that fields of a body name; those of `source` stay. Raises Problem."""
    given = {name: fields[name] for name in names_of(PriceSource) if fields.get(name) is not None}
    if fields.get("preset"):
        source = PRESETS[fields["preset"]]
    else:
        source = PriceSource(**(fields.get("source") or {}))
        given.setdefault("url", fields.get("url", source.url))
    source = replace(source, **given)
    if not source.url:
        return None
    try:
        source.check(fields["currency"])
    except PricesRefused as refused:
        raise invalid("url", refused.args[0]) from None
    return source


async def _found(request: Request, number: int) -> SeriesState:
    for series in await request.read(stored.series, number):
        return series
    raise not_found(Told("price series {1}", number))


# Prices


@ENDPOINTS.get(f"{ONE}/prices", Role.OPERATOR, "not_found")
async def list_prices(request: TypedRequest[PricesQuery, None]) -> ShownPrices:
    """Show the prices of some days, as far as they are known, and who corrected some of them."""
    series, query = await _found(request, request.number()), request.query
    today = local_today(request.api)
    since = local_day(query.since, "since") if query.since else today
    until = local_day(query.until, "until") if query.until else since + timedelta(1)
    if not since <= until <= since + timedelta(MOST_DAYS):
        raise invalid("until", Told("give a day up to {1} days after the first", MOST_DAYS))
    first, last = quarters_of(since, request.zone).start, quarters_of(until, request.zone).stop - 1
    span = (series.id, first, last)
    return ShownPrices(
        prices=_shown(await request.read(stored.prices, *span)),
        corrections=await request.read(stored.corrections, *span),
    )


def _shown(prices: Mapping[int, object]) -> list[PriceAt]:
    times = {quarter: stamp(from_seconds(quarter * SECONDS)) for quarter in sorted(prices)}
    return [PriceAt(at=at, price=f"{prices[quarter]}") for quarter, at in times.items()]


@ENDPOINTS.post(f"{ONE}/prices", Role.ADMIN, "not_found")
async def enter_prices(request: TypedRequest[None, StretchBody]) -> TakenPrices:
    """Enter one price for all quarters of an hour of a stretch."""
    series, body = await _found(request, request.number()), request.body
    price = typed_number(body.price)
    if price is None or abs(price) > HIGHEST:
        raise invalid("price", Told("give a price of at most {1} for a kWh", HIGHEST))
    ends = list[int]()
    for name in ("since", "until"):
        at = datetime.fromisoformat(str(local_moment(getattr(body, name), name, request.zone)))
        if at.timestamp() % SECONDS:
            raise invalid(name, Told("give a time at which a quarter of an hour begins"))
        ends.append(quarter_of(at.timestamp()))
    if not 0 < ends[1] - ends[0] <= MOST_QUARTERS:
        raise invalid("until", Told("give a time up to {1} days after the first", MOST_DAYS))
    return await _added(request, series, dict.fromkeys(range(*ends), price), body.reason)


@ENDPOINTS.post(f"{ONE}/import", Role.ADMIN, "not_found", "too_large", body=StreamedBody(CSV))
async def import_prices(
    request: TypedRequest[PriceImportQuery, AsyncGenerator[bytes, None]],
) -> TakenPrices:
    """Add prices from a document, CSV or JSON: all of it, or nothing and what is wrong with it."""
    series, query = await _found(request, request.number()), request.query
    document = await content_of(request, MOST_BYTES)
    source = copied(PriceSource, query, url=None, unit=query.unit or f"{series.currency}/kWh")
    try:
        terms = ReadingTerms(series.currency, request.zone, request.api.now())
        prices = await trio.to_thread.run_sync(read, document, source, terms)
    except PricesRefused as refused:
        raise invalid("body", refused.args[0]) from None
    if len(prices) > MOST_AT_ONCE:
        raise invalid("body", Told("it has more than a year; give a file for each"))
    return await _added(request, series, prices, query.reason)


@ENDPOINTS.post(f"{EVERY}/try", Role.ADMIN, "no_answer")
async def try_source(request: TypedRequest[None, SeriesBody]) -> SeriesPrices:
    """Fetch the prices of today for a series that is not stored, and show them."""
    source = source_of(request.body.given())
    if source is None:
        raise invalid("url", Told("give a source"))
    page = WantedPage(limit=1)
    # The address of a stored one comes as it is shown.
    for series in (await request.read(stored.pages, request.body.name, page)).data:
        if series.source is not None and series.source["url"] == source.url:
            source = replace(source, url=(await _source(request, series)).url)
    today = local_today(request.api)
    return SeriesPrices(
        prices=_shown(await _fetched(request, source, request.body.currency, today))
    )


@ENDPOINTS.post(f"{ONE}/fetch", Role.ADMIN, "not_found", "conflict", "no_answer")
async def fetch_prices(request: TypedRequest[None, FetchBody]) -> TakenPrices:
    """Fetch the prices of a day now, and store those that are new."""
    series, body = await _found(request, request.number()), request.body
    if series.source is None:
        raise conflict(Told("{1} has no source; people enter its prices", series.name))
    day = local_day(body.day, "day") if body.day else local_today(request.api)
    source = await _source(request, series)
    prices = await _fetched(request, source, series.currency, day)
    return await _added(request, series, prices, None)


async def _source(request: Request, series: SeriesState) -> PriceSource:
    sealed = await request.read(stored.sealed_address, series.id)
    try:
        return with_address(series, sealed, request.api.key)
    except PricesRefused as refused:
        raise conflict(refused.args[0]) from None


async def _fetched(
    request: Request, source: PriceSource, currency: str, day: date
) -> dict[int, Decimal]:
    try:
        prices = await fetch(source, day, ReadingTerms(currency, request.zone, request.api.now()))
    except (PricesRefused, Unanswered) as refused:
        raise refusal("no_answer", refused.args[0]) from None
    return {one: prices[one] for one in quarters_of(day, request.zone) if one in prices}


async def _added(
    request: Request, series: SeriesState, prices: Mapping[int, Decimal], reason: str | None
) -> TakenPrices:
    done = await request.commit(add_prices, series.id, prices, said(request, reason))
    return TakenPrices(
        prices=_shown(prices) if len(prices) <= MOST_SHOWN else [],
        added=done.added,
        same=done.same,
        kept=len(done.kept),
        words=done.words if done.kept else None,
        lacks=holes(prices),
    )
