"""Finds statements that scan a growing table: collects the package's statements as they run, and
examines the query plan of each on a database with a history.

The statements are collected as in the code. A trace contains values instead of parameters, with
which SQLite may use a partial index that it cannot use otherwise.
"""

from __future__ import annotations

import re
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from types import FrameType
from typing import Any, ClassVar

from tests.store.history import with_history
from tests.store.template import Reused

FEW_TRANSACTIONS = 100
BOUNDED = {
    *(
        "cp",
        "cp_conn",
        "station",
        "connector_data",
        "fact_count",
        "event_sum",
        "simulated_time",
        "audit_cursor",
        "sqlite_schema",
    ),
    *(
        "json_each",
        "known",
        "newest",
        "nearest",
        "one",
        "token",
        "sqlite_sequence",
        "webhook",
        "webhook_waiting",
        *("backend", "backend_cp", "backend_card"),
    ),
    *("webhook_given_up", "own_setting", "asked_tag", "security", "account", "vehicle", "space"),
    *("billing", "bill_work", "closing", "biller", "tariff", "tariff_version", "tariff_assignment"),
    *("meter", "meter_key", "meter_pair", "series", "series_fetch"),
    *("wallet", "personal_deletion", "lost_statements"),
    *("user", "person", "login", "invitation", "turned_away", "site_count", "evidence_pruning"),
    *("usage_limit", "refused_card", "month_standing", "month_use", "recipient", "message_cursor"),
    *(
        "load_site",
        "load_state",
        "load_learned",
        "load_charger",
        "load_lease",
        "load_model",
        "mqtt",
        "oddity",
    ),
    *("series", "sun_charger", "tx_quarter_work"),
    *("load_forgotten", "to_book", "book", "backend", "backend_cp"),
}
"""Tables that do not grow over the years; all others do."""
OF_THE_PRESENT = {
    "tx_open": "only what is open",
    "tx_judge_after": "only what waits to be judged again",
    "session_open": "only connections of now",
    "session_imported": "one for each charger",
    "command_followed": "only commands whose outcome is not known yet",
    "command_queued": "only commands that are not sent yet",
    "command_sent": "only commands that wait for their answer",
    "review_open": "only what waits for a person",
    "review_waiting": "only what waits for a person",
    "set_aside_waiting": "only what waits for a person",
    "report_waiting": "only what waits for a person",
    "serial_change_asked": "only what waits for a person",
    "tx_doubtful": "only what waits for a person",
    "booked_open": "only what is open",
    "booked_in_review": "only what waits for a person",
    "cp_err_open": "only faults of now",
    "load_wish_open": "only wishes of now",
    "load_span_open": "only what lasts now",
    "price_wish_open": "only wishes of now",
    "configuration_template_name": "only templates of now",
    "ownership_exclusive": "a few for each space",
    "tag_key": "only tags of now",
    "certificate_request_open": "only requests that are not settled yet",
    "securing_open": "only profiles on their way",
    "credential_open": "only passwords of now",
    "cause_open": "only what lasts now",
    "message_waiting": "only what waits to be sent",
    "settlement_open": "only what is not paid",
}
"""Indexes that may be scanned, because they contain only present rows."""
PERMITTED = {
    "INSERT INTO to_book (tx_id) SELECT id FROM tx ORDER BY id": (
        "all are booked anew where a rule of billing changed"
    ),
    "revoked_at IS NOT NULL FROM certificate": "one a charger and year, at a start",
    "FROM run WHERE server = ? ORDER BY id DESC LIMIT 1": "from the newest run on",
    "imported_from IS NULL": "a page of the newest; imported ones are one for each charger",
    "ORDER BY id DESC LIMIT 100": "the newest hundred, at a start",
    "FROM each": "a row for each connector",
    "FROM load_order ORDER BY id DESC LIMIT 1": "only the newest",
    "FROM event WHERE at < ? AND at >= ? ORDER BY id DESC LIMIT 1": (
        "where a replay to a broker begins, which a person asks for"
    ),
    "tx_by_time": "a page of a list, in the order of the index",
    "FROM booked WHERE": "lists of sessions, and their sums: 100,000 take 30 ms",
    "FROM habit": "a few for each connector",
    "status = 'Completed' AND (CAST(?1 AS TEXT) IS NULL OR cp_id = ?1)": (
        "recheck, which a person runs"
    ),
    "SELECT cp_id FROM set_aside WHERE last_received_at > ?": "verify, which a person runs",
}
"""Parts of statements that may scan tables, and the reasons."""
PAGE = re.compile(r"SELECT (id|1) FROM \w+( ORDER BY id DESC)? LIMIT \?\)?$")
"""The first rows of a table in the order of their ids."""
PASSED_ON = (
    "sqlite_utils",
    "levity_trio.store.engine.database",
    "levity_trio.store.engine.file_store",
    "tests.replayed",
    "tests.store.reading",
)
"""Modules that run the statements of other modules."""
OURS = "levity_trio"
READ_ALL = (
    *(
        "levity_trio.store.engine.schema",
        "levity_trio.store.keeping",
        "levity_trio.store.moving",
    ),
    "levity_trio.store.postgresql.checking",
)
"""Migrations, which run once, and commands that copy, check and move a whole database, in a process
of their own."""


class Recorder(Reused):
    """A connection that collects the package's statements, each with its number of parameters."""

    seen: ClassVar[dict[str, int]] = {}

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql not in self.seen and _is_ours(sys._getframe(1)):
            self.seen[sql] = len(parameters)
        return super().execute(sql, parameters)


def recording(connect: Callable[..., Any], *arguments: object, **named: object) -> Any:
    """Open a connection that collects statements, and gives rows without ORDER BY in reverse: no
    order is promised."""
    connection = connect(*arguments, **named | {"factory": Recorder})
    connection.execute("PRAGMA reverse_unordered_selects = ON")
    return connection


def _is_ours(frame: FrameType | None) -> bool:
    """Whether a statement is from a part of the package that must not read a table as a whole."""
    while frame is not None and frame.f_globals["__name__"].startswith(PASSED_ON):
        frame = frame.f_back
    name = frame.f_globals["__name__"] if frame is not None else ""
    return bool(name.startswith(OURS)) and not name.startswith(READ_ALL)


def whole_reads(statements: Mapping[str, int]) -> Iterator[str]:
    """Return the scans of growing tables, or of indexes that contain past rows."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.deserialize(with_history(FEW_TRANSACTIONS))
        for sql, parameters in statements.items():
            if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b", sql) and not _is_permitted(sql):
                yield from _whole_reads(connection, sql, parameters)


def _is_permitted(sql: str) -> bool:
    return bool(PAGE.search(sql)) or any(part in sql for part in PERMITTED)


def _whole_reads(connection: sqlite3.Connection, sql: str, parameters: int) -> Iterator[str]:
    for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", [None] * parameters):
        scan = re.match(
            r"SCAN (?!(?:\d+ )?CONSTANT )(\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step
        )
        is_whole = scan and scan[1] not in BOUNDED and scan[2] not in OF_THE_PRESENT
        if is_whole or "AUTOMATIC" in step:
            yield f"{step}: {sql}"
