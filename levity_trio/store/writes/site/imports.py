"""The history of another system: its chargers, transactions, readings and errors, under one session
of each charger that is marked as imported.

Each write is one part of an import. Every row is known again by its id in the other system and by
its time, so that a part can be repeated: what is known stays, and what has changed there since is
taken over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from levity_trio.charging.lifecycle import Kind, State, stopped_by
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.reads.levity.rows import (
    ChargerRow,
    ErrorRow,
    ImportedRows,
    ReadingRow,
    TransactionRow,
    encoded,
)
from levity_trio.told import of_stored
from levity_trio.wire.texts import digest

LEVITY: Final = "levity"
METHOD: Final = "imported"
IDENTIFICATION: Final = (
    "name",
    "vendor",
    "model",
    "serial_number",
    "firmware_version",
    "iccid",
    "imsi",
)


class ImpossibleRow(Exception):
    """A row that no history can have: of an unknown charger, or without a possible time."""


def chargers(db: UnitOfWork, rows: Sequence[ChargerRow], at: str) -> ImportedRows:
    """Add the chargers that are unknown. What is known of the others was said to us, so it
    stays."""
    columns = ", ".join(IDENTIFICATION)
    add = (
        f"INSERT INTO cp (id, {columns}, created_at, updated_at) "  # noqa: S608
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
    )
    return _counted(len(rows), sum(db.changed(add, (*row, at, at)) for row in rows))


def _counted(rows: int, added: int) -> ImportedRows:
    return ImportedRows(added, 0, rows - added)


def transactions(db: UnitOfWork, rows: Sequence[TransactionRow], at: str) -> ImportedRows:
    """Add transactions, and take over what the other system has changed in them since."""
    sessions = _sessions(db, (row.charger for row in rows), at)
    results = [_transaction(db, row, sessions[row.charger], at) for row in rows]
    words = [word for _, word in results]
    return ImportedRows(
        words.count("added"),
        words.count("changed"),
        words.count("known"),
        [number for number, _ in results],
    )


_FIND: Final = "SELECT id FROM tx WHERE cp_id = ? AND imported_id = ? AND start_time = ?"
_NEWEST: Final = "SELECT digest FROM tx_event WHERE tx_id = ? AND kind = ? ORDER BY id DESC LIMIT 1"
_ADD: Final = (
    "INSERT INTO tx (cp_id, imported_id, session_id, verdict, status, stopped_by, energy_method, "
    "start_time, created_at, conn_id, id_tag, stop_time, meter_start, meter_stop, "
    "energy_delivered, confidence, stop_reason, stop_received_at, last_reading_at, updated_at) "
    "VALUES (?, ?, ?, 'Accepted', 'Completed', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "RETURNING id"
)
_CHANGE: Final = (
    "UPDATE tx "
    "SET conn_id = ?, id_tag = ?, stop_time = ?, meter_start = ?, meter_stop = ?, "
    "energy_delivered = ?, confidence = ?, stop_reason = ?, stop_received_at = ?, "
    "last_reading_at = ?, updated_at = ? "
    "WHERE id = ?"
)
_EVENT: Final = (
    "INSERT INTO tx_event (tx_id, kind, who, reason, session_id, received_at, timestamp, payload, "
    "digest, state, last_received_at, told) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?6, ?10) "
    "ON CONFLICT (tx_id, kind, digest) DO UPDATE "
    "SET count = tx_event.count + 1, last_received_at = excluded.last_received_at"
)


def _transaction(db: UnitOfWork, row: TransactionRow, session: int, at: str) -> tuple[int, str]:
    """Return the id of a transaction, and whether it was added, changed or known."""
    payload, reason = orjson.dumps(row.payload).decode(), "; ".join(row.doubts) or None
    mark = digest(orjson.dumps([row.payload, row.doubts]).decode())
    stored = db.row(_FIND, (row.charger, row.imported_id, row.start_time))
    if stored is not None and db.row(_NEWEST, (stored[0], Kind.IMPORT)) == (mark,):
        return stored[0], "known"
    present = (
        *(row.connector, row.id_tag, row.stop_time, row.meter_start, row.meter_stop, row.energy_wh),
        *(
            "doubtful" if row.doubts else "certain",
            row.stop_reason,
            row.stop_received_at,
            row.last_reading_at,
            at,
        ),
    )
    if stored is None:
        origin = (row.charger, row.imported_id, session, stopped_by(State.IMPORTED), METHOD)
        number = db.insert(_ADD, (*origin, row.start_time, row.received_at, *present))
    else:
        number = int(stored[0])
        db.changed(_CHANGE, (*present, number))
    db.changed(
        _EVENT,
        (
            number,
            Kind.IMPORT,
            LEVITY,
            reason,
            session,
            at,
            payload,
            mark,
            State.IMPORTED,
            _told(row),
        ),
    )
    return number, "added" if stored is None else "changed"


def _told(row: TransactionRow) -> str | None:
    """Return the text of the doubts of a row, None if it does not say what they say."""
    try:
        return row.told if row.told and of_stored(row.told) == "; ".join(row.doubts) else None
    except (ValueError, LookupError, TypeError, AssertionError, ArithmeticError):
        return None


_NUMBERS: Final = frozenset({"imported_id", "transaction", "connector"})
_TEXT: Final = {
    name: f"json_extract(one.value, '$[{place}]')" for place, name in enumerate(ReadingRow._fields)
}
_FIELD: Final = {
    name: f"CAST({text} AS INTEGER)" if name in _NUMBERS else text for name, text in _TEXT.items()
}
_KNOWN: Final = (
    "EXISTS (SELECT 1 FROM meter_val WHERE cp_id = {charger} AND conn_id = {connector} AND "
    "timestamp = {timestamp} AND imported_id = {imported_id})"
)
_READINGS: Final = (
    "INSERT INTO meter_val (cp_id, imported_id, tx_id, conn_id, received_at, timestamp, "  # noqa: S608 - ours
    "sent_timestamp, measurand, value, unit, context, location, phase, format, source, "
    "session_id) "
    "SELECT {charger}, {imported_id}, (SELECT id FROM tx WHERE id = {transaction} "
    "AND cp_id = {charger} AND imported_id IS NOT NULL), {connector}, {received_at}, "
    "{timestamp}, {sent_timestamp}, {measurand}, {value}, {unit}, {context}, "
    "{location}, {phase}, {format}, 'import', (SELECT id FROM session "
    "WHERE cp_id = {charger} AND imported_from IS NOT NULL) "
    f"FROM json_each(?) AS one WHERE NOT {_KNOWN}"
).format(**_FIELD)
"""One statement for all readings, because the event loop of the server competes with each for the
interpreter lock. wh stays NULL: the register of an imported reading is billed by nobody here, and
is no evidence of later transactions."""


def readings(db: UnitOfWork, rows: Sequence[ReadingRow], at: str) -> ImportedRows:
    """Add the readings that are unknown."""
    _sessions(db, (row.charger for row in rows), at)
    return _counted(len(rows), db.changed(_READINGS, (encoded(rows).decode(),)))


_ADD_ERROR: Final = (
    "INSERT INTO cp_err (cp_id, imported_id, conn_id, error_code, vendor_error_code, "
    "error_description, vendor_error_info, timestamp, resolved_at, created_at, session_id, "
    "is_warning) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0) "
    "ON CONFLICT (cp_id, imported_id, timestamp) "
    "WHERE imported_id IS NOT NULL DO NOTHING"
)
_RESOLVE: Final = (
    "UPDATE cp_err SET resolved_at = ? "
    "WHERE cp_id = ? AND imported_id = ? AND timestamp = ? AND resolved_at <> ?"
)


def errors(db: UnitOfWork, rows: Sequence[ErrorRow], at: str) -> ImportedRows:
    """Add the errors that are unknown, and take over when the others were resolved."""
    sessions = _sessions(db, (row.charger for row in rows), at)
    added = changed = 0
    for row in rows:
        values = row._replace(resolved_at=row.resolved_at or at)
        is_new = db.changed(_ADD_ERROR, (*values, sessions[row.charger]))
        added += is_new
        if not is_new and row.resolved_at is not None:
            known = (row.resolved_at, row.charger, row.imported_id, row.timestamp, row.resolved_at)
            changed += db.changed(_RESOLVE, known)
    return ImportedRows(added, changed, len(rows) - added - changed)


def _sessions(db: UnitOfWork, names: Iterable[str], at: str) -> Mapping[str, int]:
    """Return the imported sessions of these chargers; add those that are missing."""
    return {name: _session(db, name, at) for name in set(names)}


def _session(db: UnitOfWork, charger: str, at: str) -> int:
    found = db.row(
        "SELECT id FROM session WHERE cp_id = ? AND imported_from IS NOT NULL", (charger,)
    )
    if found is not None:
        return int(found[0])
    return db.insert(
        "INSERT INTO session (cp_id, run_id, remote_address, target, clock_trusted, connected_at, "
        "ended_at, imported_from) "
        "VALUES (?, ?, '', '', 0, ?, ?, ?) RETURNING id",
        (charger, _run(db, at), at, at, LEVITY),
    )


def _run(db: UnitOfWork, at: str) -> int:
    """Return the run of the server that the history comes from. It is none of ours, so no start of
    a server ends it."""
    run = db.row(
        "SELECT run_id FROM session INDEXED BY session_imported "
        "WHERE imported_from IS NOT NULL ORDER BY cp_id LIMIT 1"
    )
    if run is not None:
        return int(run[0])
    return db.insert(
        "INSERT INTO run (server, version, started_at, ended_at, clean, clock_trusted) "
        "VALUES (?, ?, ?, ?, 1, 0) RETURNING id",
        (f"import of {LEVITY}", LEVITY, at, at),
    )


def take(db: UnitOfWork, kind: str, rows: Sequence[Any], at: str) -> ImportedRows:
    """Import a part: rows of one of the KINDS of store.reads.levity.rows. Raises ImpossibleRow.

    Each statement is waited for, so that its error comes here.
    """
    try:
        imported: ImportedRows = _WRITES[kind](db, rows, at)
    except sqlite3.IntegrityError as error:
        raise ImpossibleRow(str(error)) from error
    return imported


_WRITES: Final[Mapping[str, Callable[..., ImportedRows]]] = {
    "chargers": chargers,
    "transactions": transactions,
    "readings": readings,
    "errors": errors,
}
