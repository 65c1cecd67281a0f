"""The schema on PostgreSQL is created or migrated whole or not at all, by one server at a time, and
by the owner."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from structlog.typing import EventDict

from levity_trio.config import EnvironmentProblem
from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.schema import (
    FIRST_TRANSACTION_ID,
    FOLDER,
    creation,
)
from levity_trio.store.keeping.checking import check
from levity_trio.store.keeping.upgrading import look_at
from levity_trio.store.postgresql.connection import (
    PostgresqlConnection,
    PostgresqlDatabase,
    connect,
    open_reader,
)
from levity_trio.store.postgresql.schema import migrate
from levity_trio.store.postgresql.store import open_store
from levity_trio.store.reads.reader import look
from tests.postgresql import MODEL, USER, Server
from tests.store.batches import keep
from tests.store.later import NEWEST, NOT, STILL, later
from tests.store.postgresql.relay import relayed
from tests.store.postgresql.stored import change, empty_database, kept, name_of, new_database, query

PARTS = (
    "SELECT relkind, count(*) FROM pg_class "
    "WHERE relnamespace IN (to_regnamespace('public'), to_regnamespace('levity')) "
    "GROUP BY relkind ORDER BY relkind"
)
COLUMNS = (
    "SELECT table_name, column_name FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY 1, 2"
)
VERSION = "SELECT mod(version, 1000) FROM levity.migrated"
WAITS = "another server creates or migrates the database; waiting until it has done so"
MIGRATING = 0x4C565433
SECONDS = 30
PAUSE_SECONDS = 0.01


def parts(address: PostgresqlAddress) -> list[tuple[object, ...]]:
    """Return how many tables, indexes, sequences and views there are."""
    return query(address, PARTS)


def refused(address: PostgresqlAddress, folder: Path = FOLDER) -> str:
    with (
        pytest.raises(EnvironmentProblem) as told,
        open_store(address, "levity", folder=folder),
    ):
        pytest.fail("it was opened")
    assert "\n" not in str(told.value)
    return str(told.value)


def assert_whole(server: Server, address: PostgresqlAddress) -> None:
    """A server creates the schema, or finds it whole, and stores."""
    with open_store(address, "levity") as store:
        store.commit([keep("a")])
    assert kept(address) == ["a"]
    assert parts(address) == parts(server.address(MODEL))
    assert query(address, VERSION) == [(NEWEST,)]
    ((base,),) = query(address, "SELECT last_value FROM tx_id_seq")
    assert base >= FIRST_TRANSACTION_ID


@pytest.mark.parametrize(
    "last",
    [
        b"CREATE SCHEMA levity",
        b"CREATE TABLE cp (",
        b"CREATE TABLE closing (",
        b"setval(",
        b"COMMIT\0",
    ],
)
def test_a_creation_that_is_cut(server: Server, last: bytes) -> None:
    """The connection is lost behind these bytes: the next start creates the schema, or finds it."""
    address = empty_database(server)
    with relayed(server.folder) as relay:
        relay.cut_behind(last)
        assert "cannot use the database" in refused(relay.address(name_of(address)))
        assert relay.cuts == 1
    assert_whole(server, address)


STATEMENTS = len([*creation()])


@pytest.mark.parametrize("at", [0, STATEMENTS // 2, STATEMENTS - 1])
def test_a_creation_whose_backend_is_ended(
    server: Server, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Before the statement of this number, as an administrator or a crash of another backend does
    it."""
    address = empty_database(server)

    def cut(folder: Path) -> Iterator[str]:
        for number, statement in enumerate(creation(folder)):
            if number == at:
                server.sql(
                    "SELECT pg_terminate_backend(pid, 5000) "
                    "FROM pg_stat_activity WHERE state LIKE 'idle in%'"
                )
            yield statement

    monkeypatch.setattr("levity_trio.store.postgresql.schema.creation", cut)
    assert "cannot use the database" in refused(address)
    assert query(address, "SELECT to_regnamespace('levity')") == [(None,)]
    monkeypatch.undo()
    assert_whole(server, address)


def test_a_migration_that_fails_changes_nothing(server: Server, tmp_path: Path) -> None:
    """All that are missing are one transaction."""
    address, folder = new_database(server), later(tmp_path / "schema", STILL, NOT)
    before = query(address, COLUMNS)
    fails = f"ALTER TABLE levity.migrated ADD CONSTRAINT fails CHECK (version <> {NEWEST + 2})"
    change(address, fails)
    assert "cannot use the database" in refused(address, folder)
    assert query(address, COLUMNS) == before
    assert query(address, VERSION) == [(NEWEST,)]
    change(address, "ALTER TABLE levity.migrated DROP CONSTRAINT fails")
    with open_store(address, "levity", folder=folder) as store:
        store.commit([keep("a")])
    assert query(address, VERSION) == [(NEWEST + 2,)]
    assert len(query(address, COLUMNS)) == len(before) + 2
    assert kept(address) == ["a"]


def test_no_migration_under_a_server_that_runs(server: Server, tmp_path: Path) -> None:
    """It is of the older version, and goes on as if nobody had come."""
    address, folder = empty_database(server), later(tmp_path / "schema", NOT)
    with open_store(address, "older") as store:
        assert refused(address, folder).startswith("the server older runs on this database")
        assert query(address, VERSION) == [(NEWEST,)]
        store.commit([keep("b")])
    with open_store(address, "levity", folder=folder):
        assert query(address, VERSION) == [(NEWEST + 1,)]
    assert kept(address) == ["b"]


@pytest.mark.parametrize(("step", "is_served"), [(STILL, True), (NOT, False)])
def test_the_older_program_serves_where_the_migration_says_so(
    server: Server, tmp_path: Path, step: str, is_served: bool
) -> None:
    address, folder = new_database(server), later(tmp_path / "schema", step)
    # an upgrade is refused otherwise
    assert look_at(address, NEWEST, folder) == {
        "schema": NEWEST,
        "new_schema": NEWEST + 1,
        "serves_old": is_served,
    }
    with open_store(address, "newer", folder=folder) as store:
        store.commit([keep("a")])
    assert not check(address, lambda _name: None, folder).problems
    if is_served:
        with open_store(address, "older") as store:
            store.commit([keep("b")])
        assert kept(address) == ["a", "b"]
        with closing(open_reader(address).conn) as connection:
            assert PostgresqlDatabase(connection).version() == NEWEST + 1
    else:
        assert f"schema {NEWEST + 1}, this one knows {NEWEST}" in refused(address)


def test_servers_that_create_at_once(server: Server) -> None:
    """Those that come while another has the database are refused; what they find is whole."""
    address, names = empty_database(server), [f"server {number}" for number in range(4)]

    def start(name: str) -> str | None:
        try:
            with open_store(address, name) as store:
                store.commit([keep(name)])
        except EnvironmentProblem as problem:
            return str(problem)
        return None

    with ThreadPoolExecutor() as threads:
        problems = dict(zip(names, threads.map(start, names), strict=True))
    assert None in problems.values()
    assert all(
        problem is None or "runs on this database" in problem for problem in problems.values()
    )
    assert sorted(kept(address)) == [name for name, problem in problems.items() if problem is None]
    assert parts(address) == parts(server.address(MODEL))


@contextmanager
def migrating(address: PostgresqlAddress) -> Iterator[None]:
    """Hold the lock of a migration, as another server would."""
    with closing(PostgresqlConnection(connect(address))) as other:
        other.run(f"SELECT pg_advisory_lock({MIGRATING})")
        yield


def test_a_migration_of_another_server_is_waited_for(
    server: Server, log_lines: list[EventDict]
) -> None:
    address = empty_database(server)
    with ThreadPoolExecutor() as threads:
        with migrating(address):
            started = threads.submit(assert_whole, server, address)
            while not log_lines and not started.done():
                time.sleep(PAUSE_SECONDS)
            assert not started.done()
        started.result()
    assert [line["event"] for line in log_lines] == [WAITS]


@contextmanager
def started(address: PostgresqlAddress, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A server of its own process, which is killed in the end."""
    command = [
        sys.executable,
        "-m",
        "levity_trio",
        "serve",
        "--port",
        "0",
        "--api-port",
        "0",
        "--db",
        address,
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait(server: Server, tmp_path: Path, number: signal.Signals) -> None:
    address = empty_database(server)
    with migrating(address), started(address, tmp_path) as waiting:
        assert waiting.stdout is not None
        assert waiting.stderr is not None
        assert WAITS in waiting.stdout.readline()
        waiting.send_signal(number)
        assert waiting.wait(SECONDS) in (-number, 128 + number)
        assert waiting.stderr.read().strip() == ""
    assert query(address, "SELECT to_regnamespace('levity')") == [(None,)]


def test_a_user_who_may_only_connect(server: Server) -> None:
    """As PostgreSQL 15 makes it: only the owner of a database creates something in it."""
    server.sql("CREATE ROLE neighbour LOGIN")
    advice = (
        "; connect as the owner of the database, or make this user its owner: ALTER DATABASE ... "
        "OWNER TO ..."
    )
    for address in (empty_database(server), new_database(server)):
        words = refused(PostgresqlAddress(address.replace(f"{USER}@", "neighbour@")))
        assert "permission denied" in words
        assert words.endswith(advice)


def test_a_schema_of_another_program(server: Server) -> None:
    address = empty_database(server)
    change(address, "CREATE SCHEMA levity")
    assert "belongs to another program" in refused(address)


def test_an_empty_database_is_not_read(server: Server) -> None:
    address = empty_database(server)
    with pytest.raises(
        EnvironmentProblem, match="is empty; choose the database of the server with --db"
    ):
        look(address, lambda db: db.version())


def test_the_time_outs_of_a_role_do_not_end_a_migration(server: Server) -> None:
    server.sql("CREATE ROLE hasty SUPERUSER LOGIN")
    server.sql("ALTER ROLE hasty SET statement_timeout = 1")
    server.sql("ALTER ROLE hasty SET default_transaction_isolation = 'serializable'")
    address = empty_database(server)
    with closing(
        PostgresqlConnection(connect(address.replace(f"{USER}@", "hasty@")))
    ) as connection:
        migrate(connection)
    assert_whole(server, address)
