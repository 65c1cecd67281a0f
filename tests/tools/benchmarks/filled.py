"""A database of many years, filled with bulk statements: for measuring how long a page of the API
takes.

Transactions, their events, readings, reviews and messages set aside have the shape and the spread
that a site of 20 chargers gives them: one tag has half of all transactions (that of auto start),
some chargers have a second connector, one transaction in a hundred waits for a person.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from levity_trio.access.tags import Policy
from levity_trio.billing.ownership import BillBy
from levity_trio.charging.reviews import AS_REPORTED
from levity_trio.store.billing.booking import Book
from levity_trio.store.billing.pricing import Rule
from levity_trio.store.engine.database import commit
from levity_trio.store.engine.file_store import FileConnection, open_database
from levity_trio.told import Told, stored, stored_in

from . import filled_statements

CHARGERS: Final = 20
READINGS: Final = 10
"""Readings of a transaction."""
FRAMES_PER_TRANSACTION: Final = 2
SERIES: Final = (
    "WITH RECURSIVE series (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM series WHERE i + 1 < ?)"
)
BEGUN: Final = "2016-01-01"
YEARS_SECONDS: Final = 10 * 365 * 86_400
TIME: Final = "'%Y-%m-%dT%H:%M:%fZ'"


class Amount(NamedTuple):
    """How much is in the database."""

    transactions: int
    readings: int


def fill(
    database: Path, transactions: int, readings: int = READINGS, *, is_billed: bool = True
) -> Amount:
    """Fill a new database. What is not billed has no statements, whose tables are not the same in
    each schema."""
    with open_database(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -200000")
        ((index,),) = connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name = 'meter_val_connector'"
        ).fetchall()
        connection.execute("DROP INDEX meter_val_connector")
        connection.execute("BEGIN")
        # a new database begins anywhere
        connection.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'tx'")
        _chargers(connection)
        filled_statements.house(connection)
        _transactions(connection, transactions)
        events(connection)
        _readings(connection, readings)
        _doubts(connection)
        if is_billed:
            filled_statements.statements(connection)
        _frames(connection, FRAMES_PER_TRANSACTION * transactions)
        connection.execute(index)
        connection.execute("COMMIT")
        if is_billed:
            _book(connection)
    return Amount(transactions, readings * transactions)


def _book(connection: FileConnection) -> None:
    """Book all sessions, as a server does at its start."""
    connection.book = Book(Rule(ZoneInfo("Europe/Berlin"), Policy(), BillBy.TAG))
    while connection.execute("SELECT count(*) FROM to_book WHERE step = 0").fetchone() != (0,):
        commit(connection, [lambda _: None])
    connection.book = None


def _chargers(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO run (server, version, started_at, clock_trusted) "
        f"VALUES ('levity', '1', '{BEGUN}T00:00:00.000Z', 1)"
    )
    connection.execute(
        f"{SERIES} INSERT INTO cp (id, vendor, model, firmware_version, meter_serial_number, "
        "created_at, updated_at) SELECT printf('CP-%02d', i), 'United Chargers', 'Grizzl-E', "
        "'5.623', 'M-' || i, ?2, ?2 FROM series",
        (CHARGERS, f"{BEGUN}T00:00:00.000Z"),
    )
    connection.execute(
        "INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at)"
        " SELECT id, 1, '10.0.0.1', '/ws', 1, created_at FROM cp"
    )


def _transactions(connection: sqlite3.Connection, transactions: int) -> None:
    """Every transaction lasts an hour. The newest of each charger is open. Each connector has a
    register of its own."""
    connection.execute(
        f"""
{SERIES}, one (i, begun, charger, connector, tag, is_open) AS (
    SELECT i, {YEARS_SECONDS} * 1.0 * i / ?1, 1 + i % {CHARGERS}, CASE
        WHEN i % 5 = 0 AND i % 3 = 0 THEN 2 ELSE 1 END,
        CASE WHEN i * 7919 % 100 < 50 THEN 'anonymous'
            ELSE printf('TAG-%03d', i * 7919 % 211) END, i >= ?1 - {CHARGERS}
    FROM series),
timed AS (
    SELECT *, strftime({TIME}, '{BEGUN}', begun || ' seconds') AS start,
        strftime({TIME}, '{BEGUN}', (begun + 3600) || ' seconds') AS stop,
        charger * 1234567 + connector * 7654321
            + 5000 * row_number() OVER (PARTITION BY charger, connector ORDER BY i) AS wh FROM one)
INSERT INTO tx (cp_id, conn_id, session_id, id_tag, verdict, status, start_time, sent_start_time,
    start_skew_seconds,
    stop_time, sent_stop_time, meter_start, meter_stop, energy_delivered, energy_method,
        confidence, stop_reason,
    stopped_by, last_reading_at, last_register_wh, created_at, updated_at, own_start_time,
        own_stop_time,
    stop_skew_seconds, stop_received_at, billed_from_wh, billed_until_wh, rules, judged_at,
        counted_wh)
SELECT printf('CP-%02d', charger - 1), connector, charger, tag, 'Accepted',
    CASE is_open WHEN 1 THEN 'Active' ELSE 'Completed' END, start, start, 0,
    iif(is_open, NULL, stop), iif(is_open, NULL, stop), wh, iif(is_open, NULL, wh + 5000),
    iif(is_open, NULL, 5000), iif(is_open, NULL, 'register'), iif(is_open, NULL, 'certain'),
    iif(is_open, NULL, 'Local'), iif(is_open, NULL, 'charger'), stop, wh + 5000, start, stop, start,
    iif(is_open, NULL, stop), 0, iif(is_open, NULL, stop), wh, iif(is_open, NULL, wh + 5000), 2,
    iif(is_open, NULL, stop), iif(is_open, 0, 5000)
FROM timed""",
        (transactions,),
    )


def events(connection: sqlite3.Connection) -> None:
    """The events of all transactions: each was started, and ended by its charger."""
    connection.execute(
        "INSERT INTO tx_event (tx_id, kind, who, session_id, received_at, timestamp, "
        "sent_timestamp, message_id, payload, digest, last_received_at, state, cause) "
        "SELECT id, 'start', 'charger', session_id, created_at, start_time, start_time, "
        "'\"' || id || '\"', json_object('connectorId', conn_id, 'idTag', id_tag, 'meterStart', "
        "meter_start, 'timestamp', start_time), 's' || id, created_at, NULL, NULL "
        "FROM tx UNION ALL "
        "SELECT id, 'stop', 'charger', session_id, stop_received_at, stop_time, stop_time, "
        "'\"' || id || 's\"', json_object('transactionId', id, 'meterStop', meter_stop, "
        "'timestamp', stop_time, 'reason', stop_reason), 'e' || id, stop_received_at, 'open', "
        "'stop' "
        "FROM tx WHERE stop_time IS NOT NULL"
    )


def _readings(connection: sqlite3.Connection, readings: int) -> None:
    connection.execute(
        f"{SERIES} INSERT INTO meter_val (tx_id, cp_id, conn_id, session_id, received_at, "
        "timestamp, sent_timestamp, measurand, value, unit, context, location, phase, format, "
        "source, wh, told_id) SELECT id, cp_id, conn_id, session_id, at, at, at, "
        "'Energy.Active.Import.Register', wh, 'Wh', 'Sample.Periodic', 'Outlet', '', 'Raw', "
        f"'MeterValues', wh, id FROM (SELECT tx.*, strftime({TIME}, start_time, ((i + 0.5) * 3600 "
        "/ ?1) || ' seconds') AS at, meter_start + 5000 * (i + 1) / (?1 + 1) AS wh FROM tx, "
        "series)",
        (readings,),
    )


def _doubts(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO review (tx_id, code, words, told, figures, figures_told, evidence, "
        "evidence_told, opened_at) SELECT id, 'too_fast', ?, ?, ?, ?, ?, ?, updated_at "
        "FROM tx WHERE id % 100 = 7",
        (
            *("faster than usual", stored(Told("faster than usual"))),
            *('{"as reported": 5000}', stored_in([[AS_REPORTED, 5000]])),
            *('["5000 Wh", "3600 s"]', stored_in(["5000 Wh", "3600 s"])),
        ),
    )
    connection.execute(
        "INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, "
        "digest, reason, last_received_at) "
        "SELECT cp_id, session_id, updated_at, 'StopTransaction', '\"x' || id || '\"', '{}', "
        "'d' || id, 'no transaction fits', updated_at "
        "FROM tx WHERE id % 1000 = 3"
    )


def _frames(connection: sqlite3.Connection, frames: int) -> None:
    connection.execute(
        f"{SERIES} INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame)"
        f" SELECT printf('CP-%02d', i % {CHARGERS}), 1 + i % {CHARGERS},"
        f" strftime({TIME}, '{BEGUN}', ({YEARS_SECONDS} * 1.0 * i / ?1) || ' seconds'), 'recv', "
        "'\"' || i || '\"',"
        """ 'Heartbeat', '[2,"' || i || '","Heartbeat",{}]' FROM series""",
        (frames,),
    )


def amount_in(database: Path) -> Amount:
    """Count what an existing database has."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        ((transactions,),) = connection.execute("SELECT count(*) FROM tx").fetchall()
    return Amount(transactions, READINGS * transactions)
