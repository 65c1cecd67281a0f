"""A charger with a history: past transactions with their readings, statuses, facts, sessions,
commands and frames."""

from __future__ import annotations

from contextlib import closing
from functools import cache

from levity_trio.wire.times import stamp
from tests.store.books import NOON, Books, Station, in_memory

REGISTER = 5_000_000


def _at(minutes: int) -> str:
    """Return SQL for a time in minutes after the start of the n-th last transaction; the last one
    began a day ago."""
    return (
        f"strftime('%Y-%m-%dT%H:%M:%fZ', '{stamp(NOON)}', '-1 days', (-60 * n + {minutes}) || ' "
        "minutes')"
    )


HISTORY = f"""
-- A connection, and a boot, for each five transactions. Only the first boot reported its meter.
INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at, ended_at,
close_code,
        close_reason)
    SELECT 'CP-1', 1, '10.0.0.1', '/ws', 1, {_at(-10)}, {_at(240)}, 1000, 'gone'
    FROM past WHERE n % 5 = 0 ORDER BY n DESC;
INSERT INTO boot (cp_id, session_id, received_at, vendor, serial_number, meter_serial_number,
payload, answer,
        heartbeat_interval)
    SELECT 'CP-1', 1, {_at(-9)}, 'V', 'S', iif(n = (SELECT max(n) FROM past), 'M', NULL), 'payload',
    'Accepted', 60 FROM past WHERE n % 5 = 0;

-- The transactions, of the connection of their time: each fourth on connector 2, some stopped
-- without id or closed by the system.
INSERT INTO tx (cp_id, conn_id, session_id, id_tag, verdict, status, stopped_by, start_time,
        own_start_time, sent_start_time, start_skew_seconds, created_at, stop_time, own_stop_time,
        sent_stop_time, stop_skew_seconds, stop_received_at, judged_at, updated_at, last_reading_at,
        meter_start, meter_stop, last_register_wh, billed_from_wh, billed_until_wh,
        energy_delivered, counted_wh, energy_method, confidence, stop_reason, rules)
    SELECT 'CP-1', 1 + (n % 4 = 0), 2 + ((SELECT max(n) FROM past) - n) / 5, 'TAG', 'Accepted',
    'Completed',
        CASE n % 10 WHEN 1 THEN 'joined' WHEN 2 THEN 'system' ELSE 'charger' END, {_at(0)},
        {_at(0)}, {_at(0)}, 0, {_at(0)}, {_at(30)}, {_at(30)}, {_at(30)}, 0, {_at(30)}, {_at(30)},
        {_at(30)}, {_at(20)}, {REGISTER} - 100 * n, {REGISTER} - 100 * n + 90, {REGISTER} - 100 * n
        + 80, {REGISTER} - 100 * n, {REGISTER} - 100 * n + 90, 90, 90, 'register', 'certain',
        'Local', 2 FROM past ORDER BY n DESC;
INSERT INTO tx_event (tx_id, kind, who, session_id, received_at, timestamp, message_id, payload,
digest,
        last_received_at)
    SELECT id, column1, 'charger', 1, created_at, created_at, 'm', 'payload', column1 || id,
    created_at FROM tx, (VALUES ('start'), ('stop'));
INSERT INTO review (tx_id, code, words, figures, evidence, tx_event_id, opened_at)
    SELECT tx_id, 'too_fast', 'too fast', 'none', 'none', id, received_at FROM tx_event
    WHERE kind = 'stop' AND id % 5 = 0;
INSERT INTO meter_val (tx_id, cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp,
measurand, value,
        unit, context, location, phase, format, source, wh)
    SELECT id, 'CP-1', conn_id, 1, at, at, at, 'Energy.Active.Import.Register', wh, 'Wh',
    'Sample.Periodic', 'Outlet',
        '', 'Raw', 'MeterValues', wh
    FROM (SELECT id, conn_id, own_start_time AS at, meter_start AS wh FROM tx
        UNION ALL SELECT id, conn_id, last_reading_at, last_register_wh FROM tx);

-- Statuses, errors, commands, events and frames.
INSERT INTO status (cp_id, conn_id, session_id, received_at, timestamp, sent_timestamp, status,
        error_code, last_received_at)
    SELECT 'CP-1', 1 + (n % 4 = 0), 1, at, at, at, status, 'NoError', at FROM (SELECT n, 'Preparing'
    AS status, {_at(-1)} AS at FROM past UNION ALL SELECT n, 'Charging', {_at(1)} FROM past
        UNION ALL SELECT n, 'Available', {_at(35)} FROM past ORDER BY at);
INSERT INTO cp_err (cp_id, conn_id, session_id, error_code, is_warning, timestamp, resolved_at,
created_at)
    SELECT 'CP-1', 1, 1, 'GroundFailure', 1, {_at(0)}, {_at(1)}, {_at(0)} FROM past;
INSERT INTO command (cp_id, session_id, action, payload, message_id, state, requested_at, sent_at,
answered_at)
    SELECT 'CP-1', 1, 'RemoteStartTransaction', json_object('connectorId', 1), 'm' || n, 'answered',
    {_at(-1)},
        {_at(-1)}, {_at(-1)} FROM past;
INSERT INTO event (at, kind, cp_id, session_id, data)
    SELECT {_at(0)}, column1, 'CP-1', 1, 'data' FROM past, (VALUES ('StatusChanged'),
    ('TransactionStopped'));
INSERT INTO log (cp_id, session_id, at, direction, message_id, action, frame)
    SELECT 'CP-1', 1, {_at(0)}, 'recv', 'm', 'MeterValues', '[]' FROM past;
INSERT INTO evidence (cp_id, session_id, at, direction, message_id, action, frame)
    SELECT 'CP-1', 1, {_at(0)}, 'recv', 'm' || n, 'StartTransaction', '[]' FROM past;
INSERT INTO set_aside (cp_id, session_id, received_at, action, message_id, payload, digest, reason,
last_received_at)
    SELECT 'CP-1', 1, {_at(0)}, 'StopTransaction', 'm', 'payload', n, 'none fits', {_at(0)} FROM
    past;
"""
"""`past` has a number for each past transaction, the newest last."""


@cache
def with_history(transactions: int) -> bytes:
    """Return a serialized database whose charger CP-1 has had this many transactions."""
    with closing(in_memory()) as connection:
        books = Books(connection)
        Station(books).lose()
        connection.execute("CREATE TEMP TABLE past (n)")
        connection.executemany(
            "INSERT INTO past VALUES (?)", [(n,) for n in range(transactions, 0, -1)]
        )
        connection.executescript(HISTORY)
        while books.count("to_book WHERE step = 0"):  # as the server does at its start
            books.run(lambda _: None)
        return connection.serialize()
