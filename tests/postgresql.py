"""A PostgreSQL server of the tests' own, in a folder of its own, and databases on it."""

from __future__ import annotations

import atexit
import fcntl
import os
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, Self

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.database import Parameters
from levity_trio.store.postgresql.connection import PostgresqlConnection, PostgresqlResult, connect
from levity_trio.store.postgresql.dialect import migration
from levity_trio.store.postgresql.schema import migrate
from tests import spent

FOLDERS: Final = "/usr/lib/postgresql/*/bin"
"""Where Debian has its programs, which are not in PATH."""
SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "50",
    "shared_buffers": "32MB",
    "fsync": "on",
    "autovacuum_naptime": "5s",
    "log_min_messages": "panic",
}
USER: Final = "postgres"
MODEL: Final = "model"
IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of its own in it
ROOM_BYTES: Final = 4_000_000_000
_CLEAR: Final = """
CREATE FUNCTION levity.pragma_table_info(text) RETURNS TABLE (name text,
    type text) LANGUAGE sql AS $$
    SELECT column_name, CASE data_type WHEN 'bigint' THEN 'INTEGER'
        WHEN 'text' THEN 'TEXT' ELSE 'REAL' END
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1
        ORDER BY ordinal_position
$$;
CREATE PROCEDURE levity.clear() LANGUAGE plpgsql AS $$
DECLARE name text;
BEGIN
    FOR name IN SELECT levity.filled() LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    FOR name IN SELECT quote_ident(sequencename) FROM pg_sequences
        WHERE schemaname = 'public' AND last_value IS NOT NULL AND sequencename <> 'tx_id_seq' LOOP
        PERFORM setval(name, 1, false);
    END LOOP;
    UPDATE levity.counted SET seq = 0;
END $$
"""
_FILLED: Final = """
DO $$
DECLARE query text;
BEGIN
    SELECT string_agg(format('SELECT %L WHERE EXISTS (SELECT 1 FROM %I)', tablename, tablename), '
        UNION ALL ')
        INTO query FROM pg_tables WHERE schemaname = 'public';
    EXECUTE format('CREATE FUNCTION levity.filled() RETURNS SETOF text LANGUAGE plpgsql AS %L',
        format('BEGIN RETURN QUERY %s; END', query));
END $$
"""
"""Names the tables that have rows, by one query, which each connection plans once."""


def program(name: str) -> str:
    """Return the path of one of PostgreSQL's programs."""
    found = shutil.which(name) or next(
        (str(path) for path in Path("/").glob(f"{FOLDERS[1:]}/{name}")), None
    )
    assert found, f"{name} is not installed: apt-get install postgresql"
    return found


def _run(folder: Path, name: str, *arguments: str) -> None:
    user = USER if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if user is not None:
        shutil.chown(folder, user)
    subprocess.run(
        [program(name), *arguments], check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL
    )


_numbers = count(1)
_free: defaultdict[type, list[Any]] = defaultdict(list)
_started: list[Server] = []
_places: dict[Path, int] = {}
"""The folder of the data and the server that all tests have together, and the process that removes
it."""


def share() -> None:
    """Let the processes that are forked from this one have one server, which the first that needs
    it starts."""
    if not _places:
        (folder := new_folder()).chmod(0o755)
        _places[folder] = os.getpid()
        atexit.register(stop_shared)


def stop_shared() -> None:
    """Stop that server, if one was needed, in the process that has made its folder."""
    for folder, owner in [*_places.items()]:
        if owner == os.getpid():
            if _is_running(server := folder / "shared"):
                _run(
                    server,
                    "pg_ctl",
                    "-D",
                    str(server / "data"),
                    "-w",
                    "-s",
                    "-m",
                    "immediate",
                    "stop",
                )
            shutil.rmtree(folder)
            _places.clear()
            _started.clear()
            _free.clear()


def tell_spent() -> None:
    """Tell the CPU that this server has taken, in the process that has made its folder."""
    for folder in _places:
        if _is_running(folder / "shared"):
            seconds = Server(folder / "shared").spent_seconds()
            spent.tell(seconds, {**os.environ, spent.RUNNING: "the server of PostgreSQL"})


def common_folder() -> Path:
    """Return the folder that the processes of one run have in common."""
    share()
    (common,) = _places
    return common


@contextmanager
def _place(name: str) -> Iterator[Path]:
    """A folder that all tests have together, and which no other process uses meanwhile."""
    with (common_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder := common_folder() / name).mkdir(exist_ok=True)
        yield folder


def _is_running(folder: Path) -> bool:
    return (folder / "data" / "postmaster.pid").exists()


def _copy_new(folder: Path) -> None:
    """Copy the data of a new server into a folder: that takes a tenth of the time that making it
    takes.

    The server has a database MODEL with the schema, to create others from: to make it
    anew takes much longer than a copy.
    """
    with _place("new") as new:
        if not (new / "data").exists():
            options = ("-U", USER, "-A", "trust", "-E", "UTF8", "--locale", "C", "--no-sync")
            _run(new, "initdb", "-D", str(new / "data"), *options)
            (server := Server(new)).start(fsync="off")
            server.sql(f"CREATE DATABASE {MODEL} TEMPLATE template0 LOCALE 'C'")
            with closing(PostgresqlConnection(connect(server.address(MODEL)))) as connection:
                migrate(connection)
            server.stop()
    _run(folder, "cp", "-a", str(new / "data"), str(folder / "data"))


class Server:
    """A server on a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        if not self.data.exists():
            _copy_new(folder)

    def start(self, **settings: str) -> None:
        """Start it, and wait until it takes connections."""
        options = " ".join(f"-c {name}={value}" for name, value in (SETTINGS | settings).items())
        _run(
            self.folder,
            "pg_ctl",
            "-D",
            str(self.data),
            "-w",
            "-s",
            "-o",
            f"-k {self.folder} {options}",
            "start",
        )

    def stop(self, how: str = "fast") -> None:
        spent.tell(self.spent_seconds())
        _run(self.folder, "pg_ctl", "-D", str(self.data), "-w", "-s", "-m", how, "stop")

    def spent_seconds(self) -> float:
        """Return the CPU that it has taken."""
        return spent.of_tree(int((self.data / "postmaster.pid").read_text().split()[0]))

    def kill(self) -> None:
        """Kill it and all its processes, and wait for their end, so that it can be started again.

        A dead process counts as running until init has collected it; the files with its number are
        deleted, therefore.
        """
        spent.tell(self.spent_seconds())
        files = (self.data / "postmaster.pid", self.folder / ".s.PGSQL.5432.lock")
        pid = files[0].read_text().split()[0]
        os.kill(int(pid), signal.SIGSTOP)  # else it may begin another process meanwhile
        children = subprocess.run(
            ["pgrep", "-P", pid], capture_output=True, text=True, check=True
        ).stdout.split()
        ends = [os.pidfd_open(int(number)) for number in (pid, *children)]
        # children first: one that misses its parent ends by itself, and is gone
        for end in reversed(ends):
            signal.pidfd_send_signal(end, signal.SIGKILL)
        for end in ends:
            ended = select.poll()  # select takes no file number above 1,023
            ended.register(end, select.POLLIN)
            ended.poll()
            os.close(end)
        for file in files:
            file.unlink()

    def address(self, database: str) -> PostgresqlAddress:
        return PostgresqlAddress(f"postgresql://{USER}@/{database}?host={self.folder}")

    def sql(self, statement: str, database: str = "postgres") -> None:
        """Run one statement on a connection of its own."""
        connection = PostgresqlConnection(connect(self.address(database)))
        try:
            connection.run(statement)
        finally:
            connection.close()


def new_folder(place: Path | None = None) -> Path:
    """Return a new folder, in memory if there is room: a wait for the disk is most of the time
    otherwise."""
    is_roomy = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM_BYTES
    return Path(
        tempfile.mkdtemp(
            prefix="levity-postgresql-", dir=place or (IN_MEMORY if is_roomy else None)
        )
    )


@contextmanager
def running(place: Path | None = None, **settings: str) -> Iterator[Server]:
    """A server of one test's own, which it may stop or kill, with its data at a place that others
    may enter."""
    folder = new_folder(place)
    try:
        server = Server(folder)
        server.start(**settings)
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)


def shared() -> Server:
    """The server of all tests, for those that do not stop it. It does not wait for the disk."""
    if not _started:
        with _place("shared") as folder:
            server = Server(folder)
            if not _is_running(folder):
                # a visit is a process
                server.start(fsync="off", autovacuum_naptime="60s", max_connections="200")
                with closing(PostgresqlConnection(connect(server.address(MODEL)))) as model:
                    model.run(_FILLED)
                    model.run(_CLEAR)
            _started.append(server)
    return _started[0]


class Pooled(PostgresqlConnection):
    """A connection to a database of its own, which the next test uses again: to create one takes as
    long as a test."""

    @classmethod
    def new(cls) -> Self:
        """Return a connection to an empty database with the server's schema."""
        return _free[cls].pop() if _free[cls] else cls()

    def __init__(self) -> None:
        self._name = f"pooled_{os.getpid()}_{next(_numbers)}"
        self.address = shared().address(self._name)
        _copy_model(self._name)
        super().__init__(connect(self.address))
        self._is_changed = False
        self._cleaner = PostgresqlConnection(connect(self.address))
        # it would undo all plans of its connection
        self._cleaner.run("SET session_replication_role = replica")

    def begin(self) -> None:
        self.run("BEGIN")

    def commit(self) -> None:
        self.run("COMMIT")

    def execute(self, sql: str, parameters: Parameters = ()) -> PostgresqlResult:
        self._is_changed = self._is_changed or bool(_CHANGES.match(sql))
        if _SETTING.match(sql):
            return PostgresqlResult((), [], 0)
        if _DEFINES.match(sql):
            for statement in migration([sql]):
                self.run(statement)
            return PostgresqlResult((), [], 0)
        return super().execute(_ROWID.sub(_PLACE, sql), parameters)

    def send(self, sql: str, parameters: Parameters = ()) -> None:
        if _CHANGES.match(sql) or _SETTING.match(sql):
            self.execute(sql, parameters)
        else:
            super().send(_ROWID.sub(_PLACE, sql), parameters)

    def close(self) -> None:
        """Empty the database and keep it, unless a test changed its schema."""
        if self._is_changed or self.is_lost:
            super().close()
            self._cleaner.close()
            shared().sql(f"DROP DATABASE {self._name} (FORCE)")
        else:
            self.rollback()
            self._cleaner.run("CALL levity.clear()")
            _free[type(self)].append(self)


def _copy_model(name: str) -> None:
    """Make a database. PostgreSQL waits five seconds for its own vacuum to leave the model, which
    is too short for it on a busy machine."""
    for is_last in (False, False, True):
        try:
            shared().sql(f"CREATE DATABASE {name} TEMPLATE {MODEL} STRATEGY file_copy")
        except sqlite3.OperationalError as problem:
            if is_last or "is being accessed" not in str(problem):
                raise
        else:
            return


_SETTING: Final = re.compile(r"PRAGMA \w+ =")
_ROWID: Final = re.compile(r"\browid\b")
_PLACE: Final = "CAST((CAST(CAST(ctid AS text) AS point))[1] AS bigint)"
"""The number of a row in the first page of its table. The tables of a test are no longer."""
_DEFINES: Final = re.compile(r"(CREATE|DROP) TRIGGER\b")
_CHANGES: Final = re.compile(r"\s*(CREATE|DROP|ALTER|SET)\b")


def new_database() -> Pooled:
    """Return a connection to an empty database with the server's schema."""
    return Pooled.new()
