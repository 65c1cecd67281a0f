"""Closed statements prove themselves: what is changed behind the guards is found. A crash leaves
none half closed."""

from __future__ import annotations

from typing import Any

import pytest

from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.keeping import checking
from levity_trio.store.writes.money import ledger
from levity_trio.store.writes.transactions import decisions
from levity_trio.store.writes.transactions.decisions import Decision
from tests.store.bills import Biller, charge, house_of_two, month_is_over
from tests.store.books import Books, Station
from tests.store.reading import view


@pytest.fixture
def biller(books: Books) -> Biller:
    """Three closed months: two households, a correction and a credit that was paid out."""
    biller = Biller(house_of_two(books))
    station = Station(books)
    first = charge(station)
    charge(station, 6000, "Ben")
    month_is_over(books, 3)
    biller.close("2026-03")
    books.run(
        decisions.correct,
        first,
        decisions.Correction(figure_wh=1000),
        Decision("cleo", "seen", books.at),
    )
    month_is_over(books, 4)
    biller.close("2026-04")
    charge(station, 7000, "Ben")
    month_is_over(books, 5)
    biller.close("2026-05")
    return biller


def found(books: Books) -> list[str]:
    db = view(books.connection)
    changed = [f"evidence of {one.statement}" for one in checking.evidence(db) if one.differing]
    return [*checking.sealed(db), *checking.sums(db), *changed]


@pytest.mark.sqlite
def test_sound_statements(biller: Biller) -> None:
    assert found(biller.books) == []
    assert biller.books.value("SELECT count(*) FROM statement") == 4


def behind_the_guards(books: Books, sql: str) -> None:
    for (name,) in books.rows("SELECT name FROM sqlite_schema WHERE type = 'trigger'"):
        books.connection.execute(f"DROP TRIGGER {name}")
    books.connection.execute("PRAGMA foreign_keys = OFF")
    books.connection.execute(sql)


ADD = (
    "INSERT INTO position "
    "SELECT 99, 1, 1, 'session', tx_id, month, NULL, '', cp_id, conn_id, id_tag, vehicle_id, "
    "started_at, ended_at, 5, split, 0, '[]', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
    "FROM position WHERE id = 1"
)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE statement SET total = total - 1 WHERE number = 2", "statement 2 was changed"),
        (
            "UPDATE statement SET total = total - 1 WHERE number = 2",
            "statement 2: its total is 179",
        ),
        ("UPDATE position SET energy_wh = 1 WHERE statement_id = 1", "statement 1 was changed"),
        (
            "UPDATE position SET amount = 1 WHERE statement_id = 1",
            "statement 1: a position is not the sum",
        ),
        (
            "UPDATE position SET lines = '[]' WHERE statement_id = 1",
            "statement 1: its taxes are not",
        ),
        ("UPDATE position SET told = '\"free\"' WHERE statement_id = 1", "statement 1 was changed"),
        ("UPDATE position SET end_wh = 9 WHERE statement_id = 1", "statement 1 was changed"),
        ("UPDATE position SET meter_serial = 'X' WHERE statement_id = 1", "statement 1 was"),
        ("UPDATE statement SET before = NULL WHERE number = 1", "statement 1 was changed"),
        ("UPDATE statement SET (evidence, evidence_until) = (NULL, NULL)", "evidence of 1"),
        ("UPDATE statement SET evidence = NULL", "evidence of 4"),
        ("UPDATE statement_party SET sheet = NULL WHERE statement_id = 1", "what statement 1 says"),
        ("DELETE FROM position WHERE statement_id = 1", "statement 1 was changed"),
        (ADD, "statement 1 was changed"),
        (
            (
                "UPDATE statement_party "
                "SET party = replace(party, 'Anna', 'Hans') "
                "WHERE statement_id = 1"
            ),
            "the names on",
        ),
        ("UPDATE statement SET digest = 'x' || digest WHERE number = 4", "statement 4 was changed"),
        ("UPDATE statement SET number = 9 WHERE number = 4", "there is no statement 4"),
        ("DELETE FROM statement WHERE number = 3", "there is no statement 3"),
        (
            "UPDATE closing SET statements = 7 WHERE month = '2026-03'",
            "the closing of 2026-03 was changed",
        ),
        (
            "UPDATE ledger SET amount = amount + 100 WHERE statement_id = 1",
            "account 1: its statements ask for 30",
        ),
        ("DELETE FROM ledger WHERE statement_id = 2", "account 2: its statements ask for 390"),
    ],
)
def test_what_was_changed_is_found(biller: Biller, sql: str, words: str) -> None:
    behind_the_guards(biller.books, sql)
    assert [line for line in found(biller.books) if line.startswith(words)], found(biller.books)


@pytest.mark.sqlite
def test_a_statement_that_was_made_anew_with_new_digests_does_not_follow(biller: Biller) -> None:
    """Somebody who knows how seals are made must change all later ones too, and those stand on
    paper."""
    behind_the_guards(
        biller.books, "UPDATE statement SET content = 'x', digest = 'y' WHERE number = 1"
    )
    assert "statement 2 does not follow the one before: one of them was made later" in found(
        biller.books
    )


@pytest.mark.sqlite
def test_names_can_go_and_the_figures_still_prove_themselves(biller: Biller) -> None:
    gone = (
        "UPDATE statement_party "
        "SET party = NULL, removed_at = '2036', removed_by = 'cleo' "
        "WHERE statement_id = 1"
    )
    biller.books.connection.execute(gone)
    assert found(biller.books) == []


# A crash


class Stop(Exception):
    """Where the program is killed."""


@pytest.fixture
def ready(books: Books) -> Biller:
    biller = Biller(house_of_two(books))
    station = Station(books)
    charge(station)
    charge(station, 6000, "Ben")
    month_is_over(books, 3)
    return biller


MORE_THAN_A_CLOSING_HAS = 32


@pytest.mark.logs_errors  # where sessions are booked
@pytest.mark.parametrize("statement", range(1, MORE_THAN_A_CLOSING_HAS + 1))
def test_a_closing_is_whole_or_nothing(
    ready: Biller, statement: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    biller, left = ready, [statement]
    found = biller.closable("2026-03")
    execute, insert = UnitOfWork.execute, UnitOfWork.insert

    def counted(whole: Any) -> Any:
        def run(db: UnitOfWork, sql: str, parameters: Any = ()) -> Any:
            left[0] -= 1
            if left[0] <= 0:  # also when the write is tried again alone
                raise Stop
            return whole(db, sql, parameters)

        return run

    before = dump(biller.books.connection)
    with monkeypatch.context() as patched:
        patched.setattr(UnitOfWork, "execute", counted(execute))
        patched.setattr(UnitOfWork, "insert", counted(insert))
        try:
            biller.books.run(ledger.close_month, found)
        except Stop:
            assert dump(biller.books.connection) == before
    assert biller.books.value("SELECT count(*) FROM statement WHERE number IS NOT NULL") in (0, 2)
    assert (left[0] > 0) == (biller.books.count("closing") == 1)
    assert left[0] > 0 or statement < MORE_THAN_A_CLOSING_HAS


def dump(connection: FileConnection) -> list[object]:
    """Return all rows of a database."""
    return list(connection.iterdump())
