"""Load management in shadow: it measures and decides, shows what it would do, and sends nothing to a charger.

Without a site document nothing runs. With one, a task of the server that has the duties of the site decides: when
something happened, but at most once a second, when the clock alone changes something, and every ten seconds. What it
knows of cars it reads from the database, where chargers' messages are anyway, so that no message costs anything more.
Whatever fails here is logged once, and a charger never notices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from math import inf
from typing import Final

import orjson
import trio

from levity_trio.charging.quarters import quarter_of
from levity_trio.clock import Clock
from levity_trio.events import (
    ChargerConnected,
    ChargerDisconnected,
    ChargerHidden,
    Event,
    Fact,
    GridLimitChanged,
    LoadSiteChanged,
    StatusChanged,
    TransactionClosed,
    TransactionStarted,
    TransactionStopped,
)
from levity_trio.load.managing import Managed
from levity_trio.load.meters import Measure
from levity_trio.log.output import get_logger
from levity_trio.plugins.base import Hooks
from levity_trio.store.engine.faults import StoreUnavailable, Unreadable
from levity_trio.store.engine.unit_of_work import UnitOfWork
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads import Reader
from levity_trio.store.reads import load as reads
from levity_trio.store.reads.load import LoadNow
from levity_trio.store.writes import load
from levity_trio.wire.times import shifted, stamp

PAUSE_SECONDS: Final = 1.0
"""Between two decisions."""
LOOK_SECONDS: Final = 10.0
"""What cars draw is read so often, the state is kept so often, and a decision holds for no longer."""
HISTORY_QUARTERS: Final = 7 * 24 * 4
REST_TIMES: Final = 10.0
"""A step is followed by a rest of so many times its length."""
SHORTEST_SECONDS: Final = 0.05
"""Between two decisions by a simulated clock."""
CHANGES: Final = (
    *(StatusChanged, TransactionStarted, TransactionStopped, TransactionClosed, ChargerConnected, ChargerDisconnected),
    *(ChargerHidden, GridLimitChanged),
)
"""After these, other cars may be plugged in."""
MOST_UNWRITTEN: Final = 100
"""Writes that wait while the database cannot be written: a day of quarters."""
BY: Final = "load management"
log = get_logger("system")


class Shadow:
    """Load management of a server; what plug-ins and the API reach of it is `levity_trio.plugins.base.Load`."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock, speed: int = 1) -> None:
        self._writer, self._reader, self._clock, self._speed = writer, reader, clock, speed
        self._managed: Managed | None = None
        self._failure: str | None = None
        self._is_site_new = True
        self._read_at = self._kept_at = 0.0
        self._kept_text = ""
        self._unwritten = deque[Callable[[UnitOfWork], object]](maxlen=MOST_UNWRITTEN)
        self._news = trio.Event()
        self.now: LoadNow | None = None

    # What plug-ins and the API ask

    @property
    def over_seconds(self) -> Mapping[tuple[str, str], float]:
        return {} if self._managed is None else self._managed.over_seconds

    def measured(self, meter: str, amperes: tuple[float, float, float]) -> bool:
        is_known = self._managed is not None and self._managed.measured(meter, amperes, self._clock().timestamp())
        if is_known:
            self._news.set()
        return is_known

    async def limit_by_hand(self, place: tuple[str, int], amperes: int | None, *, reason: str, by: str) -> None:
        await self._writer.run(load.limit_by_hand, place, amperes, reason, self._at(), by)
        self._read_again()

    async def boost(self, place: tuple[str, int], minutes: float, *, reason: str, by: str) -> None:
        until = stamp(shifted(self._clock(), timedelta(minutes=minutes)))
        await self._writer.run(load.boost, place, until, reason, self._at(), by)
        self._read_again()

    async def depart(
        self, place: tuple[str, int], transaction: int, at: str, wanted_wh: int | None, *, by: str
    ) -> None:
        await self._writer.run(load.depart, place, transaction, (at, wanted_wh), self._at(), by)
        self._read_again()

    async def grid_limit(self, amperes: float | None, *, source: str) -> None:
        await self._writer.run(load.add_order, amperes, source, self._at())
        self._read_again()

    def _at(self) -> str:
        return stamp(self._clock())

    # What happens

    def observe(self, event: Event) -> None:
        """Note that something happened that the next decision must know. This is all that a message costs."""
        if isinstance(event, LoadSiteChanged):
            self._is_site_new = True
            self._news.set()
        elif self._managed is not None and isinstance(event, CHANGES):
            self._read_again()

    def _read_again(self) -> None:
        self._read_at = 0.0
        self._news.set()

    # The task

    async def run(self) -> None:
        """Decide until cancelled, while the site has a document and this server has its duties."""
        await self._writer.sharing.duties.wait()
        while True:
            took = await self._surviving(self._begin)
            if self._is_site_new or self._managed is None:
                await self._wait(LOOK_SECONDS if self._is_site_new else inf, took)
                continue
            async with trio.open_nursery() as nursery:
                for meter in self._managed.readers:
                    nursery.start_soon(self._read_meter, meter)
                while not self._is_site_new:
                    took = await self._surviving(self._step)
                    await self._wait(min(self._managed.again - self._clock().timestamp(), LOOK_SECONDS), took)
                nursery.cancel_scope.cancel()

    async def _read_meter(self, read: Callable[[Measure], Awaitable[None]]) -> None:
        try:
            await read(self.measured)
        except Exception:  # what nobody foresaw; it is silent from now on, which is told
            log.exception("a meter is no longer read")

    async def _wait(self, seconds: float, took: float) -> None:
        """Rest after a step that took so long, then wait for news, for at most so many seconds of the site's clock."""
        await trio.sleep(max(PAUSE_SECONDS / self._speed, SHORTEST_SECONDS, REST_TIMES * took))
        with trio.move_on_after(max(0.0, seconds) / self._speed):
            await self._news.wait()
        self._news = trio.Event()

    async def _surviving(self, step: Callable[[], Awaitable[None]]) -> float:
        """Make a step, which may fail: that is logged when it begins. Return how many seconds it took."""
        began = trio.current_time()
        try:
            await step()
            self._failure = None
        except StoreUnavailable:  # the writer logs that
            pass
        except Exception as error:
            is_news, self._failure = repr(error) != self._failure, repr(error)
            if is_news and isinstance(error, Unreadable | OSError):
                log.warning("load management cannot read; it is tried again", reason=str(error))
            elif is_news:
                log.exception("load management failed; it is tried again")
        return trio.current_time() - began

    async def _begin(self) -> None:
        """Read the site, and go on from what was decided before. Without a document, forget all."""
        self._is_site_new = False
        try:
            await self._take_site()
        except BaseException:
            self._is_site_new = True
            raise

    async def _take_site(self) -> None:
        site = await self._reader.run(reads.newest_site)
        if site is None:
            self._managed = self.now = None
        else:
            now = self._clock().timestamp()
            quarter = quarter_of(now)
            since = quarter - HISTORY_QUARTERS
            past = await self._reader.run(partial(reads.load_history, since=since, until=quarter + 1))
            kept = await self._reader.run(reads.kept_state) if self._managed is None else self._managed.kept()
            self._managed = Managed(site.toml, kept, past, now)
            self._read_at = 0.0

    async def _step(self) -> None:
        managed, now = self._managed, self._clock().timestamp()
        if managed is None:
            return
        if not self._read_at <= now < self._read_at + LOOK_SECONDS:
            self._read_at = now
            try:
                managed.take(await self._reader.run(partial(reads.load_present, now=stamp(self._clock()))), now)
            except BaseException:
                self._read_at = 0.0
                raise
        self.now, facts = managed.decide(now)
        self._keep(managed, self.now, now, facts)

    def _keep(self, managed: Managed, shown: LoadNow, now: float, facts: Sequence[Fact]) -> None:
        if facts:
            self._unwritten.append(partial(_record, facts=facts))
        if (ended := managed.quarters.end(now)) is not None:
            self._unwritten.append(partial(load.keep_quarter, lines=ended[0], cars=ended[1]))
        if over := managed.over_wishes(shown.at):
            self._unwritten.append(partial(load.end_wishes, numbers=over, at=shown.at, by=BY))
        for what, place, key, value in managed.lessons():
            self._unwritten.append(partial(load.learned, what=what, place=place, key=key, value=value, at=shown.at))
        while self._unwritten:
            self._writer.note(self._unwritten[0])
            self._unwritten.popleft()
        if self._kept_at <= now < self._kept_at + LOOK_SECONDS and not facts:
            return
        text = orjson.dumps(shown).decode()
        if text.partition(",")[2] != self._kept_text.partition(",")[2]:  # but for its time
            self._writer.note(load.keep_state, shown.at, text, managed.standings)
            self._kept_at, self._kept_text = now, text


def _record(db: UnitOfWork, facts: Iterable[Fact]) -> None:
    for fact in facts:
        db.record(fact)


@asynccontextmanager
async def open_load(shadow: Shadow, hooks: Hooks) -> AsyncIterator[None]:
    """Run load management until the block is left."""
    with hooks.listening(shadow.observe):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shadow.run)
            yield
            nursery.cancel_scope.cancel()
