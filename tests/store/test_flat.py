"""What a write costs does not grow with the history of its charger (rules.md, Speed).

Counted in steps of SQLite's machine, and not by time: the same writes beside 100 and beside 10,000 past transactions,
each with its readings, statuses, facts, sessions and commands.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing as closed_in_the_end
from functools import cache
from typing import Any, NamedTuple

import pytest
from sqlite_utils import Database

from levity_trio.charging.moments import understand
from levity_trio.store.reads.plug_ins import PlugIn, plug_ins
from levity_trio.store.schema import migrate
from levity_trio.store.writes import sessions
from levity_trio.store.writes.transactions import closing, judging
from levity_trio.store.writes.transactions.requests import Opening
from levity_trio.wire.times import stamp
from tests.store.books import NOON, SERVER, Books, Station, meter_value
from tests.store.telling import watts

FEW, MANY = 100, 10_000
MOST_GROWTH = 1.2
REGISTER = 5_000_000
STILL = "2022-01-01T00:00:00Z"
GROWING = ("tx", "tx_event", "meter_val", "status", "event", "log", "boot", "session", "command", "evidence")
KEPT = (*GROWING, "set_aside", "review", "cp_err", "repair", "configuration")

OF_THE_PRESENT = {
    "tx_open": "only what is open",
    "tx_judge_after": "only what waits to be judged again",
    "session_open": "only connections of now",
    "command_sent": "only commands that wait for their answer",
}
"""Indices that may be read from one end to the other: none of them has a row of what is over."""


def _at(minutes: int) -> str:
    """SQL: so many minutes after the n-th last transaction began; the last one began a day ago."""
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', '{stamp(NOON)}', '-1 days', (-60 * n + {minutes}) || ' minutes')"


HISTORY = f"""
-- A connection, and a boot, for each five transactions.
INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at, ended_at, close_code,
        close_reason)
    SELECT 'CP-1', 1, '10.0.0.1', '/ws', 1, {_at(-10)}, {_at(240)}, 1000, 'gone' FROM past WHERE n % 5 = 0;
INSERT INTO boot (cp_id, session_id, received_at, vendor, serial_number, meter_serial_number, payload, answer,
        heartbeat_interval)
    SELECT 'CP-1', 1, {_at(-9)}, 'V', 'S', 'M', 'payload', 'Accepted', 60 FROM past WHERE n % 5 = 0;

-- The transactions: each fourth on connector 2, some stopped without their id or closed by the system.
INSERT INTO tx (cp_id, conn_id, session_id, id_tag, verdict, status, stopped_by, start_time, own_start_time,
        sent_start_time, start_skew_seconds, created_at, stop_time, own_stop_time, sent_stop_time, stop_skew_seconds,
        stop_received_at, judged_at, updated_at, last_reading_at, meter_start, meter_stop, last_register_wh,
        billed_from_wh, billed_until_wh, energy_delivered, counted_wh, energy_method, confidence, stop_reason, rules)
    SELECT 'CP-1', 1 + (n % 4 = 0), 1, 'TAG', 'Accepted', 'Completed',
        CASE n % 10 WHEN 1 THEN 'joined' WHEN 2 THEN 'system' ELSE 'charger' END, {_at(0)}, {_at(0)},
        {_at(0)}, 0, {_at(0)}, {_at(30)}, {_at(30)}, {_at(30)}, 0,
        {_at(30)}, {_at(30)}, {_at(30)}, {_at(20)}, {REGISTER} - 100 * n, {REGISTER} - 100 * n + 90,
        {REGISTER} - 100 * n + 80, {REGISTER} - 100 * n, {REGISTER} - 100 * n + 90, 90, 90, 'register', 'certain',
        'Local', 2 FROM past;
INSERT INTO tx_event (tx_id, kind, who, session_id, received_at, timestamp, message_id, payload, digest,
        last_received_at)
    SELECT id, column1, 'charger', 1, created_at, created_at, 'm', 'payload', column1 || id, created_at
    FROM tx, (VALUES ('start'), ('stop'));
INSERT INTO review (tx_id, code, words, figures, evidence, tx_event_id, opened_at)
    SELECT tx_id, 'too_fast', 'too fast', 'none', 'none', id, received_at FROM tx_event
    WHERE kind = 'stop' AND id % 5 = 0;
INSERT INTO meter_val (tx_id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, measurand, value,
        unit, context, location, phase, format, source, wh)
    SELECT id, 'CP-1', conn_id, 1, at, at, at, 'Energy.Active.Import.Register', wh, 'Wh', 'Sample.Periodic', 'Outlet',
        '', 'Raw', 'MeterValues', wh
    FROM (SELECT id, conn_id, own_start_time AS at, meter_start AS wh FROM tx
        UNION ALL SELECT id, conn_id, last_reading_at, last_register_wh FROM tx);

-- What it said of a cable and of faults, what it was asked, and what was told of it.
INSERT INTO status (cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, status, error_code,
        last_received_at)
    SELECT 'CP-1', 1 + (n % 4 = 0), 1, at, at, at, status, 'NoError', at
    FROM (SELECT n, 'Preparing' AS status, {_at(-1)} AS at FROM past UNION ALL SELECT n, 'Charging', {_at(1)} FROM past
        UNION ALL SELECT n, 'Available', {_at(35)} FROM past ORDER BY at);
INSERT INTO cp_err (cp_id, conn_id, session_id, error_code, is_warning, timestamp, resolved_at, created_at)
    SELECT 'CP-1', 1, 1, 'GroundFailure', 1, {_at(0)}, {_at(1)}, {_at(0)} FROM past;
INSERT INTO command (cp_id, session_id, action, payload, message_id, state, requested_at, sent_at, answered_at)
    SELECT 'CP-1', 1, 'RemoteStartTransaction', json_object('connectorId', 1), 'm' || n, 'answered', {_at(-1)},
        {_at(-1)}, {_at(-1)} FROM past;
INSERT INTO event (at, kind, cp_id, session_id, data)
    SELECT {_at(0)}, column1, 'CP-1', 1, 'data' FROM past, (VALUES ('StatusChanged'), ('TransactionStopped'));
INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame)
    SELECT 'CP-1', 1, {_at(0)}, 'recv', 'm', 'MeterValues', '[]' FROM past;
INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)
    SELECT 'CP-1', 1, {_at(0)}, 'recv', 'm' || n, 'StartTransaction', '[]' FROM past;
INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, digest, reason, last_received_at)
    SELECT 'CP-1', 1, {_at(0)}, 'StopTransaction', 'm', 'payload', n, 'none fits', {_at(0)} FROM past;
"""
"""`past` has a number for each past transaction, the newest last."""


class Recorder(sqlite3.Connection):
    """A connection that remembers its statements, each with how many parameters it had."""

    statements: dict[str, int]

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if hasattr(self, "statements"):
            self.statements[sql] = len(parameters)
        return super().execute(sql, parameters)


@cache
def _with_history(transactions: int) -> bytes:
    """A database whose charger CP-1 has had so many transactions."""
    with closed_in_the_end(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        Station(Books(connection)).lose()
        connection.execute("CREATE TEMP TABLE past (n)")
        connection.executemany("INSERT INTO past VALUES (?)", [(n,) for n in range(transactions, 0, -1)])
        connection.executescript(HISTORY)
        return connection.serialize()


class Counted(NamedTuple):
    steps: int
    statements: dict[str, int]


def _count(transactions: int, write: Write) -> Counted:
    """Steps and statements of a write beside so many past transactions."""
    with closed_in_the_end(sqlite3.connect(":memory:", isolation_level=None, factory=Recorder)) as connection:
        connection.deserialize(_with_history(transactions))
        connection.execute("PRAGMA foreign_keys = ON")
        station = Station(Books(connection))
        known = write.prepare(station)
        steps, connection.statements = 0, {}

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        connection.set_progress_handler(count, 1)
        write.act(station, known)
        connection.set_progress_handler(None, 0)
        return Counted(steps, connection.statements)


# The writes


class Write(NamedTuple):
    """What is counted: `act`, after `prepare`, whose result (mostly a transactionId) it gets."""

    prepare: Callable[[Station], int]
    act: Callable[[Station, int], object]


def _nothing(station: Station) -> int:
    station.books.wait(1)
    return -1


def _charging(station: Station) -> int:
    """A transaction that runs, with three readings."""
    station.status("Preparing")
    station.books.wait(1)
    transaction = station.start(REGISTER)
    station.status("Charging")
    for minute in (1, 2, 3):
        station.books.wait(1)
        station.tell(meter_value(station.clock(), REGISTER + 100 * minute, watts(6000)), transaction=transaction)
    station.books.wait(1)
    return transaction


def _without_clock(station: Station) -> int:
    """All its transactions, also those of this connection, began at one time and at 0 Wh."""
    station.books.connection.execute(
        "UPDATE tx SET sent_start_time = ?, meter_start = 0, session_id = iif(id % 2 = 0, ?, session_id)",
        (STILL, station.session),
    )
    return -1


def _charging_without_clock(station: Station) -> int:
    _without_clock(station)
    transaction = station.start(0, at=STILL)
    station.books.wait(30)
    return transaction


def _suspended(station: Station) -> int:
    transaction = _charging(station)
    station.boot()
    station.books.wait(1)
    return transaction


def _stopped(station: Station) -> int:
    transaction = _charging(station)
    station.stop(transaction, REGISTER + 400)
    return transaction


def _risen(station: Station) -> int:
    """One that ended, and a reading above its stop within the minute."""
    transaction = _stopped(station)
    station.books.wait(0.5)
    _rise(station, transaction)
    station.books.wait(2)
    return transaction


def _rise(station: Station, transaction: int) -> None:
    station.tell(meter_value(station.clock(1), REGISTER + 450), transaction=transaction)


def _ended(station: Station) -> int:
    transaction = _stopped(station)
    station.books.wait(5)
    return transaction


def _preparing(station: Station) -> int:
    station.status("Available")
    station.books.wait(1)
    station.status("Preparing")
    return -1


def _auto_starts_look(station: Station, _: int) -> None:
    # It finds the connector: another status would make the look too easy.
    found: Sequence[PlugIn] = plug_ins(Database(station.books.connection, execute_plugins=False), station.name)
    assert [plug_in.connector for plug_in in found] == [1]
    station.books.connection.execute("ROLLBACK")


def _read(station: Station, transaction: int | None) -> None:
    station.tell(meter_value(station.clock(), REGISTER + 400, watts(6000)), transaction=transaction)


def _close_before_start(station: Station, _: int) -> None:
    opening = Opening(1, "NEXT", REGISTER + 500, understand(station.clock(), station.books.now))
    station.write(closing.close_before_start, opening)


def _close_available(station: Station, _: int) -> None:
    station.write(closing.close_available, 1, understand(station.clock(), station.books.now))


def _close_silent(station: Station, _: int) -> None:
    station.books.run(closing.close_silent, station.books.at, 0.0)


def _start_again(station: Station, _: int) -> None:
    began = station.books.value("SELECT sent_start_time FROM tx WHERE status = 'Active'")
    station.start(REGISTER, at=began)


def _stop_again(station: Station, transaction: int) -> None:
    station.stop(transaction, REGISTER + 400, at=station.clock(5))


def _hear_late(station: Station, transaction: int) -> None:
    station.tell(meter_value(station.clock(6), REGISTER + 390), transaction=transaction)


WRITES = {
    "readings with their id": Write(_charging, _read),
    "readings without id": Write(_charging, lambda station, _: _read(station, None)),
    "readings of nobody": Write(_nothing, lambda station, _: _read(station, None)),
    "readings with a stale id": Write(_nothing, lambda station, _: _read(station, 17)),
    "late readings": Write(_ended, _hear_late),
    "readings above the stop": Write(_ended, _rise),
    "Charging, none open": Write(_nothing, lambda station, _: station.status("Charging")),
    "Charging, one suspended": Write(_suspended, lambda station, _: station.status("Charging")),
    "Available": Write(_ended, lambda station, _: station.status("Available")),
    "start": Write(_nothing, lambda station, _: station.start(REGISTER)),
    "start again": Write(_charging, _start_again),
    "stop": Write(_charging, lambda station, transaction: station.stop(transaction, REGISTER + 400)),
    "start, its clock stands still": Write(_without_clock, lambda station, _: station.start(0, at=STILL)),
    "stop, its clock stands still": Write(
        _charging_without_clock, lambda station, transaction: station.stop(transaction, 400, at=STILL)
    ),
    "stop again": Write(_ended, _stop_again),
    "stop -1": Write(_charging, lambda station, _: station.stop(-1, REGISTER + 400)),
    "stop -1, none fits": Write(_nothing, lambda station, _: station.stop(-1, 400)),
    "boot": Write(_charging, lambda station, _: station.boot()),
    "connection begins": Write(_nothing, lambda station, _: station.connect()),
    "connection ends": Write(_charging, lambda station, _: station.lose()),
    "auto start's look": Write(_preparing, _auto_starts_look),
    "close before a start": Write(_charging, _close_before_start),
    "close where available": Write(_suspended, _close_available),
    "close what is silent": Write(_suspended, _close_silent),
    "judge what is due": Write(_risen, lambda station, _: station.books.run(judging.judge_due, station.books.at)),
    "the server starts": Write(
        _charging, lambda station, _: station.books.run(sessions.start_run, SERVER, "1.0", station.books.at, True)
    ),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_write_is_flat_in_history(write: Write) -> None:
    few, many = _count(FEW, write).steps, _count(MANY, write).steps
    assert few > 0
    assert many <= MOST_GROWTH * few, f"{few} steps beside {FEW} past transactions, {many} beside {MANY}"


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_no_statement_reads_a_whole_table(write: Write) -> None:
    statements = _count(FEW, write).statements
    assert statements
    with closed_in_the_end(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        scans = [found for sql, given in statements.items() for found in _scans(connection, sql, given)]
    assert not scans, "\n".join(scans)


def _scans(connection: sqlite3.Connection, sql: str, parameters: int) -> Iterator[str]:
    if sql in ("COMMIT", "ROLLBACK") or sql.startswith("BEGIN"):
        return
    for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * parameters):
        scan = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step)
        is_whole = scan and scan[1] in KEPT and scan[2] not in OF_THE_PRESENT
        if is_whole or "AUTOMATIC" in step:
            yield f"{step}: {sql}"
