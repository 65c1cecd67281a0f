"""A connection that is cut during a COMMIT: the batch is stored exactly once, whatever of the
exchange got through."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import pytest

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.database import UnitOfWork, Write
from levity_trio.store.postgresql.connection import SETTINGS
from levity_trio.store.postgresql.store import PostgresqlStore, open_store
from tests.postgresql import Server
from tests.store.batches import fact, keep
from tests.store.postgresql.relay import Relay, Side, relayed
from tests.store.postgresql.stored import commit_at_last, kept, name_of, new_database

COMMIT = b"Q\0\0\0\x0bCOMMIT\0"
COMMITTED = b"C\0\0\0\x0bCOMMIT\0"
READY = b"Z\0\0\0\x05I"
CUTS = [(Side.CLIENT, number) for number in range(len(COMMIT) + 1)]
CUTS += [(Side.SERVER, number) for number in range(len(COMMITTED + READY) + 1)]
TELLING_CUTS = [(side, number) for side in Side for number in range(0, 121, 8)]
"""Cuts of the longer exchange of a server that has others to tell."""
LATER_CUTS = [(Side.CLIENT, 0), (Side.CLIENT, 60), (Side.SERVER, 5), (Side.SERVER, 400)]
"""Cuts of the connection on which the store asks what became of the commit."""
LOCK_TIMEOUT = b"55P03"
SECONDS = 30.0


class Site(NamedTuple):
    """A store whose connections go through a relay, and the address of its database without the
    relay."""

    server: Server
    relay: Relay
    store: PostgresqlStore
    direct: PostgresqlAddress

    def kept(self) -> list[str]:
        return kept(self.direct)


@pytest.fixture(scope="module")
def site(server: Server) -> Iterator[Site]:
    direct = new_database(server)
    with (
        relayed(server.folder) as relay,
        open_store(relay.address(name_of(direct)), "levity") as store,
    ):
        yield Site(server, relay, store, direct)


@pytest.mark.parametrize(("side", "number"), CUTS)
def test_a_commit_cut_after_each_byte(site: Site, side: Side, number: int) -> None:
    before, cuts, name = site.kept(), site.relay.cuts, f"{side} {number}"
    results = commit_at_last(
        site.store, [keep(name, partial(site.relay.cut, side, number))], lambda: None
    )
    assert site.relay.cuts == cuts + 1
    assert [result.unwrap() for result in results] == [name]
    assert [list(result.facts) for result in results] == [[fact(name)]]
    assert site.kept() == [*before, name]


@pytest.mark.parametrize(("side", "number"), TELLING_CUTS)
def test_a_commit_beside_others_cut_after_some_bytes(site: Site, side: Side, number: int) -> None:
    before, name = site.kept(), f"beside others {side} {number}"
    with open_store(site.direct, "other") as other:
        commit_at_last(
            site.store, [keep(name, partial(site.relay.cut, side, number))], lambda: None
        )
        commit_at_last(other, [keep(f"{name}, told")], lambda: None)
    assert site.kept() == [*before, name, f"{name}, told"]


def test_the_exchange_is_what_the_cuts_assume(site: Site) -> None:
    asked, answered = site.relay.saw(COMMIT), site.relay.saw(COMMITTED + READY)
    commit_at_last(site.store, [keep("whole")], lambda: None)  # the last cut left no connection
    assert asked.wait(SECONDS)
    assert answered.wait(SECONDS)


@pytest.mark.parametrize(("side", "number"), LATER_CUTS)
@pytest.mark.parametrize("answered", [0, 1])
def test_the_question_what_became_of_it_is_cut_too(
    site: Site, side: Side, number: int, answered: int
) -> None:
    before, cuts, name = site.kept(), site.relay.cuts, f"{answered} and {side} {number}"
    again = partial(site.relay.cut, side, number)
    cut = partial(site.relay.cut, Side.SERVER, answered, again)
    commit_at_last(site.store, [keep(name, cut)], lambda: None)
    assert site.relay.cuts == cuts + 2
    assert site.kept() == [*before, name]


def freeze(then: Callable[[], None], frozen: list[int]) -> Write:
    """A write that stops its backend, once; it executes nothing more, not even a COMMIT in its
    socket."""

    def write(db: UnitOfWork) -> None:
        if not frozen:
            frozen.extend(db.rows("SELECT pg_backend_pid()")[0])
            os.kill(frozen[0], signal.SIGSTOP)
            then()

    return write


def thaw_after(event: threading.Event, frozen: list[int]) -> None:
    try:
        assert event.wait(SECONDS)
    finally:
        os.kill(frozen[0], signal.SIGCONT)


@pytest.mark.parametrize("number", [0, 5, len(COMMIT)])
def test_a_frozen_backend_has_the_commit_in_its_socket(
    site: Site, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The store asks until the row of the server is free: before, no answer would be true for
    ever."""
    monkeypatch.setitem(SETTINGS, "lock_timeout", "100ms")
    before, frozen, name = site.kept(), list[int](), f"frozen after {number}"
    has_waited = site.relay.saw(LOCK_TIMEOUT)
    thawing = threading.Thread(target=thaw_after, args=(has_waited, frozen))
    thawing.start()
    writes = [keep(name), freeze(partial(site.relay.cut, Side.CLIENT, number), frozen)]
    commit_at_last(site.store, writes, lambda: None)
    thawing.join()
    assert has_waited.is_set()
    assert site.kept() == [*before, name]


def test_a_connection_cut_before_the_commit(site: Site) -> None:
    """Cut after the first statement: nothing of the batch is there, and it is committed again."""
    before, cuts = site.kept(), site.relay.cuts
    first = keep("one", partial(site.relay.cut, Side.CLIENT, 20))
    commit_at_last(site.store, [first, keep("two")], lambda: None)
    assert site.relay.cuts == cuts + 1
    assert site.kept() == [*before, "one", "two"]


def test_a_backend_that_is_ended_while_it_is_asked_to_commit(site: Site) -> None:
    """What pg_terminate_backend, an administrator's stop, or a crash of another backend does."""
    before, ended = site.kept(), list[int]()

    def end(db: UnitOfWork) -> None:
        if not ended:
            ended.extend(db.rows("SELECT pg_backend_pid()")[0])
            site.server.sql(f"SELECT pg_terminate_backend({ended[0]}, 5000)")

    commit_at_last(site.store, [keep("ended"), end], lambda: None)
    assert site.kept() == [*before, "ended"]
