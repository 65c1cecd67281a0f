"""The log is divided into days: an older one as it stands, and old days are dropped while servers
run."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

from levity_trio.config import ServerConfig
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.writer import open_writer
from levity_trio.store.keeping.checking import check
from levity_trio.store.postgresql import days
from levity_trio.store.postgresql.connection import SETTINGS, PostgresqlConnection, Row, connect
from levity_trio.store.postgresql.days import AHEAD, Partition, Partitions, partitions
from levity_trio.store.postgresql.servers import take_turn
from levity_trio.store.postgresql.store import open_store
from levity_trio.store.reads.reader import Reader
from levity_trio.store.upkeep.pruning import Pruning, PruningLimits
from tests.postgresql import Server
from tests.store.batches import keep
from tests.store.postgresql.stored import change, kept, new_database, query

TODAY = datetime.now(UTC).date()
FRAMES = (
    "INSERT INTO log (cp_id, at, direction, frame)"
    " SELECT 'CP-1', '{at}', 'recv', number FROM generate_series(1, {rows}) AS number"
)
FIRST = date(2020, 1, 1)
"""Days that nothing else has: those of `made`."""
MADE = 3
SECONDS = 5.0


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def fill(address: PostgresqlAddress, at: date | str, rows: int = 3) -> None:
    change(address, FRAMES.format(at=f"{at}T12:00" if isinstance(at, date) else at, rows=rows))


def tables(address: PostgresqlAddress) -> list[str]:
    with closing(PostgresqlConnection(connect(address))) as connection:
        return [one.table for one in partitions(connection)]


def places(address: PostgresqlAddress) -> list[Row]:
    """Return each row's id and partition."""
    return query(
        address,
        "SELECT log.id, relname FROM log JOIN pg_class ON pg_class.oid = log.tableoid ORDER BY 1",
    )


def ids(address: PostgresqlAddress) -> list[int]:
    return [number for (number,) in query(address, "SELECT id FROM log ORDER BY id")]


@pytest.fixture
def address(server: Server) -> PostgresqlAddress:
    return new_database(server)


@pytest.fixture
def made(address: PostgresqlAddress) -> PostgresqlAddress:
    """A database with three days of long ago."""
    change(address, "DROP TABLE levity.log_before")
    Partitions(address).make(FIRST)
    for number in range(AHEAD + 1 - MADE):
        change(address, f"DROP TABLE levity.log_{day(MADE + number):%Y%m%d}")
    return address


def test_a_new_log_has_days(address: PostgresqlAddress) -> None:
    with closing(PostgresqlConnection(connect(address))) as connection:
        first, *later = partitions(connection)
    tomorrow = date.fromisoformat(first.before)
    assert first == Partition("levity.log_before", "MINVALUE", str(tomorrow))
    assert tomorrow - TODAY <= timedelta(days=2)  # midnight may be between
    assert [one.before for one in later] == [
        str(tomorrow + timedelta(days=n)) for n in range(1, AHEAD + 1)
    ]


def test_frames_of_any_time_are_kept(address: PostgresqlAddress) -> None:
    for at in (TODAY - timedelta(days=30), TODAY, "1970-01-01T00:00", "2999-01-01T00:00"):
        fill(address, at, 2)
    assert ids(address) == [*range(1, 9)]
    assert {number for number, place in places(address) if place == "log_default"} == {7, 8}
    with pytest.raises(sqlite3.IntegrityError, match="a fact is never rewritten"):
        change(address, "UPDATE log SET frame = ''")
    assert not check(address, lambda _name: None).problems


def test_days_are_made_where_none_is_left(address: PostgresqlAddress) -> None:
    """A server was away for longer than they were made ahead, and all were too old to be kept."""
    for name in tables(address):
        change(address, f"DROP TABLE {name}")
    Partitions(address).make(TODAY)
    assert len(tables(address)) == AHEAD + 1


def test_a_day_that_is_over_is_dropped_whole(made: PostgresqlAddress) -> None:
    for number in range(MADE):
        fill(made, day(number))
    assert Partitions(made).drop(str(day(0)), 0) == 0  # it has only begun
    assert Partitions(made).drop(str(day(2)), 0) == 6
    assert (tables(made)[0], ids(made)) == (f"levity.log_{day(2):%Y%m%d}", [7, 8, 9])
    assert Partitions(made).drop(str(day(2)), 0) == 0
    fill(made, day(0))  # a late frame of a server whose clock is behind
    assert places(made)[-1] == (12, "log_default")


def test_days_without_a_row_above_an_id(made: PostgresqlAddress) -> None:
    for number in range(MADE):
        fill(made, day(number))
    assert Partitions(made).drop("", 5) == 3
    assert ids(made) == [*range(4, 10)]
    assert len(tables(made)) == AHEAD + MADE - 1  # no day to come was dropped


def test_what_other_days_have_of_its_ids_goes_too(made: PostgresqlAddress) -> None:
    """Clocks of two servers differ at midnight, and one was wrong for a moment: no gaps are
    left."""
    for at in (day(0), day(1), "2999-01-01T00:00", day(0), day(1)):
        fill(made, at)
    assert Partitions(made).drop(str(day(1)), 0) == 12
    assert ids(made) == [13, 14, 15]


def test_a_day_that_has_new_frames_stays(
    made: PostgresqlAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "MOST_ASTRAY", 5)
    for number in (0, 1, 2, 0):
        fill(made, day(number))
    assert Partitions(made).drop(str(day(1)), 0) == 0
    assert ids(made) == [*range(1, 13)]


def test_nobody_waits_for_who_waits_for_a_reader(made: PostgresqlAddress) -> None:
    fill(made, day(0))
    with closing(PostgresqlConnection(connect(made))) as reader:
        reader.run("BEGIN; SELECT count(*) FROM log")  # as pg_dump holds it
        assert Partitions(made).drop(str(day(1)), 0) == 0
        Partitions(made).make(day(50))
        assert (len(tables(made)), len(ids(made))) == (AHEAD + MADE, 3)
    assert Partitions(made).drop(str(day(1)), 0) == 3
    Partitions(made).make(day(50))
    assert len(tables(made)) == AHEAD + MADE + AHEAD


def test_a_batch_that_runs_is_waited_for(
    made: PostgresqlAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may store a frame of that day."""
    fill(made, day(0))
    with closing(PostgresqlConnection(connect(made))) as batch:
        batch.run("BEGIN")
        take_turn(batch)
        monkeypatch.setitem(SETTINGS, "lock_timeout", "100ms")
        assert Partitions(made).drop(str(day(1)), 0) == 0
        batch.run("COMMIT")
    assert Partitions(made).drop(str(day(1)), 0) == 3


def test_servers_store_meanwhile(made: PostgresqlAddress) -> None:
    """Each batch is stored at once: a fault of the database would raise here."""

    def store_all(name: str) -> None:
        with open_store(made, name) as store:
            for number in range(60):
                (result,) = store.commit([keep(f"{name}-{number}")])
                result.unwrap()
                fill(made, TODAY, 1)

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(store_all, name) for name in ("one", "two")]
        for number in range(20):
            Partitions(made).make(day(100 + 10 * number))
            Partitions(made).drop(str(day(100 + 10 * number)), 0)
        for one in running:
            one.result()
    assert len(kept(made)) == len(ids(made)) == 120


def test_frames_that_came_before_their_day_was_made(made: PostgresqlAddress) -> None:
    for at in (day(49), day(50), day(51), "2999-01-01T00:00"):
        fill(made, at, 1)
    Partitions(made).make(day(50))
    assert places(made) == [
        (1, "log_default"),
        (2, "log_20200220"),
        (3, "log_20200221"),
        (4, "log_default"),
    ]


def test_too_many_frames_of_wild_times_to_make_a_day(
    made: PostgresqlAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "MOST_BYTES", 0)
    fill(made, day(50))
    Partitions(made).make(day(50))
    fill(made, day(50))
    assert {place for _, place in places(made)} == {"log_default"}


async def test_retention_keeps_whole_days(made: PostgresqlAddress) -> None:
    """With rows before the first day, of a wild time, and of a day that is not over."""
    for at in ("1970-01-01T00:00", "2019-12-31T00:00", day(0), day(1), f"{day(2)}T00:00"):
        fill(made, at)
    now = datetime(2020, 1, 3, 12, tzinfo=UTC) + timedelta(days=10)
    config = ServerConfig(database=made, log_days=10)
    with open_store(made, "levity") as store:
        async with open_writer(store, lambda _event: None, SECONDS) as writer:
            pruning = Pruning(
                writer, Reader(made), config, lambda: now, lambda: True, PruningLimits(rest_times=0)
            )
            await pruning.look()
            assert writer.statistics().frames.pruned == 12
    assert ids(made) == [13, 14, 15]
    assert f"levity.log_{now:%Y%m%d}" in tables(made)
    assert f"levity.log_{day(1):%Y%m%d}" not in tables(made)


def test_an_id_in_two_partitions_is_found(made: PostgresqlAddress) -> None:
    for at in (day(0), day(1)):
        change(
            made,
            f"INSERT INTO log (id, cp_id, at, direction, frame) VALUES (1, '', '{at}', 'recv', '')",
        )
    change(made, "UPDATE levity.counted SET seq = 1 WHERE name = 'log'")
    assert [one.text for one in check(made, lambda _name: None).problems] == [
        "several rows of log have the id 1"
    ]


def test_a_partition_without_its_key_is_found(made: PostgresqlAddress) -> None:
    change(made, "ALTER TABLE levity.log_default DROP CONSTRAINT log_default_pkey")
    (problem,) = check(made, lambda _name: None).problems
    assert problem.text.startswith("primary key of log (id) is not as schema")
