"""A connection to PostgreSQL that takes the statements of this program as they are written for
SQLite.

Each statement is translated and prepared once. libpq is used through psycopg's own wrapper of it: a
cursor of psycopg costs five times as much processor time, at each of the ten statements of a
message.

Errors are raised as the classes of the same name in sqlite3, with PostgreSQL's code as `sqlstate`:
both have these names from the DB-API (PEP 249).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from select import POLLIN, POLLOUT, poll
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from typing import Any, Final

from psycopg import OperationalError, ProgrammingError, conninfo, pq
from psycopg.errors import error_from_result

from levity_trio.store.engine.database import Bookkeeping, DatabaseSpace, Parameters
from levity_trio.store.engine.schema import Version
from levity_trio.store.postgresql.dialect import translated

Row = tuple[Any, ...]
Bound = tuple[bytes, Sequence[bytes | None]]
"""The name of a prepared statement, and its parameters as they are sent."""
Load = Callable[[bytes], object]
Columns = Sequence[tuple[int, str, Load]]
"""Their numbers, names and types."""

LOCK_SECONDS: Final = 8
"""Longer than a frozen server can hold what all wait for."""
IDLE_SECONDS: Final = 5
"""A transaction of a server that was cut off ends after so long at most, and with it its locks."""
SETTINGS: Final = {
    "search_path": "public,levity",
    "synchronous_commit": "on",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "timezone": "UTC",
    "jit": "off",
}
"""The settings of each connection. With 100 million readings a statement seems so dear that JIT
would compile it, for 25 ms."""
CONNECT_SECONDS: Final = 5
_INT8, _FLOAT8, _BYTEA, _NUMERIC, _BOOLEAN = 20, 701, 17, 1700, 16
_TYPES: Final[Mapping[type, int]] = {int: _INT8, float: _FLOAT8, bytes: _BYTEA}
"""The types of parameters. That of a text, a truth value or NULL follows from the statement."""
_IN_TRANSACTION: Final = frozenset({pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR})
_WAITING: Final = {pq.PollingStatus.READING: EVENT_READ, pq.PollingStatus.WRITING: EVENT_WRITE}
_DONE: Final = frozenset({pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK})
_LOST: Final = "08006"
LOCKED: Final = "55P03"
"""The code of a lock that was not had in time."""
_CLASSES: Final = frozenset(
    {
        "IntegrityError",
        "OperationalError",
        "ProgrammingError",
        "DataError",
        "InternalError",
        "NotSupportedError",
    }
)


class PostgresqlResult:
    """What a statement returned, and how many rows it changed."""

    __slots__ = ("_rows", "names", "rowcount")

    def __init__(self, names: Sequence[str], rows: list[Row], rowcount: int) -> None:
        self.names, self._rows, self.rowcount = names, rows, rowcount

    def fetchall(self) -> list[Row]:
        return self._rows

    def fetchone(self) -> Row | None:
        return self._rows[0] if self._rows else None

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)


class PostgresqlConnection:
    """One connection, for use by one thread at a time."""

    book: Bookkeeping | None = None

    def __init__(self, pgconn: pq.abc.PGconn) -> None:
        self._pgconn = pgconn
        self._prepared: dict[tuple[str, tuple[int, ...]], bytes] = {}
        self._columns: dict[bytes, Columns] = {}
        self._sent: list[str] = []
        """Statements whose outcome is not known yet, in the order in which they were sent."""

    def adopt(self, pgconn: pq.abc.PGconn) -> None:
        """Go on over another connection; the one before is closed."""
        self._pgconn.finish()
        self._pgconn = pgconn
        self._prepared.clear()
        self._columns.clear()
        self._sent.clear()

    def execute(self, sql: str, parameters: Parameters = ()) -> PostgresqlResult:
        """Run a statement that is written for SQLite. Raises sqlite3.Error, also that of a
        statement sent before."""
        if sql.startswith("ROLLBACK"):
            self._abandon()
        name, values = self.bound(sql, parameters)
        if self._sent:
            self._push(sql, name, values)
            result = self._outcomes()[-1]
        else:
            result = self._pgconn.exec_prepared(name, values)  # type: ignore[arg-type]
            _check(result, sql)
        if not result.ntuples:
            return PostgresqlResult((), [], result.command_tuples or 0)
        return _loaded(result, self._columns.get(name) or self._describe(name, result))

    def send(self, sql: str, parameters: Parameters = ()) -> None:
        """Send a statement that is written for SQLite. The next one that is run, or `settle`, waits
        for its outcome.

        Waiting for each alone would take more than twice the time. Raises sqlite3.Error.
        """
        self._push(sql, *self.bound(sql, parameters))

    def settle(self) -> None:
        """Wait for the outcomes of what was sent. Raises the sqlite3.Error of the first that
        failed."""
        if self._sent:
            self._outcomes()

    def _abandon(self) -> None:
        """Wait for the outcomes of what was sent, which is about to be undone: it may have
        failed."""
        with suppress(sqlite3.Error):
            self.settle()

    def _push(self, sql: str, name: bytes, values: Sequence[bytes | None]) -> None:
        with _lost_here():
            if not self._sent:
                self._pgconn.enter_pipeline_mode()
            self._pgconn.send_query_prepared(name, values)
        self._sent.append(sql)

    def _outcomes(self) -> list[pq.abc.PGresult]:
        """Wait for what was sent, and return the results. Of those after one that failed, none was
        run."""
        sent, self._sent = self._sent, []
        results = list[pq.abc.PGresult]()
        with _lost_here():
            self._pgconn.pipeline_sync()
            for sql in sent:
                # the second ends the statement
                result, _ = (
                    self._next_result(),
                    self._next_result(),
                )
                if result is None:
                    raise OperationalError(f"the connection was lost ({sql[:100]})")
                results.append(result)
            self._next_result()  # of the synchronisation
            self._pgconn.exit_pipeline_mode()
        for sql, result in zip(sent, results, strict=True):
            _check(result, sql)
        return results

    def _next_result(self) -> pq.abc.PGresult | None:
        while self._pgconn.is_busy():
            self._await_input()
        return self._pgconn.get_result()

    def bound(self, sql: str, parameters: Parameters) -> Bound:
        """Return the name of a statement, which is prepared once for each types of its parameters,
        and these."""
        statement = translated(sql)
        values = (
            [parameters[name] for name in statement.names]
            if isinstance(parameters, Mapping)
            else parameters
        )
        types = tuple([_TYPES.get(type(value), 0) for value in values])
        name = self._prepared.get((sql, types)) or self._prepare(sql, statement.sql, types)
        return name, [_as_text(value) for value in values]

    def ask(self, sql: str) -> list[Row]:
        """Return the rows of a statement that is written for PostgreSQL. Raises sqlite3.Error."""
        self.settle()
        result = self._pgconn.exec_(sql.encode())
        _check(result, sql)
        return _loaded(result, _columns_of(result)).fetchall()

    def _prepare(self, sql: str, text: str, types: tuple[int, ...]) -> bytes:
        self.settle()
        name = b"%d" % len(self._prepared)
        _check(self._pgconn.prepare(name, text.encode(), types), sql)
        self._prepared[sql, types] = name
        return name

    def _describe(self, name: bytes, result: pq.abc.PGresult) -> Columns:
        """Return the columns of a prepared statement."""
        self._columns[name] = _columns_of(result)
        return self._columns[name]

    def run(self, script: str) -> None:
        """Run statements that are written for PostgreSQL. Raises sqlite3.Error."""
        self.settle()
        _check(self._pgconn.exec_(script.encode()), script)

    def copy_out(self, query: str) -> Iterator[bytes]:
        """Yield the rows of a query, as lines of COPY's text format. Raises sqlite3.Error."""
        result = self._pgconn.exec_(f"COPY ({query}) TO STDOUT".encode())
        if result.status != pq.ExecStatus.COPY_OUT:
            _check(result, query)
        with _lost_here():
            while (got := self._pgconn.get_copy_data(1))[0] >= 0:
                if got[0]:
                    yield bytes(got[1])
                else:
                    self._await_input()
        self._end_copy(query)

    def copy_in(self, place: str, data: bytes) -> None:
        """Store rows, which are lines of COPY's text format, in a table with its columns. Raises
        sqlite3.Error."""
        result = self._pgconn.exec_(f"COPY {place} FROM STDIN".encode())
        if result.status != pq.ExecStatus.COPY_IN:
            _check(result, place)
        with _lost_here():
            self._pgconn.nonblocking = 1
            self._pgconn.put_copy_data(data)
            self._pgconn.put_copy_end()
            while self._pgconn.flush():
                self._await_input(or_room=True)
            self._pgconn.nonblocking = 0
        self._end_copy(place)

    def _end_copy(self, what: str) -> None:
        with _lost_here():
            while self._pgconn.is_busy():
                self._await_input()
        while (result := self._pgconn.get_result()) is not None:
            _check(result, what)

    def _await_input(self, *, or_room: bool = False) -> None:
        """Wait for something to read. libpq itself would hold the interpreter's lock meanwhile, and
        Ctrl-C with it."""
        ready = poll()  # select takes no file number above 1,023
        ready.register(self._pgconn.socket, POLLIN | POLLOUT if or_room else POLLIN)
        if any(events & ~POLLOUT for _, events in ready.poll()):
            self._pgconn.consume_input()

    @property
    def is_lost(self) -> bool:
        return self._pgconn.status != pq.ConnStatus.OK

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open. Who asks is about to roll back."""
        self._abandon()
        return self._pgconn.transaction_status in _IN_TRANSACTION

    @property
    def is_failed(self) -> bool:
        """Whether a statement of the transaction has failed, so that the next one would fail
        too."""
        return self._pgconn.transaction_status == pq.TransactionStatus.INERROR

    @contextmanager
    def limited(self, seconds: float) -> Iterator[None]:
        """Interrupt a statement that runs beyond so many seconds."""
        self.run(f"SET LOCAL statement_timeout = {round(1000 * seconds)}")
        yield
        self.run("SET LOCAL statement_timeout = 0")

    def rollback(self) -> None:
        if self.in_transaction:
            self.run("ROLLBACK")

    def close(self) -> None:
        self._pgconn.finish()


class PostgresqlDatabase:
    """A connection for reads."""

    def __init__(self, connection: PostgresqlConnection) -> None:
        self.conn = connection

    def execute(self, sql: str, parameters: Parameters = ()) -> PostgresqlResult:
        """Run a statement that is written for SQLite. Raises sqlite3.Error."""
        return self.conn.execute(sql, parameters)

    def query(self, sql: str, parameters: Parameters = ()) -> Iterator[dict[str, Any]]:
        """Yield the rows of a statement by the names of their columns. Raises sqlite3.Error."""
        result = self.conn.execute(sql, parameters)
        return (dict(zip(result.names, row, strict=True)) for row in result)

    def space(self) -> DatabaseSpace:
        """Return the size of the database. What is free in it, and on the server's disk, is the
        server's own affair."""
        ((size,),) = self.execute("SELECT pg_database_size(current_database())").fetchall()
        return DatabaseSpace(size, 0, 0, None)

    def now(self) -> datetime:
        """Return the time of the database's clock."""
        ((seconds,),) = self.execute("SELECT extract(epoch FROM clock_timestamp())").fetchall()
        return datetime.fromtimestamp(seconds, UTC)

    def version(self) -> int:
        ((version,),) = self.execute("SELECT version FROM levity.migrated").fetchall()
        return Version.kept(version).schema


def connect(address: str, **settings: str) -> pq.abc.PGconn:
    """Open a connection with the settings above and these. Raises sqlite3.OperationalError."""
    options = " ".join(f"-c {name}={value}" for name, value in (SETTINGS | settings).items())
    try:
        parameters = conninfo.conninfo_to_dict(address)
    except ProgrammingError as error:
        raise sqlite3.OperationalError(str(error).strip()) from error
    asked: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "levity-trio",
        "tcp_user_timeout": 5000,
    } | parameters
    asked |= {
        "options": f"{parameters.get('options', '')} {options}".strip(),
        "client_encoding": "UTF8",
    }
    pgconn = _opened(conninfo.make_conninfo("", **asked).encode())
    if pgconn.status != pq.ConnStatus.OK:
        reason = pgconn.error_message.decode("utf-8", "replace").strip()
        pgconn.finish()
        raise sqlite3.OperationalError(
            reason.splitlines()[0] if reason else f"no answer within {CONNECT_SECONDS} s"
        )
    pgconn.notice_handler = _ignore
    return pgconn


def _opened(conninfo: bytes) -> pq.abc.PGconn:
    """Connect. PQconnectdb would hold the interpreter's lock meanwhile, and so stop the event
    loop."""
    pgconn, until = pq.PGconn.connect_start(conninfo), time.monotonic() + CONNECT_SECONDS
    status: pq.PollingStatus = pq.PollingStatus.WRITING
    while status in _WAITING and pgconn.status != pq.ConnStatus.BAD:
        with DefaultSelector() as selector:
            selector.register(pgconn.socket, _WAITING[status])
            if not selector.select(max(0.0, until - time.monotonic())):
                break
        status = pq.PollingStatus(pgconn.connect_poll())
    return pgconn


def open_reader(address: str, **settings: str) -> PostgresqlDatabase:
    """Return a connection for reads, for use by one thread at a time. Raises
    sqlite3.OperationalError."""
    only_reads = {
        "default_transaction_read_only": "on",
        "default_transaction_isolation": "repeatable\\ read",
    }
    return PostgresqlDatabase(PostgresqlConnection(connect(address, **only_reads, **settings)))


@contextmanager
def _lost_here() -> Iterator[None]:
    """Raise an error of the connection as one of sqlite3."""
    try:
        yield
    except OperationalError as error:
        raise _error(sqlite3.OperationalError, str(error).strip().splitlines()[0], _LOST) from error


def _ignore(notice: pq.abc.PGresult) -> None:
    """Ignore a notice: the statements of this program need none."""


def _check(result: pq.abc.PGresult, sql: str) -> None:
    if result.status in _DONE:
        return
    error = error_from_result(result)
    names = (base.__name__ for base in type(error).__mro__)
    kind: type[sqlite3.Error] = getattr(
        sqlite3, next((name for name in names if name in _CLASSES), "OperationalError")
    )
    words = str(error).strip().splitlines()
    told = f"{words[0] if words else 'the connection was lost'} ({' '.join(sql[:100].split())})"
    raise _error(kind, told, error.sqlstate or _LOST)


def _error(kind: type[sqlite3.Error], words: str, sqlstate: str) -> sqlite3.Error:
    raised = kind(words)
    raised.sqlstate = sqlstate  # type: ignore[attr-defined]
    return raised


def _columns_of(result: pq.abc.PGresult) -> Columns:
    return [
        (
            column,
            (result.fname(column) or b"").decode(),
            _LOADS.get(result.ftype(column), bytes.decode),
        )
        for column in range(result.nfields)
    ]


def _loaded(result: pq.abc.PGresult, columns: Columns) -> PostgresqlResult:
    get = result.get_value
    rows = [
        tuple(
            [
                None if (sent := get(row, column)) is None else load(sent)
                for column, _, load in columns
            ]
        )
        for row in range(result.ntuples)
    ]
    return PostgresqlResult([title for _, title, _ in columns], rows, result.command_tuples or 0)


def _number(sent: bytes) -> int | float:
    """Return a number of any precision: an integer, such as a sum, or a float."""
    return float(sent) if b"." in sent else int(sent)


_LOADS: Final[Mapping[int, Load]] = {
    _BOOLEAN: lambda sent: int(sent == b"t"),  # SQLite has no truth values
    _NUMERIC: _number,
    _BYTEA: lambda sent: bytes.fromhex(sent[2:].decode()),
    **dict.fromkeys((_INT8, 21, 23, 26), int),
    **dict.fromkeys((700, _FLOAT8), float),
}


def _as_text(value: object) -> bytes | None:
    """Return a parameter as text. A text of PostgreSQL cannot have a NUL: its symbol stands for
    it."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}").encode()
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    return b"%d" % value if isinstance(value, int) else repr(value).encode()
