"""The audit against a Fluentd in memory: frames and cursor through failures of Fluentd."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, TypeVar, cast

import msgpack
import pytest
import trio
from structlog.typing import EventDict

from levity_trio.config import ServerConfig
from levity_trio.events import AuditLost, AuditProgress, BatchCommitted, Event
from levity_trio.plugins.base import Api, Chargers, Load, Plugin, Site
from levity_trio.plugins.fluentd import open_fluentd_audit
from levity_trio.plugins.fluentd.audit import open_audit
from levity_trio.store.engine.database import Database
from levity_trio.store.engine.faults import Unreadable
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.engine.writer import Writer
from levity_trio.store.reads.reader import Reader
from tests.charger.parts import InlineWriter, wall_clock
from tests.plugins.fluentd.fluentds import Fluentd, open_fluentd
from tests.store.books import in_memory
from tests.store.reading import view

T = TypeVar("T")
ADD = (
    "INSERT INTO log (cp_id, at, direction, message_id, action, frame) "
    "VALUES (?, ?, 'recv', '\"1\"', 'Heartbeat', ?)"
)
AT = "2026-03-01T12:00:00.250Z"
FRAME = '[2,"1","Heartbeat",{}]'


class InlineReader:
    """The reader's interface without its thread."""

    def __init__(self, connection: FileConnection) -> None:
        self._database = view(connection)
        self.reads = 0
        self.is_broken = False

    async def run(self, read: Callable[[Database], T]) -> T:
        await trio.lowlevel.checkpoint()
        self.reads += 1
        if self.is_broken:
            raise Unreadable("disk I/O error")
        return read(self._database)


class Log:
    """A server's frame log and the events that its plugins observe."""

    def __init__(self, connection: FileConnection) -> None:
        self.connection = connection
        self.reader = InlineReader(connection)
        self.events: list[Event] = []
        self.plugin: Plugin | None = None

    def add(self, count: int = 1, frame: str = FRAME, charger: str = "CP-1") -> None:
        self.connection.executemany(ADD, [(charger, AT, frame)] * count)
        if self.plugin is not None:
            self.plugin.observe(BatchCommitted(charger=None, seconds=0.01, writes=1))

    def prune(self, to: int) -> None:
        self.connection.execute("DELETE FROM log WHERE id <= ?", (to,))

    @property
    def cursor(self) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self.connection.execute(
            "SELECT log_id, lost, lost_told FROM audit_cursor"
        ).fetchone()
        return row

    @property
    def lost(self) -> int:
        """Return the value of the counter of lost frames."""
        return sum(event.count for event in self.events if isinstance(event, AuditLost))

    @property
    def progress(self) -> tuple[int, bool]:
        told = [event for event in self.events if isinstance(event, AuditProgress)]
        return told[-1].lag, told[-1].connected

    def site(self, **settings: Any) -> Site:
        return Site(
            config=ServerConfig(database=Path("levity.db"), **settings),
            settings={},
            clock=wall_clock,
            writer=cast(Writer, InlineWriter(self.connection)),
            reader=cast(Reader, self.reader),
            publish=self.events.append,
            chargers=cast(Chargers, None),  # the audit asks no charger
            load=cast(Load, None),
            api=cast(Api, None),
            is_clock_trusted=lambda: True,
            pages={},
        )

    @asynccontextmanager
    async def audited(self, fluentd: Fluentd) -> AsyncIterator[None]:
        """Run the audit as one server run does."""
        async with open_audit(self.site(), fluentd.connect) as self.plugin:
            yield
        self.plugin = None


@pytest.fixture
def log() -> Iterator[Log]:
    with closing(in_memory()) as connection:
        yield Log(connection)


async def test_without_an_endpoint_there_is_no_audit(log: Log) -> None:
    async with open_fluentd_audit(log.site()) as plugin:
        assert plugin is None
    assert log.cursor is None


async def test_all_that_the_log_holds_and_gets_arrives_in_its_order(log: Log) -> None:
    log.add(3)
    async with open_fluentd() as fluentd, log.audited(fluentd):
        await fluentd.wait_ids(1, 2, 3)
        log.add(2)
        await fluentd.wait_ids(1, 2, 3, 4, 5)
        await trio.sleep(1)
    assert {(told.tag, told.seconds, told.nanoseconds) for told in fluentd.told} == {
        ("ocpp.heartbeat", 1772366400, 250_000_000)
    }
    assert log.cursor == (5, 0, 0)
    assert log.progress == (0, True)
    assert len(fluentd.messages) == 2  # consecutive entries with one tag share a message


async def test_a_restart_goes_on_from_the_cursor(log: Log) -> None:
    async with open_fluentd() as fluentd:
        log.add(2)
        async with log.audited(fluentd):
            await fluentd.wait_ids(1, 2)
            await trio.sleep(1)
        log.add(2)
        async with log.audited(fluentd):
            await fluentd.wait_ids(1, 2, 3, 4)


async def test_nothing_counts_as_taken_before_it_is_acknowledged(
    log: Log, log_lines: list[EventDict]
) -> None:
    log.add(3)
    async with open_fluentd() as fluentd:
        fluentd.acknowledges = 0
        async with log.audited(fluentd):
            await trio.sleep(29)
            assert len(fluentd.connected_at) == 1
            await trio.sleep(20)
            assert len(fluentd.connected_at) == 2  # the connection hangs and is closed after 30 s
            assert log.cursor == (0, 0, 0)
            assert log.progress == (3, False)
            fluentd.acknowledges = float("inf")
            await fluentd.wait_ids(1, 2, 3)
            log.add()
            await fluentd.wait_ids(1, 2, 3, 4)
            await trio.sleep(1)
    assert log.cursor == (4, 0, 0)
    assert [line["event"] for line in log_lines] == [
        "audit to Fluentd interrupted; frames wait in the frame log",
        "Fluentd accepts the audit",
    ]
    assert log_lines[0]["reason"] == "it has sent no acknowledgement for 30 s"


async def test_who_takes_nothing_from_the_wire_is_left(
    log: Log, log_lines: list[EventDict]
) -> None:
    log.add(3)
    async with open_fluentd() as fluentd:
        fluentd.reads = False
        async with log.audited(fluentd):
            await trio.sleep(40)
            fluentd.reads = True
            await fluentd.wait_ids(1, 2, 3)
    assert log_lines[0]["reason"] == "it has stopped reading for 30 s"


async def test_who_acknowledges_something_else_is_left(log: Log) -> None:
    log.add()
    async with open_fluentd() as fluentd:
        fluentd.acknowledges = 0
        async with log.audited(fluentd):
            for _ in range(4):
                await trio.sleep(9)
                await fluentd.streams[-1].send_all(msgpack.packb({"ack": "something else"}))
            assert len(fluentd.connected_at) == 2


async def test_who_is_slow_is_waited_for(log: Log) -> None:
    for number in range(4):
        # alternating tags: four messages
        log.add(charger=f"CP-{number}", frame=f'[{3 + number % 2},"1",{{}}]')
    async with open_fluentd() as fluentd:
        fluentd.pause_seconds = 25
        async with log.audited(fluentd):
            await trio.sleep(101)
    assert fluentd.ids == [1, 2, 3, 4]
    assert log.cursor == (4, 0, 0)


async def test_after_a_break_only_what_was_not_acknowledged_is_sent_again(log: Log) -> None:
    for number in range(5):
        log.add(frame=f'[{3 + number % 2},"1",{{}}]')
    async with open_fluentd() as fluentd:
        fluentd.breaks_after = 3
        async with log.audited(fluentd):
            await trio.sleep(0.4)
            assert log.cursor == (3, 0, 0)
            fluentd.breaks_after = float("inf")
            await fluentd.wait_ids(1, 2, 3, 4, 5)


async def test_one_that_is_away_is_tried_more_and_more_rarely(log: Log) -> None:
    log.add()
    async with open_fluentd() as fluentd:
        fluentd.refuses = True
        async with log.audited(fluentd):
            await trio.sleep(125)
            fluentd.refuses = False
            await fluentd.wait_ids(1)
            await trio.sleep(1)
            fluentd.hang_up()
            await trio.sleep(5)
    pauses = [
        round(after - before, 1)
        for before, after in zip(fluentd.connected_at, fluentd.connected_at[1:], strict=False)
    ]
    assert pauses[:8] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert pauses[-1] == 1.5  # an accepted message resets the back-off
    assert log.progress == (0, True)


async def test_one_that_goes_away_while_nothing_is_said_is_missed(log: Log) -> None:
    async with open_fluentd() as fluentd, log.audited(fluentd):
        await trio.sleep(5)
        assert log.progress == (0, True)
        fluentd.refuses = True
        fluentd.hang_up()
        await trio.sleep(1)
        assert log.progress == (0, False)


@pytest.mark.parametrize(
    "greeting",
    [
        pytest.param(
            msgpack.packb(["HELO", {"nonce": b"x", "auth": b""}]), id="it wants a shared key"
        ),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="a web server"),
        pytest.param(b"\xc1" * 10, id="no msgpack"),
        pytest.param(b"\xdb\xff\xff\xff\xff" + b"x" * 100_000, id="without end"),
        pytest.param(msgpack.packb({"ack": []}), id="no name"),
    ],
)
async def test_who_speaks_something_else_is_left(log: Log, greeting: bytes) -> None:
    log.add(2)
    async with open_fluentd() as fluentd:
        fluentd.greeting, fluentd.acknowledges = greeting, 0
        async with log.audited(fluentd):
            await trio.sleep(1)
            assert len(fluentd.connected_at) == 2
            fluentd.greeting, fluentd.acknowledges = b"", float("inf")
            await fluentd.wait_ids(1, 2)


async def test_a_database_that_cannot_be_read_is_tried_again(log: Log) -> None:
    log.add()
    async with open_fluentd() as fluentd, log.audited(fluentd):
        await fluentd.wait_ids(1)
        log.reader.is_broken = True
        log.add()
        await trio.sleep(10)
        assert log.progress[1] is False
        log.reader.is_broken = False
        await fluentd.wait_ids(1, 2)


async def test_what_pruning_took_first_is_counted_and_told_in_its_place(log: Log) -> None:
    log.add(10)
    async with open_fluentd() as fluentd:
        async with log.audited(fluentd):
            await fluentd.wait_ids(*range(1, 11))
            await trio.sleep(1)
        log.add(5)
        log.prune(to=13)
        async with log.audited(fluentd):
            await fluentd.wait_ids(*range(1, 11), 14, 15)
            await trio.sleep(1)
        async with log.audited(fluentd):
            await trio.sleep(1)
    assert [told[3] for told in fluentd.told if told.tag == "ocpp.lost"] == [
        {"type": "lost", "count": 3, "total": 3}
    ]
    assert fluentd.told[10].tag == "ocpp.lost"
    assert (log.lost, log.cursor) == (3, (15, 3, 3))


async def test_what_is_lost_while_nobody_listens_is_counted_at_once_and_told_later(
    log: Log,
) -> None:
    log.add(10)
    async with open_fluentd() as fluentd:
        fluentd.refuses = True
        async with log.audited(fluentd):
            log.prune(to=4)
            await trio.sleep(60)
            assert (log.lost, log.cursor) == (4, (4, 4, 0))
            log.prune(to=10)  # everything
            await trio.sleep(60)
            assert (log.lost, log.cursor) == (10, (10, 10, 0))
        async with log.audited(fluentd):  # not counted again after a restart
            fluentd.refuses = False
            await trio.sleep(60)
            log.add()
            await fluentd.wait_ids(11)
            await trio.sleep(1)
    assert log.lost == 10
    assert fluentd.records[0] == {"type": "lost", "count": 10, "total": 10}
    assert log.cursor == (11, 10, 10)


async def test_switched_on_later_it_begins_with_the_oldest_frame(log: Log) -> None:
    log.add(10)
    log.prune(to=7)
    async with open_fluentd() as fluentd:
        fluentd.refuses = True
        async with log.audited(fluentd):
            assert log.cursor == (7, 0, 0)  # frames pruned from now on are counted
            fluentd.refuses = False
            await fluentd.wait_ids(8, 9, 10)
    assert log.lost == 0


async def test_each_gap_is_counted_and_told_where_it_is(log: Log) -> None:
    async with open_fluentd() as fluentd:
        async with log.audited(fluentd):
            pass
        log.add(10)
        log.connection.execute("DELETE FROM log WHERE id IN (1, 4, 5, 10)")
        async with log.audited(fluentd):
            await fluentd.wait_ids(2, 3, 6, 7, 8, 9)
            await trio.sleep(2)
    told = [record.get("id", record.get("count")) for record in fluentd.records]
    assert told == [1, 2, 3, 2, 6, 7, 8, 9, 1]
    assert (log.lost, log.cursor) == (4, (10, 4, 4))


async def test_an_empty_log_that_was_not_always_so_has_lost_nothing(log: Log) -> None:
    log.add(10)
    log.prune(to=10)
    async with open_fluentd() as fluentd, log.audited(fluentd):
        await trio.sleep(10)
        log.add()
        await fluentd.wait_ids(11)
    assert log.lost == 0


async def test_pages_are_bounded_and_ten_a_second_at_most(log: Log) -> None:
    log.add(1_200)
    log.add(4, frame="x" * 400_000)
    async with open_fluentd() as fluentd, log.audited(fluentd):
        await trio.sleep(0.35)
        sizes = [len(message) for message in fluentd.messages]
    assert sizes == [500, 500, 202, 2]
    pauses = [after - before for before, after in itertools.pairwise(fluentd.taken_at)]
    assert min(pauses) >= 0.1


async def test_nothing_is_read_while_nothing_happens(log: Log) -> None:
    log.add()
    async with open_fluentd() as fluentd, log.audited(fluentd):
        await fluentd.wait_ids(1)
        await trio.sleep(10)
        reads = log.reader.reads
        await trio.sleep(3600)
        assert log.reader.reads == reads
