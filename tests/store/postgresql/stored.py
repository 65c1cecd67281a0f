"""Batches for a store on PostgreSQL, and what it has stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import count

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.database import Write, WriteResult
from levity_trio.store.engine.faults import DatabaseFault
from levity_trio.store.postgresql.connection import PostgresqlConnection, Row, connect, open_reader
from levity_trio.store.postgresql.store import PostgresqlStore
from tests.postgresql import MODEL, Server

TRIES = 5
_numbers = count(1)


def kept(address: PostgresqlAddress) -> list[str]:
    """Return the names of the facts that are stored, and check that their ids have no gaps."""
    found = query(address, "SELECT id, data FROM event ORDER BY id")
    assert [number for number, _ in found] == [*range(1, len(found) + 1)]
    return [json.loads(data)["csr"] for _, data in found]


def query(address: PostgresqlAddress, sql: str, *parameters: object) -> list[Row]:
    with closing(open_reader(address).conn) as connection:
        return connection.execute(sql, parameters).fetchall()


def change(address: PostgresqlAddress, sql: str) -> None:
    """Run statements of PostgreSQL on a connection of their own."""
    with closing(PostgresqlConnection(connect(address))) as connection:
        connection.run(sql)


def empty_database(server: Server) -> PostgresqlAddress:
    """Create a database without a schema."""
    name = f"site_{next(_numbers)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C'")
    return server.address(name)


def new_database(server: Server, name: str = "") -> PostgresqlAddress:
    """Create a database with the schema."""
    name = name or f"site_{next(_numbers)}"
    server.sql(f"CREATE DATABASE {name} TEMPLATE {MODEL} STRATEGY file_copy")
    server.sql("UPDATE levity.migrated SET place = levity.place()", name)
    return server.address(name)


def name_of(address: PostgresqlAddress) -> str:
    return address.partition("@/")[2].partition("?")[0]


def commit_at_last(
    store: PostgresqlStore,
    writes: Sequence[Write],
    before: Callable[[], object],
    tries: int = TRIES,
) -> list[WriteResult]:
    """Commit a batch as the writer does: after a fault of the database, the same batch again;
    `before` is called."""
    for _ in range(tries):
        try:
            return store.commit(writes)
        except DatabaseFault:
            before()
    raise AssertionError("the batch was never committed")
