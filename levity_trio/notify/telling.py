"""Looks at what there is to tell, after facts and as time passes, at the server that has the duties
of the site.

What a look makes and how far it has come are one write: nothing is lost at kill -9, and nothing is
made twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import trio

from levity_trio.clock import Clock
from levity_trio.events import (
    AvailabilityDiffers,
    ChargerConnected,
    ChargerDisconnected,
    Event,
    StatusChanged,
)
from levity_trio.notify.reading import MOST_FACTS, TOLD, find
from levity_trio.notify.rounds import Ways, messages_of
from levity_trio.records import record
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import Database, marks, parts
from levity_trio.store.engine.writer import Writer, surviving
from levity_trio.store.reads.now.attention import MachineState
from levity_trio.store.reads.reader import Reader
from levity_trio.store.writes.people.messages import Round, store_round

PAUSE_SECONDS: Final = 10.0
"""At least so long between two looks: facts come in bursts."""
FAR: Final = 500
"""The cursor moves on after so many facts of which nothing is told."""
_NEWS: Final = (*TOLD, ChargerConnected, ChargerDisconnected, StatusChanged, AvailabilityDiffers)
_KNOWN: Final = "SELECT message_id FROM message WHERE message_id IN ({})"


@record(kw_only=False)
class Looks:
    """What looks are made with. `machine` reads what the server knows beside its database;
    `look_seconds` apart, what only time changes is looked at."""

    reader: Reader
    writer: Writer
    clock: Clock
    rule: Rule
    ways: Callable[[], Ways]
    machine: Callable[[Database], MachineState]
    look_seconds: float


class Telling:
    """The looks. `told` is called after messages were made."""

    def __init__(self, looks: Looks, told: Callable[[], None]) -> None:
        self._looks = looks
        self._told = told
        self._news = trio.Event()

    def observe(self, event: Event) -> None:
        """Look soon after a fact that may be told."""
        if isinstance(event, _NEWS):
            self._news.set()

    async def run(self) -> None:
        """Look for as long as the server runs."""
        await self._looks.writer.sharing.duties.wait()
        while True:
            self._news = trio.Event()
            with surviving("what there is to tell could not be looked at"):
                await self.look()
            await trio.sleep(min(PAUSE_SECONDS, self._looks.look_seconds))
            with trio.move_on_after(self._looks.look_seconds):
                await self._news.wait()

    async def look(self) -> None:
        """Look at all new facts. Raises StoreUnavailable, Unreadable."""
        has_more = True
        while has_more:
            made, has_more = await self._looks.reader.run(self._read)
            if made is None or not await self._looks.writer.run(store_round, made):
                return
            if made.messages:
                self._told()

    def _read(self, db: Database) -> tuple[Round | None, bool]:
        """Return what is to be stored, None if nothing is, and whether there are more facts than
        that."""
        looks = self._looks
        now = looks.clock()
        found = find(db, now, looks.rule, looks.machine(db))
        made = messages_of(found, looks.ways(), now)
        has_more = len(found.facts) >= MOST_FACTS
        if made.causes or found.facts or made.digest_on != found.cursor.digest_on:
            return made, has_more
        if found.upto - found.cursor.position >= FAR:
            return made, has_more

        # Without news, only a message that was never made is a reason to write.
        return made if _unknown(db, made) else None, has_more


def _unknown(db: Database, made: Round) -> bool:
    """Whether any message of a round is new."""
    numbers = [message.message_id for message in made.messages]
    stored: set[str] = set()
    for part in parts(numbers):
        rows = db.execute(_KNOWN.format(marks(part)), part).fetchall()
        stored.update(number for (number,) in rows)
    return not stored.issuperset(numbers)
