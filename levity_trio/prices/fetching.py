"""Fetches the prices of series from their sources: tomorrow's from one o'clock until they are
there, and those of days behind that are missing.

Nothing is guessed: what a source does not tell stays missing, and people are told on the first
evening.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import trio

from levity_trio import __version__
from levity_trio.billing.months import beginning
from levity_trio.charging.quarters import SECONDS, quarter_of
from levity_trio.clock import Clock
from levity_trio.outgoing.addresses import check_address
from levity_trio.outgoing.request import Unanswered, get, leading_to
from levity_trio.prices.reading import PriceSource, PricesRefused, ReadingTerms, read
from levity_trio.store.beside.secret_key import SecretKey
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.money import tariffs as reads
from levity_trio.store.reads.money.tariffs import SeriesState
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.money.tariffs import add_prices, keep_fetch
from levity_trio.store.writes.people.ownership import Said
from levity_trio.told import Day, Moment, Told
from levity_trio.wire.times import from_seconds, in_zone, stamp

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
PACE_SECONDS: Final = 2.0
"""Between two requests to a source that tells one day at a time."""
BUSY: Final = (429, 503)
MOST_WAIT: Final = timedelta(1)
MARKET: Final = ZoneInfo("Europe/Brussels")
"""By whose days the markets of Europe tell their prices."""


class SourceIsBusy(PricesRefused):
    """A source was asked too often; `wait` is for how long it wants to be left alone."""

    def __init__(self, words: Told, wait: timedelta) -> None:
        super().__init__(words)
        self.wait = wait


async def fetch(
    source: PriceSource, day: date, terms: ReadingTerms, last: date | None = None
) -> dict[int, Decimal]:
    """Return what a source tells for a local day, or until another one, which may be more than its
    prices. Raises PricesRefused, Unanswered."""
    response = await get(
        leading_to(source.address(day, terms.zone, last)),
        FETCH_SECONDS,
        headers={"user-agent": f"levity-trio/{__version__}"},
        check_peer=check_address,
        most_bytes=MOST_BYTES + 1,
    )
    if response.status in BUSY:
        words = Told("it answers with status {1}", response.status)
        raise SourceIsBusy(words, _wait(response.retry_after, terms.now))
    if response.status != OK:
        raise PricesRefused(Told("it answers with status {1}", response.status))
    if len(response.body) > MOST_BYTES:
        raise PricesRefused(Told("it has more than {1} bytes", MOST_BYTES))
    return await trio.to_thread.run_sync(read, response.body, source, terms)


def _wait(retry_after: str, now: datetime) -> timedelta:
    """Return for how long a source wants to be left alone, at most a day."""
    wait = SHORTEST
    with suppress(ValueError, OverflowError):
        if retry_after.isdecimal():
            wait = timedelta(seconds=int(retry_after))
        else:
            wait = parsedate_to_datetime(retry_after) - now
    return min(max(wait, SHORTEST), MOST_WAIT)


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
    """When a source is asked again, whether it is asked now, and on which day it was asked for the
    days behind."""

    def __init__(self, now: datetime) -> None:
        self.again, self.pause = now, SHORTEST
        self.is_asked = False
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
        async with trio.open_nursery() as nursery:
            for ask in await self.due():
                nursery.start_soon(ask)

    async def due(self) -> list[Callable[[], Awaitable[None]]]:
        """Return what asks each source that is due; it may take minutes."""
        found = list[Callable[[], Awaitable[None]]]()
        for series in await self._reader.run(reads.series):
            now = self._clock()
            plan = self._plans.setdefault((series.id, str(series.source)), _SourcePace(now))
            if plan.again <= now and not plan.is_asked:
                plan.is_asked = True
                found.append(partial(self._attempt, series, plan, now))
        return found

    async def _attempt(self, series: SeriesState, plan: _SourcePace, now: datetime) -> None:
        """Ask for the days that lack prices, and tell people if they need one of them."""
        try:
            with surviving("prices could not be fetched", series=series.name):
                await self._ask_for_all(series, plan, now)
        finally:
            plan.is_asked = False

    async def _ask_for_all(self, series: SeriesState, plan: _SourcePace, now: datetime) -> None:
        local = in_zone(now, self._zone)
        today, tomorrow = local.date(), local.date() + timedelta(1)
        needed = [today, tomorrow] if local.hour >= KNOWN_FROM else [today]
        behind = [today - timedelta(days) for days in range(1, DAYS_BEHIND)]
        first = quarters_of(behind[-1], self._zone).start
        span = range(first, quarters_of(needed[-1], self._zone).stop)
        read = partial(reads.prices, number=series.id, first=first, last=span.stop)
        known = {*await self._reader.run(read)}
        sealed = await self._reader.run(partial(reads.sealed_address, number=series.id))

        failures, wait = list[str](), timedelta()
        # The prices of tomorrow may have the last hour of today with them.
        groups = [needed[::-1], [] if plan.behind_on == today else behind]
        try:
            source = with_address(series, sealed, self._key)
            for number, days in enumerate(self._requests(source, groups, known)):
                if number:
                    await trio.sleep(PACE_SECONDS)
                failure = await self._ask(series, source, days, span, known)
                if failure:
                    failures.append(failure)
            plan.behind_on = today
        except SourceIsBusy as busy:
            failures, wait = [busy.args[0]], busy.wait
        except (PricesRefused, Unanswered) as refused:
            failures.append(refused.args[0])

        start = quarters_of(today, self._zone).start
        lacking = [one for one in range(start, self._end(needed[-1], known)) if one not in known]
        if lacking and not failures:
            failures.append(self._lack(lacking))
        # Nobody needs tomorrow's prices in the afternoon.
        needed_until = self._end(tomorrow if local.hour >= TOLD_FROM else today, known)
        is_missing = bool(lacking) and lacking[0] < needed_until
        missing = self._day(lacking[0]) if is_missing else None
        failure = failures[0] if failures else None
        await self.writer.run(keep_fetch, series.id, failure, missing, stamp(self._clock()))
        plan.pause = min(2 * plan.pause, LONGEST) if failures else LONGEST
        plan.again = now + max(plan.pause, wait)

    def _requests(
        self, source: PriceSource, groups: Sequence[Sequence[date]], known: set[int]
    ) -> Iterator[tuple[date, date]]:
        """Yield the first and the last day of each request, none of them twice: all days of a group
        at once if a source can tell them so. What is told of one may be known before the next."""
        asked = set[str]()
        for days in groups:
            for day in days:
                lacking = [one for one in days if self._lacks(one, max(groups[0]), known)]
                at_once = lacking if source.takes_span else [day]
                if day in lacking and source.address(day, self._zone) not in asked:
                    asked |= {source.address(one, self._zone) for one in at_once}
                    yield min(at_once), max(at_once)

    def _lacks(self, day: date, newest: date, known: set[int]) -> bool:
        """Whether a day lacks prices that there may be when those of the newest day are there."""
        end = self._end(newest, known)
        return any(one not in known for one in quarters_of(day, self._zone) if one < end)

    def _end(self, day: date, known: set[int]) -> int:
        """Return the quarter at which the prices of a day end. The market's day may be over before
        that of the site: then no more is there if all is known until then."""
        end, of_market = (quarters_of(day, zone).stop for zone in (self._zone, MARKET))
        if of_market < end and of_market - 1 in known and of_market not in known:
            return of_market
        return end

    def _day(self, quarter: int) -> date:
        return in_zone(from_seconds(quarter * SECONDS), self._zone).date()

    def _lack(self, lacking: Sequence[int]) -> Told:
        """Say of which day prices are lacking, and between which times of it."""
        begin = end = lacking[0]
        day = self._day(begin)
        while end in lacking and self._day(end) == day:
            end += 1
        if range(begin, end) == quarters_of(day, self._zone):
            return Told("it lacks prices of {1}", Day(day))
        ends = (Moment(stamp(from_seconds(one * SECONDS))) for one in (begin, end))
        return Told("it lacks prices of {1}, from {2} to {3}", Day(day), *ends)

    async def _ask(
        self,
        series: SeriesState,
        source: PriceSource,
        days: tuple[date, date],
        span: range,
        known: set[int],
    ) -> str | None:
        """Ask for days and store what is told of the span, which is known then; return what was
        lacking. Raises SourceIsBusy, Unanswered."""
        now, (first, last) = self._clock(), days
        try:
            found = await fetch(source, first, ReadingTerms(series.currency, self._zone, now), last)
        except SourceIsBusy:
            raise
        except PricesRefused as refused:
            return str(refused.args[0])
        within = {quarter: found[quarter] for quarter in found if quarter in span}
        # As it is shown, without secrets.
        shown = PriceSource(**series.source)
        address = shown.address(first, self._zone, last).partition("?")[0]
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
                    for ask in await fetching.due():
                        nursery.start_soon(ask)
            await trio.sleep(max(1.0, LOOK_SECONDS / speed))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_on)
        yield
        nursery.cancel_scope.cancel()
