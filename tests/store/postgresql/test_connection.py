"""A connection to PostgreSQL: values both ways, errors as sqlite3's, readers that only read, limits
of time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.faults import is_damage, is_the_databases
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect, open_reader
from tests.postgresql import Pooled, new_database, running, shared

CHARGER = "INSERT INTO cp (id, created_at, updated_at) VALUES (?, '', '')"
TEXTS = [
    "",
    "it's",
    'a "b"',
    "back\\slash \\x41 \\",
    "%_?:a $1",
    "line\nline\r\n\t",
    "\N{ELECTRIC PLUG} äöü \U0001f600",
]
NUMBERS = [0, 1, -1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)]
REALS = [0.0, 0.1, -2.5, 1e300, 5e-324, 1 / 3]


@pytest.fixture(scope="module")
def shared_database() -> Iterator[Pooled]:
    with closing(new_database()) as database:
        yield database


@pytest.fixture
def database(shared_database: Pooled) -> Iterator[Pooled]:
    """A database whose changes are undone after the test."""
    shared_database.begin()
    yield shared_database
    shared_database.rollback()


def address_of(database: Pooled) -> PostgresqlAddress:
    ((name,),) = database.execute("SELECT current_database()").fetchall()
    return shared().address(name)


@contextmanager
def stored(database: Pooled, name: str) -> Iterator[None]:
    """A charger that other connections see."""
    database.rollback()
    database.execute(CHARGER, (name,))
    yield
    database.execute("DELETE FROM cp WHERE id = ?", (name,))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("TEXT", TEXTS),
        ("INTEGER", NUMBERS),
        ("REAL", REALS),
        ("bytea", [b"", b"\0\xff'\\", bytes(range(256))]),
    ],
)
def test_values_both_ways(database: Pooled, kind: str, values: list[object]) -> None:
    for value in (*values, None):
        ((found,),) = database.execute(f"SELECT CAST(? AS {kind})", (value,)).fetchall()
        assert (found, type(found)) == (value, type(value))


def test_values_in_columns(database: Pooled) -> None:
    database.execute("CREATE TEMPORARY TABLE kinds (a TEXT, b INTEGER, c REAL, d bytea)")
    rows = [("a'\\", 2**63 - 1, 0.25, b"\0"), (None, None, None, None), ("", True, 2, b"")]
    for row in rows:
        assert database.execute("INSERT INTO kinds VALUES (?, ?, ?, ?)", row).rowcount == 1
    assert database.execute("SELECT * FROM kinds").fetchall() == rows


def test_a_text_cannot_have_a_nul(database: Pooled) -> None:
    ((found,),) = database.execute("SELECT CAST(? AS TEXT)", ("a\0b\0",)).fetchall()
    assert found == "a\N{SYMBOL FOR NULL}b\N{SYMBOL FOR NULL}"


def test_a_truth_value(database: Pooled) -> None:
    """As a condition, and in a column of integers."""
    assert database.execute("SELECT 1 WHERE ?", (True,)).fetchall() == [(1,)]
    assert database.execute("SELECT 1 WHERE ?", (False,)).fetchall() == []
    database.execute(CHARGER, ("CP",))
    for value in (True, False):
        database.execute("UPDATE cp SET is_connected = ?", (value,))
        assert database.execute("SELECT is_connected FROM cp").fetchall() == [(int(value),)]


def test_numbers_of_any_precision(database: Pooled) -> None:
    """sum() of a bigint is a numeric: an integer for Python, as in SQLite."""
    ((total, mean),) = database.execute(
        "SELECT sum(a), avg(a) FROM (VALUES (1), (2)) AS t (a)"
    ).fetchall()
    assert (total, type(total), mean) == (3, int, 1.5)
    ((large,),) = database.execute(
        "SELECT sum(CAST(a AS INTEGER)) FROM (VALUES (?), (?)) AS t (a)", (2**62, 2**62)
    )
    assert large == 2**63


def test_the_type_of_a_parameter_may_change(database: Pooled) -> None:
    """A statement is prepared for each combination of types."""
    sql = "SELECT coalesce(CAST(? AS REAL), 0.5)"
    assert [database.execute(sql, (value,)).fetchone() for value in (1, 1.5, None, 2)] == [
        (1,),
        (1.5,),
        (0.5,),
        (2,),
    ]


def test_a_truth_value_and_a_number_for_one_statement(database: Pooled) -> None:
    database.execute(CHARGER, ("CP",))
    sql = "UPDATE cp SET is_connected = ? WHERE is_connected = ? RETURNING is_connected"
    found = [
        database.execute(sql, values).fetchall() for values in ((True, 0), (0, True), (1, False))
    ]
    assert found == [[(1,)], [(0,)], [(1,)]]


def test_how_many_rows_changed(database: Pooled) -> None:
    for name in ("A", "B", "C"):
        assert database.execute(CHARGER, (name,)).rowcount == 1
    assert database.execute("UPDATE cp SET name = 'x' WHERE id < 'C'").rowcount == 2
    assert database.execute("UPDATE cp SET name = 'x' WHERE id = 'D'").rowcount == 0
    returned = database.execute("DELETE FROM cp WHERE id > 'A' RETURNING id")
    assert (returned.rowcount, sorted(returned.fetchall())) == (2, [("B",), ("C",)])
    assert (
        database.execute(
            "INSERT INTO cp (id, created_at, updated_at) "
            "VALUES ('A', '', '') ON CONFLICT DO NOTHING"
        ).rowcount
        == 0
    )


def test_rows_as_a_cursor_gives_them(database: Pooled) -> None:
    found = database.execute("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t (number, name)")
    assert list(found) == found.fetchall() == [(1, "a"), (2, "b")]
    assert found.fetchone() == (1, "a")
    assert database.execute("SELECT 1 WHERE 0 = 1").fetchone() is None


def test_named_parameters(database: Pooled) -> None:
    sql = "SELECT :b, :a, CAST(:b AS TEXT) || '!' WHERE :a = 1"
    assert database.execute(sql, {"a": 1, "b": "x", "unused": 2}).fetchall() == [("x", 1, "x!")]


def raised(database: PostgresqlConnection, sql: str, *parameters: object) -> sqlite3.Error:
    """Return the error of a statement, which is undone."""
    database.run("SAVEPOINT attempt")
    with pytest.raises(sqlite3.Error) as told:
        database.execute(sql, parameters)
    database.run("ROLLBACK TO attempt")
    assert "\n" not in str(told.value)
    return told.value


def test_errors_of_a_write_are_its_own(database: Pooled) -> None:
    database.execute(CHARGER, ("CP",))
    session = (
        "INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at)"
    )
    own: dict[type[sqlite3.Error], list[sqlite3.Error]] = {
        sqlite3.IntegrityError: [
            raised(database, CHARGER, "CP"),
            raised(database, f"{session} VALUES ('?', 1, '', '', 1, '')"),
            raised(database, "INSERT INTO cp (id) VALUES (NULL)"),
            raised(database, "INSERT INTO simulated_time (id, begun_at, speed) VALUES (7, '', 1)"),
        ],
        sqlite3.ProgrammingError: [
            raised(database, "NO SQL"),
            raised(database, "SELECT a FROM nowhere"),
        ],
        sqlite3.DataError: [
            raised(database, "SELECT 1 / 0"),
            raised(database, "SELECT CAST('x' AS INTEGER)"),
        ],
    }
    for kind, errors in own.items():
        assert [type(error) for error in errors] == [kind] * len(errors)
        assert not any(is_the_databases(error) or is_damage(error) for error in errors)


def test_a_refusal_of_a_trigger(database: Pooled) -> None:
    database.execute(
        "INSERT INTO run (server, version, started_at, clock_trusted) "
        "VALUES ('levity', '1', '2026', 1)"
    )
    error = raised(database, "DELETE FROM run")
    assert type(error) is sqlite3.IntegrityError
    assert "a fact is never deleted" in str(error)


def test_a_wrong_statement_names_itself(database: Pooled) -> None:
    assert str(raised(database, "SELECT a FROM nowhere")).endswith("(SELECT a FROM nowhere)")


def test_an_error_of_a_server_that_is_gone() -> None:
    with running() as server:
        connection = PostgresqlConnection(connect(server.address("postgres")))
        server.kill()
        with pytest.raises(sqlite3.Error) as told:
            connection.execute("SELECT 1")
        assert connection.is_lost
        assert not connection.in_transaction
        with pytest.raises(sqlite3.OperationalError):
            connect(server.address("postgres"))
        server.start()
        connection.adopt(connect(server.address("postgres")))
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
        connection.close()
    assert type(told.value) is sqlite3.OperationalError


def test_a_fault_is_the_databases(database: Pooled) -> None:
    """A connection that was ended, and a lock: the same batch may succeed later."""
    with closing(PostgresqlConnection(connect(address_of(database)))) as ended:
        ((pid,),) = ended.execute("SELECT pg_backend_pid()").fetchall()
        shared().sql(f"SELECT pg_terminate_backend({pid}, 5000)")
        with pytest.raises(sqlite3.OperationalError) as told:
            ended.execute("SELECT 1")
        assert is_the_databases(told.value)
    database.execute("LOCK TABLE cp IN ACCESS EXCLUSIVE MODE")
    with closing(
        PostgresqlConnection(connect(address_of(database), lock_timeout="50ms"))
    ) as waiting:
        waiting.run("BEGIN")
        assert is_the_databases(raised(waiting, "SELECT id FROM cp"))


def test_a_reader_reads_only(database: Pooled) -> None:
    reader = open_reader(address_of(database))
    with closing(reader.conn):
        with pytest.raises(sqlite3.Error, match="read-only transaction"):
            reader.execute(CHARGER, ("CP",))
        assert list(reader.query("SELECT count(*) AS chargers FROM cp")) == [{"chargers": 0}]


def test_a_reader_sees_one_snapshot(database: Pooled) -> None:
    reader = open_reader(address_of(database))
    with closing(reader.conn):
        reader.execute("BEGIN")
        assert reader.execute("SELECT id FROM cp").fetchall() == []
        with stored(database, "CP"):
            assert reader.execute("SELECT id FROM cp").fetchall() == []
            reader.conn.rollback()
            assert reader.execute("SELECT id FROM cp").fetchall() == [("CP",)]
        reader.conn.rollback()  # without a transaction, it does nothing


def test_what_a_reader_knows_of_the_database(database: Pooled) -> None:
    reader = open_reader(address_of(database))
    with closing(reader.conn):
        assert reader.space().database > 1_000_000
        assert reader.space().disk_free is None
        assert reader.version() > 30


def test_a_statement_is_interrupted(database: Pooled) -> None:
    database.run("SAVEPOINT attempt")
    with (
        pytest.raises(sqlite3.OperationalError, match="statement timeout") as told,
        database.limited(0.05),
    ):
        database.execute("SELECT pg_sleep(600)")
    assert not is_the_databases(told.value)
    database.run("ROLLBACK TO attempt")
    with database.limited(60):
        pass
    assert database.execute("SHOW statement_timeout").fetchall() == [("0",)]


def test_the_settings_of_a_connection(database: Pooled) -> None:
    with closing(PostgresqlConnection(connect(address_of(database)))) as connection:
        for name, value in (
            ("synchronous_commit", "on"),
            ("lock_timeout", "8s"),
            ("TimeZone", "UTC"),
            ("jit", "off"),
        ):
            assert connection.execute(f"SHOW {name}").fetchall() == [(value,)]
        assert connection.execute(
            "SELECT application_name FROM pg_stat_activity WHERE pid = pg_backend_pid()"
        ).fetchall() == [("levity-trio",)]
