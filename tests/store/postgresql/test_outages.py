"""PostgreSQL is killed and started again: the same store goes on, nothing is lost and nothing
doubled."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from levity_trio.store.engine.faults import DatabaseFault
from levity_trio.store.postgresql.store import PostgresqlStore, open_store
from tests.postgresql import Server
from tests.store.batches import keep
from tests.store.postgresql.relay import Side, relayed
from tests.store.postgresql.stored import commit_at_last, kept, name_of, new_database

COMMIT_BYTES = 12


@contextmanager
def starting(server: Server) -> Iterator[threading.Event]:
    """Start the server once more, in a thread, when the event is set."""
    is_killed = threading.Event()

    def start() -> None:
        is_killed.wait()
        server.start()

    thread = threading.Thread(target=start)
    thread.start()
    try:
        yield is_killed
    finally:
        is_killed.set()
        thread.join()


def refuse(store: PostgresqlStore, name: str) -> None:
    with pytest.raises(DatabaseFault):
        store.commit([keep(name)])


def test_killed_between_batches(server: Server) -> None:
    address = new_database(server)
    with open_store(address, "levity") as store:
        store.commit([keep("a"), keep("b")])
        server.kill()
        for _ in range(3):
            refuse(store, "never")
        server.start()
        store.commit([keep("c")])
    assert kept(address) == ["a", "b", "c"]


def test_killed_while_the_writes_run(server: Server) -> None:
    address = new_database(server)
    with open_store(address, "levity") as store:
        store.commit([keep("a")])
        writes = [keep("b"), keep("c", server.kill), keep("d")]
        commit_at_last(store, writes, server.start)
        assert kept(address) == ["a", "b", "c", "d"]
        store.commit([keep("e")])
    assert kept(address) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("side", "number"), [(Side.CLIENT, 0), (Side.CLIENT, COMMIT_BYTES), (Side.SERVER, 0)]
)
def test_killed_during_a_commit(server: Server, side: Side, number: int) -> None:
    """The store waits until it is back, and asks."""
    address = new_database(server)
    with (
        relayed(server.folder) as relay,
        starting(server) as is_killed,
        open_store(relay.address(name_of(address)), "levity") as store,
    ):

        def kill_it() -> None:
            server.kill()
            is_killed.set()

        commit_at_last(store, [keep("a", lambda: relay.cut(side, number, kill_it))], lambda: None)
        assert relay.cuts == 1
        store.commit([keep("b")])
    assert kept(address) == ["a", "b"]


def test_stopped_and_started(server: Server) -> None:
    """As an upgrade of PostgreSQL does it."""
    address = new_database(server)
    with open_store(address, "levity") as store:
        store.commit([keep("a")])
        server.stop()
        refuse(store, "never")
        server.start()
        store.commit([keep("b")])
    assert kept(address) == ["a", "b"]


def test_the_store_is_closed_while_the_database_is_away(server: Server) -> None:
    address = new_database(server)
    with open_store(address, "levity") as store:
        store.commit([keep("a")])
        server.kill()
    server.start()
    assert kept(address) == ["a"]
