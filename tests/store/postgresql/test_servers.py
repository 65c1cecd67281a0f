"""Several stores on one database: the order of their batches, what they learn of each other, leases
and duties."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from math import inf

import pytest
import trio
from structlog.typing import EventDict

from levity_trio.config.settings import PostgresqlAddress
from levity_trio.store.engine.database import INSERT_COMMAND, UnitOfWork
from levity_trio.store.postgresql.connection import PostgresqlConnection, connect
from levity_trio.store.postgresql.servers import listen
from levity_trio.store.postgresql.store import LeaseEnded, PostgresqlStore, open_store
from levity_trio.store.reads.reader import Reader
from levity_trio.store.upkeep import following
from levity_trio.store.upkeep.following import CLOCKS_AGREE, CLOCKS_APART
from tests.postgresql import Server
from tests.store.batches import fail, keep
from tests.store.postgresql.stored import change, commit_at_last, kept, new_database, query

BATCHES = 30
LASTING = "UPDATE levity.server SET since = since - interval '1 hour'"
"""What makes all servers old enough to judge who is gone."""


def silent(name: str) -> str:
    """What the passage of time does to a server that is silent."""
    return (
        "UPDATE levity.server "
        "SET until = clock_timestamp() - interval '1 second' "
        f"WHERE name = '{name}'"
    )


@pytest.fixture
def address(server: Server) -> PostgresqlAddress:
    return new_database(server)


@pytest.fixture
def stores(address: PostgresqlAddress) -> Iterator[Sequence[PostgresqlStore]]:
    with ExitStack() as opened:
        yield [opened.enter_context(open_store(address, name)) for name in ("one", "two")]


def learned(store: PostgresqlStore) -> list[str]:
    return [json.loads(data)["csr"] for news in store.take_news() for _, data in news.facts]


def nothing(db: UnitOfWork) -> None:
    """Store nothing."""


def ask(message_id: str) -> Callable[[UnitOfWork], object]:
    """A write that queues a command."""

    def write(db: UnitOfWork) -> object:
        db.execute(
            "INSERT INTO cp (id, created_at, updated_at) "
            "VALUES ('CP', '', '') ON CONFLICT DO NOTHING"
        )
        row = ("CP", "Reset", "{}", message_id, "2026", "anna", None, None, None, 0, None, None)
        return db.insert(INSERT_COMMAND, row)

    return write


def look(db: UnitOfWork) -> tuple[list[str], bool]:
    return db.end_lapsed(), db.take_duties()


def looked(store: PostgresqlStore) -> tuple[list[str], bool]:
    (result,) = store.commit([look])
    found: tuple[list[str], bool] = result.unwrap()  # type: ignore[assignment]
    return found


def test_a_batch_learns_what_the_other_stored_before_it(stores: Sequence[PostgresqlStore]) -> None:
    one, two = stores
    one.commit([keep("a"), keep("b")])
    two.commit([keep("c")])
    assert learned(two) == ["a", "b"]
    one.commit([nothing])
    assert learned(one) == ["c"]
    for store in stores:
        store.commit([nothing])
        assert learned(store) == []


def test_a_batch_waits_for_more_writes_beside_others_only(address: PostgresqlAddress) -> None:
    with open_store(address, "one") as one:
        one.commit([nothing])
        assert one.gather_seconds == 0
        with open_store(address, "two"):
            one.commit([nothing])
            assert one.gather_seconds > 0
        one.commit([nothing])
        assert one.gather_seconds == 0


def test_nobody_learns_its_own_facts(address: PostgresqlAddress) -> None:
    """Also not those that it stored while it was alone, or beside a write that failed."""
    with open_store(address, "one") as one:
        one.commit([keep("a")])
        with open_store(address, "two") as two:
            one.commit([keep("b"), fail(ValueError("a bug"))])
            two.commit([keep("c")])
            one.commit([keep("d")])
            assert (learned(one), learned(two)) == (["c"], ["b"])
        one.commit([nothing])
        assert learned(one) == []


def test_who_joins_learns_nothing_of_before(address: PostgresqlAddress) -> None:
    with open_store(address, "one") as one:
        one.commit([keep("a"), ask("m1")])
        with open_store(address, "two") as two:
            two.commit([nothing])
            assert two.take_news() == []


def test_what_was_learned_before_a_fault_is_not_lost(
    address: PostgresqlAddress, server: Server
) -> None:
    with open_store(address, "one") as one, open_store(address, "two") as two:
        one.commit([keep("a")])
        end = (
            "SELECT pg_terminate_backend(pid, 5000) "
            "FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        )
        commit_at_last(two, [keep("b", lambda: server.sql(end))], lambda: None)
        assert learned(two) == ["a"]
        commit_at_last(one, [nothing], lambda: None)
        assert learned(one) == ["b"]
    assert kept(address) == ["a", "b"]


def test_commands_are_learned(stores: Sequence[PostgresqlStore]) -> None:
    one, two = stores
    (command,) = one.commit([ask("m1")])
    two.commit([ask("m2")])
    two.commit([nothing])
    found = [row for news in two.take_news() for row in news.commands]
    assert found[0] == (command.unwrap(), "CP", "m1", None)
    assert [row[2] for row in found] == ["m1", "m2"]  # its own is known to its asker already


def test_commands_of_one_that_has_left_are_learned(address: PostgresqlAddress) -> None:
    """Also if it came and went between two batches of the other."""
    with open_store(address, "one") as one:
        one.commit([nothing])
        with open_store(address, "two") as two:
            two.commit([ask("m1"), keep("it was here")])
        one.commit([nothing])
        with open_store(address, "two") as two:
            one.commit([nothing])
            two.commit([ask("m2")])
        one.commit([nothing])
        assert [row[2] for news in one.take_news() for row in news.commands] == ["m1", "m2"]


def test_batches_of_both_run_one_after_the_other(address: PostgresqlAddress) -> None:
    """Each learns all facts of the other, in the order of their ids, which is that of the
    commits."""

    def run(name: str) -> list[str]:
        with open_store(address, name) as store:
            seen: list[str] = []
            for number in range(BATCHES):
                store.commit([keep(f"{name} {number}"), keep(f"{name} {number} again")])
                seen += learned(store)
            return seen

    names = ("one", "two", "three")
    with ExitStack() as opened, ThreadPoolExecutor(len(names)) as pool:
        opened.enter_context(open_store(address, "watch"))
        seen = dict(zip(names, pool.map(run, names), strict=True))
    stored = kept(address)
    assert len(stored) == len(names) * BATCHES * 2
    for name in names:
        others = [fact for fact in stored if not fact.startswith(name)]
        first = others.index(seen[name][0]) if seen[name] else 0
        assert seen[name] == others[first : first + len(seen[name])]


def test_a_lease_that_has_run_out_is_ended_by_another(address: PostgresqlAddress) -> None:
    with ExitStack() as first, open_store(address, "two") as two:
        one = first.enter_context(open_store(address, "one"))
        assert looked(two) == ([], True)
        change(address, f"{LASTING}; {silent('one')}")
        assert looked(two)[0] == ["one"]
        assert looked(two)[0] == []
        with pytest.raises(LeaseEnded, match="its lease was ended"):
            one.commit([keep("never")])
    assert kept(address) == []


def test_who_was_cut_off_itself_cannot_tell_who_is_gone(stores: Sequence[PostgresqlStore]) -> None:
    """After an outage of the database all leases have run out; whoever is back first must not end
    the others'."""
    one, two = stores
    change(PostgresqlAddress(one.path), f"{LASTING}; {silent('one')}; {silent('two')}")
    assert looked(two)[0] == []
    one.commit([keep("a")])


def test_who_stored_nothing_for_a_while_cannot_tell_who_is_gone(
    stores: Sequence[PostgresqlStore],
) -> None:
    """The lease of the other has run out in an outage after which one's own still holds."""
    one, two = stores
    half = (
        "UPDATE levity.server "
        "SET until = clock_timestamp() + interval '7 seconds' "
        "WHERE name = 'two'"
    )
    change(PostgresqlAddress(one.path), f"{LASTING}; {silent('one')}; {half}")
    assert looked(two)[0] == []
    change(PostgresqlAddress(one.path), f"{LASTING}; {silent('one')}")
    assert looked(two)[0] == ["one"]


def test_a_long_batch_keeps_its_lease_and_judges_nobody(
    stores: Sequence[PostgresqlStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = stores
    two.commit([nothing])
    change(PostgresqlAddress(one.path), LASTING)
    monkeypatch.setattr("levity_trio.store.postgresql.store.LONG_SECONDS", 0.0)
    two.commit([lambda db: db.execute(silent("two"))])
    monkeypatch.undo()
    assert (
        query(
            PostgresqlAddress(one.path),
            "SELECT name FROM levity.server WHERE until < clock_timestamp()",
        )
        == []
    )
    change(PostgresqlAddress(one.path), silent("one"))
    assert looked(two)[0] == []


def test_who_has_just_come_cannot_tell_who_is_gone(stores: Sequence[PostgresqlStore]) -> None:
    change(PostgresqlAddress(stores[0].path), silent("one"))
    assert looked(stores[1])[0] == []


def test_the_duties_go_to_another_when_their_holder_ends(address: PostgresqlAddress) -> None:
    with open_store(address, "two") as two:
        with open_store(address, "one") as one:
            assert looked(one)[1]
            assert not looked(two)[1]
        assert looked(two) == ([], True)
        with open_store(address, "one") as one:
            assert not looked(one)[1]


def test_the_duties_of_one_that_is_silent(address: PostgresqlAddress) -> None:
    """They are taken in the same batch that ends its lease, so that nobody ever has them twice."""
    with ExitStack() as first, open_store(address, "two") as two:
        one = first.enter_context(open_store(address, "one"))
        assert looked(one)[1]
        change(address, f"{LASTING}; {silent('one')}")
        assert looked(two) == (["one"], True)
        with pytest.raises(LeaseEnded):
            looked(one)


def test_until_when_a_server_may_answer(address: PostgresqlAddress) -> None:
    """Alone: for ever. Beside others: until shortly before its lease ends."""
    with open_store(address, "one") as one:
        one.commit([nothing])
        assert one.held_until == inf
        with open_store(address, "two"):
            one.commit([nothing])
            assert 10 < one.held_until - time.monotonic() < 15
        one.commit([nothing])
        assert one.held_until == inf


def test_another_that_comes_during_the_wait_for_the_turn(address: PostgresqlAddress) -> None:
    with (
        open_store(address, "one") as one,
        closing(PostgresqlConnection(connect(address))) as other,
    ):
        one.commit([nothing])
        other.run("BEGIN; SELECT 1 FROM levity.counted WHERE name = 'event' FOR UPDATE")
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(one.commit, [nothing])
            while not query(
                address, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            ):
                time.sleep(0.01)
            other.run("INSERT INTO levity.server VALUES ('two', 1, 0, clock_timestamp()); COMMIT")
            waiting.result()
        assert one.held_until < inf


def test_a_turn_that_is_held_too_long(stores: Sequence[PostgresqlStore]) -> None:
    """A frozen server in the middle of a batch: its connection is ended by the database, and the
    others go on."""
    faults: list[str] = []
    with closing(PostgresqlConnection(connect(stores[0].path))) as frozen:
        frozen.run("BEGIN; SELECT 1 FROM levity.counted WHERE name = 'event' FOR UPDATE")
        commit_at_last(stores[1], [keep("a")], lambda: faults.append("fault"))
    assert not faults
    assert kept(PostgresqlAddress(stores[0].path)) == ["a"]


def test_what_another_stores_is_heard(stores: Sequence[PostgresqlStore]) -> None:
    one, two = stores
    heard: list[str] = []

    async def hear() -> None:
        async with trio.open_nursery() as nursery:
            for name in ("one", "two"):
                nursery.start_soon(listen, one.path, name, lambda name=name: heard.append(name))
            with trio.fail_after(60):
                while len(heard) < 2:  # noqa: ASYNC110 - each is woken at its start, for what it missed
                    await trio.sleep(0.01)
                await trio.to_thread.run_sync(one.commit, [nothing])
                await trio.to_thread.run_sync(one.commit, [keep("a")])
                while heard.count("two") < 2:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()

    trio.run(hear)
    assert heard.count("one") == 1
    assert [
        name
        for (name,) in query(
            PostgresqlAddress(one.path), "SELECT name FROM levity.server ORDER BY 1"
        )
    ] == [
        "one",
        "two",
    ]
    two.commit([nothing])


def test_clocks_that_are_apart_are_told_once(
    stores: Sequence[PostgresqlStore], log_lines: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "COMPARE_SECONDS", 0.01)
    ahead = [1.0] * 2 + [3.0] * 3 + [0.0] * 6 + [-3.0] * 6
    """Two for each comparison; one if our clock is found ahead."""

    def clock() -> datetime:
        if not ahead:
            raise KeyboardInterrupt  # the end: it survives any other
        return datetime.now(UTC) + timedelta(seconds=ahead.pop(0))

    with (
        closing(Reader(PostgresqlAddress(stores[0].path))) as reader,
        pytest.raises(KeyboardInterrupt),
    ):
        trio.run(following.compare_clocks, reader, clock)
    assert [line["event"] for line in log_lines] == [CLOCKS_APART, CLOCKS_AGREE, CLOCKS_APART]
