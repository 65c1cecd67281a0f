"""Fetches the prices of series from their sources: tomorrow's from one o'clock until they are
there, and those of days behind that are missing.

Nothing is guessed: what a source does not tell stays missing, and people are told on the first
evening.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import partial
from typing import Final

import trio

from levity_trio import __version__
from levity_trio.billing.months import beginning
from levity_trio.charging.quarters import quarter_of
from levity_trio.clock import Clock
from levity_trio.outgoing.addresses import check_address
from levity_trio.outgoing.request import Unanswered, get, leading_to
from levity_trio.prices.reading import PriceSource, PricesRefused, ReadingTerms, read
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.retrying import surviving
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.money import series as reads
from levity_trio.store.reads.money.series import SeriesState
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.money.series import add_prices, keep_fetch
from levity_trio.store.writes.people.ownership import Said
from levity_trio.told import Day, Told
from levity_trio.wire.secrets import masked_url
from levity_trio.wire.times import in_zone, stamp

MOST_BYTES: Final = 1_000_000
FETCH_SECONDS: Final = 20.0
OK: Final = 200
KNOWN_FROM: Final = 13
"""The hour of the site's clock from which a market may have the prices of tomorrow."""
TOLD_FROM: Final = 20
"""The hour from which people are told that it has none."""
DAYS_BEHIND: Final = 62
"""The last month and this one are wanted for a preview."""
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(minutes=15)
LOOK_SECONDS: Final = 20.0


async def fetch(source: PriceSource, day: date, terms: ReadingTerms) -> dict[int, Decimal]:
    """Return what a source tells for a local day, which may be more than its prices. Raises
    PricesRefused, Unanswered."""
    response = await get(
        leading_to(source.address(day, terms.zone)),
        FETCH_SECONDS,
        headers={"user-agent": f"levity-trio/{__version__}"},
        check_peer=check_address,
        most_bytes=MOST_BYTES + 1,
    )
    if response.status != OK:
        raise PricesRefused(Told("it answers with status {1}", response.status))
    if len(response.body) > MOST_BYTES:
        raise PricesRefused(Told("it has more than {1} bytes", MOST_BYTES))
    return await trio.to_thread.run_sync(read, response.body, source, terms)


def with_address(series: SeriesState, sealed: str | None, key: SecretKey) -> PriceSource:
    """Return the source of a series with its whole address. Raises PricesRefused if a secret in it
    was sealed by another key."""
    source = PriceSource(**series.source)
    if sealed is None:
        return source
    address = key.opened(sealed)
    if address is None:
        raise PricesRefused(Told("its address has a key that is not known here; enter it again"))
    return replace(source, url=address)


class _SourcePace:
    """When a source is asked again, and on which day it was asked for the days behind."""

    def __init__(self, now: datetime) -> None:
        self.again, self.pause = now, SHORTEST
        self.behind_on: date | None = None


class Fetching:
    """What fetches the series of a site."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        clock: Clock,
        zone: tzinfo,
        key: SecretKey | None = None,
    ) -> None:
        self.writer, self._reader, self._clock, self._zone = writer, reader, clock, zone
        self._key = key or SecretKey(None)
        self._plans: dict[tuple[int, str], _SourcePace] = {}

    async def look(self) -> None:
        """Ask the sources that are due."""
        for series in await self._reader.run(reads.series):
            now = self._clock()
            plan = self._plans.setdefault((series.id, str(series.source)), _SourcePace(now))
            if plan.again <= now:
                await self._attempt(series, plan, now)

    async def _attempt(self, series: SeriesState, plan: _SourcePace, now: datetime) -> None:
        """Ask for the days that lack prices, and tell people if they need one of them."""
        local = in_zone(now, self._zone)
        today, tomorrow = local.date(), local.date() + timedelta(1)
        needed = [today, tomorrow] if local.hour >= KNOWN_FROM else [today]
        behind = [today - timedelta(days) for days in range(1, DAYS_BEHIND)]
        first = quarters_of(behind[-1], self._zone).start
        span = range(first, quarters_of(needed[-1], self._zone).stop)
        read = partial(reads.prices, number=series.id, first=first, last=span.stop)
        known = {*await self._reader.run(read)}

        asked, failures = set[str](), list[str]()
        sealed = await self._reader.run(partial(reads.sealed_address, number=series.id))
        days = needed + (behind if plan.behind_on != today else [])
        source = PriceSource(**series.source)
        try:
            source = with_address(series, sealed, self._key)
        except PricesRefused as refused:
            failures, days = [refused.args[0]], []
        for day in days:
            address = source.address(day, self._zone)
            if address in asked or known.issuperset(quarters_of(day, self._zone)):
                continue
            asked.add(address)
            try:
                failure = await self._ask(series, source, day, span, known)
            except Unanswered as unanswered:
                failures.append(unanswered.args[0])
                break
            if failure is not None:
                failures.append(failure)
        else:
            plan.behind_on = today

        lacking = [day for day in needed if not known.issuperset(quarters_of(day, self._zone))]
        if lacking and not failures:
            failures.append(Told("it lacks prices of {1}", Day(lacking[0])))
        # Nobody needs tomorrow's prices in the afternoon.
        if lacking == [tomorrow] and local.hour < TOLD_FROM:
            lacking = []
        failure = failures[0] if failures else None
        missing = lacking[0] if lacking else None
        await self.writer.run(keep_fetch, series.id, failure, missing, stamp(self._clock()))
        plan.pause = min(2 * plan.pause, LONGEST) if failures else LONGEST
        plan.again = now + plan.pause

    async def _ask(
        self, series: SeriesState, source: PriceSource, day: date, span: range, known: set[int]
    ) -> str | None:
        """Ask for a day and store what is told of the span, which is known then; return what was
        lacking. Raises Unanswered."""
        now = self._clock()
        try:
            found = await fetch(source, day, ReadingTerms(series.currency, self._zone, now))
        except PricesRefused as refused:
            return str(refused.args[0])
        within = {quarter: found[quarter] for quarter in found if quarter in span}
        address = masked_url(source.address(day, self._zone)).partition("?")[0]
        added = await self.writer.run(add_prices, series.id, within, Said(stamp(now), address))
        known.update(within)
        return added.words if added.kept else None


def quarters_of(day: date, zone: tzinfo) -> range:
    """Return the quarters of a local day, of which it may have 92 or 100."""
    begin, end = (beginning(one, zone) for one in (day, day + timedelta(1)))
    return range(quarter_of(begin.timestamp()), quarter_of(end.timestamp()))


@asynccontextmanager
async def open_prices(
    fetching: Fetching, speed: int, is_clock_trusted: Callable[[], bool]
) -> AsyncIterator[None]:
    """Run a task that fetches prices until the block is left. `speed` is that of the clock."""

    async def keep_on() -> None:
        await fetching.writer.sharing.duties.wait()
        while True:
            if is_clock_trusted():
                with surviving("prices could not be fetched"):
                    await fetching.look()
            await trio.sleep(max(1.0, LOOK_SECONDS / speed))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_on)
        yield
        nursery.cancel_scope.cancel()
