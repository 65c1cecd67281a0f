"""The parts of the server that tests in memory replace: a writer without a thread, and a clock."""

from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple, cast

import trio

from levity_trio.charger.central import Central
from levity_trio.clock import Clock
from levity_trio.config import ServerConfig
from levity_trio.events import Fact
from levity_trio.store.engine.database import UnitOfWork, WriteResult, WritingConnection, commit
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.engine.frame_log import FrameLogStatistics, FrameRow, store_frames
from levity_trio.store.engine.writer import DEFAULT_LIMITS, Sharing, Writer, WriterStatistics
from levity_trio.store.writes.chargers import sessions
from levity_trio.wire.times import stamp

F = TypeVar("F", bound=Fact)
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START = datetime(2026, 3, 1, 12, 0, 0, 987_654, tzinfo=UTC)


def wall_clock() -> datetime:
    """A wall clock that follows the virtual time, beginning at START."""
    return START + timedelta(seconds=trio.current_time())


class InlineWriter:
    """The writer's interface on a real database, without its thread, which the clock would take for
    idle.

    Like the real writer, it commits every queued write and returns the result later, after
    `answer_seconds`. While `is_unavailable`, nothing is committed and callers get StoreUnavailable
    after their time-out. While `is_slow`, they get it too, and their writes are committed all the
    same. While `is_full`, no notes are taken.
    """

    def __init__(self, connection: WritingConnection) -> None:
        self._connection = connection
        self._commits = 0
        self.facts: list[Fact] = []
        self.publish: Callable[[Fact], None] = _ignore
        self.answer_seconds = 0.0
        self.is_unavailable = self.is_slow = self.is_full = False
        self.is_failing = self.is_behind = False
        self.is_damaged = False
        self.sharing = Sharing()

    async def run(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        if self.is_unavailable:
            await trio.sleep(DEFAULT_LIMITS.commit_seconds)
            raise StoreUnavailable
        result = self._commit(lambda db: write(db, *args))
        if self.is_slow:
            await trio.sleep(DEFAULT_LIMITS.commit_seconds)
            raise StoreUnavailable
        await trio.sleep(self.answer_seconds)  # the real one always yields too
        return cast(T, result.unwrap())

    def _commit(self, write: Callable[[UnitOfWork], object]) -> WriteResult:
        (result,) = commit(self._connection, [write])
        self._commits += 1
        self.facts += result.facts
        for fact in result.facts:
            self.publish(fact)
        return result

    def run_now(self, write: Callable[[UnitOfWork, *Ts], T], *args: *Ts) -> T:
        """Run a write outside of any session."""
        return cast(T, commit(self._connection, [lambda db: write(db, *args)])[0].unwrap())

    async def hand_in(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        await self.run(write, *args)

    def note(self, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts) -> None:
        if self.is_unavailable or self.is_full:
            raise StoreUnavailable
        self._commit(lambda db: write(db, *args)).unwrap()

    def coalesce(
        self, key: Hashable, write: Callable[[UnitOfWork, *Ts], object], *args: *Ts
    ) -> None:
        del key  # these tests do not cover coalescing
        self._commit(lambda db: write(db, *args)).unwrap()

    def log_frame(self, row: FrameRow) -> None:
        self.run_now(store_frames, [row])

    def statistics(self) -> WriterStatistics:
        return WriterStatistics(
            0, self._commits, self._commits, 0, 0, self.is_failing, FrameLogStatistics()
        )

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, *parameters: object) -> tuple[Any, ...]:
        """Return the only row of a query."""
        (found,) = self.rows(sql, *parameters)
        return found

    def recorded(self, kind: type[F]) -> list[F]:
        """Return the published facts of one class."""
        return [fact for fact in self.facts if isinstance(fact, kind)]


def make_central(writer: InlineWriter, clock: Clock = wall_clock) -> Central:
    """Return a server in its first run on this writer, without pings, ready for handshakes."""
    run = writer.run_now(sessions.start_run, "levity", "test", stamp(START), True)
    config = ServerConfig(database=Path("levity.db"), websocket_ping_seconds=None)
    central = Central(
        config, cast(Writer, writer), clock, set(), set(), clock_trusted=True, run=run
    )
    central.ready.set()
    writer.publish = central.hooks.observe
    return central


def configure(central: Central, **changes: Any) -> None:
    """Change settings of a server without connections."""
    central.config = replace(central.config, **changes)


def _ignore(fact: Fact) -> None:
    """An observer that ignores events."""
