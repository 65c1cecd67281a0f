"""The writer with its real thread, on a real file and the real clock (design §5)."""

import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.events import CertificateRequested, Event
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.faults import StoreUnavailable
from levity_trio.store.engine.file_store import FileConnection, FileStore
from levity_trio.store.engine.frame_log import FrameLogStatistics
from levity_trio.store.engine.writer import Writer, WriterLimits, WriterStatistics, open_writer
from tests.store.template import new_database

SECONDS = 30.0  # far longer than any test takes
OFTEN = WriterLimits(backoff_seconds=0.01, longest_backoff_seconds=0.02)
IMPATIENT = replace(OFTEN, commit_seconds=0.05)
"""A commit may take longer; see `insist`."""
LARGE = "x" * 200_000


class Site:
    """A database file, its writing connection, and the facts that were published."""

    def __init__(self, path: Path, connection: FileConnection) -> None:
        self.path = path
        self.connection = connection
        self.published: list[str] = []

    def publish(self, event: Event) -> None:
        if isinstance(event, CertificateRequested):  # not a BatchCommitted
            self.published.append(event.csr)

    def stored(self) -> list[str]:
        """Return what another process would find."""
        other = sqlite3.connect(f"{self.path.as_uri()}?mode=ro", uri=True)
        names = [name for (name,) in other.execute("SELECT data ->> 'csr' FROM event ORDER BY id")]
        other.close()
        return names

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the write lock from another connection."""
        other = sqlite3.connect(self.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with new_database(tmp_path / "site.db") as connection:
        connection.execute("PRAGMA busy_timeout = 10").fetchall()
        yield Site(tmp_path / "site.db", connection)


@asynccontextmanager
async def writing(
    site: Site, limits: WriterLimits = OFTEN, drain_seconds: float = SECONDS
) -> AsyncIterator[Writer]:
    with trio.fail_after(SECONDS):
        async with open_writer(
            FileStore(site.connection), site.publish, drain_seconds, limits
        ) as writer:
            yield writer


def keep(db: UnitOfWork, name: str) -> str:
    db.record(CertificateRequested(charger=None, at="2026", csr=name))
    return name


def keep_and_fail(db: UnitOfWork, name: str) -> None:
    keep(db, name)
    raise ValueError(name)


def keep_after(db: UnitOfWork, begun: threading.Event, go: threading.Event, name: str) -> str:
    begun.set()
    assert go.wait(SECONDS)
    return keep(db, name)


def keep_slowly(db: UnitOfWork, name: str) -> str:
    time.sleep(0.2)
    return keep(db, name)


class Busy:
    """A write that blocks the thread until it is released."""

    def __init__(self) -> None:
        self._begun, self._go = threading.Event(), threading.Event()

    async def begin(self, writer: Writer, nursery: trio.Nursery) -> None:
        nursery.start_soon(writer.run, keep_after, self._begun, self._go, "busy")
        await wait_until(self._begun.is_set)

    def go_on(self) -> None:
        self._go.set()


async def insist(writer: Writer, name: str) -> None:
    """Retry until a write is acknowledged, each time with another name, because an earlier one may
    have been stored."""
    for number in count():
        with suppress(StoreUnavailable):
            await writer.run(keep, f"{name}{number}")
            return


async def wait_until(condition: Callable[[], bool]) -> None:
    """Poll: there is no event for the progress of a thread."""
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.002)


async def test_an_answer_comes_after_its_commit(site: Site) -> None:
    async with writing(site) as writer:
        assert await writer.run(keep, "a") == "a"
        assert site.stored() == ["a"]
        assert site.published == ["a"]


async def test_one_thread_makes_all_commits_and_ends_with_the_writer(site: Site) -> None:
    async with writing(site) as writer:
        first = await writer.run(lambda _: threading.current_thread())
        assert (
            await writer.run(lambda _: threading.current_thread())
            is first
            is not threading.current_thread()
        )
    await wait_until(lambda: not first.is_alive())


async def test_a_commit_that_has_begun_is_waited_for_after_the_deadline_of_the_drain(
    site: Site,
) -> None:
    busy = Busy()

    async def leave_during_a_commit() -> None:
        async with writing(site, drain_seconds=0.05) as writer, trio.open_nursery() as nursery:
            await busy.begin(writer, nursery)
            nursery.start_soon(writer.run, keep, "never begun")
            await wait_until(lambda: writer.statistics().waiting == 1)
            nursery.cancel_scope.cancel()
            threading.Timer(0.2, busy.go_on).start()

    with pytest.raises(StoreUnavailable):
        await leave_during_a_commit()
    assert site.published == site.stored() == ["busy"]


async def test_what_waits_is_committed_together(site: Site) -> None:
    busy = Busy()
    async with writing(site) as writer:
        async with trio.open_nursery() as nursery:
            await busy.begin(writer, nursery)
            for number in range(20):
                nursery.start_soon(writer.run, keep, str(number))
            await wait_until(lambda: writer.statistics().waiting == 20)
            assert site.published == site.stored() == []
            busy.go_on()
        assert writer.statistics() == WriterStatistics(
            waiting=0,
            batches=2,
            writes=21,
            refused=0,
            damaged=0,
            is_failing=False,
            frames=FrameLogStatistics(),
        )
    assert set(site.stored()) == {"busy", *map(str, range(20))}


async def test_a_batch_of_a_shared_database_waits_for_more(site: Site) -> None:
    store = FileStore(site.connection)
    store.gather_seconds = 0.5
    async with (
        open_writer(store, site.publish, SECONDS, OFTEN) as writer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(writer.run, keep, "a")
        await trio.sleep(0.02)
        await writer.run(keep, "b")
        statistics = writer.statistics()
    assert (statistics.batches, statistics.writes) == (1, 2)


async def test_one_that_fails_is_undone_alone(site: Site) -> None:
    busy, failures = Busy(), []

    async def ask_for_failure(writer: Writer) -> None:
        try:
            await writer.run(keep_and_fail, "never")
        except ValueError as error:
            failures.append(str(error))

    async with writing(site) as writer:
        async with trio.open_nursery() as nursery:
            await busy.begin(writer, nursery)
            nursery.start_soon(writer.run, keep, "a")
            await wait_until(lambda: writer.statistics().waiting == 1)
            nursery.start_soon(ask_for_failure, writer)
            await wait_until(lambda: writer.statistics().waiting == 2)
            nursery.start_soon(writer.run, keep, "b")
            await wait_until(lambda: writer.statistics().waiting == 3)
            busy.go_on()
        assert writer.statistics().batches == 2
    assert failures == ["never"]
    assert site.published == site.stored() == ["busy", "a", "b"]


async def test_facts_are_published_in_commit_order_before_their_asker_wakes(site: Site) -> None:
    async def ask(writer: Writer, name: str) -> None:
        await writer.run(keep, name)
        site.published.append(f"{name} answered")

    async with writing(site) as writer, trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(ask, writer, str(number))
    facts = [name for name in site.published if "answered" not in name]
    assert facts == site.stored()
    assert len(facts) == 30
    for name in facts:
        assert site.published.index(name) < site.published.index(f"{name} answered")


async def test_a_write_is_executed_though_its_asker_is_gone(site: Site) -> None:
    busy = Busy()
    async with writing(site) as writer, trio.open_nursery() as nursery:
        await busy.begin(writer, nursery)
        with trio.move_on_after(0.02) as patience:
            await writer.run(keep, "a")
        assert patience.cancelled_caught
        busy.go_on()
    assert site.published == site.stored() == ["busy", "a"]


async def test_what_was_handed_in_is_committed_while_all_is_being_cancelled(site: Site) -> None:
    busy = Busy()
    with trio.CancelScope() as everything:
        async with writing(site) as writer, trio.open_nursery() as nursery:
            await busy.begin(writer, nursery)
            for number in range(20):
                nursery.start_soon(writer.run, keep, str(number))
            await wait_until(lambda: writer.statistics().waiting == 20)
            everything.cancel()
            busy.go_on()
    assert everything.cancelled_caught
    assert site.published == site.stored()
    assert sorted(site.stored()) == sorted(["busy", *map(str, range(20))])


@pytest.mark.logs_errors
async def test_a_drain_has_its_deadline(site: Site) -> None:
    async def leave_something() -> None:
        async with writing(site, drain_seconds=0.05) as writer, trio.open_nursery() as nursery:
            nursery.start_soon(writer.run, keep, "a")
            await wait_until(lambda: writer.is_failing)
            nursery.cancel_scope.cancel()

    with site.locked(), pytest.raises(StoreUnavailable):
        await leave_something()
    assert site.published == site.stored() == []


# The database fails


@pytest.mark.logs_errors
async def test_a_locked_database_is_waited_for(site: Site) -> None:
    async with writing(site) as writer:
        async with trio.open_nursery() as nursery:
            with site.locked():
                for number in range(5):
                    nursery.start_soon(writer.run, keep, str(number))
                await wait_until(lambda: writer.statistics().refused >= 3)
                assert writer.is_failing
                assert site.published == site.stored() == []
        assert writer.statistics().writes == 5
        assert not writer.is_failing
    assert sorted(site.stored()) == sorted(site.published) == list("01234")


@pytest.mark.logs_errors
async def test_a_full_disk_is_waited_for(site: Site) -> None:
    (pages,) = site.connection.execute("PRAGMA page_count").fetchone()
    site.connection.execute(f"PRAGMA max_page_count = {pages + 2}").fetchall()
    async with writing(site) as writer, trio.open_nursery() as nursery:
        nursery.start_soon(writer.run, keep, "a")
        nursery.start_soon(writer.run, keep, LARGE)
        await wait_until(lambda: writer.statistics().refused >= 2)
        assert site.published == site.stored() == []
        site.connection.execute(f"PRAGMA max_page_count = {pages + 1000}").fetchall()
    assert sorted(site.stored()) == sorted(site.published) == sorted(["a", LARGE])


@pytest.mark.logs_errors
async def test_what_cannot_be_committed_in_time_is_unavailable_and_holds_nobody_up(
    site: Site,
) -> None:
    async with writing(site, IMPATIENT) as writer:
        with site.locked():
            with pytest.raises(StoreUnavailable):
                await writer.run(keep, "a")
            refused = writer.statistics().refused  # it retries, without the writes that timed out
            await wait_until(lambda: writer.statistics().refused >= refused + 2)
        await insist(writer, "b")
    assert site.published == site.stored()
    assert "a" not in site.stored()


@pytest.mark.logs_errors
async def test_a_full_channel_makes_askers_wait_and_then_go(site: Site) -> None:
    outcomes: list[str] = []

    async def ask(writer: Writer, name: str) -> None:
        try:
            outcomes.append(await writer.run(keep, name))
        except StoreUnavailable:
            outcomes.append("unavailable")

    async with writing(site, replace(IMPATIENT, waiting_jobs=2)) as writer:
        with site.locked():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, writer, "first")
                await wait_until(lambda: writer.is_failing)
                for number in range(5):
                    nursery.start_soon(ask, writer, str(number))
        await insist(writer, "last")
    assert outcomes == ["unavailable"] * 6
    stored = site.stored()
    assert stored[-1].startswith("last")
    assert len(stored) == len(set(stored))  # a write that timed out may be stored, once


async def test_a_slow_database_is_not_a_failing_one(
    site: Site, monkeypatch: pytest.MonkeyPatch, log_lines: list[EventDict]
) -> None:
    """Its callers wait too long, but commits go on: no more chargers must come, and nothing is said
    to be broken."""
    monkeypatch.setattr("levity_trio.store.engine.writer.BATCH_JOBS", 1)
    given_up: list[int] = []

    async def ask(writer: Writer, number: int) -> None:
        try:
            await writer.run(keep_slowly, str(number))
        except StoreUnavailable:
            given_up.append(number)
        assert not writer.is_failing

    async with writing(site, replace(OFTEN, commit_seconds=1.0)) as writer:
        assert not writer.is_behind
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(ask, writer, number)
            await wait_until(lambda: writer.is_behind)
        assert not writer.is_behind
    assert given_up
    assert (
        log_lines[0]["event"]
        == "writes wait too long for their commits; their chargers connect again"
    )


async def test_no_asker_is_given_up_on_once_answered(site: Site) -> None:
    patience = replace(OFTEN, commit_seconds=0.5)
    async with writing(site, patience) as writer:
        await insist(writer, "a")
        assert not writer.is_failing
        await trio.sleep(1.2 * patience.commit_seconds)  # it has timed out
        assert not writer.is_failing


# Coalesced writes


async def test_the_last_of_a_key_is_kept(site: Site) -> None:
    async with writing(site, replace(OFTEN, coalesce_seconds=0.03)) as writer:
        for number in range(5):
            writer.coalesce("a", keep, f"a{number}")
            writer.coalesce(("b", 1), keep, f"b{number}")
        assert site.stored() == []
        await wait_until(lambda: len(site.published) == 2)
        writer.coalesce("a", keep, "again")
        await wait_until(lambda: len(site.published) == 3)
    assert site.published == site.stored() == ["a4", "b4", "again"]


async def test_what_is_left_of_it_is_written_at_the_end(site: Site) -> None:
    async with writing(site) as writer:
        writer.coalesce("a", keep, "a")
    assert site.stored() == ["a"]


# Notes


async def test_a_note_goes_with_the_next_commit_before_its_writes(site: Site) -> None:
    async with writing(site, replace(OFTEN, note_seconds=60)) as writer:
        for _ in range(3):
            await writer.run(keep, "a write")
            writer.note(keep, "a note")
        assert site.stored() == ["a write", *["a note", "a write"] * 2]
    assert site.stored()[-1] == "a note"


async def test_a_note_without_other_writes_is_committed_soon(site: Site) -> None:
    async with writing(site, replace(OFTEN, note_seconds=0.02)) as writer:
        for number in range(1, 4):
            await writer.run(keep, "a write")
            await trio.sleep(0.05)
            writer.note(keep, "a note")
            await wait_until(lambda number=number: len(site.published) == 2 * number)  # type: ignore[misc]


async def test_too_many_notes_are_refused(site: Site) -> None:
    async with writing(site, replace(OFTEN, note_seconds=60, waiting_jobs=2)) as writer:
        writer.note(keep, "a")
        writer.note(keep, "b")
        with pytest.raises(StoreUnavailable):
            writer.note(keep, "c")
    assert site.stored() == ["a", "b"]


@pytest.mark.logs_errors
async def test_one_that_fails_costs_no_other(site: Site) -> None:
    async with writing(site) as writer:
        writer.coalesce("a", keep, "a")
        writer.coalesce("b", keep_and_fail, "never")
        writer.coalesce("c", keep, "c")
    assert site.stored() == ["a", "c"]


@pytest.mark.logs_errors
async def test_a_database_that_was_moved_away_acknowledges_nothing(site: Site) -> None:
    moved = site.path.with_name("backup.db")
    async with writing(site, IMPATIENT) as writer:
        await insist(writer, "a")
        site.path.rename(moved)
        with pytest.raises(StoreUnavailable):
            await writer.run(keep, "never")
        site.path.touch()  # another file in its place
        with pytest.raises(StoreUnavailable):
            await writer.run(keep, "never either")
        moved.rename(site.path)
        await wait_until(lambda: not writer.is_failing)
        await insist(writer, "b")
    assert {name[0] for name in site.stored()} == {"a", "b"}


async def test_what_is_handed_in_without_waiting_is_stored_in_its_order(site: Site) -> None:
    async with writing(site) as writer:
        await writer.hand_in(keep, "a")
        await writer.run(keep, "b")
        await writer.hand_in(keep, "c")
    assert site.stored() == ["a", "b", "c"]


@pytest.mark.logs_errors
async def test_what_is_handed_in_and_fails_is_told_to_the_log(
    site: Site, log_lines: list[Any]
) -> None:
    async with writing(site) as writer:
        await writer.hand_in(keep_and_fail, "never")
    assert site.stored() == []
    assert [line["event"] for line in log_lines if line["log_level"] == "error"] == [
        "background write failed"
    ]


def test_a_body_that_raises_raises_as_it_is(site: Site) -> None:
    async def main() -> None:
        async with writing(site) as writer:
            await writer.run(keep, "a")
            raise KeyError("ours")

    with pytest.RaisesGroup(KeyError, flatten_subgroups=True):
        trio.run(main)
    assert site.stored() == ["a"]
