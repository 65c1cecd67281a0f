"""Keeps the energy of sessions by the quarter of an hour, beside the chargers' way: bills by the
quarter and shares of the sun ask for many of them at once.

It is derived, so a kill costs nothing: it goes on from the rows. It rests while no price moves and
no panels are measured.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import trio
from orjson import dumps

from levity_trio.billing.pricing import QuarterEnergy
from levity_trio.store.billing.booking import LONGEST
from levity_trio.store.billing.evidence import Billed
from levity_trio.store.billing.quarters import divided, price_again, touched
from levity_trio.store.cases.transaction import find_transaction
from levity_trio.store.engine.database import Database, UnitOfWork, marks, rows_of
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.money import months
from levity_trio.store.reads.reader import Reader, Sparing

AT_ONCE: Final = 20
"""Transactions of one read and one write."""
REST: Final = 2.0
"""A step is followed by a rest of so many times its length."""
_WORK: Final = (
    "SELECT coalesce((SELECT revision FROM tx_quarter_work WHERE id = 1), 0) "
    "WHERE EXISTS (SELECT 1 FROM series) OR EXISTS (SELECT 1 FROM sun_charger)"
)
_KEEP: Final = (
    "INSERT INTO tx_quarter (tx_id, revision, first, last, wh, divided, split) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tx_id) DO UPDATE SET revision = excluded.revision, "
    "first = excluded.first, last = excluded.last, wh = excluded.wh, divided = excluded.divided, "
    "split = excluded.split"
)
_DONE: Final = (
    "INSERT INTO tx_quarter_work (id, revision) VALUES (1, ?) "
    "ON CONFLICT (id) DO UPDATE SET revision = max(tx_quarter_work.revision, excluded.revision)"
)
_BEFORE: Final = "SELECT first, last, wh FROM tx_quarter WHERE tx_id = ?"
_IS_SUNNY: Final = "SELECT 1 FROM sun_quarter WHERE quarter BETWEEN ? AND ? LIMIT 1"


class DividedSession(NamedTuple):
    """The energy of a transaction by the quarter; None: it has not ended."""

    transaction: int
    energy: QuarterEnergy | None


@asynccontextmanager
async def open_sharing(writer: Writer, reader: Reader, look_seconds: float) -> AsyncIterator[None]:
    """Run a task that keeps the energy by the quarter until the block is left."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_on, writer, reader, look_seconds)
        yield
        nursery.cancel_scope.cancel()


async def _keep_on(writer: Writer, reader: Reader, seconds: float) -> None:
    await writer.sharing.duties.wait()
    sparing = Sparing(reader, "the energy of a transaction cannot be divided")
    while True:
        began, is_done = trio.current_time(), True
        with surviving("the energy by the quarter of an hour could not be kept"):
            is_done = await _look(writer, reader, sparing)
        await trio.sleep(seconds if is_done else REST * (trio.current_time() - began))


async def _look(writer: Writer, reader: Reader, sparing: Sparing) -> bool:
    """Divide the next few sessions; return whether there were none."""
    revision = await reader.run(work)
    if revision is None:
        return True
    changed = dict(await reader.run(partial(months.changed, after=revision, most=AT_ONCE)))
    if changed:
        present = await reader.run(partial(present_of, numbers=[*changed]))
        new = [one for one, of in changed.items() if present.get(one) != of]
        await writer.run(keep, await sparing.run(divided_sessions, new) if new else [], changed)
    return not changed


def work(db: Database) -> int | None:
    """Return the newest of bill_work that the table knows; None while nobody asks for it."""
    return next((int(found) for (found,) in db.execute(_WORK).fetchall()), None)


def present_of(db: Database, numbers: Sequence[int]) -> dict[int, int]:
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


def keep(db: UnitOfWork, found: Sequence[DividedSession], revisions: dict[int, int]) -> None:
    """Store what was divided, by which revision of bill_work. Where it changed, the sun of others
    did: their prices are due."""
    changed = list[tuple[int, int, int]]()
    for number, energy in found:
        if energy is None:
            continue
        last, wh = energy.first + len(energy.wh) - 1, dumps(energy.wh).decode()
        unread = dumps(sorted(one - energy.first for one in energy.divided)).decode()
        before = [tuple(row) for row in db.rows(_BEFORE, (number,))]
        now = (energy.first, last, wh)
        db.execute(_KEEP, (number, revisions[number], *now, unread, energy.by.value))
        if before != [now]:
            spans = [now, *before]
            changed.append((number, min(one[0] for one in spans), max(one[1] for one in spans)))
    beside = set[int]()
    for number, first, last in changed:
        if db.rows(_IS_SUNNY, (first, last)):
            beside |= touched(db.rows, first, last) - {number}
    price_again(db, beside)
    db.execute(_DONE, (max(revisions.values()),))
