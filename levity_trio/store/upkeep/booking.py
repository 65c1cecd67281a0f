"""Keeps the book beside the commits: computes the prices that are due, and tries again what could
not be booked.

At its start it books all that is listed. Each night it compares the book with what it should say.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from math import inf
from typing import Final

import trio

from levity_trio.clock import Clock
from levity_trio.events import Event, Fact
from levity_trio.log.output import get_logger
from levity_trio.store.billing.booking import (
    AT_ONCE,
    TO_BOOK,
    Price,
    book_all,
    compared,
    due,
    store_prices,
)
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, UnitOfWork, rows_of
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.reader import Reader, Sparing
from levity_trio.wire.times import in_zone

PRICED_AT_ONCE: Final = 100
"""Prices of one read and one write: they may take 0.4 s, on a Pi 2 s."""
PAUSE_SECONDS: Final = 1.0
"""The shortest time between two looks: facts come in bursts."""
HOUR_SECONDS: Final = 3600
NIGHT: Final = timedelta(hours=3)
"""The book is compared at three, local time, or at the next start."""
REST_SECONDS: Final = 0.2
"""Between two reads of a comparison, of a hundred sessions each."""
_LEFT: Final = "SELECT count(*) FROM to_book WHERE step = 0"
log = get_logger("system")


@asynccontextmanager
async def open_booking(
    writer: Writer,
    reader: Reader,
    clock: Clock,
    rule: Rule,
    look_seconds: float,
    listen: Callable[[Callable[[Event], None]], None],
) -> AsyncIterator[None]:
    """Keep the book while the block runs. A server that is alone has booked all that is listed
    before it begins."""
    booking = Booking(writer, reader, clock, rule)
    listen(booking.observe)
    if writer.sharing.is_alone:
        await booking.begin()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(booking.run, look_seconds)
        nursery.start_soon(booking.compare_nightly)
        yield
        nursery.cancel_scope.cancel()


class Booking:
    """The task, and what it has tried again in vain."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock, rule: Rule) -> None:
        self._writer, self._reader, self._clock, self._rule = writer, reader, clock, rule
        self._sparing = Sparing(reader, "the price of a session cannot be computed")
        self._tried: set[int] = set()
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Look after a fact: its commit may have listed sessions."""
        if isinstance(event, Fact):
            self._news.set()

    async def begin(self) -> None:
        """List all if the settings by which the book was made are others, and book what is listed,
        whole."""
        await self._writer.run(book_all, self._rule)
        await self._book_listed()

    async def run(self, look_seconds: float) -> None:
        """Keep the book until the server stops."""
        if not self._writer.sharing.is_alone:
            await self._writer.sharing.duties.wait()
            with surviving("sessions could not be booked"):
                await self.begin()
        while True:
            self._news = trio.Event()
            with surviving("the prices of sessions could not be kept"):
                await self.look()
            await trio.sleep(PAUSE_SECONDS)
            with trio.move_on_after(look_seconds):
                await self._news.wait()

    async def look(self) -> None:
        """Try again, each alone, what could not be booked; compute and store the prices that are
        due."""
        for revision, _ in await self._listed(2, AT_ONCE):
            if revision not in self._tried:
                self._tried.add(revision)
                await self._writer.run(_list_again, revision)
        await self._book_listed()
        while listed := await self._listed(1, PRICED_AT_ONCE):
            numbers = [number for _, number in listed]
            found = await self._sparing.run(partial(_due, rule=self._rule), numbers)
            await self._writer.run(_store, found, listed)

    async def _book_listed(self) -> None:
        """Book what is listed, until a commit can neither book nor set aside more of it: a server
        must still begin."""
        before = inf
        while (
            0
            < (left := await self._reader.run(lambda db: int(db.execute(_LEFT).fetchone()[0])))
            < before
        ):
            log.info("booking sessions", left=left)
            await self._writer.run(_nothing)
            before = left

    async def compare_nightly(self) -> None:
        """Compare the book once a night, until the server stops."""
        await self._writer.sharing.duties.wait()
        while True:
            with surviving("the book could not be compared"):
                await self.compare()
            await trio.sleep(HOUR_SECONDS)

    async def compare(self) -> None:
        """Compare the book with what it should say, unless that was done since NIGHT; what differs
        is booked anew."""
        day = str((in_zone(self._clock(), self._rule.zone) - NIGHT).date())
        if await self._reader.run(
            lambda db: db.execute("SELECT compared_on FROM book").fetchall()
        ) == [(day,)]:
            return
        found, after = list[int](), 0
        while True:
            differing, after = await self._reader.run(
                partial(_compared, rule=self._rule, after=after)
            )
            found += differing
            if not after:
                break
            await trio.sleep(REST_SECONDS)
        if found:
            log.error(
                "sessions were booked otherwise than by what is stored; they are booked anew",
                sessions=found[:20],
            )
        await self._writer.run(_note_compared, day, found)

    async def _listed(self, step: int, most: int) -> list[tuple[int, int]]:
        return await self._reader.run(
            lambda db: db.execute(TO_BOOK.format(step), (most,)).fetchall()
        )


def _compared(db: Database, rule: Rule, after: int) -> tuple[list[int], int]:
    return compared(rows_of(db), rule, after)


def _note_compared(db: UnitOfWork, day: str, found: Sequence[int]) -> None:
    db.execute("UPDATE book SET compared_on = ?, differing = ?", (day, len(found)))
    for number in found:
        db.execute("DELETE FROM to_book WHERE tx_id = ?", (number,))
        db.execute("INSERT INTO to_book (tx_id) VALUES (?)", (number,))


def _due(db: Database, numbers: Sequence[int], rule: Rule) -> list[tuple[int, int, Price]]:
    return due(rows_of(db), rule, numbers)


def _store(
    db: UnitOfWork, found: Sequence[tuple[int, int, Price]], listed: Sequence[tuple[int, int]]
) -> None:
    """Store prices; what has none, and did not change meanwhile, raised and is set aside."""
    store_prices(db, found)
    for revision, number in listed:
        db.execute(
            "UPDATE to_book SET step = 2 WHERE revision = ? AND tx_id = ? AND step = 1",
            (revision, number),
        )


def _list_again(db: UnitOfWork, revision: int) -> None:
    db.execute("UPDATE to_book SET step = 0 WHERE revision = ? AND step = 2", (revision,))


def _nothing(db: UnitOfWork) -> None:
    """Do nothing: the commit books what is listed."""
