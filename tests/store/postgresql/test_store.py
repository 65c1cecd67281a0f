"""The store on PostgreSQL: whose database it is, one server for each name, and the commit of
batches."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime

import pytest

from levity_trio.clock import SimulatedTime
from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.database import UnitOfWork, Write
from levity_trio.store.engine.schema import (
    FIRST_TRANSACTION_ID,
    NewerSchema,
    NotOurs,
    newest_version,
)
from levity_trio.store.postgresql.connection import SETTINGS, PostgresqlConnection, connect
from levity_trio.store.postgresql.store import LeaseEnded, open_store
from tests.postgresql import Server, running
from tests.store.batches import fact, fail, keep, repeat_a_key
from tests.store.postgresql.stored import (
    change,
    commit_at_last,
    empty_database,
    kept,
    new_database,
    query,
)

EXPIRE = "UPDATE levity.server SET until = clock_timestamp() - interval '1 second'"
"""What the passage of LEASE_SECONDS does."""
HOLDER = """
import sys, time
from levity_trio.store.postgresql.store import open_store
with open_store(sys.argv[1], "levity"):
    print("open", flush=True)
    time.sleep(600)
"""
"""A program that holds a store until it is killed."""


@pytest.fixture
def address(server: Server) -> PostgresqlAddress:
    return new_database(server)


def refused(
    address: PostgresqlAddress, name: str = "levity", simulated: SimulatedTime | None = None
) -> str:
    """Return why a server with this name may not use the database."""
    with pytest.raises(EnvironmentProblem) as told, open_store(address, name, simulated):
        pytest.fail("it was opened")
    assert "\n" not in str(told.value)
    return str(told.value)


def simulated(speed: int) -> SimulatedTime:
    return SimulatedTime(datetime(2026, 1, 1, tzinfo=UTC), speed)


def test_an_empty_database_is_made_ours(server: Server) -> None:
    address = empty_database(server)
    for run in range(2):
        with open_store(address, "levity") as store:
            assert store.path == address
            store.commit([keep(f"run {run}")])
    assert kept(address) == ["run 0", "run 1"]
    assert query(address, "SELECT mod(version, 1000) FROM levity.migrated") == [(newest_version(),)]


def test_transaction_ids_begin_at_a_random_base(server: Server) -> None:
    bases = set[int]()
    for _ in range(2):
        with open_store(address := empty_database(server), "levity"):
            bases |= {base for (base,) in query(address, "SELECT last_value FROM tx_id_seq")}
    assert len(bases) == 2
    assert min(bases) >= FIRST_TRANSACTION_ID


def test_the_database_of_another_program(server: Server) -> None:
    address = empty_database(server)
    change(address, "CREATE TABLE theirs (id integer)")
    assert refused(address).startswith(
        "the database belongs to another program; create one for levity-trio"
    )
    assert query(address, "SELECT count(*) FROM pg_namespace WHERE nspname = 'levity'") == [(0,)]


def test_a_newer_schema(address: PostgresqlAddress) -> None:
    change(address, f"UPDATE levity.migrated SET version = {newest_version() + 1}")
    words = rf"schema {newest_version() + 1}, .* {newest_version()}"
    with pytest.raises(NewerSchema, match=words), open_store(address, "levity"):
        pytest.fail("it was opened")


def test_no_such_database(server: Server) -> None:
    assert 'database "nowhere" does not exist' in refused(server.address("nowhere"))


def test_an_address_that_libpq_refuses(server: Server) -> None:
    address = server.address("postgres")
    for wrong in (f"{address}&foo=bar", "postgresql://%zz/name", "postgresql://host:port/name"):
        assert refused(PostgresqlAddress(wrong)).startswith(
            f"cannot use the database {wrong}: invalid "
        )


def test_another_encoding(server: Server) -> None:
    server.sql("CREATE DATABASE latin TEMPLATE template0 LOCALE 'C' ENCODING 'LATIN1'")
    assert "LATIN1; create it with createdb" in refused(server.address("latin"))


def test_a_server_that_may_lose_what_it_committed() -> None:
    with running() as server:
        for name in ("fsync", "full_page_writes"):
            server.stop()
            server.start(**{name: "off"})
            assert f"set {name} = on in postgresql.conf" in refused(server.address("postgres"))


def test_the_speed_of_the_clock_is_that_of_the_database(server: Server) -> None:
    real, fast = empty_database(server), empty_database(server)
    with open_store(real, "levity"), open_store(fast, "levity", simulated(10)):
        pass
    assert "keeps real time; leave out --clock-speed" in refused(real, simulated=simulated(10))
    assert "--clock-speed 10;" in refused(fast)
    assert "--clock-speed 10;" in refused(fast, simulated=simulated(20))
    with pytest.raises(NotOurs), open_store(fast, "levity"):
        pytest.fail("it was opened")
    with open_store(fast, "levity", simulated(10)):
        pass


def test_a_name_is_taken_once(address: PostgresqlAddress) -> None:
    with open_store(address, "levity") as store:
        assert refused(address).startswith("the server levity runs on this database")
        store.commit([keep("of the first")])
    with open_store(address, "levity") as store:  # free at once, because it was given back
        store.commit([keep("of the second")])
    assert kept(address) == ["of the first", "of the second"]


def test_two_that_start_at_once_do_not_both_take_a_name(address: PostgresqlAddress) -> None:
    with ThreadPoolExecutor(4) as pool, ExitStack() as opened:
        found = [pool.submit(opened.enter_context, open_store(address, "levity")) for _ in range(4)]
        refusals = [problem for one in found if (problem := one.exception()) is not None]
    assert len(refusals) == 3
    assert all("runs on this database" in str(problem) for problem in refusals)


def test_a_lease_is_prolonged_by_each_commit(address: PostgresqlAddress) -> None:
    with open_store(address, "levity") as store:
        change(address, EXPIRE)
        store.commit([keep("a")])
        assert "runs on this database" in refused(address)


def test_a_server_whose_name_was_taken_stores_nothing_more(address: PostgresqlAddress) -> None:
    with open_store(address, "levity") as first:
        first.commit([keep("before")])
        change(address, EXPIRE)
        with open_store(address, "levity") as second:
            second.commit([keep("of the second")])
            for _ in range(2):
                with pytest.raises(LeaseEnded, match="its lease was ended"):
                    first.commit([keep("never")])
            second.commit([keep("again of the second")])
    assert kept(address) == ["before", "of the second", "again of the second"]


def test_whose_name_was_taken_does_not_give_it_back(address: PostgresqlAddress) -> None:
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(open_store(address, "levity"))
        change(address, EXPIRE)
        second.enter_context(open_store(address, "levity"))
        first.close()
        assert "runs on this database" in refused(address)


def test_a_name_is_not_given_back_by_a_dead_server(address: PostgresqlAddress) -> None:
    """The lease of a killed server ends by itself."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, address], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        holder.kill()
    assert "was killed less than 15 s ago" in refused(address)
    ((seconds,),) = query(
        address, "SELECT extract(epoch FROM until - clock_timestamp()) FROM levity.server"
    )
    assert 0 < seconds <= 15
    change(address, EXPIRE)
    with open_store(address, "levity") as store:
        store.commit([keep("a")])


def test_answers_and_facts_in_order(address: PostgresqlAddress) -> None:
    with open_store(address, "levity") as store:
        results = store.commit([keep("a"), keep("b")])
        assert [result.unwrap() for result in results] == ["a", "b"]
        assert [list(result.facts) for result in results] == [[fact("a")], [fact("b")]]
        assert store.commit([]) == []
    assert kept(address) == ["a", "b"]


def break_a_foreign_key(db: UnitOfWork) -> None:
    insert = (
        "INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at)"
    )
    db.execute(f"{insert} VALUES ('?', 1, '', '', 1, '')")


def write_no_sql(db: UnitOfWork) -> None:
    db.execute("NO SQL")


FAILING = [fail(ValueError("a bug")), repeat_a_key, break_a_foreign_key, write_no_sql]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_that_fails_is_undone_alone(address: PostgresqlAddress, position: int) -> None:
    for number, failing in enumerate(FAILING):
        writes = [keep(f"{number} a"), keep(f"{number} b")]
        writes.insert(position, failing)
        with open_store(address, f"server {number}") as store:
            results = store.commit(writes)
        assert kept(address)[2 * number :] == [f"{number} a", f"{number} b"]
        assert list(results[position].facts) == []
        with pytest.raises((ValueError, sqlite3.Error)):
            results[position].unwrap()
    assert query(address, "SELECT count(*) FROM cp") == [(0,)]


def test_all_fail(address: PostgresqlAddress) -> None:
    with open_store(address, "levity") as store:
        assert all(
            result.error is not None for result in store.commit([repeat_a_key, repeat_a_key])
        )
        store.commit([keep("a")])
    assert kept(address) == ["a"]


def hide(db: UnitOfWork) -> str:
    """Fail to insert a row, and say nothing of it: on SQLite that leaves the other statements in
    place."""
    with pytest.raises(sqlite3.IntegrityError):
        repeat_a_key(db)
    return "all is well"


@pytest.mark.parametrize("position", [0, 1])
def test_a_write_that_hides_its_error_harms_itself_alone(
    address: PostgresqlAddress, position: int
) -> None:
    """PostgreSQL answers COMMIT with ROLLBACK then, which must not be taken for a commit."""
    writes: list[Write] = [keep("a")]
    writes.insert(position, hide)
    with open_store(address, "levity") as store:
        results = store.commit(writes)
    assert results[position].error is not None
    assert results[1 - position].unwrap() == "a"
    assert kept(address) == ["a"]


def test_an_attempt_that_fails_is_undone(address: PostgresqlAddress) -> None:
    def attempts(db: UnitOfWork) -> list[str]:
        def keep_one() -> None:
            db.record(fact("kept"))

        def sleep() -> None:
            db.rows("SELECT pg_sleep(600)")

        found = [
            db.attempt(lambda: repeat_a_key(db), 10),
            db.attempt(keep_one, 10),
            db.attempt(sleep, 0.05),
        ]
        db.record(fact("after"))
        return [type(error).__name__ for error in found]

    with open_store(address, "levity") as store:
        (result,) = store.commit([attempts])
    assert result.unwrap() == ["IntegrityError", "NoneType", "OperationalError"]
    assert kept(address) == ["kept", "after"]


def test_a_connection_lost_between_batches_is_no_fault(
    server: Server, address: PostgresqlAddress
) -> None:
    """As after a restart of PostgreSQL: the next batch is stored over a new connection, and nobody
    is alarmed."""
    with open_store(address, "levity") as store:
        for name in ("a", "b", "c"):
            store.commit([keep(name)])
            server.sql(
                "SELECT pg_terminate_backend(pid, 5000) "
                "FROM pg_stat_activity WHERE datname LIKE 'site%'"
            )
    assert kept(address) == ["a", "b", "c"]


def test_a_lock_held_elsewhere_is_a_fault_of_the_database(
    address: PostgresqlAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator's forgotten transaction: the batch is tried again, and stored when the lock
    is free."""
    monkeypatch.setitem(SETTINGS, "lock_timeout", "100ms")
    with (
        open_store(address, "levity") as store,
        closing(PostgresqlConnection(connect(address))) as another,
    ):
        waiting, faults = keep("waiting"), list[str]()
        another.run("BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(AssertionError, match="never committed"):
            commit_at_last(store, [waiting], lambda: faults.append("fault"), tries=1)
        assert faults == ["fault"]
        another.run("COMMIT")
        store.commit([waiting])
    assert kept(address) == ["waiting"]
