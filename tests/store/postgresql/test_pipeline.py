"""Statements whose outcome nobody asks for go to PostgreSQL together; each fails as if it had been
waited for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.database import UnitOfWork, Write
from levity_trio.store.postgresql.store import open_store
from tests.postgresql import Server
from tests.store.batches import ADD, fact, keep, repeat_a_key_unseen
from tests.store.postgresql.relay import Side, relayed
from tests.store.postgresql.stored import commit_at_last, kept, name_of, new_database

FEW = 20


@pytest.fixture
def address(server: Server) -> PostgresqlAddress:
    return new_database(server)


def record(name: str, then: Callable[[], None] = lambda: None) -> Write:
    def write(db: UnitOfWork) -> None:
        db.record(fact(name))
        then()

    return write


def raise_after_it(db: UnitOfWork) -> None:
    repeat_a_key_unseen(db)
    raise ValueError("of the write itself")


def read_after_it(db: UnitOfWork) -> None:
    repeat_a_key_unseen(db)
    db.rows("SELECT 1")


def test_they_go_together(server: Server, address: PostgresqlAddress) -> None:
    with (
        relayed(server.folder) as relay,
        open_store(relay.address(name_of(address)), "levity") as store,
    ):
        store.commit([record("first")])
        before = relay.exchanges
        store.commit([record(str(number)) for number in range(FEW)])
        assert relay.exchanges - before < FEW / 2
    assert kept(address) == ["first", *map(str, range(FEW))]


@pytest.mark.parametrize("failing", [repeat_a_key_unseen, raise_after_it, read_after_it])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_that_fails_is_undone_alone(
    address: PostgresqlAddress, failing: Write, position: int
) -> None:
    writes: list[Write] = [record("a"), record("b")]
    writes.insert(position, failing)
    with open_store(address, "levity") as store:
        results = store.commit(writes)
    assert [type(result.error) for result in results if result.error] in (
        [sqlite3.IntegrityError],
        [ValueError],
    )
    assert results[position].error
    assert kept(address) == ["a", "b"]


def test_one_that_fails_is_not_taken_for_the_attempt_after_it(address: PostgresqlAddress) -> None:
    errors = []

    def write(db: UnitOfWork) -> None:
        repeat_a_key_unseen(db)
        errors.append(db.attempt(lambda: db.execute(ADD), 10))

    with open_store(address, "levity") as store:
        first, second = store.commit([write, record("a")])
    assert isinstance(first.error, sqlite3.IntegrityError)
    assert (second.error, errors) == (None, [])
    assert kept(address) == ["a"]


def test_one_in_an_attempt_is_its_own(address: PostgresqlAddress) -> None:
    def write(db: UnitOfWork) -> str:
        error = db.attempt(lambda: repeat_a_key_unseen(db), 10)
        db.execute(ADD)
        return type(error).__name__

    with open_store(address, "levity") as store:
        (result,) = store.commit([write])
    assert result.unwrap() == "IntegrityError"


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("number", [0, 1, 20, 60])
def test_a_connection_lost_on_the_way(
    server: Server, address: PostgresqlAddress, side: Side, number: int
) -> None:
    """The batch is stored once, over another connection."""
    with (
        relayed(server.folder) as relay,
        open_store(relay.address(name_of(address)), "levity") as store,
    ):
        store.commit([keep("first"), record("second")])
        cuts = iter([number])

        def cut_once() -> None:
            for after in cuts:
                relay.cut(side, after)

        writes = [record("a"), record("b", cut_once), record("c")]
        commit_at_last(store, writes, lambda: None)
        assert relay.cuts == 1
        store.commit([record("d")])
    assert kept(address) == ["first", "second", "a", "b", "c", "d"]
