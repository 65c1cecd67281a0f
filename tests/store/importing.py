"""Imports a database of Levity into one of ours, as the command does, and reads what it brought."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from levity_trio.cli import main

Row = tuple[Any, ...]
OF_TRANSACTIONS = (
    "SELECT cp_id, imported_id, conn_id, id_tag, status, stopped_by, start_time, stop_time, "
    "meter_start, meter_stop, energy_delivered, energy_method, confidence, created_at "
    "FROM tx ORDER BY cp_id, imported_id"
)
OF_READINGS = (
    "SELECT m.cp_id, m.imported_id, t.imported_id, m.conn_id, m.timestamp, m.sent_timestamp, "
    "measurand, value, unit, context, location, phase, format, source, wh "
    "FROM meter_val AS m LEFT JOIN tx AS t ON t.id = m.tx_id "
    "ORDER BY m.cp_id, m.imported_id"
)
OF_EVENTS = (
    "SELECT t.imported_id, kind, who, reason, payload, count "
    "FROM tx_event JOIN tx AS t ON t.id = tx_id "
    "ORDER BY t.imported_id, tx_event.id"
)
HISTORY = (
    OF_TRANSACTIONS,
    OF_READINGS,
    (
        "SELECT cp_id, imported_id, conn_id, error_code, timestamp "
        "FROM cp_err ORDER BY cp_id, imported_id"
    ),
    "SELECT id, name, vendor, model, is_connected, session_id, status FROM cp ORDER BY id",
    "SELECT cp_id, imported_from FROM session ORDER BY cp_id",
    OF_EVENTS,
)
"""All that an import brings, but our own ids and times."""


def rows(database: Path, sql: str, *parameters: object) -> list[Row]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(sql, parameters).fetchall()


def history(database: Path) -> list[list[Row]]:
    return [rows(database, sql) for sql in HISTORY]


class Told:
    """The report of an import with --json."""

    def __init__(self, lines: Sequence[str]) -> None:
        *odd, self.totals = map(json.loads, lines)
        self.odd: list[dict[str, Any]] = odd

    @property
    def codes(self) -> list[tuple[str, int | str, str]]:
        return [(one["table"], one["id"], one["code"]) for one in self.odd]

    @property
    def left_out(self) -> list[tuple[str, int | str]]:
        return [(one["table"], one["id"]) for one in self.odd if one["is_left_out"]]

    def counts(self, kind: str) -> tuple[int, ...]:
        """Return how many rows were read, added, changed, known and left out."""
        return tuple(
            self.totals[kind][name] for name in ("read", "added", "changed", "known", "left_out")
        )


def import_levity(capsys: pytest.CaptureFixture[str], old: Path, database: Path) -> Told:
    capsys.readouterr()
    assert main(["import", "levity", str(old), "--db", str(database), "--json"]) == 0
    return Told(capsys.readouterr().out.splitlines())
