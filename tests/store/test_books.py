"""The books as whoever checks them sees them, on today's schema and on what comes after it."""

from __future__ import annotations

from dataclasses import replace

from sqlite_utils import Database

from levity_trio.store.reads.books import NOTHING, Booked, LifecycleRow, Mark, booked_since, lifecycle_rows, mark
from tests.store.books import Books, Station, in_memory

LATER = (
    "CREATE TABLE IF NOT EXISTS review (id INTEGER PRIMARY KEY, tx_id INTEGER NOT NULL, code TEXT NOT NULL,"
    " resolved_at TEXT)"
)


def site() -> tuple[Books, Station, Database]:
    books = Books(in_memory())
    return books, Station(books), Database(books.connection)


def test_a_transaction_is_read_as_it_would_be_billed() -> None:
    books, station, db = site()
    transaction = station.start(1000)
    books.wait(60)
    station.stop(transaction, 5000)
    station.stop(17, 5_000_000)  # set aside
    booked = read(db)
    (found,) = booked.transactions
    assert (found.id, found.charger, found.connector, found.id_tag) == (transaction, "CP-1", 1, "TAG")
    assert (found.meter_start, found.meter_stop, found.energy_wh, found.is_open) == (1000, 5000, 4000, False)
    assert (found.start_time, found.stop_time) == ("2026-03-01T12:00:00.000Z", "2026-03-01T13:00:00.000Z")
    assert (found.confidence, found.reviews) == ("certain", ())
    assert booked.set_aside == ("CP-1",)


def test_what_came_before_a_mark_is_left_out() -> None:
    books, station, db = site()
    station.start(1000)
    station.stop(17, 5_000_000)
    books.wait(1)
    since = mark(db)
    assert read(db, since) == Booked((), ())
    station.start(2000, connector=2)
    (found,) = read(db, since).transactions
    assert found.is_open


def read(db: Database, since: Mark = NOTHING) -> Booked:
    """Looked at and let go, as a reader's connection does."""
    booked = booked_since(db, since)
    db.execute("COMMIT")
    return replace(booked, life=())


def test_the_id_that_a_lone_stop_told_is_read_where_it_is_kept() -> None:
    _, station, db = site()
    station.start(1000)
    if "told_id" not in {column.name for column in db["tx"].columns}:
        assert [one.told_id for one in read(db).transactions] == [None]
        db.execute("ALTER TABLE tx ADD COLUMN told_id INTEGER")
    db.execute("UPDATE tx SET told_id = -5")
    assert [one.told_id for one in read(db).transactions] == [-5]


def test_a_review_is_what_is_open() -> None:
    books, station, db = site()
    first, second = station.start(1000), station.start(7, connector=2)
    if "review" in db.table_names():
        return
    books.connection.execute("UPDATE tx SET review = 'a leap; a stray' WHERE id = ?", [first])
    assert [one.reviews for one in read(db).transactions] == [("a leap; a stray",), ()]
    db.execute(LATER)
    for tx, code, resolved_at in ((second, "leap", None), (second, "stray", None), (first, "leap", "2026")):
        db.execute("INSERT INTO review (tx_id, code, resolved_at) VALUES (?, ?, ?)", [tx, code, resolved_at])
    assert [one.reviews for one in read(db).transactions] == [(), ("leap", "stray")]


def test_the_rows_of_the_life_cycle_are_counted() -> None:
    _, station, db = site()
    station.start(1000)
    if "cause" not in {column.name for column in db["tx_event"].columns}:
        assert lifecycle_rows(db) == []
        db.execute("ALTER TABLE tx_event ADD COLUMN state TEXT")
        db.execute("ALTER TABLE tx_event ADD COLUMN cause TEXT")
        db.execute("UPDATE tx_event SET cause = 'start'")
    since = mark(db)
    assert [row for row in lifecycle_rows(db) if row.times] == [LifecycleRow("", "start", "start", 1)]
    assert not any(row.times for row in lifecycle_rows(db, since))
