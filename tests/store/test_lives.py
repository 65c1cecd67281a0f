"""The life of a transaction in the database follows the table, for every order of causes."""

from collections.abc import Iterator
from contextlib import closing
from itertools import product
from random import Random

import pytest

from levity_trio.charging.lifecycle import TABLE, Cause, Kind, State, Step
from levity_trio.store.engine.database import UnitOfWork
from levity_trio.store.engine.file_store import FileConnection
from levity_trio.store.writes.transactions.readings import MOVE, MOVE_OR_STAY
from levity_trio.wire.times import minutes_before
from tests.sizes import size
from tests.store.books import Books, in_memory
from tests.store.lives import ACTS, Living, by_the_table, lived

LONGEST = 5
SAMPLES = size(2000, 350)
SEED = 8
WAYS: dict[State, tuple[Cause, ...]] = {
    State.OPEN: (),
    State.SUSPENDED: (Cause.BOOT,),
    State.STOPPED: (Cause.STOP,),
    State.JOINED: (Cause.JOINED_STOP,),
    State.CLOSED: (Cause.OPERATOR,),
}


@pytest.fixture
def empty() -> Iterator[FileConnection]:
    with closing(in_memory()) as connection:
        yield connection


@pytest.mark.parametrize("state", WAYS)
@pytest.mark.parametrize("act", ACTS)
def test_each_step_of_the_table(empty: FileConnection, state: State, act: Cause) -> None:
    acts = (*WAYS[state], act)
    assert lived(empty, acts) == by_the_table(acts)


def test_every_order_of_any_two_after_each_state(empty: FileConnection) -> None:
    for state, *acts in product(WAYS, ACTS, ACTS):
        whole = (*WAYS[state], *acts)
        assert lived(empty, whole) == by_the_table(whole), whole


def test_orders_of_five(empty: FileConnection) -> None:
    chance, seen = Random(SEED), set[State]()
    for _ in range(SAMPLES):
        acts = tuple(chance.choices(ACTS, k=LONGEST))
        life = lived(empty, acts)
        assert life == by_the_table(acts), acts
        seen.add(life.state)
    assert seen == set(WAYS)


def test_another_stop_without_an_id_is_set_aside(books: Books) -> None:
    """Minutes later, and with another register, it may belong to another car."""
    living = Living(books)
    life = living.live((Cause.JOINED_STOP,))
    books.wait(10)
    living.station.stop(-1, 5000)
    assert living.life == life
    assert books.count("set_aside") == 1


def test_the_same_stop_without_an_id_and_with_another_reason_is_a_second_one(books: Books) -> None:
    living = Living(books)
    books.wait(10)
    at = living.station.clock()
    living.station.stop(-1, 2000, at=at, reason="Local")
    living.station.stop(-1, 2000, at=at, reason="Remote")
    assert living.life == by_the_table((Cause.JOINED_STOP, Cause.JOINED_STOP))
    open_ones = books.rows("SELECT code FROM review WHERE resolved_at IS NULL ORDER BY id")
    assert open_ones == [("stop_without_id",), ("second_stop",)]


# The reading that merely goes on


@pytest.mark.parametrize("move", [MOVE, MOVE_OR_STAY])
@pytest.mark.parametrize("state", WAYS)
def test_the_short_cut_is_taken_where_the_table_says_that_a_sign_changes_nothing(
    books: Books, state: State, move: str
) -> None:
    """Where a transaction runs and nothing follows from a sign, a newer reading only moves it on:
    one statement."""
    living = Living(books)
    living.live(WAYS[state])
    assert living.state is state
    is_running = state in (State.OPEN, State.SUSPENDED)
    goes_on = is_running and TABLE[state, Cause.SIGN] == Step(state, None)
    books.wait(1)
    assert bool(moved(living, move)) == goes_on


@pytest.mark.parametrize(("move", "again"), [(MOVE, 0), (MOVE_OR_STAY, 1)])
def test_the_short_cut_is_not_taken_by_an_older_reading(
    books: Books, move: str, again: int
) -> None:
    living = Living(books)
    books.wait(10)
    assert len(moved(living, move)) == 1
    assert len(moved(living, move)) == again
    assert moved(living, move, minutes_ago=1) == []


def test_the_short_cut_is_not_taken_behind_a_reading_that_lay_ahead(books: Books) -> None:
    living = Living(books)
    books.wait(10)
    books.connection.execute("UPDATE tx SET ahead_reading_at = ?", (living.books.at,))
    assert moved(living, MOVE) == moved(living, MOVE_OR_STAY) == []


@pytest.mark.parametrize(("charger", "connector"), [("CP-2", 1), ("CP-1", 2)])
def test_the_short_cut_is_not_taken_elsewhere(books: Books, charger: str, connector: int) -> None:
    living = Living(books)
    books.wait(10)
    assert moved(living, MOVE, charger=charger, connector=connector) == []


def moved(
    living: Living, move: str, *, minutes_ago: int = 0, charger: str = "CP-1", connector: int = 1
) -> list[tuple[object, ...]]:
    """Return what the statement changes for a reading of the transaction."""
    at = minutes_before(living.books.at, minutes_ago)

    def write(db: UnitOfWork) -> list[tuple[object, ...]]:
        return db.rows(
            move, (at, living.wh, living.books.at, living.transaction, charger, connector)
        )

    return living.books.run(write)


def test_a_reading_that_goes_on_adds_no_event_and_one_that_resumes_adds_one(books: Books) -> None:
    living = Living(books)
    assert living.live((Cause.RISE, Cause.SIGN)).told == []
    assert [told.kind for told in living.live((Cause.BOOT, Cause.RISE)).told] == [
        Kind.SUSPEND,
        Kind.RESUME,
    ]
