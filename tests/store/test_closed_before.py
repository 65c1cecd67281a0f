"""Statements that were closed by the program of schema 92: lines, figures, numbers, references,
codes and seals stay."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from levity_trio.documents.csv_file import csv_text
from levity_trio.documents.json_file import json_bytes
from levity_trio.documents.making import sheet_of
from levity_trio.documents.statement_sheet import payment_code
from levity_trio.notify.statements import as_paper
from levity_trio.store.billing.statements import Printed, printed
from levity_trio.store.engine.connection import FileDatabase, open_database
from levity_trio.store.engine.database import rows_of
from levity_trio.store.keeping import statements
from tests.store.older import program_of

VERSION: Final = 92
BEFORE: Final[dict[str, Any]] = msgspec.json.decode(
    Path(__file__).with_name("closed_before.json").read_bytes()
)
"""The rows of a database of then, and what came out of each of its statements."""
RELAID: Final = ("Bauhof 12 eG", "Bauhof 12", "10115 Berlin", "anna@mail.example")
"""What stands elsewhere, or no longer, on a paper that is made anew."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[FileDatabase]:
    """The database of then, opened by the program of now."""
    path = tmp_path / "site.db"
    with program_of(VERSION), open_database(path) as connection:
        # The rows are there at once, so no trigger may follow them.
        connection.execute("PRAGMA foreign_keys = OFF")
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall()
        for name, _sql in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for table, rows in BEFORE["tables"].items():
            connection.execute(f"DELETE FROM {table}")
            for row in rows:
                marks = ", ".join("?" for _ in row)
                connection.execute(
                    f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", [*row.values()]
                )
        for _name, sql in triggers:
            connection.execute(sql)
    with open_database(path) as connection:
        # Who bills has said more since.
        connection.execute(
            "INSERT INTO biller (name, address, payment_days, set_at, set_by, tax_kind, "
            "number_prefix) VALUES ('Other', 'Elsewhere', 3, '', '', 'small business', '2026-')"
        )
        yield FileDatabase(connection)


def closed(database: FileDatabase) -> list[Printed]:
    ids = database.execute("SELECT id FROM statement ORDER BY number").fetchall()
    return [*printed(rows_of(database), [row for (row,) in ids])]


def test_what_was_closed_stays(database: FileDatabase) -> None:
    found = closed(database)
    assert len(found) == len(BEFORE["said"]) == 4
    for one, before in zip(found, BEFORE["said"], strict=True):
        paper = as_paper(one)
        sheet = sheet_of(paper)
        assert set(sheet.texts()) == set(before["texts"])
        assert len(sheet.texts()) == len(before["texts"])
        assert sheet.reference == before["reference"]
        assert payment_code(one.statement, sheet.reference) == before["code"]
        rows = _rows(csv_text(one.statement, *sheet.csv))
        assert _within(rows, _rows(before["csv"])) == _rows(before["csv"])
        assert one.statement.printed_number == before["json"]["number"]
        document = msgspec.json.decode(json_bytes(one.statement))
        assert _within(document, before["json"]) == _within(before["json"], before["json"])


def test_it_is_sealed_as_before(database: FileDatabase) -> None:
    assert [*statements.sealed(database)] == []
    assert [one.differing for one in statements.evidence(database)] == [None] * 4
    assert [*statements.sums(database)] == []


def test_where_no_sheet_was_kept_lines_figures_and_code_stay(database: FileDatabase) -> None:
    for one, before in zip(closed(database), BEFORE["said"], strict=True):
        sheet = sheet_of(as_paper(one)._replace(sheet=None))
        assert set(before["bare"]) - set(sheet.texts()) <= {*RELAID, "Anna", *_taxes(before)}
        assert payment_code(one.statement, sheet.reference) == before["code"]
        for row in _rows(before["csv"]):
            figures = {row[name] for name in ("amount", "gross", "total") if row[name]}
            shown = " ".join(sheet.texts()).replace("−", "-")
            assert all(figure in shown for figure in figures)


def _rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a file, but for reasons, which are told better now."""
    separator = ";" if ";" in text else ","
    rows = csv.DictReader(io.StringIO(text), delimiter=separator)
    return [{name: cell for name, cell in row.items() if name != "reason"} for row in rows]


def _taxes(before: dict[str, Any]) -> list[str]:
    """The line of the tax number, whose word no longer speaks of two."""
    return [text for text in before["bare"] if "30/123/45678" in text]


def _within(found: Any, model: Any) -> Any:
    """Return what a document has of the fields of another, but for reasons."""
    if isinstance(model, dict):
        names = [name for name in model if name != "reason"]
        return {name: _within(found[name], model[name]) for name in names}
    if isinstance(model, list):
        return [_within(one, inner) for one, inner in zip(found, model, strict=True)]
    return found
