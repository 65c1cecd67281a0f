"""The books as read for verification."""

from __future__ import annotations

from dataclasses import replace

from levity_trio.charging.lifecycle import DECISIONS, rows
from levity_trio.store.engine.database import Database
from levity_trio.store.reads.transactions.books import (
    NOTHING,
    BooksSince,
    LifecycleRow,
    Mark,
    booked_since,
    lifecycle_rows,
    mark,
)
from tests.store.books import Books, Station, in_memory
from tests.store.reading import view


def site() -> tuple[Books, Station, Database]:
    books = Books(in_memory())
    return books, Station(books), view(books.connection)


def test_a_transaction_is_read_as_it_would_be_billed() -> None:
    books, station, db = site()
    transaction = station.start(1000)
    books.wait(60)
    station.stop(transaction, 5000)
    station.stop(17, 5_000_000)  # set aside
    booked = read(db)
    (found,) = booked.transactions
    assert (found.id, found.charger, found.connector, found.id_tag) == (
        transaction,
        "CP-1",
        1,
        "TAG",
    )
    assert (found.meter_start, found.meter_stop, found.energy_wh, found.is_open) == (
        1000,
        5000,
        4000,
        False,
    )
    assert (found.start_time, found.stop_time) == (
        "2026-03-01T12:00:00.000Z",
        "2026-03-01T13:00:00.000Z",
    )
    assert (found.confidence, found.reviews) == ("certain", ())
    assert booked.set_aside == ("CP-1",)


def test_what_came_before_a_mark_is_left_out() -> None:
    books, station, db = site()
    station.start(1000)
    station.stop(17, 5_000_000)
    books.wait(1)
    since = mark(db)
    assert read(db, since) == BooksSince((), ())
    station.start(2000, connector=2)
    (found,) = read(db, since).transactions
    assert found.is_open


def read(db: Database, since: Mark = NOTHING) -> BooksSince:
    return replace(booked_since(db, since), life=())


def test_the_id_that_a_lone_stop_told_is_read() -> None:
    books, station, db = site()
    register = station.register(1000)
    books.wait(60)
    station.stop(-5, 4000, data=[register])
    assert [one.told_id for one in read(db).transactions] == [-5]


def test_a_review_is_what_is_open() -> None:
    books, station, db = site()
    first, second = station.start(1000), station.start(7, connector=2)
    review = (
        "INSERT INTO review (tx_id, code, words, figures, evidence, opened_at) "
        "VALUES (?, ?, 'words', '{}', '[]', '')"
    )
    for tx, code in ((second, "leap"), (second, "stray"), (first, "leap")):
        books.connection.execute(review, [tx, code])
    resolve = (
        "UPDATE review "
        "SET resolved_at = '2026', resolved_by = 'x', resolution = 'confirmed' "
        "WHERE tx_id = ?"
    )
    books.connection.execute(resolve, [first])
    assert [one.reviews for one in read(db).transactions] == [(), ("leap", "stray")]


def test_the_rows_of_the_life_cycle_are_counted() -> None:
    _, station, db = site()
    station.stop(station.start(1000), 4000)
    since = mark(db)
    life = lifecycle_rows(db)
    assert [row for row in life if row.times] == [
        LifecycleRow("open", "stop", "stop", 1),
        LifecycleRow("", "", "start", 1),
    ]
    assert [(row.state, row.cause, row.kind) for row in life[:-1]] == list(rows())
    assert {row.cause for row in life if not row.is_in_reach} == set(DECISIONS)
    assert not any(row.times for row in lifecycle_rows(db, since))
