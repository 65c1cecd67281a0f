"""Keeps what is derived from stored facts, beside the chargers' way. A kill costs nothing: each
task goes on from the rows.

The book has the prices that are due. At its start its task books all that is listed, and tries
again what could not be booked; each night it compares the book with what it should say.

The energy of sessions by the quarter of an hour is for bills by the quarter and shares of the sun,
which ask for many of them at once. Its task rests while no price moves and no panels are measured.
The power of the site by the quarter is for pictures.

Signed values are checked when a session has ended, and again when its figure, its times or the keys
of its meter change: a signature costs a small computer milliseconds.

Transactions are judged again after later facts, at most once a minute each. A request within a
minute of the last judgement is stored in tx.judge_after, so it is never lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from math import inf
from typing import Final, NamedTuple

import trio
from orjson import dumps

from levity_trio.billing.pricing import QuarterEnergy
from levity_trio.clock import Clock
from levity_trio.events import Event, Fact
from levity_trio.log.output import get_logger
from levity_trio.store.billing.booking import (
    AT_ONCE,
    LONGEST,
    TO_BOOK,
    Price,
    book_all,
    compared,
    due,
    store_prices,
)
from levity_trio.store.billing.evidence import Billed
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.billing.quarters import divided, price_again, touched
from levity_trio.store.cases.transaction import find_transaction
from levity_trio.store.engine.database import Database, UnitOfWork, marks, parts, rows_of
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.money import months
from levity_trio.store.reads.reader import Reader, Sparing
from levity_trio.store.reads.transactions import power
from levity_trio.store.reads.transactions.explain import checked, checked_revision
from levity_trio.store.reads.transactions.power import TakenEnergy
from levity_trio.store.writes.load.load import keep_energy
from levity_trio.store.writes.transactions import judging
from levity_trio.store.writes.transactions.judging import keep_signed
from levity_trio.wire.times import in_zone, stamp

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
            found = await self._sparing.run(partial(_due_prices, rule=self._rule), numbers)
            await self._writer.run(_store_prices, found, listed)

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
            await self._writer.run(_book)
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


def _due_prices(db: Database, numbers: Sequence[int], rule: Rule) -> list[tuple[int, int, Price]]:
    return due(rows_of(db), rule, numbers)


def _store_prices(
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


def _book(db: UnitOfWork) -> None:
    """Do nothing: the commit books what is listed."""


SESSIONS_AT_ONCE: Final = 20
"""Transactions of one write, and of one read but for signed values: thousands of signatures take a
minute, so of these each transaction is read alone."""
REST: Final = 2.0
"""A step is followed by a rest of so many times its length: a database of years has many sessions
at its first start."""
_DIVIDED_UP_TO: Final = (
    "SELECT coalesce((SELECT revision FROM tx_quarter_work WHERE id = 1), 0) "
    "WHERE EXISTS (SELECT 1 FROM series) OR EXISTS (SELECT 1 FROM sun_charger)"
)
_KEEP_DIVIDED: Final = (
    "INSERT INTO tx_quarter (tx_id, revision, first, last, wh, divided, split) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tx_id) DO UPDATE SET revision = excluded.revision, "
    "first = excluded.first, last = excluded.last, wh = excluded.wh, divided = excluded.divided, "
    "split = excluded.split"
)
_NOTE_DIVIDED: Final = (
    "INSERT INTO tx_quarter_work (id, revision) VALUES (1, ?) "
    "ON CONFLICT (id) DO UPDATE SET revision = max(tx_quarter_work.revision, excluded.revision)"
)
_DIVIDED_BEFORE: Final = "SELECT first, last, wh FROM tx_quarter WHERE tx_id = ?"
_IS_SUNNY: Final = "SELECT 1 FROM sun_quarter WHERE quarter BETWEEN ? AND ? LIMIT 1"


class DividedSession(NamedTuple):
    """The energy of a transaction by the quarter; None: it has not ended."""

    transaction: int
    energy: QuarterEnergy | None


@asynccontextmanager
async def open_sharing(writer: Writer, reader: Reader, look_seconds: float) -> AsyncIterator[None]:
    """Run a task that keeps the energy by the quarter until the block is left."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_sharing, writer, reader, look_seconds)
        yield
        nursery.cancel_scope.cancel()


async def _keep_sharing(writer: Writer, reader: Reader, seconds: float) -> None:
    await writer.sharing.duties.wait()
    sparing = Sparing(reader, "the energy of a transaction cannot be divided")
    while True:
        began, is_done = trio.current_time(), True
        with surviving("the energy by the quarter of an hour could not be kept"):
            is_done = await _divide_next(writer, reader, sparing)
        await trio.sleep(seconds if is_done else REST * (trio.current_time() - began))


async def _divide_next(writer: Writer, reader: Reader, sparing: Sparing) -> bool:
    """Divide the next few sessions; return whether there were none."""
    revision = await reader.run(divided_up_to)
    if revision is None:
        return True
    changed = dict(await reader.run(partial(months.changed, after=revision, most=SESSIONS_AT_ONCE)))
    if changed:
        present = await reader.run(partial(divided_by, numbers=[*changed]))
        new = [one for one, of in changed.items() if present.get(one) != of]
        await writer.run(
            keep_divided, await sparing.run(divided_sessions, new) if new else [], changed
        )
    return not changed


def divided_up_to(db: Database) -> int | None:
    """Return the newest of bill_work that the table knows; None while nobody asks for it."""
    return next((int(found) for (found,) in db.execute(_DIVIDED_UP_TO).fetchall()), None)


def divided_by(db: Database, numbers: Sequence[int]) -> dict[int, int]:
    """Return by which revision the energy of transactions is kept."""
    among = f"SELECT tx_id, revision FROM tx_quarter WHERE tx_id IN ({marks(numbers)})"  # noqa: S608
    return dict(db.execute(among, tuple(numbers)).fetchall())


def divided_sessions(db: Database, numbers: Sequence[int]) -> list[DividedSession]:
    """Divide the energy of transactions that have ended."""
    rows, found = rows_of(db), list[DividedSession]()
    for number in numbers:
        tx, energy = find_transaction(rows, number), None
        if tx is not None and tx.status != "Active" and tx.stop_time is not None:
            since, until = map(datetime.fromisoformat, (tx.start_time, tx.stop_time))
            billed = Billed(number, since, max(since, until), max(0, tx.energy_delivered or 0))
            energy = divided(rows, billed) if until - since <= LONGEST else None
        found.append(DividedSession(number, energy))
    return found


def keep_divided(
    db: UnitOfWork, found: Sequence[DividedSession], revisions: dict[int, int]
) -> None:
    """Store what was divided, by which revision of bill_work. Where it changed, the sun of others
    did: their prices are due."""
    changed = list[tuple[int, int, int]]()
    for number, energy in found:
        if energy is None:
            continue
        last, wh = energy.first + len(energy.wh) - 1, dumps(energy.wh).decode()
        unread = dumps(sorted(one - energy.first for one in energy.divided)).decode()
        before = [tuple(row) for row in db.rows(_DIVIDED_BEFORE, (number,))]
        now = (energy.first, last, wh)
        db.execute(_KEEP_DIVIDED, (number, revisions[number], *now, unread, energy.by.value))
        if before != [now]:
            spans = [now, *before]
            changed.append((number, min(one[0] for one in spans), max(one[1] for one in spans)))
    beside = set[int]()
    for number, first, last in changed:
        if db.rows(_IS_SUNNY, (first, last)):
            beside |= touched(db.rows, first, last) - {number}
    price_again(db, beside)
    db.execute(_NOTE_DIVIDED, (max(revisions.values()),))


POWER_SECONDS: Final = 30.0
"""Between two looks at what changed in power."""
SHORTEST_SECONDS: Final = 1.0
"""The same at a simulated clock, which goes faster."""


@asynccontextmanager
async def open_metering(writer: Writer, reader: Reader, speed: int) -> AsyncIterator[None]:
    """Run a task that keeps the table until the block is left."""
    metering = Metering(writer, reader)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(metering.run, max(SHORTEST_SECONDS, POWER_SECONDS / speed))
        yield
        nursery.cancel_scope.cancel()


class Metering:
    """The task, and which open transactions it knows as they are."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer, self._reader = writer, reader
        self._sparing = Sparing(reader, "the power of a transaction cannot be computed")
        self._open: Mapping[int, tuple[str, str]] = {}

    async def run(self, look_seconds: float) -> None:
        """Look until the server stops."""
        await self._writer.sharing.duties.wait()
        while True:
            with surviving("the power by the quarter of an hour could not be kept"):
                await self.look()
            await trio.sleep(look_seconds)

    async def look(self) -> None:
        """Compute what changed."""
        revision = await self._reader.run(power.known_revision)
        while changed := await self._reader.run(
            partial(months.changed, after=revision, most=SESSIONS_AT_ONCE)
        ):
            revision = changed[-1][1]
            await self._step(power.taken, [number for number, _ in changed], revision)
        present = await self._reader.run(power.open_now)
        new = [number for number, version in present.items() if self._open.get(number) != version]
        for part in parts(new, SESSIONS_AT_ONCE):
            await self._step(power.taken_lately, part, None)
        self._open = present

    async def _step(
        self,
        compute: Callable[[Database, Sequence[int]], list[TakenEnergy]],
        numbers: Sequence[int],
        revision: int | None,
    ) -> None:
        began = trio.current_time()
        found = await self._sparing.run(compute, numbers)
        await self._writer.run(keep_energy, found, revision)
        await trio.sleep(REST * (trio.current_time() - began))


@asynccontextmanager
async def open_signing(
    writer: Writer, reader: Reader, clock: Clock, look_seconds: float
) -> AsyncIterator[None]:
    """Run a task that checks signed values until the block is left."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_checking, writer, reader, clock, look_seconds)
        yield
        nursery.cancel_scope.cancel()


async def _keep_checking(writer: Writer, reader: Reader, clock: Clock, seconds: float) -> None:
    await writer.sharing.duties.wait()
    sparing = Sparing(reader, "the signed values of a transaction cannot be checked")
    while True:
        began, is_done = trio.current_time(), True
        with surviving("signed values could not be checked"):
            is_done = await _check_next(writer, reader, sparing, clock)
        await trio.sleep(seconds if is_done else REST * (trio.current_time() - began))


async def _check_next(writer: Writer, reader: Reader, sparing: Sparing, clock: Clock) -> bool:
    """Check the next few sessions; return whether there were none."""
    done = await reader.run(checked_revision)
    changed = await reader.run(partial(months.changed, after=done, most=SESSIONS_AT_ONCE))
    if changed:
        found = [one for number, _ in changed for one in await sparing.run(checked, [number])]
        await writer.run(keep_signed, found, changed[-1][1], stamp(clock()))
    return not changed


@asynccontextmanager
async def open_rejudging(
    writer: Writer, clock: Clock, look_seconds: float, rule: Rule
) -> AsyncIterator[None]:
    """Run a task that judges due transactions until the block is left. `rule` is that by which they
    are billed."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_judging, writer, clock, look_seconds, rule)
        yield
        nursery.cancel_scope.cancel()


async def _keep_judging(writer: Writer, clock: Clock, seconds: float, rule: Rule) -> None:
    await writer.sharing.duties.wait()
    while True:
        await trio.sleep(seconds)
        with surviving("transactions could not be judged again"):
            await writer.run(judging.judge_due, stamp(clock()), rule)
